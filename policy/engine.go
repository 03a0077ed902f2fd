package policy

import (
	"iter"
	"slices"
	"time"

	"github.com/egresskit/egress/identity"
)

// An Engine decides requests. It is immutable and safe for concurrent use. A nil or zero *Engine denies everything.
//
// It looks a request's host and address up once, among everything that the rules name, and then asks a table for each of the few
// selectors that select the source. So the cost of a decision depends neither on the number of rules nor on that of sources, and rules
// that sources share are held once.
type Engine struct {
	rules   []*EffectiveRule       // in force, sorted by ID
	expired []*EffectiveRule       // allows and denies that are not, sorted by ID; only explanations read them
	trust   *identity.TrustDomains // nil: any
	ids     []RuleID               // of rules
	places  places
	groups  groups
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

// For resolves w once: selectors are evaluated here and not in the view's decisions. It allocates nothing for workloads that no more than
// a few different selectors select.
func (e *Engine) For(w identity.Workload) View {
	if e == nil || e.groups.index == nil || !e.speaksFor(&w) {
		return View{}
	}
	v := View{engine: e}
	var buf [16]int
	ids := e.groups.index.Matching(w, buf[:0])
	if v.n = copy(v.few[:], ids); v.n < len(ids) {
		v.more = slices.Clone(ids[v.n:])
	}
	return v
}

// speaksFor reports whether w's trust domain is one that the policies speak for.
func (e *Engine) speaksFor(w *identity.Workload) bool {
	return e.trust == nil || e.trust.Contains(w.TrustDomain)
}

// A View decides for one workload, by the engine that it comes from. The zero View denies. Views hold no rules of their own: workloads
// selected alike share everything.
type View struct {
	engine *Engine
	n      int
	few    [4]int // the groups that select the workload, n of them
	more   []int  // and the others
}

// Decide answers one access. It takes no lock and does not allocate.
func (v View) Decide(a Access) Decision {
	if !a.valid() {
		return Decision{Reason: InvalidRequest}
	}
	e := v.engine
	if e == nil {
		return Decision{Reason: NoRule}
	}
	host, addr := e.places.host(a.Host), int32(none)
	if a.Address.IsValid() {
		addr = e.places.addr(a.Address)
	}
	least, bounded := noVerdict, false
	for i := range v.len() {
		g := v.group(i)
		least = g.table.judge(least, &a, host, addr)
		bounded = bounded || len(g.boundaries) > 0
	}
	switch {
	case least.deny != noRule:
		return Decision{Reason: Denied, Rule: e.ids[least.deny]}
	case least.allow == noRule:
		return Decision{Reason: NoRule}
	}
	if bounded {
		if outside := v.outside(&a, host, addr); outside != noRule {
			return Decision{Reason: OutsideBoundary, Rule: e.ids[outside]}
		}
	}
	return Decision{Allowed: true, Reason: Allowed, Rule: e.ids[least.allow]}
}

// outside returns the least boundary that does not contain a, and noRule when all do.
func (v *View) outside(a *Access, host, addr int32) int32 {
	least := int32(noRule)
	for i := range v.len() {
		g := v.group(i)
		for j := range g.boundaries {
			if b := &g.boundaries[j]; b.inside.judge(noVerdict, a, host, addr) == noVerdict {
				least = min(least, b.rule)
			}
		}
	}
	return least
}

func (v *View) len() int { return v.n + len(v.more) }

func (v *View) group(i int) *group {
	if i < v.n {
		return &v.engine.groups.all[v.few[i]]
	}
	return &v.engine.groups.all[v.more[i-v.n]]
}

// Decide is e.For(r.Source).Decide(r.Access).
func (e *Engine) Decide(r Request) Decision { return e.For(r.Source).Decide(r.Access) }
