package networkpolicy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	netv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// prefixes draws sets in a corner of the address space, so that what is drawn touches and overlaps, of both families.
func prefixes() *rapid.Generator[match.Prefixes] {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "byte")})
		bits := rapid.IntRange(24, 32).Draw(t, "bits")
		if rapid.Bool().Draw(t, "IPv6") {
			b := a.AsSlice()
			a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: b[3]})
			bits += 96
		}
		if rapid.IntRange(0, 9).Draw(t, "everything") == 0 {
			bits = 0
		}
		return netip.PrefixFrom(a, bits)
	})
	return rapid.Custom(func(t *rapid.T) match.Prefixes {
		return match.NewPrefixes(rapid.SliceOfN(prefix, 0, 6).Draw(t, "include"), rapid.SliceOfN(prefix, 0, 6).Draw(t, "except"))
	})
}

func TestIPBlocksAreExactAndSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := prefixes().Draw(t, "set")
		blocks := ipBlocks(set)
		checkBlocks(t, set, blocks)
		if plain := len(set.Prefixes()); countCIDRs(blocks) > plain {
			t.Fatalf("%d CIDRs for %d prefixes", countCIDRs(blocks), plain)
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkBlocks fails unless blocks say exactly the set, in CIDRs as the API server takes them, and do not overlap.
func checkBlocks(t fataler, set match.Prefixes, blocks []netv1.IPBlock) {
	t.Helper()
	var union match.Prefixes
	for _, b := range blocks {
		of := match.NewPrefixes([]netip.Prefix{strictPrefix(t, b.CIDR)}, nil)
		for _, e := range b.Except {
			hole := match.NewPrefixes([]netip.Prefix{strictPrefix(t, e)}, nil)
			if !of.Covers(hole) {
				t.Fatalf("exception %s is outside the block %s or an earlier exception", e, b.CIDR)
			}
			of = of.Subtract(hole)
		}
		if of.IsEmpty() || of.Overlaps(union) {
			t.Fatalf("block %s is empty or overlaps: %v", b.CIDR, blocks)
		}
		union = union.Union(of)
	}
	if !union.Equal(set) {
		t.Fatalf("blocks %v say %v, not %v", blocks, union, set)
	}
}

func strictPrefix(t fataler, s string) netip.Prefix {
	t.Helper()
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() || p.String() != s {
		t.Fatalf("CIDR %q is not canonical: %v", s, err)
	}
	return p
}

func TestIPBlocks(t *testing.T) {
	for _, c := range []struct {
		name            string
		include, except []string
		want            []netv1.IPBlock
	}{
		{"a network", []string{"203.0.113.0/24"}, nil, []netv1.IPBlock{{CIDR: "203.0.113.0/24"}}},
		{"but for an address", []string{"203.0.113.0/24"}, []string{"203.0.113.7/32"},
			[]netv1.IPBlock{{CIDR: "203.0.113.0/24", Except: []string{"203.0.113.7/32"}}}},
		{"half a network needs no exception", []string{"203.0.113.0/24"}, []string{"203.0.113.0/25"}, []netv1.IPBlock{{CIDR: "203.0.113.128/25"}}},
		{"everywhere but private networks", []string{"0.0.0.0/0", "::/0"}, []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
			[]netv1.IPBlock{
				{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}},
				{CIDR: "::/0", Except: []string{"fc00::/7"}},
			}},
		{"scattered", []string{"192.0.2.1/32", "198.51.100.1/32", "2001:db8::1/128"}, nil,
			[]netv1.IPBlock{{CIDR: "192.0.2.1/32"}, {CIDR: "198.51.100.1/32"}, {CIDR: "2001:db8::1/128"}}},
		{"nothing", nil, nil, nil},
	} {
		set := match.NewPrefixes(parsePrefixes(c.include), parsePrefixes(c.except))
		if diff := cmp.Diff(c.want, ipBlocks(set)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestIPBlocksStaySmall: no block has more exceptions than its bound, and many prefixes take no longer than they should.
func TestIPBlocksStaySmall(t *testing.T) {
	var holes []netip.Prefix
	for i := range 4 * maxExcept {
		holes = append(holes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 6), byte(i << 2), 1}), 32))
	}
	set := match.NewPrefixes(parsePrefixes([]string{"10.0.0.0/8"}), holes)
	blocks := ipBlocks(set)
	checkBlocks(t, set, blocks)
	if got, plain := countCIDRs(blocks), len(set.Prefixes()); got > plain/4 {
		t.Errorf("%d CIDRs for %d prefixes", got, plain)
	}
	if i := slices.IndexFunc(blocks, func(b netv1.IPBlock) bool { return len(b.Except) > maxExcept }); i >= 0 {
		t.Errorf("block %s has %d exceptions", blocks[i].CIDR, len(blocks[i].Except))
	}
}

func parsePrefixes(texts []string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}
