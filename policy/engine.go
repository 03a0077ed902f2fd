package policy

import (
	"iter"
	"slices"
	"time"

	"github.com/egresskit/egress/identity"
)

// An Engine decides requests. It is immutable and safe for concurrent use. A nil or zero *Engine denies everything.
//
// It looks a request's host and address up once, among everything that the rules name, and finds with them what the rules say there, and for
// whom. So the cost of a decision depends neither on the number of rules nor on that of sources, and rules that sources share are held
// once.
type Engine struct {
	rules   []heldRule             // in force, sorted by ID
	expired []heldRule             // allows and denies that are not, sorted by ID; only explanations read them
	store   storage                // what they say
	trust   *identity.TrustDomains // nil: any
	places  places
	table   table
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

// Rules yields the rules in force in order of ID. Expired rules are left out; an expired rule of a boundary is not in its To. Each is made
// when it is yielded, of lists that are the engine's own: they must not be changed.
func (e *Engine) Rules() iter.Seq[*EffectiveRule] {
	return func(yield func(*EffectiveRule) bool) {
		if e == nil {
			return
		}
		for n := range e.rules {
			if !yield(e.store.effective(&e.rules[n])) {
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
	v := View{engine: e, few: [4]int32{none, none, none, none}}
	var buf [16]int
	for i, id := range e.groups.index.Matching(w, buf[:0]) {
		if i < len(v.few) {
			v.few[i] = int32(id)
		} else {
			v.more = append(v.more, int32(id))
		}
		g := &e.groups.all[id]
		v.globs, v.bounded = v.globs || g.globs, v.bounded || len(g.boundaries) > 0
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
	engine  *Engine
	few     [4]int32 // the first groups that select the workload, ascending; none in what is left over
	more    []int32  // and the others
	globs   bool     // some of their rules are about globs
	bounded bool     // some of their rules are boundaries
}

// Decide answers one access. It takes no lock and does not allocate.
func (v View) Decide(a Access) Decision { return v.decide(&a) }

// decide is Decide without copies.
func (v *View) decide(a *Access) Decision {
	if !a.valid() {
		return Decision{Reason: InvalidRequest}
	}
	e := v.engine
	if e == nil {
		return Decision{Reason: NoRule}
	}
	said, host, addr := noVerdict, int32(none), int32(none)
	if !a.Host.IsZero() {
		host = e.places.host(a.Host)
		said = e.table.judge(said, a, v, host)
		if v.globs {
			said = v.judgeGlobs(said, a)
		}
	}
	if a.Address.IsValid() {
		addr = e.places.addr(a.Address)
		said = e.table.judge(said, a, v, addr)
	}
	switch {
	case said.deny != noRule:
		return Decision{Reason: Denied, Rule: e.rules[said.deny].id}
	case said.allow == noRule:
		return Decision{Reason: NoRule}
	}
	if v.bounded {
		if outside := v.outside(a, host, addr); outside != noRule {
			return Decision{Reason: OutsideBoundary, Rule: e.rules[outside].id}
		}
	}
	return Decision{Allowed: true, Reason: Allowed, Rule: e.rules[said.allow].id}
}

// judgeGlobs adds to said what is said about a at the globs that match its host.
func (v *View) judgeGlobs(said verdict, a *Access) verdict {
	for _, glob := range v.engine.places.globs.Matching(a.Host) {
		said = v.engine.table.judge(said, a, v, glob)
	}
	return said
}

// outside returns the least boundary that does not contain a, and noRule when all do.
func (v *View) outside(a *Access, host, addr int32) int32 {
	least := int32(noRule)
	for i := range v.len() {
		for _, b := range v.engine.groups.all[v.group(i)].boundaries {
			if b.rule < least && !v.inside(b.scope, a, host, addr) {
				least = b.rule
			}
		}
	}
	return least
}

// inside reports whether a boundary, given by its scope, contains a.
func (v *View) inside(scope int32, a *Access, host, addr int32) bool {
	e := v.engine
	if e.table.contains(a, scope, host) || e.table.contains(a, scope, addr) {
		return true
	}
	if v.globs {
		for _, glob := range e.places.globs.Matching(a.Host) {
			if e.table.contains(a, scope, glob) {
				return true
			}
		}
	}
	return false
}

// has reports whether a scope is one of the view's groups. Most workloads have no more than two.
func (v *View) has(scope int32) bool {
	return scope == v.few[0] || scope == v.few[1] || v.hasOther(scope)
}

func (v *View) hasOther(scope int32) bool {
	if scope == v.few[2] || scope == v.few[3] {
		return true
	}
	_, ok := slices.BinarySearch(v.more, scope)
	return ok
}

// len returns the number of the view's groups.
func (v *View) len() int {
	if len(v.more) > 0 {
		return len(v.few) + len(v.more)
	}
	n := 0
	for n < len(v.few) && v.few[n] != none {
		n++
	}
	return n
}

// group returns the number of a group, which is less than len.
func (v *View) group(i int) int32 {
	if i < len(v.few) {
		return v.few[i]
	}
	return v.more[i-len(v.few)]
}

// Decide is e.For(r.Source).Decide(r.Access).
func (e *Engine) Decide(r Request) Decision { return e.For(r.Source).Decide(r.Access) }
