package match

import (
	"net/netip"
	"slices"
	"strings"
)

// Prefixes is a set of addresses. The zero Prefixes is empty. IPv4-mapped IPv6 addresses count as IPv4. Prefixes are values: no method
// changes them.
type Prefixes struct{ ranges []addrRange } // sorted, disjoint, not adjacent

type addrRange struct{ first, last netip.Addr } // of one family

// NewPrefixes returns the addresses of include that are in none of except. Host bits of a prefix are ignored; invalid prefixes are left out.
func NewPrefixes(include, except []netip.Prefix) Prefixes {
	in := newPrefixes(rangesOf(include))
	if len(except) == 0 {
		return in
	}
	return in.Subtract(newPrefixes(rangesOf(except)))
}

func rangesOf(prefixes []netip.Prefix) []addrRange {
	out := make([]addrRange, 0, len(prefixes))
	for _, p := range prefixes {
		if !p.IsValid() {
			continue
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		p = p.Masked()
		out = append(out, addrRange{p.Addr(), lastAddr(p)})
	}
	return out
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

func newPrefixes(rs []addrRange) Prefixes {
	slices.SortFunc(rs, func(a, b addrRange) int { return a.first.Compare(b.first) })
	var out []addrRange
	for _, r := range rs {
		if n := len(out); n > 0 && sameFamily(r, out[n-1]) && (r.first.Compare(out[n-1].last) <= 0 || out[n-1].last.Next() == r.first) {
			if out[n-1].last.Less(r.last) {
				out[n-1].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return Prefixes{out}
}

func sameFamily(a, b addrRange) bool { return a.first.BitLen() == b.first.BitLen() }

// Contains reports whether a is in s. It does not allocate. The zero Addr is in no set.
func (s Prefixes) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return false
	}
	i, found := slices.BinarySearchFunc(s.ranges, a, func(r addrRange, a netip.Addr) int { return r.first.Compare(a) })
	return found || i > 0 && sameFamily(s.ranges[i-1], addrRange{a, a}) && a.Compare(s.ranges[i-1].last) <= 0
}

// IsEmpty reports whether s has no address.
func (s Prefixes) IsEmpty() bool { return len(s.ranges) == 0 }

// Union returns the addresses in s or o.
func (s Prefixes) Union(o Prefixes) Prefixes { return newPrefixes(slices.Concat(s.ranges, o.ranges)) }

// Intersect returns the addresses in both s and o.
func (s Prefixes) Intersect(o Prefixes) Prefixes {
	var out []addrRange
	for _, a := range s.ranges {
		for _, b := range o.ranges {
			if !sameFamily(a, b) {
				continue
			}
			lo, hi := a.first, a.last
			if lo.Less(b.first) {
				lo = b.first
			}
			if b.last.Less(hi) {
				hi = b.last
			}
			if lo.Compare(hi) <= 0 {
				out = append(out, addrRange{lo, hi})
			}
		}
	}
	return newPrefixes(out)
}

// Subtract returns the addresses in s and not in o.
func (s Prefixes) Subtract(o Prefixes) Prefixes {
	out := slices.Clone(s.ranges)
	for _, b := range o.ranges {
		var next []addrRange
		for _, a := range out {
			if !sameFamily(a, b) || a.last.Less(b.first) || b.last.Less(a.first) {
				next = append(next, a)
				continue
			}
			if a.first.Less(b.first) {
				next = append(next, addrRange{a.first, b.first.Prev()})
			}
			if b.last.Less(a.last) {
				next = append(next, addrRange{b.last.Next(), a.last})
			}
		}
		out = next
	}
	return newPrefixes(out)
}

// Covers reports whether every address of o is in s.
func (s Prefixes) Covers(o Prefixes) bool { return o.Subtract(s).IsEmpty() }

// Overlaps reports whether s and o have an address in common.
func (s Prefixes) Overlaps(o Prefixes) bool { return !s.Intersect(o).IsEmpty() }

// Equal reports whether s and o hold the same addresses.
func (s Prefixes) Equal(o Prefixes) bool { return slices.Equal(s.ranges, o.ranges) }

// Prefixes returns the fewest prefixes whose union is s, in ascending order, IPv4 before IPv6.
func (s Prefixes) Prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range s.ranges {
		for at := r.first; ; {
			p := widest(at, r.last)
			out = append(out, p)
			last := lastAddr(p)
			if last == r.last {
				break
			}
			at = last.Next()
		}
	}
	return out
}

// widest returns the shortest prefix that starts at first and does not reach past last.
func widest(first, last netip.Addr) netip.Prefix {
	best := netip.PrefixFrom(first, first.BitLen())
	for bits := first.BitLen() - 1; bits >= 0; bits-- {
		p := netip.PrefixFrom(first, bits)
		if p.Masked().Addr() != first || last.Less(lastAddr(p)) {
			break
		}
		best = p
	}
	return best
}

// Compare orders sets by their text.
func (s Prefixes) Compare(o Prefixes) int { return strings.Compare(s.String(), o.String()) }

// String returns the prefixes joined by commas, and "" for the empty set.
func (s Prefixes) String() string {
	var b strings.Builder
	for i, p := range s.Prefixes() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.String())
	}
	return b.String()
}
