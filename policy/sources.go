package policy

import "github.com/egresskit/egress/identity"

// Groups are the rules by the selectors that they share.
type groups struct {
	all   []group
	index *identity.Index // of their selectors
}

// A group is the rules of one selector.
type group struct {
	table      table
	boundaries []boundary
}

// A boundary is a rule with effect Within and a table of what is inside.
type boundary struct {
	rule   int32
	inside table
}

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
