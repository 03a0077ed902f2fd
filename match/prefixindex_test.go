package match_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// A cut is prefixes less exceptions, as an index takes them.
type cut struct {
	prefix netip.Prefix
	except []netip.Prefix
}

// holds says what a cut is: an address with the prefix's bits and with none of an exception's. IPv4-mapped addresses and prefixes of
// nothing else are IPv4.
func (c cut) holds(a netip.Addr) bool {
	in := func(p netip.Prefix) bool { return unmapped(p).Contains(a.Unmap().WithZone("")) }
	return in(c.prefix) && !slices.ContainsFunc(c.except, in)
}

func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// smallAddr draws addresses of which many share their first bits.
func smallAddr() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		b := rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff})
		tail := [4]byte{10, b.Draw(t, "b"), b.Draw(t, "c"), b.Draw(t, "d")}
		switch rapid.IntRange(0, 3).Draw(t, "family") {
		case 0:
			long := [16]byte{0x20, 1, b.Draw(t, "e")}
			copy(long[12:], tail[:])
			return netip.AddrFrom16(long)
		case 1:
			return netip.AddrFrom16(netip.AddrFrom4(tail).As16())
		}
		return netip.AddrFrom4(tail)
	})
}

func smallPrefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := smallAddr().Draw(t, "addr")
		return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
	})
}

// TestPrefixIndexAgainstReference: the answers are those of trying every prefix.
func TestPrefixIndexAgainstReference(t *testing.T) {
	answers := [3]int{} // by number of prefixes, the last for more
	rapid.Check(t, func(t *rapid.T) {
		prefixes := rapid.SliceOfNDistinct(smallPrefix(), 0, 30, unmapped).Draw(t, "prefixes")
		var b match.PrefixBuilder[int]
		cuts := make([]cut, len(prefixes))
		for i, p := range prefixes {
			cuts[i] = cut{p, rapid.SliceOfN(smallPrefix(), 0, 2).Draw(t, "except")}
			b.Add(p, i, cuts[i].except...)
		}
		x, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		var all []int
		for p, i := range x.All() {
			if p != unmapped(prefixes[i]) {
				t.Fatalf("%v has the value of %v", p, prefixes[i])
			}
			all = append(all, i)
		}
		if x.Len() != len(prefixes) || len(all) != len(prefixes) || !slices.IsSortedFunc(all, func(i, j int) int {
			p, q := unmapped(prefixes[i]), unmapped(prefixes[j])
			if c := p.Addr().Compare(q.Addr()); c != 0 {
				return c
			}
			return p.Bits() - q.Bits()
		}) {
			t.Fatalf("all of %v: %v, %d", prefixes, all, x.Len())
		}
		for range 20 {
			a := smallAddr().Draw(t, "a")
			if rapid.Bool().Draw(t, "near") && len(prefixes) > 0 {
				a = rapid.SampledFrom(prefixes).Draw(t, "in").Masked().Addr()
			}
			var want []int
			for i := range cuts {
				if cuts[i].holds(a) {
					want = append(want, i)
				}
			}
			slices.SortFunc(want, func(i, j int) int { return unmapped(prefixes[j]).Bits() - unmapped(prefixes[i]).Bits() })
			answers[min(len(want), len(answers)-1)]++
			var got []int
			for p, i := range x.Matching(a) {
				if p != unmapped(prefixes[i]) {
					t.Fatalf("%v has the value of %v", p, prefixes[i])
				}
				got = append(got, i)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v in %v: matching %v, want %v", a, cuts, got, want)
			}
			p, i, ok := x.Lookup(a)
			if ok != (len(want) > 0) || ok && (i != want[0] || p != unmapped(prefixes[i])) || !ok && (p.IsValid() || i != 0) {
				t.Fatalf("%v in %v: lookup %v, %v, %t, want %v", a, cuts, p, i, ok, want)
			}
		}
	})
	if slices.Contains(answers[:], 0) {
		t.Errorf("answers by number of prefixes: %v: too little was compared", answers)
	}
}

func TestPrefixIndexEdges(t *testing.T) {
	built, err := new(match.PrefixBuilder[string]).Build()
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*match.PrefixIndex[string]{"nil": nil, "zero": {}, "built": built} {
		if p, v, ok := x.Lookup(netip.MustParseAddr("10.0.0.1")); ok || v != "" || p.IsValid() || x.Len() != 0 {
			t.Errorf("%s: %v, %q, %t, length %d", name, p, v, ok, x.Len())
		}
		for range x.All() {
			t.Errorf("%s: not empty", name)
		}
	}

	var b match.PrefixBuilder[string]
	b.Add(netip.MustParsePrefix("0.0.0.0/0"), "v4")
	b.Add(netip.MustParsePrefix("::/0"), "v6")
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	b.Add(netip.MustParsePrefix("10.1.2.3/8"), "host bits", netip.MustParsePrefix("10.128.0.0/9"))
	more, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x    *match.PrefixIndex[string]
		addr netip.Addr
		want string
	}{
		{x, netip.MustParseAddr("10.0.0.1"), "v4"},
		{x, netip.MustParseAddr("::ffff:10.0.0.1"), "v4"},
		{x, netip.MustParseAddr("fe80::1%eth0"), "v6"},
		{x, netip.Addr{}, ""},
		{more, netip.MustParseAddr("10.0.0.1"), "host bits"},
		{more, netip.MustParseAddr("10.200.0.1"), "v4"},
		{more, netip.MustParseAddr("11.0.0.1"), "v4"},
	} {
		if _, got, ok := c.x.Lookup(c.addr); got != c.want || ok != (got != "") {
			t.Errorf("%v: %q, %t, want %q", c.addr, got, ok, c.want)
		}
	}
}

func TestPrefixBuilderErrors(t *testing.T) {
	for _, c := range []struct {
		prefixes []string // "" is the zero Prefix
		except   []netip.Prefix
		want     string
	}{
		{[]string{"10.0.0.0/8", "11.0.0.0/8", "10.9.9.9/8"}, nil, "match: prefix 10.0.0.0/8 was added twice to an index"},
		{[]string{"::ffff:10.0.0.0/104", "10.0.0.0/8"}, nil, "match: prefix 10.0.0.0/8 was added twice to an index"},
		{[]string{"10.0.0.0/8", "", "10.0.0.0/8"}, nil, "match: an invalid prefix was added to an index"},
		{[]string{"10.0.0.0/8"}, []netip.Prefix{{}}, "match: an invalid prefix was added to an index"},
	} {
		var b match.PrefixBuilder[int]
		for _, s := range c.prefixes {
			p, _ := netip.ParsePrefix(s)
			b.Add(p, 1, c.except...)
		}
		if x, err := b.Build(); err == nil || err.Error() != c.want || x != nil {
			t.Errorf("%v: %v, %v", c.prefixes, x, err)
		}
	}
}

func TestPrefixLookupsDoNotAllocate(t *testing.T) {
	var b match.PrefixBuilder[int]
	for i := range 1000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / 8), byte(i), 0}), 16+i%9)
		b.Add(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i / 8), byte(i)}), 32), i)
		if i < 8 {
			b.Add(netip.PrefixFrom(p.Addr(), 8+i), i, p)
		}
	}
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, s := range []string{"10.0.3.1", "192.0.2.1", "::ffff:10.0.3.1", "2001:505::1", "fe80::1%eth0"} {
		a := netip.MustParseAddr(s)
		noAllocs(t, "Lookup of "+s, func() { _, v, _ := x.Lookup(a); sum += v })
		noAllocs(t, "Matching of "+s, func() {
			for _, v := range x.Matching(a) {
				sum += v
			}
		})
	}
}

func ExamplePrefixIndex() {
	var b match.PrefixBuilder[string]
	b.Add(netip.MustParsePrefix("10.0.0.0/8"), "internal")
	b.Add(netip.MustParsePrefix("10.1.0.0/16"), "payments", netip.MustParsePrefix("10.1.9.0/24"))
	x, err := b.Build()
	if err != nil {
		panic(err)
	}
	for _, s := range []string{"10.1.2.3", "10.1.9.1", "192.0.2.1"} {
		p, team, ok := x.Lookup(netip.MustParseAddr(s))
		fmt.Println(s, p, team, ok)
	}
	for p, team := range x.Matching(netip.MustParseAddr("10.1.2.3")) {
		fmt.Println(p, team)
	}
	// Output:
	// 10.1.2.3 10.1.0.0/16 payments true
	// 10.1.9.1 10.0.0.0/8 internal true
	// 192.0.2.1 invalid Prefix  false
	// 10.1.0.0/16 payments
	// 10.0.0.0/8 internal
}
