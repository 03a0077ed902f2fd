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

// gather makes a group for each selector of the rules, and returns the group of each rule.
func (gs *groups) gather(rules []heldRule) []int32 {
	groupOf := make([]int32, len(rules))
	ids := map[string]int32{} // by selector
	var selectors []identity.Selector
	for n := range rules {
		by := rules[n].sources
		if n > 0 && by.Equal(rules[n-1].sources) {
			groupOf[n] = groupOf[n-1]
			continue
		}
		id, seen := ids[by.String()]
		if !seen {
			id = int32(len(selectors))
			ids[by.String()] = id
			selectors = append(selectors, by)
		}
		groupOf[n] = id
	}
	gs.all, gs.index = make([]group, len(selectors)), identity.NewIndex(selectors)
	return groupOf
}

// scopes returns the scope of each rule, and tells the groups their boundaries and, where rules name some at all, their globs.
func (gs *groups) scopes(rules []heldRule, globs bool) []int32 {
	scopes := gs.gather(rules)
	next := int32(len(gs.all))
	for n := range rules {
		r, g := &rules[n], &gs.all[scopes[n]]
		g.globs = g.globs || globs && r.namesGlobs()
		if r.effect == Within {
			g.boundaries = append(g.boundaries, boundary{int32(n), next})
			scopes[n] = next
			next++
		}
	}
	return scopes
}

func (r *heldRule) namesGlobs() bool {
	for i := range r.to {
		for _, p := range r.to[i].hosts {
			if p.Kind() == match.Glob {
				return true
			}
		}
	}
	return false
}
