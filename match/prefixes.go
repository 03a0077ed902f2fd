package match

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Prefixes is a set of addresses. The zero Prefixes is empty. IPv4-mapped IPv6 addresses count as IPv4. Prefixes are values: no method
// changes them.
type Prefixes struct{ spans spans[netip.Addr] } // netip.Addr orders IPv4 before IPv6, and neither family has a neighbour in the other

// NewPrefixes returns the addresses of include that are in none of except. Host bits of a prefix are ignored; invalid prefixes are left out.
func NewPrefixes(include, except []netip.Prefix) Prefixes {
	return Prefixes{spansOf(include).subtract(spansOf(except))}
}

func spansOf(prefixes []netip.Prefix) spans[netip.Addr] {
	list := make([]span[netip.Addr], 0, len(prefixes))
	for _, p := range prefixes {
		if p = canonicalPrefix(p); p.IsValid() {
			list = append(list, span[netip.Addr]{p.Addr(), lastAddr(p)})
		}
	}
	return unite(list)
}

// canonicalPrefix returns p without host bits, as IPv4 if all its addresses are IPv4-mapped, and the zero Prefix if p is invalid.
func canonicalPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
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

// Contains reports whether a is in s. It does not allocate. Zones are ignored; the zero Addr is in no set.
func (s Prefixes) Contains(a netip.Addr) bool {
	return a.IsValid() && s.spans.contains(a.Unmap().WithZone(""))
}

// IsEmpty reports whether s has no address.
func (s Prefixes) IsEmpty() bool { return len(s.spans) == 0 }

// Union returns the addresses in s or o.
func (s Prefixes) Union(o Prefixes) Prefixes { return Prefixes{unite(slices.Concat(s.spans, o.spans))} }

// Intersect returns the addresses in both s and o.
func (s Prefixes) Intersect(o Prefixes) Prefixes { return Prefixes{s.spans.intersect(o.spans)} }

// Subtract returns the addresses in s and not in o.
func (s Prefixes) Subtract(o Prefixes) Prefixes { return Prefixes{s.spans.subtract(o.spans)} }

// Covers reports whether every address of o is in s.
func (s Prefixes) Covers(o Prefixes) bool { return o.Subtract(s).IsEmpty() }

// Overlaps reports whether s and o have an address in common.
func (s Prefixes) Overlaps(o Prefixes) bool { return !s.Intersect(o).IsEmpty() }

// Equal reports whether s and o hold the same addresses.
func (s Prefixes) Equal(o Prefixes) bool { return slices.Equal(s.spans, o.spans) }

// Prefixes returns the fewest prefixes whose union is s, in ascending order, IPv4 before IPv6.
func (s Prefixes) Prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range s.spans {
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

// Compare orders sets by their addresses, and is 0 for equal sets alone.
func (s Prefixes) Compare(o Prefixes) int {
	return slices.CompareFunc(s.spans, o.spans, func(a, b span[netip.Addr]) int {
		return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last))
	})
}

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
