package render

import (
	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A GrantID names a grant within all plans of the same rules: the rule's ID and what distinguishes the grant in it.
type GrantID string

// GrantKind tells what a grant does.
type GrantKind uint8

const (
	AllowGrant     GrantKind = iota + 1
	DenyGrant                // takes from the allows
	BoundaryGrant            // limits the allows
	BaselineGrant            // everything not granted is denied; one a plan
	ExemptionGrant           // traffic that a renderer leaves open, such as DNS; outside the model, never implicit
)

// String returns "allow", "deny", "boundary", "baseline" or "exemption".
func (k GrantKind) String() string {
	switch k {
	case AllowGrant:
		return "allow"
	case DenyGrant:
		return "deny"
	case BoundaryGrant:
		return "boundary"
	case BaselineGrant:
		return "baseline"
	case ExemptionGrant:
		return "exemption"
	}
	return "invalid"
}

// A Grant is one line of a plan: one rule's effect on one pattern or on one set of addresses.
type Grant struct {
	ID     GrantID
	Kind   GrantKind
	Rule   policy.RuleID // empty for baseline and exemption
	Source Source
	To     policy.Destination   // allow, deny: one pattern, or addresses. Ports are never empty for an allow
	Within []policy.Destination // boundary: the union that is inside
	Peer   *Peer                // exemption
	Reason string
	Owner  string
	At     policy.Position

	// Admit is set in the plan that a renderer is given when another layer of the stack says this grant exactly: this layer need only
	// let it pass, and may say it wider.
	Admit bool
}

// A Source is a selector with its spellings for targets that know only certificates or only labels.
type Source struct {
	Selector identity.Selector

	// Accounts says the selector by service accounts alone. AccountsWhy tells why not when AccountsOK is false.
	Accounts    []identity.AccountSelector
	AccountsOK  bool
	AccountsWhy string

	// Pods says the selector by namespaces and pod labels alone. PodsWhy tells why not when PodsOK is false.
	Pods    []identity.PodSelector
	PodsOK  bool
	PodsWhy string
}

// A Peer is where an exemption leads: pods, addresses, or anything.
type Peer struct {
	Name string // such as "cluster DNS"

	Namespace string                 // pods of the namespace of this name; empty: of any
	PodLabels map[string]string      // pods with these labels; empty: any pod
	Except    []identity.PodSelector // pods that are not meant
	Addresses match.Prefixes         // not empty: these addresses, and no pods
	Anything  bool                   // every pod and every address

	Protocol policy.Protocol // TCP, UDP, SCTP, or AnyProtocol: all traffic, whatever the ports
	Ports    match.Ports     // empty: every port
}
