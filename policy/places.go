package policy

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
)

// Places are what rules name, numbered over all rules: patterns of hosts, but for globs, and prefixes of addresses. A request has at most
// one place by host and one by address, the innermost ones, which are looked up once for all tables. Numbers are in preorder: what lies
// inside place p has the numbers from p to last[p], so that the innermost place of a table is found by number alone.
type places struct {
	hosts *match.Index[int32]
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

// A surveyor numbers places.
type surveyor struct {
	hosts      []match.Pattern  // exact and subdomains
	ids        map[string]int32 // of hosts, by text
	subdomains map[string]int32 // of hosts, by suffix
	prefixes   map[netip.Prefix]struct{}
}

// newSurveyor returns a surveyor with room for a number of hosts.
func newSurveyor(hosts int) *surveyor {
	return &surveyor{hosts: make([]match.Pattern, 0, hosts), ids: make(map[string]int32, hosts), subdomains: map[string]int32{}, prefixes: map[netip.Prefix]struct{}{}}
}

// addHost takes note of an exact or subdomains pattern and returns its index in hosts.
func (s *surveyor) addHost(p match.Pattern) int32 {
	id, seen := s.ids[p.String()]
	if !seen {
		id = int32(len(s.hosts))
		s.ids[p.String()] = id
		s.hosts = append(s.hosts, p)
		if p.Kind() == match.Subdomains {
			s.subdomains[p.Suffix()] = id
		}
	}
	return id
}

// A survey is the numbering while tables are built.
type survey struct {
	places
	number   []int32 // place of each of the surveyor's hosts
	prefixes map[netip.Prefix]int32
	last     []int32 // by place
}

func (s *surveyor) survey() (*survey, error) {
	out := &survey{number: make([]int32, len(s.hosts)), prefixes: make(map[netip.Prefix]int32, len(s.prefixes))}
	out.last = make([]int32, len(s.hosts)+len(s.prefixes))
	s.numberHosts(out)
	if err := s.numberPrefixes(out); err != nil {
		return nil, err
	}
	var b match.Builder[int32]
	for id, p := range s.hosts {
		b.Add(p, out.number[id])
	}
	var err error
	out.hosts, err = b.Build()
	return out, err
}

// numberHosts gives every pattern a number after that of the pattern around it. Only "*.foo.com" has others inside. Patterns next to each
// other in the rules get numbers next to each other, which makes tables small to look into.
func (s *surveyor) numberHosts(out *survey) {
	around := make([]int32, len(s.hosts)) // the next pattern around, or none
	size := make([]int32, len(s.hosts))   // of the pattern and all inside
	var wide []int32                      // the patterns that can have others inside
	for id, p := range s.hosts {
		around[id] = s.around(p)
		size[id]++
		switch {
		case p.Kind() == match.Subdomains:
			wide = append(wide, int32(id))
		case around[id] != none:
			size[around[id]]++
		}
	}
	// Inner patterns have more labels than those around them, and add what is in them first.
	slices.SortFunc(wide, func(a, b int32) int {
		return cmp.Compare(strings.Count(s.hosts[b].String(), "."), strings.Count(s.hosts[a].String(), "."))
	})
	for _, id := range wide {
		if around[id] != none {
			size[around[id]] += size[id]
		}
	}
	outside := int32(0)
	next := make([]int32, len(s.hosts)) // the number for what is found inside next; 0: the pattern has no number yet
	var assign func(id int32)
	assign = func(id int32) {
		at := &outside
		if a := around[id]; a != none {
			if next[a] == 0 {
				assign(a) // as deep as a name has labels
			}
			at = &next[a]
		}
		n := *at
		*at += size[id]
		out.number[id], out.last[n], next[id] = n, n+size[id]-1, n+1
	}
	for id := range s.hosts {
		if next[id] == 0 {
			assign(int32(id))
		}
	}
}

// around returns the innermost pattern around p, or none.
func (s *surveyor) around(p match.Pattern) int32 {
	for suffix := p.Suffix(); ; {
		i := strings.IndexByte(suffix, '.')
		if i < 0 {
			return none
		}
		suffix = suffix[i+1:]
		if id, ok := s.subdomains[suffix]; ok {
			return id
		}
	}
}

// numberPrefixes gives the prefixes the numbers after those of the hosts.
func (s *surveyor) numberPrefixes(out *survey) error {
	sorted := make([]netip.Prefix, 0, len(s.prefixes))
	for p := range s.prefixes {
		sorted = append(sorted, p)
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int { // outer before inner ones
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	base := int32(len(s.hosts))
	var v4 []point
	var v6 match.PrefixBuilder[int32]
	var open []int32 // the prefixes that the address at hand lies in, outermost first
	step := func(from netip.Addr, place int32) {
		if from.Is4() {
			b := from.As4()
			v4 = setPoint(v4, binary.BigEndian.Uint32(b[:]), place)
		}
	}
	// leave closes the open prefixes that do not hold a; with the zero Addr, all of them.
	leave := func(a netip.Addr, upTo int32) {
		for len(open) > 0 {
			i := open[len(open)-1]
			if sorted[i].Contains(a) {
				return
			}
			open = open[:len(open)-1]
			out.last[base+i] = base + upTo - 1
			outer := int32(none)
			if len(open) > 0 {
				outer = base + open[len(open)-1]
			}
			if after := lastAddr(sorted[i]).Next(); after.IsValid() {
				step(after, outer)
			}
		}
	}
	for i, p := range sorted {
		leave(p.Addr(), int32(i))
		out.prefixes[p] = base + int32(i)
		step(p.Addr(), base+int32(i))
		if p.Addr().Is6() {
			v6.Add(p, base+int32(i))
		}
		open = append(open, int32(i))
	}
	leave(netip.Addr{}, int32(len(sorted)))
	out.v4 = newSteps(v4)
	var err error
	out.v6, err = v6.Build()
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
