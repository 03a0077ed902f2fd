package policy

import (
	"cmp"
	"math"
	"slices"

	"github.com/egresskit/egress/match"
)

// A table holds what the rules of one selector say: which of them, by place, protocol and port, contain an access. The zero table says
// nothing.
type table struct {
	byPlace steps               // the entry of the innermost place with rules
	globs   *match.Index[int32] // the entry of each glob; nil: none
	entries []entry
	more    []clause
}

// An entry is what a table says about one place. Nearly all have one clause, which is with them.
type entry struct {
	outer    int32  // the entry of the next place around; none: there is none
	first, n int32  // its further clauses in more
	clause   clause // the zero clause takes nothing
	crowd    *crowd // nil: none; otherwise all clauses are in it
}

// A clause is one rule's say about one place, for one range of ports.
type clause struct {
	rule        int32
	first, last uint16
	protocols   uint8 // bit p: contains requests of protocol p
	deny        bool
	call        *Destination // judges method and path; nil: takes all
}

func (c *clause) takes(a *Access) bool {
	return c.takesPort(a) && (c.call == nil || c.call.containsCall(a))
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

// judge adds to v what t says about a, whose places are given.
func (t *table) judge(v verdict, a *Access, host, addr int32) verdict {
	if host != none {
		v = t.judgeEntry(v, a, t.byPlace.at(uint32(host)))
	}
	if addr != none {
		v = t.judgeEntry(v, a, t.byPlace.at(uint32(addr)))
	}
	if t.globs != nil {
		for _, i := range t.globs.Matching(a.Host) {
			v = t.judgeEntry(v, a, i)
		}
	}
	return v
}

// judgeEntry adds what an entry and those around it say.
func (t *table) judgeEntry(v verdict, a *Access, i int32) verdict {
	for i != none {
		e := &t.entries[i]
		if e.clause.takes(a) {
			v.add(e.clause.rule, e.clause.deny)
		}
		for j := e.first; j < e.first+e.n; j++ {
			if c := &t.more[j]; c.takes(a) {
				v.add(c.rule, c.deny)
			}
		}
		if e.crowd != nil {
			v = e.crowd.judge(v, a)
		}
		i = e.outer
	}
	return v
}

// A tableDraft collects the clauses of a table.
type tableDraft struct {
	placed []placed
	globs  []globbed
}

type placed struct {
	place int32
	clause
}

type globbed struct {
	pattern match.Pattern
	clause
}

// table returns the table of the clauses collected. Last is that of the survey.
func (d *tableDraft) table(last []int32) (t table, err error) {
	t.addPlaces(d.placed, last)
	return t, t.addGlobs(d.globs)
}

func (t *table) addPlaces(list []placed, last []int32) {
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b placed) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.rule, b.rule)) })
	places := 1
	for i := 1; i < len(list); i++ {
		if list[i].place != list[i-1].place {
			places++
		}
	}
	t.entries = make([]entry, 0, places)
	points := make([]point, 0, 2*places) // where each place begins, and after its end
	type around struct{ last, entry int32 }
	var open []around // the places that the one at hand lies in, outermost first
	innermost := func() int32 {
		if len(open) == 0 {
			return none
		}
		return open[len(open)-1].entry
	}
	// leave closes the places that end before place.
	leave := func(place int32) {
		for len(open) > 0 && open[len(open)-1].last < place {
			after := open[len(open)-1].last + 1
			open = open[:len(open)-1]
			points = setPoint(points, uint32(after), innermost())
		}
	}
	var here []clause
	for i := 0; i < len(list); {
		place := list[i].place
		for here = here[:0]; i < len(list) && list[i].place == place; i++ {
			here = append(here, list[i].clause)
		}
		leave(place)
		e := t.newEntry(innermost(), here)
		points = setPoint(points, uint32(place), e)
		open = append(open, around{last[place], e})
	}
	leave(int32(len(last)) - 1)
	t.byPlace = newSteps(points)
}

func (t *table) addGlobs(list []globbed) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b globbed) int { return cmp.Or(a.pattern.Compare(b.pattern), cmp.Compare(a.rule, b.rule)) })
	var b match.Builder[int32]
	var here []clause
	for i := 0; i < len(list); {
		p := list[i].pattern
		for here = here[:0]; i < len(list) && list[i].pattern.Equal(p); i++ {
			here = append(here, list[i].clause)
		}
		b.Add(p, t.newEntry(none, here))
	}
	var err error
	t.globs, err = b.Build()
	return err
}

// newEntry adds an entry for clauses, which it does not keep, and returns its index.
func (t *table) newEntry(outer int32, clauses []clause) int32 {
	e := entry{outer: outer}
	if crowded(clauses) {
		e.crowd, clauses = newCrowd(clauses), nil
	}
	if len(clauses) > 0 {
		e.clause, clauses = clauses[0], clauses[1:]
	}
	e.first, e.n = int32(len(t.more)), int32(len(clauses))
	t.more = append(t.more, clauses...)
	t.entries = append(t.entries, e)
	return int32(len(t.entries) - 1)
}

// appendClauses appends what a destination says about its places, as clauses of a rule: one for each range of ports.
func appendClauses(out []clause, rule int32, deny bool, d *Destination) []clause {
	c := clause{rule: rule, first: 1, last: math.MaxUint16, deny: deny}
	for p := TLS; p <= SCTP; p++ {
		if d.Protocol.Contains(p) {
			c.protocols |= 1 << p
		}
	}
	if len(d.Methods)+len(d.Paths) > 0 {
		c.call = d
	}
	if d.Ports.IsEmpty() {
		return append(out, c)
	}
	for _, r := range d.Ports.Ranges() {
		c.first, c.last = r.First, r.Last
		out = append(out, c)
	}
	return out
}
