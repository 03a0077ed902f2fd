package policy

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
)

// Places are what rules name, numbered over all rules: patterns of hosts and prefixes of addresses. Exact and subdomains patterns lie one
// inside the other, and so do prefixes: a request has at most one innermost place by host and one by address, and each place knows the
// next one around it. Globs lie beside all others, and a host can be at any number of them.
type places struct {
	hosts *match.Index[int32] // all but globs
	globs *match.Index[int32]
	v4    steps // of addresses that fit into a number: faster than the index
	v6    *match.PrefixIndex[int32]
}

// host returns the innermost place of h, or none.
func (ps *places) host(h match.Host) int32 {
	if _, p, ok := ps.hosts.Lookup(h); ok {
		return p
	}
	return none
}

// addr returns the innermost place of a, which must be valid, or none.
func (ps *places) addr(a netip.Addr) int32 {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return ps.v4.at(binary.BigEndian.Uint32(b[:]))
	}
	if _, p, ok := ps.v6.Lookup(a); ok {
		return p
	}
	return none
}

// A surveyor numbers places in the order in which rules name them: what rules next to each other name is kept next to each other.
type surveyor struct {
	hosts    []*match.Pattern // by number; nil for a prefix
	seed     maphash.Seed
	slots    []slot // finds hosts by the hash of their domain; at least half of them are free
	prefixes map[netip.Prefix]int32

	named []int32 // the places of all destinations of all rules, in order
	count []int32 // how many of them each destination has
}

// A slot holds the number of a host plus one, or zero, and the upper half of its hash. Unlike a map of texts, a list of slots is made at
// once, gone through once for a host, and nothing to the garbage collector.
type slot struct{ n, hash uint32 }

// newSurveyor returns a surveyor with room for a number of hosts, which can't be exceeded, named by a number of destinations.
func newSurveyor(hosts, destinations int) *surveyor {
	return &surveyor{hosts: make([]*match.Pattern, 0, hosts), seed: maphash.MakeSeed(), slots: make([]slot, 2<<bits.Len(uint(hosts))),
		prefixes: map[netip.Prefix]int32{}, named: make([]int32, 0, hosts), count: make([]int32, 0, destinations)}
}

// surveyorOf returns a surveyor that has heard rules.
func surveyorOf(rules []heldRule, store *storage) *surveyor {
	hosts, destinations := 0, 0
	for n := range rules {
		destinations += int(rules[n].to.n)
		for _, d := range store.destinations(rules[n].to) {
			hosts += int(d.hosts.n)
		}
	}
	s := newSurveyor(hosts, destinations)
	for n := range rules {
		for _, d := range store.destinations(rules[n].to) {
			s.add(store.hostsOf(d), store.rests[d.rest].Addresses)
		}
	}
	return s
}

// add notes the places of a destination.
func (s *surveyor) add(hosts []match.Pattern, addresses match.Prefixes) {
	before := len(s.named)
	for i := range hosts {
		s.named = append(s.named, s.addHost(&hosts[i]))
	}
	for _, p := range addresses.Prefixes() {
		s.named = append(s.named, s.addPrefix(p))
	}
	s.count = append(s.count, int32(len(s.named)-before))
}

// addHost returns the number of a pattern, which it keeps.
func (s *surveyor) addHost(p *match.Pattern) int32 {
	at, hash := s.find(p.Kind(), domainOf(p))
	if at.n == 0 {
		s.hosts = append(s.hosts, p)
		*at = slot{uint32(len(s.hosts)), hash}
	}
	return int32(at.n) - 1
}

// find returns the slot of a pattern, or the free one for it, and what that holds of the hash.
func (s *surveyor) find(kind match.Kind, domain string) (*slot, uint32) {
	h := maphash.String(s.seed, domain)
	for i := h; ; i++ {
		at := &s.slots[i&uint64(len(s.slots)-1)]
		if at.n == 0 || at.hash == uint32(h>>32) && s.hosts[at.n-1].Kind() == kind && domainOf(s.hosts[at.n-1]) == domain {
			return at, uint32(h >> 32)
		}
	}
}

// domainOf returns the host of an exact pattern, foo.com of "*.foo.com", and the text of a glob. That and the kind are the pattern.
func domainOf(p *match.Pattern) string {
	if p.Kind() == match.Subdomains {
		return p.String()[len("*."):]
	}
	return p.String()
}

// addPrefix returns the number of a masked prefix.
func (s *surveyor) addPrefix(p netip.Prefix) int32 {
	n, seen := s.prefixes[p]
	if !seen {
		n = int32(len(s.hosts))
		s.prefixes[p] = n
		s.hosts = append(s.hosts, nil)
	}
	return n
}

// survey returns what finds places, and of each place the next one around it, or none.
func (s *surveyor) survey() (ps places, outer []int32, err error) {
	outer = make([]int32, len(s.hosts))
	var hosts, globs match.Builder[int32]
	hosts.Grow(len(s.hosts))
	parent, around := "", int32(none) // of the host before, which often has the same
	for n, p := range s.hosts {
		switch {
		case p == nil:
		case p.Kind() == match.Glob:
			globs.Add(*p, int32(n))
			outer[n] = none
		default:
			hosts.Add(*p, int32(n))
			if _, above, _ := strings.Cut(domainOf(p), "."); above != parent {
				parent, around = above, s.around(above)
			}
			outer[n] = around
		}
	}
	if ps.hosts, err = hosts.Build(); err != nil {
		return ps, nil, err
	}
	if ps.globs, err = globs.Build(); err != nil {
		return ps, nil, err
	}
	return ps, outer, s.surveyPrefixes(&ps, outer)
}

// around returns the innermost subdomains pattern of a domain or those above it, or none.
func (s *surveyor) around(domain string) int32 {
	for domain != "" {
		if at, _ := s.find(match.Subdomains, domain); at.n != 0 {
			return int32(at.n) - 1
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return none
}

// surveyPrefixes fills in what finds addresses.
func (s *surveyor) surveyPrefixes(ps *places, outer []int32) (err error) {
	sorted := make([]netip.Prefix, 0, len(s.prefixes))
	for p := range s.prefixes {
		sorted = append(sorted, p)
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int { // outer before inner ones
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var v4 []point
	var v6 match.PrefixBuilder[int32]
	step := func(from netip.Addr, place int32) {
		if from.Is4() {
			b := from.As4()
			v4 = setPoint(v4, binary.BigEndian.Uint32(b[:]), place)
		}
	}
	var open []netip.Prefix // those that the address at hand lies in, outermost first
	innermost := func() int32 {
		if len(open) == 0 {
			return none
		}
		return s.prefixes[open[len(open)-1]]
	}
	// leave closes the open prefixes that do not hold a; with the zero Addr, all of them.
	leave := func(a netip.Addr) {
		for len(open) > 0 && !open[len(open)-1].Contains(a) {
			p := open[len(open)-1]
			open = open[:len(open)-1]
			if after := lastAddr(p).Next(); after.IsValid() {
				step(after, innermost())
			}
		}
	}
	for _, p := range sorted {
		leave(p.Addr())
		place := s.prefixes[p]
		outer[place] = innermost()
		step(p.Addr(), place)
		if p.Addr().Is6() {
			v6.Add(p, place)
		}
		open = append(open, p)
	}
	leave(netip.Addr{})
	ps.v4 = newSteps(v4)
	ps.v6, err = v6.Build()
	return err
}

// setPoint adds a point to sorted points, or changes the last one when it is at the same number.
func setPoint(points []point, from uint32, value int32) []point {
	if n := len(points); n > 0 && points[n-1].from == from {
		points[n-1].value = value
		return points
	}
	return append(points, point{from, value})
}

// lastAddr returns the highest address of a masked prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
