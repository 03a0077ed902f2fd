package policy

import (
	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// Groups are the rules by the selectors that they share.
type groups struct {
	all   []group
	index *identity.Index // of their selectors
}

// A group is the rules of one selector. Its number is the scope of its allows and denies.
type group struct {
	boundaries []boundary
	globs      bool // some of its rules, boundaries included, name globs
}

// A boundary is a rule with effect Within. Each has a scope of its own.
type boundary struct{ rule, scope int32 }

// newGroups makes a group for each selector, those that only expired rules have included.
func newGroups(selectors []identity.Selector) groups {
	return groups{make([]group, len(selectors)), identity.NewIndex(selectors)}
}

// scope gives each rule its scope, and tells the groups their boundaries and, where rules name some at all, their globs.
func (gs *groups) scope(rules []heldRule, store *storage, globs bool) {
	next := int32(len(gs.all))
	for n := range rules {
		r := &rules[n]
		g := &gs.all[r.group]
		g.globs = g.globs || globs && store.namesGlobs(r)
		r.scope = r.group
		if r.effect == Within {
			g.boundaries = append(g.boundaries, boundary{int32(n), next})
			r.scope = next
			next++
		}
	}
}

func (s *storage) namesGlobs(r *heldRule) bool {
	for _, d := range s.destinations(r.to) {
		for _, p := range s.hostsOf(d) {
			if p.Kind() == match.Glob {
				return true
			}
		}
	}
	return false
}
