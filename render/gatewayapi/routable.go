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
	class   *render.NameClass
}

// routable returns the patterns of the classes, all of one protocol and port, that routes may send on, in canonical order: those of open
// classes with no closed name below them. A route has no way to leave a name out, and what a dropped wildcard held would fall to the next
// wildcard above, which goes with it.
func routable(classes []*render.NameClass, open func(*render.NameClass) bool) (keep []routed, dropped []*render.NameClass) {
	sendable := map[string]bool{}
	var all []routed
	for _, c := range classes {
		for _, p := range c.Patterns {
			sendable[p.String()] = open(c)
			all = append(all, routed{p.String(), c})
		}
	}
	slices.SortFunc(all, func(a, b routed) int {
		return cmp.Or(-cmp.Compare(strings.Count(a.pattern, "."), strings.Count(b.pattern, ".")), cmp.Compare(a.pattern, b.pattern))
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
		} else if !r.class.Nobody() && !slices.Contains(dropped, r.class) {
			dropped = append(dropped, r.class)
		}
	}
	slices.SortFunc(keep, func(a, b routed) int { return cmp.Compare(a.pattern, b.pattern) })
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
	classes  []*render.NameClass
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
			last.classes = append(last.classes, &c)
		}
	}
	return out
}

// everybody reports whether a class is open to every workload.
func everybody(c *render.NameClass) bool {
	return len(c.Sources.Except) == 0 && slices.ContainsFunc(c.Sources.Any, func(s render.Source) bool { return s.Selector.IsEverything() })
}

// admitted reports whether another layer of the stack says every grant of a class.
func admitted(c *render.NameClass) bool {
	return len(c.Grants) > 0 && !slices.ContainsFunc(c.Grants, func(g *render.Grant) bool { return !g.Admit })
}
