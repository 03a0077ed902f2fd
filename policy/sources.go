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
func (gs *groups) gather(rules []*EffectiveRule) []int32 {
	groupOf := make([]int32, len(rules))
	ids := map[string]int32{} // by selector
	var selectors []identity.Selector
	for n, r := range rules {
		if n > 0 && r.Sources.Equal(rules[n-1].Sources) {
			groupOf[n] = groupOf[n-1]
			continue
		}
		id, seen := ids[r.Sources.String()]
		if !seen {
			id = int32(len(selectors))
			ids[r.Sources.String()] = id
			selectors = append(selectors, r.Sources)
		}
		groupOf[n] = id
	}
	gs.all, gs.index = make([]group, len(selectors)), identity.NewIndex(selectors)
	return groupOf
}

// scopes returns the scope of each rule, and tells the groups their boundaries and, where rules name some at all, their globs.
func (gs *groups) scopes(rules []*EffectiveRule, globs bool) []int32 {
	scopes := gs.gather(rules)
	next := int32(len(gs.all))
	for n, r := range rules {
		g := &gs.all[scopes[n]]
		g.globs = g.globs || globs && r.namesGlobs()
		if r.Effect == Within {
			g.boundaries = append(g.boundaries, boundary{int32(n), next})
			scopes[n] = next
			next++
		}
	}
	return scopes
}

func (r *EffectiveRule) namesGlobs() bool {
	for i := range r.To {
		for _, p := range r.To[i].Hosts {
			if p.Kind() == match.Glob {
				return true
			}
		}
	}
	return false
}
