package match_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// The edges of the port space and of the families are drawn often.
func portRange() *rapid.Generator[match.PortRange] {
	end := rapid.OneOf(rapid.Uint16Range(0, 12), rapid.Uint16Range(65530, 65535))
	return rapid.Custom(func(t *rapid.T) match.PortRange {
		return match.PortRange{First: end.Draw(t, "first"), Last: end.Draw(t, "last")}
	})
}

func TestPortsAgainstBitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (match.Ports, [65536]bool) {
			ranges := rapid.SliceOfN(portRange(), 0, 5).Draw(t, label)
			var bits [65536]bool
			for _, r := range ranges {
				for p := int(r.First); p <= int(r.Last) && r.First > 0; p++ {
					bits[p] = true
				}
			}
			return match.NewPorts(ranges...), bits
		}
		a, inA := draw("a")
		b, inB := draw("b")
		union, both, less := a.Union(b), a.Intersect(b), a.Subtract(b)
		covers, overlaps, equal, n := true, false, true, 0
		for p := range inA {
			port := uint16(p)
			if a.Contains(port) != inA[p] || union.Contains(port) != (inA[p] || inB[p]) ||
				both.Contains(port) != (inA[p] && inB[p]) || less.Contains(port) != (inA[p] && !inB[p]) {
				t.Fatalf("port %d: in %q %t, in %q %t, union %q, intersection %q, difference %q", p, a, inA[p], b, inB[p], union, both, less)
			}
			covers = covers && (inA[p] || !inB[p])
			overlaps = overlaps || inA[p] && inB[p]
			equal = equal && inA[p] == inB[p]
			if inA[p] {
				n++
			}
		}
		if a.Covers(b) != covers || a.Overlaps(b) != overlaps || a.Equal(b) != equal || (a.Compare(b) == 0) != equal || a.Len() != n || a.IsEmpty() != (n == 0) {
			t.Fatalf("%q and %q: covers %t, overlaps %t, equal %t, length %d", a, b, covers, overlaps, equal, n)
		}
		if !match.NewPorts(a.Ranges()...).Equal(a) {
			t.Fatalf("%q does not come back from its ranges", a)
		}
	})
}

func TestParsePortRange(t *testing.T) {
	for text, want := range map[string]match.PortRange{"443": {443, 443}, "1-65535": {1, 65535}, "8000-8000": {8000, 8000}} {
		if got, err := match.ParsePortRange(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0-1", "65536", "-1", "+1", "1-", "-", "2-1", "80,443", " 80", "https", "1-2-3", "1_0", "0x50", "٤٤٣"} {
		if got, err := match.ParsePortRange(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func prefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		last := rapid.Byte().Draw(t, "last")
		switch rapid.IntRange(0, 4).Draw(t, "family") {
		case 0:
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, last}), rapid.IntRange(22, 32).Draw(t, "bits"))
		case 1:
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{0, 0, 0, last}), rapid.IntRange(22, 32).Draw(t, "bits"))
		case 2:
			return netip.PrefixFrom(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 15: last}), rapid.IntRange(118, 128).Draw(t, "bits"))
		case 3:
			return netip.PrefixFrom(netip.AddrFrom16([16]byte{15: last}), rapid.IntRange(118, 128).Draw(t, "bits"))
		}
		return netip.Prefix{}
	})
}

func TestPrefixesAgainstLists(t *testing.T) {
	var addrs []netip.Addr // of the corners that prefix draws from
	for i := range 4 * 256 {
		hi, lo := byte(i>>8), byte(i)
		addrs = append(addrs, netip.AddrFrom4([4]byte{255, 255, 252 + hi, lo}), netip.AddrFrom4([4]byte{0, 0, hi, lo}), netip.AddrFrom16([16]byte{14: hi, 15: lo}))
	}
	in := func(list []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool {
			return p.Contains(a) || a.Is4() && p.Contains(netip.AddrFrom16(a.As16())) ||
				p.Addr().Is4In6() && a.Is4() && p.Bits() >= 96 && netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Contains(a)
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []netip.Prefix { return rapid.SliceOfN(prefix(), 0, 4).Draw(t, label) }
		listA, exceptA, listB := draw("a"), draw("except"), draw("b")
		a, b := match.NewPrefixes(listA, exceptA), match.NewPrefixes(listB, nil)
		union, both, less := a.Union(b), a.Intersect(b), a.Subtract(b)
		covers, overlaps, equal := true, false, true
		printed := a.Prefixes()
		for _, addr := range addrs {
			inA, inB := in(listA, addr) && !in(exceptA, addr), in(listB, addr)
			if a.Contains(addr) != inA || a.Contains(netip.AddrFrom16(addr.As16()).WithZone("eth0")) != inA || in(printed, addr) != inA ||
				union.Contains(addr) != (inA || inB) || both.Contains(addr) != (inA && inB) || less.Contains(addr) != (inA && !inB) {
				t.Fatalf("address %v: in %q %t, in %q %t, union %q, intersection %q, difference %q", addr, a, inA, b, inB, union, both, less)
			}
			covers = covers && (inA || !inB)
			overlaps = overlaps || inA && inB
			equal = equal && inA == inB
		}
		if a.Covers(b) != covers || a.Overlaps(b) != overlaps || a.Equal(b) != equal || (a.Compare(b) == 0) != equal {
			t.Fatalf("%q and %q: covers %t, overlaps %t, equal %t", a, b, covers, overlaps, equal)
		}
		if !match.NewPrefixes(printed, nil).Equal(a) {
			t.Fatalf("%q does not come back from its prefixes", a)
		}
		for i := 1; i < len(printed); i++ {
			if printed[i-1].Addr().Compare(printed[i].Addr()) >= 0 || printed[i-1].Overlaps(printed[i]) {
				t.Fatalf("%v: not ascending and disjoint", printed)
			}
		}
	})
}
