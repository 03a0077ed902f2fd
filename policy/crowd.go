package policy

import (
	"cmp"
	"slices"
	"strings"
)

// A crowd holds the clauses of a spot that has too many to look at one by one: by scope, and those of one scope, when they are still too
// many, by port and path.
type crowd struct {
	byScope steps // the index of the part for the greatest scope up to a number
	parts   []part
}

// A part is the clauses for one scope.
type part struct {
	scope int32
	few   []clause // nil when they are in many
	many  *dense
}

// manyClauses is the number of clauses and paths from which on looking at each is slower than looking up the port and the path.
const manyClauses = 8

// crowded reports whether clauses are too many to look at one by one.
func crowded(clauses []clause, rests []Destination) bool {
	n := len(clauses)
	for i := 0; i < len(clauses) && n <= manyClauses; i++ {
		if c := clauses[i].call; c != none {
			n += len(rests[c].Paths)
		}
	}
	return n > manyClauses
}

// newCrowd puts clauses in order, and keeps them.
func newCrowd(clauses []clause, rests []Destination) *crowd {
	slices.SortStableFunc(clauses, func(a, b clause) int { return cmp.Compare(a.scope, b.scope) })
	c := &crowd{}
	var points []point
	for len(clauses) > 0 {
		n, scope := 1, clauses[0].scope
		for n < len(clauses) && clauses[n].scope == scope {
			n++
		}
		p := part{scope: scope}
		if crowded(clauses[:n], rests) {
			p.many = newDense(clauses[:n], rests)
		} else {
			p.few = clauses[:n]
		}
		points = append(points, point{uint32(scope), int32(len(c.parts))})
		c.parts = append(c.parts, p)
		clauses = clauses[n:]
	}
	c.byScope = newSteps(points)
	return c
}

// judge adds to v what is said about a for a scope.
func (c *crowd) judge(v verdict, a *Access, scope int32, rests []Destination) verdict {
	i := c.byScope.at(uint32(scope))
	if i == none || c.parts[i].scope != scope {
		return v
	}
	p := &c.parts[i]
	if p.many != nil {
		return p.many.judge(v, a, rests)
	}
	for j := range p.few {
		if c := &p.few[j]; c.takes(a, rests) {
			v.add(c.rule, c.deny)
		}
	}
	return v
}

// A dense holds clauses by port and path.
type dense struct {
	ports *wide
	calls *calls
}

func newDense(clauses []clause, rests []Destination) *dense {
	var plain, called []clause
	for _, c := range clauses {
		if c.call == none {
			plain = append(plain, c)
		} else {
			called = append(called, c)
		}
	}
	return &dense{newWide(plain), newCalls(called, rests)}
}

func (d *dense) judge(v verdict, a *Access, rests []Destination) verdict {
	return d.calls.judge(v.merge(d.ports.at(a)), a, rests)
}

// A wide holds clauses that judge no calls, by protocol and port.
type wide struct {
	byPort steps
	cells  [][SCTP + 1]verdict
}

func (w *wide) at(a *Access) verdict {
	if w == nil {
		return noVerdict
	}
	if i := w.byPort.at(uint32(a.Port)); i != none {
		return w.cells[i][a.Protocol]
	}
	return noVerdict
}

// newWide returns the clauses, which judge no calls, by port; nil for none. It takes time in proportion to the clauses: each port is painted
// once for each protocol and effect, by the least rule.
func newWide(clauses []clause) *wide {
	if len(clauses) == 0 {
		return nil
	}
	var bounds []uint32
	for _, c := range clauses {
		bounds = append(bounds, uint32(c.first), uint32(c.last)+1)
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	w := &wide{cells: make([][SCTP + 1]verdict, len(bounds))}
	points := make([]point, len(bounds))
	for i, from := range bounds {
		points[i] = point{from, int32(i)}
		for p := range w.cells[i] {
			w.cells[i][p] = noVerdict
		}
	}
	w.byPort = newSteps(points)

	slices.SortStableFunc(clauses, func(a, b clause) int { return cmp.Compare(a.rule, b.rule) })
	next := make([]int32, len(bounds)+1) // the first cell at or after this one that is not painted
	for p := TLS; p <= SCTP; p++ {
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

// Calls hold clauses that judge methods and paths, by path.
type calls struct {
	anyPath []clause
	exact   map[string][]clause
	below   map[string][]clause // by what the path begins with, up to a '/'
	deepest int                 // the most '/' of those
}

// newCalls returns the clauses by path; nil for none.
func newCalls(clauses []clause, rests []Destination) *calls {
	if len(clauses) == 0 {
		return nil
	}
	cs := &calls{exact: map[string][]clause{}, below: map[string][]clause{}}
	for _, c := range clauses {
		paths := rests[c.call].Paths
		if len(paths) == 0 {
			cs.anyPath = append(cs.anyPath, c)
		}
		for _, p := range paths {
			if prefix, ok := strings.CutSuffix(p.text, "*"); ok {
				cs.below[prefix] = append(cs.below[prefix], c)
				cs.deepest = max(cs.deepest, strings.Count(prefix, "/"))
			} else {
				cs.exact[p.text] = append(cs.exact[p.text], c)
			}
		}
	}
	return cs
}

// judge adds to v what the clauses say about a.
func (cs *calls) judge(v verdict, a *Access, rests []Destination) verdict {
	if cs == nil {
		return v
	}
	v = v.called(cs.anyPath, a, rests)
	v = v.called(cs.exact[a.Path], a, rests)
	for i, slashes := 0, 0; i < len(a.Path) && slashes < cs.deepest; i++ {
		if a.Path[i] == '/' {
			slashes++
			v = v.called(cs.below[a.Path[:i+1]], a, rests)
		}
	}
	return v
}

// called adds what clauses whose paths a meets say about it.
func (v verdict) called(clauses []clause, a *Access, rests []Destination) verdict {
	for i := range clauses {
		if c := &clauses[i]; c.takesPort(a) && rests[c.call].containsMethod(a) {
			v.add(c.rule, c.deny)
		}
	}
	return v
}
