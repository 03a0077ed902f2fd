package render

import (
	"iter"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A Plan is an engine's rules specialised to one cluster, in canonical order: the only thing that renderers read. It is immutable.
type Plan struct {
	cluster   string
	inventory *identity.Inventory
	grants    []*Grant // sorted by ID
}

// A PlanOption adds to a plan what is known of the cluster.
type PlanOption func(*Plan)

// WithInventory gives the plan what is known of the cluster, so that selectors can be said in other ways.
func WithInventory(inv *identity.Inventory) PlanOption { return func(p *Plan) { p.inventory = inv } }

// NewPlan returns the plan of e's rules for a cluster.
func NewPlan(e *policy.Engine, cluster string, opts ...PlanOption) *Plan {
	panic("render: NewPlan: not written yet")
}

// Cluster returns the name of the cluster; it may be empty.
func (p *Plan) Cluster() string { return p.cluster }

// Inventory returns what is known of the cluster; it may be nil.
func (p *Plan) Inventory() *identity.Inventory { return p.inventory }

// Namespaces returns the names of the cluster's namespaces in order: those of the inventory and those that the rules' selectors name, whether
// or not a renderer is given the rules. Without an inventory these are all that is known, and targets that need namespaces say so as
// an assumption.
func (p *Plan) Namespaces() []string { panic("render: Namespaces: not written yet") }

// Grants yields the grants in canonical order.
func (p *Plan) Grants() iter.Seq[*Grant] { panic("render: not written yet") }

// A SourceSet is the sources of a class: what one of Any selects and none of Except does. An empty Any is nobody.
type SourceSet struct {
	Any    []Source // canonical order; a source that another one covers is left out
	Except []Source // canonical order; only those that take something from Any
}

// Nobody reports whether the set is empty by construction.
func (s SourceSet) Nobody() bool { return len(s.Any) == 0 }

// Key returns the canonical text: equal keys, equal sets.
func (s SourceSet) Key() string { panic("render: not written yet") }

// A NameClass is the names of one protocol and port that the same sources may reach. The names of a class are those that its patterns
// match and no more specific pattern of another class of the same protocol and port does: most specific first, as server names and
// virtual hosts are chosen. Denies and boundaries are applied already; names denied to everyone below an allowed wildcard are a class
// of nobody.
type NameClass struct {
	Protocol     policy.Protocol // TLS or HTTP
	Port         uint16
	Patterns     []match.Pattern        // exact and subdomains, canonical order
	Sources      SourceSet              // Nobody for a carve-out
	OriginateTLS *policy.TLSOrigination // HTTP: how the names are reached; nil: as the application speaks
	Grants       []*Grant               // the allows that the class carries, canonical order; none for a carve-out
}

// NameClasses returns the partition of the plan's names for TLS or HTTP, by port and then in canonical order. Patterns that are globs are
// not in it. A rule of protocol TCP by name takes part in both.
func (p *Plan) NameClasses(protocol policy.Protocol) []NameClass {
	panic("render: NameClasses: not written yet")
}

// An AddressClass is a set of addresses and ports that the same sources may reach, denies and boundaries applied.
type AddressClass struct {
	Protocol  policy.Protocol // TLS, HTTP, TCP or UDP, as the rules say
	Ports     match.Ports
	Addresses match.Prefixes
	Sources   SourceSet
	Grants    []*Grant
}

// AddressClasses returns what the plan allows by address, minus denies, within boundaries, in canonical order.
func (p *Plan) AddressClasses() []AddressClass { panic("render: AddressClasses: not written yet") }
