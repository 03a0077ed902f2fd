package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// Protocol is what a request speaks or a destination takes.
type Protocol uint8

const (
	AnyProtocol Protocol = iota // in denies and boundaries: every protocol; invalid in an allow and in a request
	TLS
	HTTP
	TCP  // contains TLS and HTTP, which run on it
	UDP  // QUIC is UDP
	SCTP // by address alone
)

// Contains reports whether a destination of protocol p takes a request of protocol q: TCP contains TLS and HTTP, AnyProtocol all,
// the others only themselves.
func (p Protocol) Contains(q Protocol) bool {
	switch p {
	case AnyProtocol:
		return true
	case TCP:
		return q == TCP || q == TLS || q == HTTP
	}
	return p == q
}

// Transport returns what packets of p show: TCP for TLS and HTTP, which run on it, and p itself for the others.
func (p Protocol) Transport() Protocol {
	if p == TLS || p == HTTP {
		return TCP
	}
	return p
}

// String returns "TLS", "HTTP", "TCP", "UDP", "SCTP" or "any".
func (p Protocol) String() string {
	switch p {
	case AnyProtocol:
		return "any"
	case TLS:
		return "TLS"
	case HTTP:
		return "HTTP"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case SCTP:
		return "SCTP"
	}
	return "invalid"
}

// ParseProtocol parses "TLS", "HTTP", "TCP", "UDP" or "SCTP". There is no text for AnyProtocol: it is what is left out.
func ParseProtocol(s string) (Protocol, error) {
	for p := TLS; p <= SCTP; p++ {
		if p.String() == s {
			return p, nil
		}
	}
	return AnyProtocol, fmt.Errorf("%q is not a protocol; write TLS, HTTP, TCP, UDP or SCTP", s)
}

// MaxListed is how many ranges of ports, how many methods and how many paths one rule may list. What a rule says is said of each of its hosts
// or addresses, which may be many; so the other lists have to be short.
const MaxListed = 256

// A Destination is a set of requests' destinations: hosts or addresses, never both, with a protocol and ports. It lists at most [MaxListed]
// ranges of ports, methods and paths.
type Destination struct {
	Hosts     []match.Pattern
	Addresses match.Prefixes
	Protocol  Protocol
	Ports     match.Ports // empty in denies and boundaries: every port; empty in an allow: the protocol's default (443 for TLS, 80 for HTTP)
	// Methods and Paths limit requests of protocol HTTP; empty: every method, every path. Invalid with any other protocol. A destination
	// with methods or paths takes no request without one.
	Methods []string // in upper case, as in requests
	Paths   []Path
	// OriginateTLS asks the enforcement point to speak TLS on behalf of the application. Only in allows, only for HTTP by host.
	OriginateTLS *TLSOrigination
}

// String returns the canonical text of d: destinations that differ have different texts.
func (d Destination) String() string {
	parts := []string{d.Protocol.String()}
	if hosts := joined(d.Hosts); hosts != "" {
		parts = append(parts, hosts)
	}
	if !d.Addresses.IsEmpty() {
		parts = append(parts, d.Addresses.String())
	}
	if !d.Ports.IsEmpty() {
		parts = append(parts, "port "+d.Ports.String())
	}
	if len(d.Methods) > 0 {
		parts = append(parts, "methods "+strings.Join(sortedUnique(d.Methods, strings.Compare), ","))
	}
	if paths := joined(d.Paths); paths != "" {
		parts = append(parts, "paths "+paths)
	}
	if o := d.OriginateTLS; o != nil {
		parts = append(parts, "originating "+o.String())
	}
	return strings.Join(parts, " ")
}

// joined returns the texts of a list that stands for a set, in order and without duplicates.
func joined[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.String()
	}
	return strings.Join(sortedUnique(texts, strings.Compare), ",")
}

// sortedUnique returns a sorted copy of list without duplicates; nil for an empty one.
func sortedUnique[T any](list []T, compare func(a, b T) int) []T {
	if len(list) == 0 {
		return nil
	}
	out := slices.Clone(list)
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}

// TLSMode tells how TLS is originated.
type TLSMode uint8

const (
	SimpleTLS TLSMode = iota + 1 // the server proves itself
	MutualTLS                    // the client does too, with the named credential
)

func (m TLSMode) String() string {
	switch m {
	case SimpleTLS:
		return "Simple"
	case MutualTLS:
		return "Mutual"
	}
	return "invalid"
}

// TLSOrigination says how TLS is spoken to the destination.
type TLSOrigination struct {
	Port           uint16 // of the destination, such as 443
	Mode           TLSMode
	CredentialName string // the secret with the client's certificate; MutualTLS only
}

// String returns the mode, the port and, where there is one, the credential.
func (o TLSOrigination) String() string {
	s := fmt.Sprintf("%s TLS to port %d", o.Mode, o.Port)
	if o.CredentialName != "" {
		s += " with credential " + o.CredentialName
	}
	return s
}

// A Rule allows or denies its section's sources one destination; in a boundary it is one of the destinations inside.
type Rule struct {
	Name    string // unique in the policy, or empty: derived from what the rule says
	To      Destination
	Reason  string
	Owner   string
	Expires time.Time // the rule is inert from the start of this day (UTC); zero: never
	At      Position
}

// A Section holds the rules for one set of sources. Order never matters.
type Section struct {
	Allow []Rule
	Deny  []Rule
	// Within is a boundary: nothing outside the union of its destinations can be allowed to the sources, by any policy. Nil: none.
	Within []Rule
}

// Source is a section for selected sources.
type Source struct {
	Name string // unique in the policy; empty: derived
	From identity.Selector
	Section
	At Position
}

// A Policy is a document of rules.
type Policy struct {
	Name      string
	Namespace string   // set: the policy speaks for workloads of this namespace alone, and Cluster is empty
	Clusters  []string // names or globs of the clusters that it applies to; none: all
	Cluster   Section  // for every workload of these clusters
	Sources   []Source
	At        Position
}

// A RuleID names a rule among all policies: policy/rule, or namespace/policy/rule for a policy with a namespace.
type RuleID string
