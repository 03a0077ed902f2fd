package policy

import (
	"net/netip"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// An Access is what a request asks for.
type Access struct {
	Protocol Protocol // not AnyProtocol
	Port     uint16
	Host     match.Host // the SNI, the Host header, or the name that the address was looked up by; zero: none known
	Address  netip.Addr // zero: none known

	// Method and Path are those of an HTTP request, where known; without meaning for other protocols. Path is without the query. A path
	// that servers read in more than one way ("//a", "/b/../a", "/%61") makes the request invalid.
	Method, Path string
}

// A Request is an access by a source.
type Request struct {
	Source identity.Workload
	Access
}

// valid reports whether a says enough to be judged.
func (a *Access) valid() bool {
	return a.Protocol > AnyProtocol && a.Protocol <= SCTP && a.Port != 0 && (!a.Host.IsZero() || a.Address.IsValid()) &&
		(a.Protocol != HTTP || a.Path == "" || unambiguousPath(a.Path))
}

// Reason tells why a decision came out as it did.
type Reason uint8

const (
	NoRule          Reason = iota // denied: no rule allows it
	Allowed                       // allowed by Rule
	Denied                        // denied by Rule
	OutsideBoundary               // an allow matches, and Rule is a boundary that does not contain the request
	InvalidRequest                // denied: no protocol, no port, neither host nor address, or an ambiguous path
)

// String returns the reason in a word or two, which are stable: "no rule", "allowed", "denied", "outside boundary", "invalid request".
func (r Reason) String() string {
	switch r {
	case NoRule:
		return "no rule"
	case Allowed:
		return "allowed"
	case Denied:
		return "denied"
	case OutsideBoundary:
		return "outside boundary"
	case InvalidRequest:
		return "invalid request"
	}
	return "invalid"
}

// MarshalText returns what String does.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// A Decision is the answer to a request. The zero Decision denies.
type Decision struct {
	Allowed bool   `json:"allowed"`
	Reason  Reason `json:"reason"`
	Rule    RuleID `json:"rule,omitempty"` // the rule that decided; of several, the least. Empty for NoRule and InvalidRequest
}
