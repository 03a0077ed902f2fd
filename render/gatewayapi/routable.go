package gatewayapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A routed pattern is one that routes may send on, with the class that it is of.
type routed struct {
	pattern string
	class   *portClass
}

// A portClass is a class with its grants by name, so that what is said of one of its patterns is found fast.
type portClass struct {
	*render.NameClass
	byHost map[string][]*render.Grant
}

func newPortClass(c *render.NameClass) *portClass {
	p := &portClass{c, map[string][]*render.Grant{}}
	for _, g := range c.Grants {
		host := g.To.Hosts[0].String() // a grant is of one pattern
		p.byHost[host] = append(p.byHost[host], g)
	}
	return p
}

// grants returns the grants of the class that hold names of one of its patterns. Those of a name below a wildcard are among them: where the
// same sources may reach both, the class has the wildcard alone.
func (c *portClass) grants(pattern string) []*render.Grant {
	out := slices.Clone(c.byHost[pattern])
	for above, ok := nextAbove(pattern, c.byHost); ok; above, ok = nextAbove(above, c.byHost) {
		out = append(out, c.byHost[above]...)
	}
	if base, wildcard := strings.CutPrefix(pattern, "*"); wildcard {
		for _, g := range c.Grants {
			if host := g.To.Hosts[0].String(); host != pattern && strings.HasSuffix(host, base) {
				out = append(out, g)
			}
		}
	}
	return out
}

// routable returns the patterns of the classes, all of one protocol and port, that routes may send on, in canonical order: those of open
// classes with no closed name below them. A route has no way to leave a name out, and what a dropped wildcard held would fall to the next
// wildcard above, which goes with it. Dropped are the other patterns that somebody may reach.
func routable(classes []*portClass, open func(*portClass) bool) (keep, dropped []routed) {
	sendable := map[string]bool{}
	var all []routed
	for _, c := range classes {
		opened := open(c) // once: it may look at all patterns of the class
		for _, p := range c.Patterns {
			sendable[p.String()] = opened
			all = append(all, routed{p.String(), c})
		}
	}
	depth := func(r routed) int { return strings.Count(strings.TrimPrefix(r.pattern, "*."), ".") } // less above
	slices.SortFunc(all, func(a, b routed) int {
		return cmp.Or(-cmp.Compare(depth(a), depth(b)), cmp.Compare(a.pattern, b.pattern))
	})
	for _, r := range all { // what lies below others comes first
		if sendable[r.pattern] {
			continue
		}
		if above, ok := nextAbove(r.pattern, sendable); ok {
			sendable[above] = false
		}
	}
	for _, r := range all {
		if sendable[r.pattern] {
			keep = append(keep, r)
		} else if !r.class.Nobody() {
			dropped = append(dropped, r)
		}
	}
	for _, list := range [][]routed{keep, dropped} {
		slices.SortFunc(list, func(a, b routed) int { return cmp.Compare(a.pattern, b.pattern) })
	}
	return keep, dropped
}

// nextAbove returns the most specific pattern of the set that covers the given one and is another.
func nextAbove[T any](pattern string, set map[string]T) (string, bool) {
	rest := strings.TrimPrefix(pattern, "*.")
	for {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			return "", false
		}
		if _, ok := set["*."+parent]; ok {
			return "*." + parent, true
		}
		rest = parent
	}
}

// A portClasses is the classes of one protocol and port.
type portClasses struct {
	protocol policy.Protocol
	port     uint16
	classes  []*portClass
}

// byPort returns the classes of TLS and HTTP by protocol and port.
func byPort(p *render.Plan) []portClasses {
	var out []portClasses
	for _, protocol := range []policy.Protocol{policy.TLS, policy.HTTP} {
		for _, c := range p.NameClasses(protocol) {
			if n := len(out); n == 0 || out[n-1].protocol != protocol || out[n-1].port != c.Port {
				out = append(out, portClasses{protocol: protocol, port: c.Port})
			}
			last := &out[len(out)-1]
			last.classes = append(last.classes, newPortClass(&c))
		}
	}
	return out
}

// everybody reports whether a class is open to every workload.
func everybody(c *portClass) bool {
	return len(c.Sources.Except) == 0 && slices.ContainsFunc(c.Sources.Any, func(s render.Source) bool { return s.Selector.IsEverything() })
}

// admitted reports whether another layer of the stack says every grant of a class.
func admitted(c *portClass) bool {
	return len(c.Grants) > 0 && !slices.ContainsFunc(c.Grants, func(g *render.Grant) bool { return !g.Admit })
}
