package policy

import (
	"cmp"
	"math"
	"slices"

	"github.com/egresskit/egress/match"
)

// A table holds what the rules of one selector say: which of them, by place, protocol and port, contain an access.
type table struct {
	byPlace steps               // the entry of the innermost place with rules
	globs   *match.Index[int32] // the entry of each glob; nil: none
	entries []entry
	clauses []clause
}

// An entry is what a table says about one place.
type entry struct {
	outer    int32 // the entry of the next place around; none: there is none
	first, n int32 // its clauses
	wide     *wide // holds further clauses
}

// A clause is one rule's say about one place, for one range of ports.
type clause struct {
	rule        int32
	first, last uint16
	protocols   uint8 // bit p: contains requests of protocol p
	deny        bool
	call        *Destination // judges method and path; nil: takes all
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

func (v *verdict) merge(o verdict) {
	v.allow, v.deny = min(v.allow, o.allow), min(v.deny, o.deny)
}

// judge adds to v what t says about a, whose places are given.
func (t *table) judge(a *Access, host, addr int32, v *verdict) {
	if host != none {
		t.judgeEntry(t.byPlace.at(uint32(host)), a, v)
	}
	if addr != none {
		t.judgeEntry(t.byPlace.at(uint32(addr)), a, v)
	}
	if t.globs != nil {
		for _, i := range t.globs.Matching(a.Host) {
			t.judgeEntry(i, a, v)
		}
	}
}

// judgeEntry adds what the entry and those around it say.
func (t *table) judgeEntry(i int32, a *Access, v *verdict) {
	for i != none {
		e := &t.entries[i]
		for j := e.first; j < e.first+e.n; j++ {
			c := &t.clauses[j]
			if c.protocols>>a.Protocol&1 != 0 && c.first <= a.Port && a.Port <= c.last && (c.call == nil || c.call.containsCall(a)) {
				v.add(c.rule, c.deny)
			}
		}
		if e.wide != nil {
			v.merge(e.wide.at(a))
		}
		i = e.outer
	}
}

// Wide holds the clauses of an entry with many, by protocol and port.
type wide struct {
	byPort steps
	cells  [][UDP + 1]verdict
}

// manyClauses is the number of clauses from which on looking one by one is slower than looking up the port.
const manyClauses = 8

func (w *wide) at(a *Access) verdict {
	if i := w.byPort.at(uint32(a.Port)); i != none {
		return w.cells[i][a.Protocol]
	}
	return noVerdict
}

// newWide returns the clauses, which judge no calls, by port. It takes time in proportion to the clauses: each port is painted once for
// each protocol and effect, by the least rule.
func newWide(clauses []clause) *wide {
	var bounds []uint32
	for _, c := range clauses {
		bounds = append(bounds, uint32(c.first), uint32(c.last)+1)
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	w := &wide{cells: make([][UDP + 1]verdict, len(bounds))}
	points := make([]point, len(bounds))
	for i, from := range bounds {
		points[i] = point{from, int32(i)}
		for p := range w.cells[i] {
			w.cells[i][p] = noVerdict
		}
	}
	w.byPort = newSteps(points, math.MaxUint16+1)

	slices.SortStableFunc(clauses, func(a, b clause) int { return cmp.Compare(a.rule, b.rule) })
	next := make([]int32, len(bounds)+1) // the first cell at or after this one that is not painted
	for p := TLS; p <= UDP; p++ {
		for _, deny := range []bool{false, true} {
			for i := range next {
				next[i] = int32(i)
			}
			for _, c := range clauses {
				if c.deny != deny || c.protocols>>p&1 == 0 {
					continue
				}
				end, _ := slices.BinarySearch(bounds, uint32(c.last)+1)
				start, _ := slices.BinarySearch(bounds, uint32(c.first))
				for i := unpainted(next, int32(start)); i < int32(end); i = unpainted(next, i) {
					w.cells[i][p].add(c.rule, deny)
					next[i] = i + 1
				}
			}
		}
	}
	return w
}

// unpainted follows next from i to a cell that leads to itself, and shortens the way for those that come after.
func unpainted(next []int32, i int32) int32 {
	for next[i] != i {
		next[i] = next[next[i]]
		i = next[i]
	}
	return i
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
func (d *tableDraft) table(last []int32) (*table, error) {
	t := &table{clauses: make([]clause, 0, len(d.placed)+len(d.globs))}
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
	for i := 0; i < len(list); {
		place, from := list[i].place, len(t.clauses)
		for ; i < len(list) && list[i].place == place; i++ {
			t.clauses = append(t.clauses, list[i].clause)
		}
		leave(place)
		e := t.newEntry(innermost(), from)
		points = setPoint(points, uint32(place), e)
		open = append(open, around{last[place], e})
	}
	limit := int32(len(last)) - 1
	leave(limit)
	t.byPlace = newSteps(points, uint32(limit))
}

func (t *table) addGlobs(list []globbed) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b globbed) int { return cmp.Or(a.pattern.Compare(b.pattern), cmp.Compare(a.rule, b.rule)) })
	var b match.Builder[int32]
	for i := 0; i < len(list); {
		p, from := list[i].pattern, len(t.clauses)
		for ; i < len(list) && list[i].pattern.Equal(p); i++ {
			t.clauses = append(t.clauses, list[i].clause)
		}
		b.Add(p, t.newEntry(none, from))
	}
	var err error
	t.globs, err = b.Build()
	return err
}

// newEntry adds an entry for the clauses from from on and returns its index.
func (t *table) newEntry(outer int32, from int) int32 {
	e := entry{outer: outer, first: int32(from)}
	if here := t.clauses[from:]; len(here) > manyClauses {
		var calls, others []clause
		for _, c := range here {
			if c.call != nil {
				calls = append(calls, c)
			} else {
				others = append(others, c)
			}
		}
		e.wide = newWide(others)
		t.clauses = append(t.clauses[:from], calls...)
	}
	e.n = int32(len(t.clauses) - from)
	t.entries = append(t.entries, e)
	return int32(len(t.entries) - 1)
}

// appendClauses appends what a destination says about its places, as clauses of a rule: one for each range of ports.
func appendClauses(out []clause, rule int32, deny bool, d *Destination) []clause {
	c := clause{rule: rule, first: 1, last: math.MaxUint16, deny: deny}
	for p := TLS; p <= UDP; p++ {
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
