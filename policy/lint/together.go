package lint

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// maxCells bounds the combinations of methods and paths of a rule that are looked at one by one, and the ranges that its ports are cut into.
const maxCells = 256

// shadowed returns, by number, the rules that never decide, with those that decide in their place. First those that each place has one
// wider rule for: that relation has no circles, so that all of them can go. Then those that the rest covers only together, the greatest ID
// first: in a circle, such as that of three rules of two ports each of the same three, whoever is left covers what went before.
func (v *rivals) shadowed() map[int][]*policy.EffectiveRule {
	out := map[int][]*policy.EffectiveRule{}
	for n, r := range v.rules {
		if r.Effect != policy.Within {
			if by := v.coveredBy(n, r.Effect, outdoes); by != nil {
				out[n] = by
			}
		}
	}
	for n, r := range slices.Backward(v.rules) {
		if r.Effect == policy.Within || out[n] != nil {
			continue
		}
		by := v.coveredTogether(n, r.Effect, func(m int) bool {
			o := v.rules[m]
			return m != n && out[m] == nil && originates(r) == originates(o) && outlives(o, r)
		})
		if by != nil {
			out[n] = by
		}
	}
	return out
}

// coveredTogether returns rules of an effect, of those that may be taken, that take all of rule n together; nil when they do not. Each pattern
// must lie in one of theirs. What is certain is told: the sources of each cover those of rule n, because whether selectors do so together
// cannot be said in general, and neither can it of patterns.
func (v *rivals) coveredTogether(n int, effect policy.Effect, may func(m int) bool) []*policy.EffectiveRule {
	d := &v.rules[n].To[0]
	var by []*policy.EffectiveRule
	if cells := max(1, len(d.Methods)) * max(1, len(d.Paths)); cells > maxCells || cells == 1 && d.Ports.Len() <= 1 && len(d.Hosts) > 0 {
		return nil // too much, or nothing that could be shared
	}
	for _, p := range d.Hosts {
		if by = takenTogether(d, v.naming(n, p, effect, may), by); by == nil {
			return nil
		}
	}
	if !d.Addresses.IsEmpty() {
		by = takenTogether(d, v.near(n, effect, may), by)
	}
	return by
}

// naming returns the rules for all sources of rule n whose patterns cover p.
func (v *rivals) naming(n int, p match.Pattern, effect policy.Effect, may func(m int) bool) []*policy.EffectiveRule {
	h, ok := p.Witness(match.Pattern{})
	if !ok {
		return nil
	}
	c := v.candidates(n, effect, may)
	for q, f := range v.hosts.Matching(h) { // whatever covers p matches one of its hosts
		if q.Covers(p) {
			c.add(f)
		}
	}
	return c.rules
}

// near returns rules for all sources of rule n with prefixes around its own or inside them.
func (v *rivals) near(n int, effect policy.Effect, may func(m int) bool) []*policy.EffectiveRule {
	c := v.candidates(n, effect, may)
	for _, p := range v.rules[n].To[0].Addresses.Prefixes() {
		for bits := p.Bits(); bits >= 0; bits-- {
			c.add(v.addresses[netip.PrefixFrom(p.Addr(), bits).Masked()])
		}
		i, _ := slices.BinarySearchFunc(v.prefixes, p, comparePrefixes)
		for ; i < len(v.prefixes) && p.Contains(v.prefixes[i].Addr()) && c.looks > 0; i++ {
			c.add(v.addresses[v.prefixes[i]])
		}
	}
	return c.rules
}

// comparePrefixes orders prefixes so that those inside another follow it.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// candidates gather rules, each once and maxRivals at most.
type candidates struct {
	v     *rivals
	spots []spot
	may   func(m int) bool
	seen  map[int]bool
	looks int // how many more places are looked at
	rules []*policy.EffectiveRule
}

func (v *rivals) candidates(n int, effect policy.Effect, may func(m int) bool) *candidates {
	c := &candidates{v: v, may: may, seen: map[int]bool{}, looks: 10 * maxRivals}
	for _, g := range v.above(n) {
		c.spots = append(c.spots, spot{effect, g})
	}
	return c
}

// add adds the rules that are filed in one place; nil holds none.
func (c *candidates) add(f *filed) {
	c.looks--
	if f == nil {
		return
	}
	for _, s := range c.spots {
		for _, m := range f.bySpot[s] {
			if len(c.rules) < maxRivals && !c.seen[m] && c.may(m) {
				c.seen[m] = true
				c.rules = append(c.rules, c.v.rules[m])
			}
		}
	}
}

// takenTogether adds to by those of the rules, whose hosts cover that of d where it has some, that take all of d together; it returns nil when they
// leave something. Each combination of protocol, method and path is taken by those that take it whole: no path is made of finitely many others.
func takenTogether(d *policy.Destination, rules, by []*policy.EffectiveRule) []*policy.EffectiveRule {
	protocols := []policy.Protocol{d.Protocol}
	if d.Protocol == policy.AnyProtocol && len(d.Hosts) == 0 { // TLS and HTTP are TCP, and no rule names SCTP by host
		protocols = []policy.Protocol{policy.TCP, policy.UDP, policy.SCTP}
	}
	for _, protocol := range protocols {
		for _, methods := range oneByOne(d.Methods) {
			for _, paths := range oneByOne(d.Paths) {
				var taking []*policy.EffectiveRule
				for _, o := range rules {
					if to := &o.To[0]; to.Protocol.Contains(protocol) && coversMethods(to.Methods, methods) && coversPaths(to.Paths, paths) {
						taking = append(taking, o)
					}
				}
				if by = takenOnPorts(d, taking, by); by == nil {
					return nil
				}
			}
		}
	}
	return by
}

// oneByOne returns the lists of one entry each; of an empty list, which means any, itself.
func oneByOne[T any](list []T) [][]T {
	if len(list) == 0 {
		return [][]T{nil}
	}
	return slices.Collect(slices.Chunk(list, 1))
}

// takenOnPorts is takenTogether for rules that differ in ports and addresses alone.
func takenOnPorts(d *policy.Destination, rules, by []*policy.EffectiveRule) []*policy.EffectiveRule {
	if d.Ports.IsEmpty() { // any: ports that are listed leave some
		return takenAt(d, slices.DeleteFunc(slices.Clone(rules), func(o *policy.EffectiveRule) bool { return !o.To[0].Ports.IsEmpty() }), by)
	}
	// Between two cuts, each rule takes all ports or none.
	var cuts []int
	cut := func(ports match.Ports) {
		for _, r := range ports.Ranges() {
			cuts = append(cuts, int(r.First), int(r.Last)+1)
		}
	}
	cut(d.Ports)
	for _, o := range rules {
		cut(o.To[0].Ports.Intersect(d.Ports))
	}
	slices.Sort(cuts)
	if cuts = slices.Compact(cuts); len(cuts) > maxCells {
		return nil
	}
	for _, first := range cuts {
		if first > 65535 || !d.Ports.Contains(uint16(first)) {
			continue
		}
		here := slices.DeleteFunc(slices.Clone(rules), func(o *policy.EffectiveRule) bool {
			return !o.To[0].Ports.IsEmpty() && !o.To[0].Ports.Contains(uint16(first))
		})
		if by = takenAt(d, here, by); by == nil {
			return nil
		}
	}
	return by
}

// takenAt is takenTogether for rules that differ in addresses alone. It takes as few more as it can without trying all of them.
func takenAt(d *policy.Destination, rules, by []*policy.EffectiveRule) []*policy.EffectiveRule {
	if len(d.Hosts) > 0 {
		switch {
		case len(rules) == 0:
			return nil
		case slices.ContainsFunc(rules, func(o *policy.EffectiveRule) bool { return slices.Contains(by, o) }):
			return by
		}
		return append(by, rules[0])
	}
	rest := d.Addresses
	for _, known := range []bool{true, false} {
		for _, o := range rules {
			if slices.Contains(by, o) == known && o.To[0].Addresses.Overlaps(rest) {
				rest = rest.Subtract(o.To[0].Addresses)
				if !known {
					by = append(by, o)
				}
			}
		}
	}
	if !rest.IsEmpty() {
		return nil
	}
	return by
}
