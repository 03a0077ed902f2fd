package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// Places are numbered so that what lies inside a place is what has the numbers up to its last one.
func TestPlacesAreNumberedInPreorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSurveyor(0)
		label := rapid.SampledFrom([]string{"a", "b"})
		for range rapid.IntRange(0, 20).Draw(t, "hosts") {
			text := strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "labels"), ".")
			if rapid.Bool().Draw(t, "wild") {
				text = "*." + text
			}
			s.addHost(match.MustParsePattern(text))
		}
		for range rapid.IntRange(0, 20).Draw(t, "prefixes") {
			b := [4]byte{rapid.Uint8().Draw(t, "byte")}
			s.prefixes[netip.PrefixFrom(netip.AddrFrom4(b), rapid.IntRange(0, 8).Draw(t, "bits")).Masked()] = struct{}{}
			c := [16]byte{rapid.Uint8().Draw(t, "byte")}
			s.prefixes[netip.PrefixFrom(netip.AddrFrom16(c), rapid.IntRange(0, 8).Draw(t, "bits")).Masked()] = struct{}{}
		}
		found, err := s.survey()
		if err != nil {
			t.Fatal(err)
		}
		inside := func(p, q int32) bool { return p <= q && q <= found.last[p] }
		taken := slices.Repeat([]bool{false}, len(found.last))
		for i, p := range s.hosts {
			taken[found.number[i]] = true
			for j, q := range s.hosts {
				if got := inside(found.number[i], found.number[j]); got != p.Covers(q) {
					t.Fatalf("%v inside %v: %v", q, p, got)
				}
			}
		}
		for p, n := range found.prefixes {
			taken[n] = true
			for q, m := range found.prefixes {
				if got := inside(n, m); got != (p.Overlaps(q) && p.Bits() <= q.Bits()) {
					t.Fatalf("%v inside %v: %v", q, p, got)
				}
			}
		}
		if slices.Contains(taken, false) {
			t.Fatal("a number is nobody's")
		}
		for p, n := range found.prefixes {
			for _, a := range []netip.Addr{p.Addr(), lastAddr(p)} {
				innermost, bits := n, p.Bits()
				for q, m := range found.prefixes {
					if q.Contains(a) && q.Bits() > bits {
						innermost, bits = m, q.Bits()
					}
				}
				if got := found.addr(a); got != innermost {
					t.Fatalf("%v is at %d, want %d", a, got, innermost)
				}
			}
		}
	})
}
