package lint

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// maxRivals bounds how many rules of one selector a pattern or prefix of another rule is compared with.
const maxRivals = 100

// rivals are the rules in force, filed by what they name, so that each rule is compared with those that have to do with it.
type rivals struct {
	rules     []*policy.EffectiveRule
	group     []int // of each rule: the number of its selector
	selectors []identity.Selector
	index     *identity.Index
	covering  [][]int // of each selector: the selectors that cover it; nil until asked for

	hosts     *match.Index[*filed]
	addresses map[netip.Prefix]*filed
	prefixes  []netip.Prefix    // those of addresses, sorted
	bounds    map[int][]*bounds // by selector
}

// filed are the rules that name one pattern or prefix, in order of ID.
type filed struct {
	bySpot     map[spot][]int
	byProtocol [policy.SCTP + 1][]int // allows alone
}

// A spot is where rules compete: among rules of one effect for one selector.
type spot struct {
	effect policy.Effect
	group  int
}

// bounds is a boundary with an index from its patterns to the destinations that name them.
type bounds struct {
	rule  *policy.EffectiveRule
	hosts *match.Index[[]int]
}

func newRivals(e *policy.Engine) *rivals {
	v := &rivals{rules: slices.Collect(e.Rules()), addresses: map[netip.Prefix]*filed{}, bounds: map[int][]*bounds{}}
	groups := map[string]int{}
	hosts := map[match.Pattern]*filed{}
	for n, r := range v.rules {
		g, seen := groups[r.Sources.String()]
		if !seen {
			g = len(v.selectors)
			groups[r.Sources.String()] = g
			v.selectors = append(v.selectors, r.Sources)
		}
		v.group = append(v.group, g)
		if r.Effect == policy.Within {
			v.bounds[g] = append(v.bounds[g], newBounds(r))
			continue
		}
		for _, p := range r.To[0].Hosts {
			under(hosts, p).add(n, r.Effect, g, r.To[0].Protocol)
		}
		for _, p := range r.To[0].Addresses.Prefixes() {
			under(v.addresses, p).add(n, r.Effect, g, r.To[0].Protocol)
		}
	}
	var b match.Builder[*filed]
	for p, f := range hosts {
		b.Add(p, f)
	}
	v.hosts, _ = b.Build() // of patterns that compiled, each once
	v.prefixes = slices.SortedFunc(maps.Keys(v.addresses), comparePrefixes)
	v.index = identity.NewIndex(v.selectors)
	v.covering = make([][]int, len(v.selectors))
	return v
}

// add files rule n.
func (f *filed) add(n int, effect policy.Effect, group int, protocol policy.Protocol) {
	at := spot{effect, group}
	if len(f.bySpot[at]) < maxRivals {
		f.bySpot[at] = append(f.bySpot[at], n)
	}
	if effect == policy.Allow && len(f.byProtocol[protocol]) < maxRivals {
		f.byProtocol[protocol] = append(f.byProtocol[protocol], n)
	}
}

// under returns what is filed under k, which it adds.
func under[K comparable](in map[K]*filed, k K) *filed {
	f := in[k]
	if f == nil {
		f = &filed{bySpot: map[spot][]int{}}
		in[k] = f
	}
	return f
}

func newBounds(r *policy.EffectiveRule) *bounds {
	naming := map[match.Pattern][]int{}
	for i, d := range r.To {
		for _, p := range d.Hosts {
			naming[p] = append(naming[p], i)
		}
	}
	var b match.Builder[[]int]
	for p, list := range naming {
		b.Add(p, list)
	}
	x, _ := b.Build() // of patterns that compiled, each once
	return &bounds{r, x}
}

// above returns the selectors that cover that of rule n.
func (v *rivals) above(n int) []int {
	g := v.group[n]
	if v.covering[g] == nil {
		v.covering[g] = v.index.Covering(v.selectors[g], nil)
	}
	return v.covering[g]
}

// rules looks at the rules in force together.
func (c *checker) rules(e *policy.Engine) {
	v := newRivals(e)
	shadowed := v.shadowed()
	for n, r := range v.rules {
		if r.Effect == policy.Within {
			continue
		}
		if by := shadowed[n]; by != nil {
			c.report(policy.Warning, Shadowed, r.At, fmt.Sprintf("%s never decides: %s", r.ID, those(by, r.Effect, "the same and more")), oneOr(by, "remove it, or the wider rule", "remove it, or the others"))
			continue
		}
		if r.Effect == policy.Deny {
			continue
		}
		by := v.coveredBy(n, policy.Deny, takesAll)
		if by == nil {
			by = v.coveredTogether(n, policy.Deny, func(int) bool { return true })
		}
		if by != nil {
			c.report(policy.Warning, AlwaysDenied, r.At, fmt.Sprintf("%s allows nothing: %s", r.ID, those(by, policy.Deny, "all of it")), oneOr(by, "remove it, or narrow the deny", "remove it, or narrow the denies"))
			continue
		}
		c.bounds(r, v.outside(n))
		if o, ok := v.otherProtocol(n); ok {
			c.report(policy.Warning, MixedProtocols, r.At, fmt.Sprintf("%s allows %s, and %s allows %s: one host, one port and two protocols", r.ID, r.To[0], o.ID, o.To[0]),
				"use one protocol on a port; most enforcement points can't tell two apart")
		}
	}
}

// bounds reports what of an allow is outside boundaries.
func (c *checker) bounds(r *policy.EffectiveRule, out []outsider) {
	const advice = "remove it, or extend the boundary"
	rest := r.To[0]
	by := make([]*policy.EffectiveRule, len(out))
	for i, o := range out {
		by[i] = o.by
		rest.Addresses = rest.Addresses.Subtract(o.place.Addresses)
	}
	if len(out) > 0 && rest.Addresses.IsEmpty() && (len(rest.Hosts) == 0 || len(out) == len(rest.Hosts)) {
		ids, several := namesOf(by)
		what := "the boundary "
		if several {
			what = "the boundaries "
		}
		c.report(policy.Warning, OutsideBounds, r.At, fmt.Sprintf("%s allows nothing: it is outside %s%s", r.ID, what, ids), advice)
		return
	}
	for _, o := range out {
		at, what := field(r.At, "cidrs"), fmt.Sprintf("%.200s", o.place.Addresses)
		if len(o.place.Hosts) > 0 {
			at, what = c.hostAt(r.At, o.place.Hosts[0]), o.place.Hosts[0].String()
		}
		c.report(policy.Warning, OutsideBounds, at, fmt.Sprintf("%s is outside the boundary %s, and %s allows nothing of it", what, o.by.ID, r.ID), advice)
	}
}

// hostAt returns the position of a host of the rule at at.
func (c *checker) hostAt(at policy.Position, host match.Pattern) policy.Position {
	if r := c.written[at]; r != nil {
		if i := slices.IndexFunc(r.To.Hosts, host.Equal); i >= 0 {
			return field(at, fmt.Sprintf("hosts[%d]", i))
		}
	}
	return field(at, "hosts")
}

// those says that rules allow or deny something, alone or together.
func those(rules []*policy.EffectiveRule, effect policy.Effect, what string) string {
	ids, several := namesOf(rules)
	do := map[policy.Effect]string{policy.Allow: "allows", policy.Deny: "denies"}[effect]
	if several {
		do = effect.String()
	}
	return fmt.Sprintf("%s %s %s", ids, do, what)
}

// oneOr returns a text about one rule or that about several.
func oneOr(rules []*policy.EffectiveRule, one, several string) string {
	if _, more := namesOf(rules); more {
		return several
	}
	return one
}

// namesOf names rules, each once, and tells whether there are several.
func namesOf(rules []*policy.EffectiveRule) (ids string, several bool) {
	list := make([]string, len(rules))
	for i, r := range rules {
		list[i] = string(r.ID)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return strings.Join(list, " and "), len(list) > 1
}

// coveredBy returns rules of an effect that together cover rule n, one for each of its patterns (the same one more than once, mostly) or
// one for all of its addresses; nil when they do not. Covers compares rule n with a candidate, for a pattern of rule n that one of the candidate covers.
func (v *rivals) coveredBy(n int, effect policy.Effect, covers func(r, o *policy.EffectiveRule, equalPlace bool) bool) []*policy.EffectiveRule {
	r := v.rules[n]
	var out []*policy.EffectiveRule
	for _, p := range r.To[0].Hosts {
		o := v.coverHost(n, p, effect, covers)
		if o == nil {
			return nil
		}
		out = append(out, o)
	}
	if !r.To[0].Addresses.IsEmpty() {
		o := v.coverAddresses(n, effect, covers)
		if o == nil {
			return nil
		}
		out = append(out, o)
	}
	return out
}

func (v *rivals) coverHost(n int, p match.Pattern, effect policy.Effect, covers func(r, o *policy.EffectiveRule, equalPlace bool) bool) *policy.EffectiveRule {
	h, ok := p.Witness(match.Pattern{})
	if !ok {
		return nil
	}
	for q, f := range v.hosts.Matching(h) { // whatever covers p matches one of its hosts
		if !q.Covers(p) {
			continue
		}
		for _, g := range v.above(n) {
			for _, m := range f.bySpot[spot{effect, g}] {
				if m != n && covers(v.rules[n], v.rules[m], p.Covers(q)) {
					return v.rules[m]
				}
			}
		}
	}
	return nil
}

func (v *rivals) coverAddresses(n int, effect policy.Effect, covers func(r, o *policy.EffectiveRule, equalPlace bool) bool) *policy.EffectiveRule {
	mine := v.rules[n].To[0].Addresses
	first := mine.Prefixes()[0]
	for bits := first.Bits(); bits >= 0; bits-- {
		f := v.addresses[netip.PrefixFrom(first.Addr(), bits).Masked()]
		if f == nil {
			continue
		}
		for _, g := range v.above(n) {
			for _, m := range f.bySpot[spot{effect, g}] {
				if theirs := v.rules[m].To[0].Addresses; theirs.Covers(mine) && covers(v.rules[n], v.rules[m], mine.Covers(theirs)) {
					return v.rules[m]
				}
			}
		}
	}
	return nil
}

// outdoes reports whether o, whose sources cover those of r, leaves r nothing to decide at a place that it covers. Of two rules that say
// the same, the one with the lesser ID stays.
func outdoes(r, o *policy.EffectiveRule, equalPlace bool) bool {
	if !takesAll(r, o, equalPlace) || originates(r) != originates(o) || !outlives(o, r) {
		return false
	}
	same := equalPlace && takesAll(o, r, equalPlace) && r.Sources.Covers(o.Sources) && outlives(r, o)
	return !same || o.ID < r.ID
}

// takesAll reports whether o takes every protocol, port and call of r.
func takesAll(r, o *policy.EffectiveRule, _ bool) bool {
	a, b := &r.To[0], &o.To[0]
	return b.Protocol.Contains(a.Protocol) && (b.Ports.IsEmpty() || !a.Ports.IsEmpty() && b.Ports.Covers(a.Ports)) &&
		coversMethods(b.Methods, a.Methods) && coversPaths(b.Paths, a.Paths)
}

func coversMethods(wide, narrow []string) bool {
	return len(wide) == 0 || len(narrow) > 0 && !slices.ContainsFunc(narrow, func(m string) bool { return !slices.Contains(wide, m) })
}

func coversPaths(wide, narrow []policy.Path) bool {
	return len(wide) == 0 || len(narrow) > 0 && !slices.ContainsFunc(narrow, func(p policy.Path) bool {
		return !slices.ContainsFunc(wide, func(w policy.Path) bool { return w.Covers(p) })
	})
}

func originates(r *policy.EffectiveRule) policy.TLSOrigination {
	if o := r.To[0].OriginateTLS; o != nil {
		return *o
	}
	return policy.TLSOrigination{}
}

// outlives reports whether r is in force for as long as o, or longer.
func outlives(r, o *policy.EffectiveRule) bool {
	return r.Expires.IsZero() || !o.Expires.IsZero() && !r.Expires.Before(o.Expires)
}

// An outsider is hosts or addresses of a rule that a boundary has nothing of inside.
type outsider struct {
	place policy.Destination // with one host, or with addresses
	by    *policy.EffectiveRule
}

// outside returns what of rule n is outside a boundary of all its sources: of each host the first such boundary, and of the addresses those that are
// outside of one.
func (v *rivals) outside(n int) []outsider {
	d := v.rules[n].To[0]
	var out []outsider
	for _, p := range d.Hosts {
		place := d
		place.Hosts = []match.Pattern{p}
		if b := v.boundaryOf(n, func(b *bounds) bool { return !b.overlaps(&place) }); b != nil {
			out = append(out, outsider{place, b.rule})
		}
	}
	if d.Addresses.IsEmpty() {
		return out
	}
	inside := d
	v.boundaryOf(n, func(b *bounds) bool {
		place := d
		place.Addresses = b.leavesOut(&inside)
		if !place.Addresses.IsEmpty() {
			inside.Addresses = inside.Addresses.Subtract(place.Addresses)
			out = append(out, outsider{place, b.rule})
		}
		return inside.Addresses.IsEmpty()
	})
	return out
}

// boundaryOf returns the first boundary of all sources of rule n that found takes, and nil when it takes none.
func (v *rivals) boundaryOf(n int, found func(*bounds) bool) *bounds {
	for _, g := range v.above(n) {
		for _, b := range v.bounds[g] {
			if found(b) {
				return b
			}
		}
	}
	return nil
}

// leavesOut returns the prefixes of d, each as a whole, that the boundary has nothing of inside.
func (b *bounds) leavesOut(d *policy.Destination) match.Prefixes {
	var out []netip.Prefix
	for _, p := range d.Addresses.Prefixes() {
		place := *d
		place.Addresses = match.NewPrefixes([]netip.Prefix{p}, nil)
		if !b.overlaps(&place) {
			out = append(out, p)
		}
	}
	return match.NewPrefixes(out, nil)
}

// overlaps reports whether something of d, which has one host or addresses, may be inside.
func (b *bounds) overlaps(d *policy.Destination) bool {
	if len(d.Hosts) == 1 && d.Hosts[0].Kind() == match.Exact {
		return b.holds(d)
	}
	for i := range b.rule.To {
		if in := &b.rule.To[i]; meet(in, d) && placesOverlap(in, d) {
			return true
		}
	}
	return false
}

// holds is overlaps for the name of one host.
func (b *bounds) holds(d *policy.Destination) bool {
	for i := range b.rule.To {
		if in := &b.rule.To[i]; len(in.Hosts) == 0 && meet(in, d) {
			return true
		}
	}
	if h, ok := d.Hosts[0].Witness(match.Pattern{}); ok {
		for _, list := range b.hosts.Matching(h) {
			for _, i := range list {
				if meet(&b.rule.To[i], d) {
					return true
				}
			}
		}
	}
	return false
}

// meet reports whether some protocol and port is in both.
func meet(a, b *policy.Destination) bool {
	return (a.Protocol.Contains(b.Protocol) || b.Protocol.Contains(a.Protocol)) &&
		(a.Ports.IsEmpty() || b.Ports.IsEmpty() || a.Ports.Overlaps(b.Ports))
}

// placesOverlap reports whether some request is at a place of both. A request may have both a host and an address.
func placesOverlap(in, d *policy.Destination) bool {
	if len(in.Hosts) > 0 != (len(d.Hosts) > 0) || in.Addresses.Overlaps(d.Addresses) {
		return true
	}
	for _, p := range d.Hosts {
		if slices.ContainsFunc(in.Hosts, p.Overlaps) {
			return true
		}
	}
	return false
}

// otherProtocol returns a rule that allows some of the sources of rule n one of its hosts on one of its ports by another protocol. Of
// two such rules, the one with the narrower pattern or the greater ID has the other one. Other transports are apart: QUIC and TLS share ports.
func (v *rivals) otherProtocol(n int) (*policy.EffectiveRule, bool) {
	r := v.rules[n]
	if r.To[0].Protocol.Transport() != policy.TCP {
		return nil, false
	}
	for _, p := range r.To[0].Hosts {
		h, ok := p.Witness(match.Pattern{})
		if !ok {
			continue
		}
		for q, f := range v.hosts.Matching(h) {
			if !q.Covers(p) {
				continue
			}
			if o := v.mixed(n, f, p.Covers(q)); o != nil {
				return o, true
			}
		}
	}
	return nil, false
}

func (v *rivals) mixed(n int, f *filed, samePattern bool) *policy.EffectiveRule {
	r := v.rules[n]
	for protocol, list := range f.byProtocol {
		if p := policy.Protocol(protocol); p == r.To[0].Protocol || p.Transport() != policy.TCP {
			continue
		}
		for _, m := range list {
			o := v.rules[m]
			if (!samePattern || o.ID < r.ID) && o.To[0].Ports.Overlaps(r.To[0].Ports) && o.Sources.Overlaps(r.Sources) {
				return o
			}
		}
	}
	return nil
}
