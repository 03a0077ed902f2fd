package render

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// An AddressClass is a set of addresses and ports that the same sources may reach, denies and boundaries applied. Classes of one protocol
// do not overlap; those of TCP and of TLS or HTTP, which it contains, may.
type AddressClass struct {
	Protocol  policy.Protocol // TLS, HTTP, TCP, UDP or SCTP, as the rules say
	Ports     match.Ports
	Addresses match.Prefixes
	Sources   SourceSet // never nobody
	Grants    []*Grant  // the allows that the class carries, canonical order

	// Denies are what the target has to take from the class by itself, because it says that it can: names (DenyNameOnAddress), methods and
	// paths (HTTPMethods, HTTPPaths). It accounts for them. They are in canonical order; none for most targets.
	Denies []*Grant
}

// AddressClasses returns what the plan allows by address, minus denies, within boundaries: by protocol, ports, sources and addresses.
func (p *Plan) AddressClasses() []AddressClass {
	return addressClasses(p, newResolver(p.features), newLedger(nil))
}

func addressClasses(p *Plan, r *resolver, l *ledger) []AddressClass {
	var out []AddressClass
	for _, protocol := range requestProtocols {
		a := newAddresser(p, protocol, r, l)
		out = append(out, a.classes()...)
	}
	return out
}

// An addresser makes the classes of one protocol of rules.
type addresser struct {
	*resolver
	*ledger
	protocol   policy.Protocol
	slices     []slice
	boundaries []row
}

func newAddresser(p *Plan, protocol policy.Protocol, r *resolver, l *ledger) *addresser {
	a := &addresser{resolver: r, ledger: l, protocol: protocol, boundaries: p.boundaries()}
	allows := slices.DeleteFunc(p.rows(AllowGrant), func(r row) bool { return r.byName() || r.to.Protocol != protocol })
	takers := slices.Concat(p.rows(DenyGrant), p.rows(BoundaryGrant))
	takers = slices.DeleteFunc(takers, func(r row) bool { return !meets(r.to.Protocol, protocol) })
	a.slices = slicePorts(allows, takers)
	return a
}

// classes makes the classes: ports with the same sources to the same addresses are put together.
func (a *addresser) classes() []AddressClass {
	byKey := map[string]*AddressClass{}
	for _, s := range a.slices {
		ports := match.NewPorts(s.ranges...)
		for _, c := range a.partition(s) {
			key := c.key() + "\x00" + c.Addresses.String()
			if have := byKey[key]; have != nil {
				have.Ports = have.Ports.Union(ports)
				have.Grants = append(have.Grants, c.Grants...)
				continue
			}
			c.Protocol, c.Ports = a.protocol, ports
			byKey[key] = &c
		}
	}
	var out []AddressClass
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		c := byKey[key]
		c.Grants = canonical(c.Grants)
		out = append(out, *c)
	}
	slices.SortStableFunc(out, func(a, b AddressClass) int { return a.Ports.Compare(b.Ports) })
	return out
}

// key returns the canonical text of who may reach the addresses of a class.
func (c AddressClass) key() string {
	parts := []string{c.Sources.Key()}
	for _, d := range c.Denies {
		parts = append(parts, string(d.ID))
	}
	return strings.Join(parts, "\x00")
}

func parentPrefix(p netip.Prefix) (netip.Prefix, bool) {
	if p.Bits() == 0 {
		return p, false
	}
	return netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked(), true
}

// partition makes the classes of a slice, without protocol and ports.
func (a *addresser) partition(s slice) []AddressClass {
	prefixes := forest[netip.Prefix]{parent: parentPrefix}
	for _, list := range [][]row{s.allows, s.takers} {
		for _, r := range list {
			for _, p := range r.to.Addresses.Prefixes() {
				prefixes.add(p, r)
			}
		}
	}
	order := make([]netip.Prefix, 0, len(prefixes.own))
	for p := range prefixes.own {
		order = append(order, p)
	}
	slices.SortFunc(order, func(a, b netip.Prefix) int { return cmp.Or(a.Bits()-b.Bits(), a.Addr().Compare(b.Addr())) })

	below := map[netip.Prefix][]netip.Prefix{} // right below, by prefix
	for _, p := range order {
		if parent, ok := prefixes.above(p); ok {
			below[parent] = append(below[parent], p)
		}
	}

	chains := map[netip.Prefix][]row{}
	tops := map[netip.Prefix]netip.Prefix{} // the prefix above with the same key that has none above it
	keys := map[netip.Prefix]string{}
	holes := map[netip.Prefix][]netip.Prefix{} // of a top: the tops right below
	classes := map[string]*AddressClass{}
	parts := map[string][]netip.Prefix{} // tops by key
	nobody := AddressClass{}.key()
	for _, p := range order {
		chain := prefixes.own[p]
		parentKey := nobody
		parent, nested := prefixes.above(p)
		if nested {
			chain, parentKey = slices.Concat(chain, chains[parent]), keys[parent]
		}
		chains[p] = chain
		if match.NewPrefixes(below[p], nil).Equal(match.NewPrefixes([]netip.Prefix{p}, nil)) {
			// Longer prefixes hold all of its addresses: no cell.
			keys[p], tops[p] = parentKey, tops[parent]
			continue
		}
		c := a.cell(s, p, chain)
		key := c.key()
		keys[p] = key
		if classes[key] == nil {
			classes[key] = &AddressClass{Sources: c.Sources, Denies: c.Denies}
		}
		classes[key].Grants = append(classes[key].Grants, c.Grants...)
		if nested && key == parentKey {
			tops[p] = tops[parent]
			continue
		}
		tops[p] = p
		parts[key] = append(parts[key], p)
		if nested {
			holes[tops[parent]] = append(holes[tops[parent]], p)
		}
	}
	var out []AddressClass
	for _, key := range slices.Sorted(maps.Keys(classes)) {
		c := classes[key]
		if c.Sources.Nobody() {
			continue
		}
		var sets []match.Prefixes
		for _, top := range parts[key] {
			sets = append(sets, match.NewPrefixes([]netip.Prefix{top}, holes[top]))
		}
		c.Addresses = unite(sets)
		out = append(out, *c)
	}
	return out
}

// unite returns the union of the sets, of which there is one at least, pair by pair, so that no address is copied more often than it must.
func unite(sets []match.Prefixes) match.Prefixes {
	n := len(sets)
	if n == 1 {
		return sets[0]
	}
	return unite(sets[:n/2]).Union(unite(sets[n/2:]))
}

// cell works out who may reach the addresses of a prefix that no longer one of the slice holds, and notes what becomes of the grants.
func (a *addresser) cell(s slice, p netip.Prefix, chain []row) AddressClass {
	var allows, takers, mixed, part []row // mixed: denies of some of the protocol that take all of it; part: denies for the target to apply
	var inside numberSet
	for _, r := range chain {
		all := r.to.Protocol.Contains(a.protocol)
		switch {
		case r.grant.Kind == AllowGrant:
			allows = append(allows, r)
		case r.grant.Kind == DenyGrant && !all:
			mixed = append(mixed, r)
		case r.grant.Kind == DenyGrant && r.calls() != "":
			part = append(part, r)
		case r.grant.Kind == DenyGrant:
			takers = append(takers, r)
		case all && r.calls() == "":
			inside.add(r.number)
		}
	}
	var vague []row
	for _, b := range a.boundaries {
		if inside.has(b.number) {
			continue
		}
		if feature, _ := a.withinPart(s, p, b.grant); feature != "" {
			vague = append(vague, b)
		} else {
			takers = append(takers, b)
		}
	}
	a.noteVague(s, p, a.resolve(a.idsOf(allows), a.idsOf(takers)).left(a.resolver, allows), mixed, vague)

	takers = slices.Concat(takers, mixed, vague)
	rest := a.resolve(a.idsOf(allows), a.idsOf(takers)).left(a.resolver, allows)
	for _, r := range rest {
		a.live[r.grant.ID] = true
	}
	rest = slices.DeleteFunc(rest, func(r row) bool { return r.calls() != "" })
	for _, r := range rest {
		a.carried[r.grant.ID] = true
	}
	res := a.resolve(a.idsOf(rest), a.idsOf(takers))
	a.demandSources(a.resolver, res, rest, takers)
	return AddressClass{Sources: res.SourceSet, Grants: grantsOf(rest), Denies: a.demandPart(s, p, rest, part, takers)}
}

// withinPart returns the feature that it would take to say which requests to the addresses a boundary contains; none when it contains all
// or nothing of them.
func (a *addresser) withinPart(s slice, p netip.Prefix, b *Grant) (lost Feature, why string) {
	for _, r := range s.within[b] {
		switch {
		case r.byName():
			return WithinNameOnAddress, fmt.Sprintf("the boundary %s has only names inside that may be at these addresses, %s, and names are not seen there; put the addresses inside too", b.Rule, r.to)
		case !r.to.Addresses.Covers(match.NewPrefixes([]netip.Prefix{p}, nil)):
		case !r.to.Protocol.Contains(a.protocol):
			return byAddress(r.to.Protocol), fmt.Sprintf("boundary %s lets %s alone pass, and %s holds more", b.Rule, r.to.Protocol, a.protocol)
		case r.calls() != "":
			return callFeatures(r.to)[0], fmt.Sprintf("boundary %s would let some calls pass: %s", b.Rule, r.to)
		}
	}
	return "", ""
}

// byAddress returns the feature of a protocol by address.
func byAddress(p policy.Protocol) Feature {
	switch p {
	case policy.TLS:
		return TLSByAddress
	case policy.HTTP:
		return HTTPByAddress
	case policy.UDP:
		return UDPByAddress
	case policy.SCTP:
		return SCTPByAddress
	}
	return TCPByAddress
}

// noteVague notes the allows that lose what boundaries would let pass, or what denies of a part of their protocol leave.
func (a *addresser) noteVague(s slice, p netip.Prefix, allows, mixed, vague []row) {
	for _, r := range allows {
		overlaps := func(o row) bool { return a.doOverlap(a.id(r.grant.Source), a.id(o.grant.Source)) }
		for _, b := range vague {
			if overlaps(b) {
				feature, why := a.withinPart(s, p, b.grant)
				a.narrowed(r.grant, feature, why)
			}
		}
		for _, d := range mixed {
			if overlaps(d) {
				a.narrowed(r.grant, byAddress(d.to.Protocol), fmt.Sprintf("rule %s denies %s, and who decides by address cannot tell it from the rest of %s: %s", d.grant.Rule, d.to.Protocol, a.protocol, d.to))
			}
		}
	}
}

// demandPart demands the denies by name, or of some calls, and returns those that the target applies.
func (a *addresser) demandPart(s slice, p netip.Prefix, allows, part, takers []row) []*Grant {
	if len(allows) == 0 {
		return nil
	}
	var out []row
	for _, d := range slices.Concat(part, s.across) {
		var needs []Feature
		if d.byName() {
			needs = append(needs, DenyNameOnAddress)
			if d.to.Hosts[0].Kind() == match.Glob {
				needs = append(needs, HostGlob)
			}
		}
		if a.demandDeny(a.resolver, d, append(needs, callFeatures(d.to)...), allows, takers, p.String()) {
			out = append(out, d)
		}
	}
	return grantsOf(out)
}
