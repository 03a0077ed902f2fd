package packets

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// An oracle tells the class of a name in requests of one protocol.
type oracle struct{ groups []*group } // by port

// A group is the classes of a range of ports.
type group struct {
	first, last uint16
	classes     map[string]*render.NameClass // by each of their patterns
	globs       map[string]*render.NameClass
	below       map[string][]match.Pattern // the patterns of classes below a pattern, whether or not it has a class
}

// nothing is the group of ports that no class is about.
var nothing = &group{}

func (w *worker) oracle(protocol policy.Protocol) *oracle {
	if o := w.oracles[protocol]; o != nil {
		return o
	}
	o := &oracle{}
	w.oracles[protocol] = o
	byPort := map[uint16]*group{}
	at := func(c *render.NameClass) *group {
		g := byPort[c.Port]
		if g == nil {
			g = &group{c.Port, c.LastPort, map[string]*render.NameClass{}, map[string]*render.NameClass{}, map[string][]match.Pattern{}}
			byPort[c.Port] = g
			o.groups = append(o.groups, g)
		}
		return g
	}
	for _, c := range w.plan.NameClasses(protocol) {
		g := at(&c)
		for _, p := range c.Patterns {
			g.classes[p.String()] = &c
			for text, ok := parent(p.String()); ok; text, ok = parent(text) {
				g.below[text] = append(g.below[text], p)
			}
		}
	}
	for _, c := range w.plan.GlobClasses(protocol) {
		at(&c).globs[c.Patterns[0].String()] = &c
	}
	for _, g := range o.groups {
		for _, list := range g.below {
			slices.SortFunc(list, match.Pattern.Compare)
		}
	}
	slices.SortFunc(o.groups, func(a, b *group) int { return cmp.Compare(a.first, b.first) })
	return o
}

// at returns the group of a port.
func (o *oracle) at(port uint16) *group {
	for _, g := range o.groups {
		if g.first <= port && port <= g.last {
			return g
		}
	}
	return nothing
}

// parent returns the text of the next more general pattern of one that is exact or of subdomains.
func parent(text string) (string, bool) {
	_, rest, ok := strings.Cut(strings.TrimPrefix(text, "*."), ".")
	return "*." + rest, ok
}

// of returns the class of the names of a pattern that no more specific one holds; nil for nobody's.
func (g *group) of(p match.Pattern) *render.NameClass {
	if p.Kind() == match.Glob {
		return g.globs[p.String()]
	}
	for text, ok := p.String(), true; ok; text, ok = parent(text) {
		if c := g.classes[text]; c != nil {
			return c
		}
	}
	return nil
}

// above returns the next more general pattern that has a class.
func (g *group) above(p match.Pattern) (match.Pattern, bool) {
	for text, ok := parent(p.String()); ok; text, ok = parent(text) {
		if c := g.classes[text]; c != nil {
			for _, q := range c.Patterns {
				if q.String() == text {
					return q, true
				}
			}
		}
	}
	return match.Pattern{}, false
}

func sortedValues[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
