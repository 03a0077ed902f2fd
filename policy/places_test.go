package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// Of each host and address the innermost place is found, and from there, one after the other, all others around it.
func TestPlacesAreFoundFromTheInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSurveyor(20, 0)
		label := rapid.SampledFrom([]string{"a", "b"})
		for range rapid.IntRange(0, 20).Draw(t, "hosts") {
			text := strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "labels"), ".")
			if rapid.Bool().Draw(t, "wild") {
				text = "*." + text
			}
			p := match.MustParsePattern(text)
			s.addHost(&p)
		}
		var addrs []netip.Addr
		for range rapid.IntRange(0, 20).Draw(t, "prefixes") {
			b := [4]byte{rapid.Uint8().Draw(t, "byte")}
			c := [16]byte{rapid.Uint8().Draw(t, "byte")}
			for _, a := range []netip.Addr{netip.AddrFrom4(b), netip.AddrFrom16(c)} {
				p := netip.PrefixFrom(a, rapid.IntRange(0, 8).Draw(t, "bits")).Masked()
				s.addPrefix(p)
				addrs = append(addrs, p.Addr(), p.Addr().Prev(), lastAddr(p), lastAddr(p).Next())
			}
		}
		found, outer, err := s.survey()
		if err != nil {
			t.Fatal(err)
		}
		// around returns place and those around it, innermost first.
		around := func(place int32) (out []int32) {
			for ; place != none; place = outer[place] {
				out = append(out, place)
			}
			return out
		}
		for range 5 {
			h := match.MustParseHost(strings.Join(rapid.SliceOfN(label, 1, 5).Draw(t, "host"), "."))
			var want []int32
			for n, p := range s.hosts {
				if p != nil && p.Matches(h) {
					want = append(want, int32(n))
				}
			}
			slices.SortFunc(want, func(a, b int32) int {
				p, q := s.hosts[a], s.hosts[b]
				return cmp.Or(cmp.Compare(p.Kind(), q.Kind()), len(q.String())-len(p.String()))
			})
			if got := around(found.host(h)); !slices.Equal(got, want) {
				t.Fatalf("%v is at %v, want %v", h, got, want)
			}
		}
		for _, a := range addrs {
			if !a.IsValid() {
				continue
			}
			var in []netip.Prefix
			for p := range s.prefixes {
				if p.Contains(a) {
					in = append(in, p)
				}
			}
			slices.SortFunc(in, func(p, q netip.Prefix) int { return q.Bits() - p.Bits() })
			var want []int32
			for _, p := range in {
				want = append(want, s.prefixes[p])
			}
			if got := around(found.addr(a)); !slices.Equal(got, want) {
				t.Fatalf("%v is at %v, want %v", a, got, want)
			}
		}
	})
}
