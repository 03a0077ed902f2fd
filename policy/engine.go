package policy

import (
	"iter"
	"slices"
	"time"

	"github.com/egresskit/egress/identity"
)

// An Engine decides requests. It is immutable and safe for concurrent use. A nil or zero *Engine denies everything.
type Engine struct {
	rules   []*EffectiveRule       // in force, sorted by ID
	expired []*EffectiveRule       // allows and denies that are not, sorted by ID; only explanations read them
	trust   *identity.TrustDomains // nil: any
}

// Effect tells what a rule does.
type Effect uint8

const (
	Allow Effect = iota + 1
	Deny
	Within // a boundary
)

// String returns "allow", "deny" or "within".
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	case Within:
		return "within"
	}
	return "invalid"
}

// An EffectiveRule is a rule as the engine applies it: with its effect, its sources (limited to the policy's clusters and namespace), and
// its name. Lists are in canonical order, and the ports of an allow are never empty.
type EffectiveRule struct {
	ID      RuleID
	Effect  Effect
	Sources identity.Selector
	To      []Destination // one for Allow and Deny; the union of several for Within, none when all have expired
	Reason  string
	Owner   string
	Expires time.Time
	At      Position // of a boundary, its first destination
}

// Rules yields the rules in force in order of ID. Expired rules are left out; an expired rule of a boundary is not in its To. The rules
// are the engine's own: they must not be changed.
func (e *Engine) Rules() iter.Seq[*EffectiveRule] {
	return func(yield func(*EffectiveRule) bool) {
		if e == nil {
			return
		}
		for _, r := range e.rules {
			if !yield(r) {
				return
			}
		}
	}
}

// For resolves w once: selectors are evaluated here and not in the view's decisions.
func (e *Engine) For(w identity.Workload) View {
	var v View
	if e == nil || !e.speaksFor(&w) {
		return v
	}
	for r := range e.Rules() {
		if r.Sources.Matches(w) {
			v.rules = append(v.rules, r)
		}
	}
	return v
}

// speaksFor reports whether w's trust domain is one that the policies speak for.
func (e *Engine) speaksFor(w *identity.Workload) bool {
	return e.trust == nil || e.trust.Contains(w.TrustDomain)
}

// A View decides for one workload. The zero View denies.
type View struct{ rules []*EffectiveRule }

// Decide answers one access. It takes no lock and does not allocate.
func (v View) Decide(a Access) Decision {
	if !a.valid() {
		return Decision{Reason: InvalidRequest}
	}
	var allow, outside *EffectiveRule
	for _, r := range v.rules {
		in := r.contains(&a)
		switch {
		case r.Effect == Deny && in:
			return Decision{Reason: Denied, Rule: r.ID}
		case r.Effect == Allow && in && allow == nil:
			allow = r
		case r.Effect == Within && !in && outside == nil:
			outside = r
		}
	}
	switch {
	case allow == nil:
		return Decision{Reason: NoRule}
	case outside != nil:
		return Decision{Reason: OutsideBoundary, Rule: outside.ID}
	}
	return Decision{Allowed: true, Reason: Allowed, Rule: allow.ID}
}

// Decide is e.For(r.Source).Decide(r.Access).
func (e *Engine) Decide(r Request) Decision { return e.For(r.Source).Decide(r.Access) }

// contains reports whether one of r's destinations contains a.
func (r *EffectiveRule) contains(a *Access) bool {
	for i := range r.To {
		if r.To[i].contains(a) {
			return true
		}
	}
	return false
}

// contains reports whether a is in d.
func (d *Destination) contains(a *Access) bool {
	return d.Protocol.Contains(a.Protocol) && (d.Ports.IsEmpty() || d.Ports.Contains(a.Port)) && d.containsPlace(a) && d.containsCall(a)
}

// containsPlace judges host and address: a host rule never matches a request without a host, and an address rule matches by address
// whatever the host.
func (d *Destination) containsPlace(a *Access) bool {
	for _, p := range d.Hosts {
		if p.Matches(a.Host) {
			return true
		}
	}
	return d.Addresses.Contains(a.Address)
}

// containsCall judges method and path.
func (d *Destination) containsCall(a *Access) bool { return d.containsMethod(a) && d.containsPath(a) }

func (d *Destination) containsMethod(a *Access) bool {
	return len(d.Methods) == 0 || slices.Contains(d.Methods, a.Method)
}

func (d *Destination) containsPath(a *Access) bool {
	return len(d.Paths) == 0 || slices.ContainsFunc(d.Paths, func(p Path) bool { return p.Matches(a.Path) })
}
