package policy

import (
	"iter"
	"math"
)

// A table holds what all rules say about each place. The zero table says nothing.
type table struct {
	spots  []spot   // by place
	more   []clause // of spots with several
	crowds []*crowd
	rests  []Destination // those that clauses judge calls by
}

// A spot is what rules say about one place. Nearly all have one clause, which is with them, so that a decision looks at one line of memory.
type spot struct {
	clause   clause // where it is the only one; otherwise the zero clause, which takes nothing
	outer    int32  // the next place around; none: there is none
	first, n int32  // n clauses, from first on in more; when n is inCrowd, those of the crowd that first is the index of
}

const inCrowd = -1

// A clause is one rule's say about one place, for one range of ports.
type clause struct {
	scope       int32 // whom it is for: the number of a group, or that of a boundary
	rule        int32
	call        int32 // the number of the destination that judges method and path; none: takes all
	first, last uint16
	protocols   uint8 // bit p: contains requests of protocol p
	deny        bool
}

func (c *clause) takes(a *Access, rests []Destination) bool {
	return c.takesPort(a) && c.takesCall(a, rests)
}

func (c *clause) takesCall(a *Access, rests []Destination) bool {
	return c.call == none || rests[c.call].containsCall(a)
}

func (c *clause) takesPort(a *Access) bool {
	return c.protocols>>a.Protocol&1 != 0 && c.first <= a.Port && a.Port <= c.last
}

// A verdict is the least of the rules that allow an access, and the least of those that deny it.
type verdict struct{ allow, deny int32 }

// noRule is greater than all rules.
const noRule = math.MaxInt32

var noVerdict = verdict{noRule, noRule}

func (v *verdict) add(rule int32, deny bool) {
	if deny {
		v.deny = min(v.deny, rule)
	} else {
		v.allow = min(v.allow, rule)
	}
}

func (v verdict) merge(o verdict) verdict {
	return verdict{min(v.allow, o.allow), min(v.deny, o.deny)}
}

// judge adds to v what is said about a, for the groups of a view, at a place and those around it.
func (t *table) judge(v verdict, a *Access, of *View, place int32) verdict {
	for place != none {
		s := &t.spots[place]
		if c := &s.clause; c.takesPort(a) && of.has(c.scope) && c.takesCall(a, t.rests) {
			v.add(c.rule, c.deny)
		}
		if s.n != 0 {
			v = t.judgeSeveral(v, a, of, s)
		}
		place = s.outer
	}
	return v
}

// judgeSeveral adds to v what is said at a spot that has no clause of its own.
func (t *table) judgeSeveral(v verdict, a *Access, of *View, s *spot) verdict {
	if s.n == inCrowd {
		for i := range of.len() {
			v = t.crowds[s.first].judge(v, a, of.group(i), t.rests)
		}
		return v
	}
	for i := range s.n {
		if c := &t.more[s.first+i]; c.takesPort(a) && of.has(c.scope) && c.takesCall(a, t.rests) {
			v.add(c.rule, c.deny)
		}
	}
	return v
}

// contains reports whether a boundary, given by its scope, has a inside, at a place or those around it.
func (t *table) contains(a *Access, scope, place int32) bool {
	for place != none {
		s := &t.spots[place]
		if s.clause.scope == scope && s.clause.takes(a, t.rests) {
			return true
		}
		if s.n == inCrowd {
			if t.crowds[s.first].judge(noVerdict, a, scope, t.rests) != noVerdict {
				return true
			}
		} else {
			for i := range s.n {
				if c := &t.more[s.first+i]; c.scope == scope && c.takes(a, t.rests) {
					return true
				}
			}
		}
		place = s.outer
	}
	return false
}

// newTable returns the table of rules, whose places the surveyor has numbered.
func newTable(rules []heldRule, store *storage, s *surveyor, outer []int32) table {
	t := table{spots: make([]spot, len(outer)), rests: store.rests}
	says := make([][]clause, len(store.rests))
	for n := range says {
		says[n] = clausesOf(&store.rests[n], int32(n))
	}
	for _, m := range mentions(rules, store, s) {
		for _, place := range m.places {
			t.spots[place].n += int32(len(says[m.rest]))
		}
	}
	several := int32(0)
	for p := range t.spots {
		here := &t.spots[p]
		if here.n > 1 {
			here.first, several = several, several+here.n
		}
		here.outer = outer[p]
	}
	t.more = make([]clause, several)
	for n, m := range mentions(rules, store, s) {
		for _, c := range says[m.rest] {
			c.scope, c.rule, c.deny = rules[n].scope, n, rules[n].effect == Deny
			for _, place := range m.places {
				if here := &t.spots[place]; here.n == 1 {
					here.clause = c
				} else {
					t.more[here.first] = c
					here.first++
				}
			}
		}
	}
	for p := range t.spots {
		here := &t.spots[p]
		if here.n < 2 {
			here.n = 0
			continue
		}
		here.first -= here.n
		if clauses := t.more[here.first : here.first+here.n]; crowded(clauses, t.rests) {
			here.first, here.n = int32(len(t.crowds)), inCrowd
			t.crowds = append(t.crowds, newCrowd(clauses, t.rests))
		}
	}
	return t
}

// A mention is one destination of a rule: the places, and what is said about them.
type mention struct {
	places []int32
	rest   int32
}

// mentions yields the destinations of rules, rule by rule, with the number of the rule.
func mentions(rules []heldRule, store *storage, s *surveyor) iter.Seq2[int32, mention] {
	return func(yield func(int32, mention) bool) {
		named, count := s.named, s.count
		for n := range rules {
			for _, d := range store.destinations(rules[n].to) {
				if !yield(int32(n), mention{named[:count[0]], d.rest}) {
					return
				}
				named, count = named[count[0]:], count[1:]
			}
		}
	}
}

// clausesOf returns what a destination says about its places, whichever rule it is of: one clause for each range of ports.
func clausesOf(d *Destination, number int32) []clause {
	c := clause{first: 1, last: math.MaxUint16, call: none}
	for p := TLS; p <= SCTP; p++ {
		if d.Protocol.Contains(p) {
			c.protocols |= 1 << p
		}
	}
	if len(d.Methods)+len(d.Paths) > 0 {
		c.call = number
	}
	if d.Ports.IsEmpty() {
		return []clause{c}
	}
	var out []clause
	for _, r := range d.Ports.Ranges() {
		c.first, c.last = r.First, r.Last
		out = append(out, c)
	}
	return out
}
