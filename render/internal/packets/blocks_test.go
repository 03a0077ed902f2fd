package packets

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
)

func TestBlocksAreExactAndSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := gen.NearPrefixes().Draw(t, "set")
		blocks := Blocks(set)
		checkBlocks(t, set, blocks)
		if plain := len(set.Prefixes()); Size(blocks) > plain {
			t.Fatalf("%d CIDRs for %d prefixes", Size(blocks), plain)
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkBlocks fails unless blocks say exactly the set, in masked prefixes, and do not overlap.
func checkBlocks(t fataler, set match.Prefixes, blocks []Block) {
	t.Helper()
	var union match.Prefixes
	for _, b := range blocks {
		of := match.NewPrefixes([]netip.Prefix{b.Prefix}, nil)
		if b.Prefix != b.Prefix.Masked() {
			t.Fatalf("%s is not masked", b.Prefix)
		}
		for _, e := range b.Except {
			hole := match.NewPrefixes([]netip.Prefix{e}, nil)
			if !of.Covers(hole) {
				t.Fatalf("exception %s is outside the block %s or an earlier exception", e, b.Prefix)
			}
			of = of.Subtract(hole)
		}
		if of.IsEmpty() || of.Overlaps(union) {
			t.Fatalf("block %s is empty or overlaps: %v", b.Prefix, blocks)
		}
		union = union.Union(of)
	}
	if !union.Equal(set) {
		t.Fatalf("blocks %v say %v, not %v", blocks, union, set)
	}
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		name            string
		include, except []string
		want            []Block
	}{
		{"a network", []string{"203.0.113.0/24"}, nil, []Block{{Prefix: netip.MustParsePrefix("203.0.113.0/24")}}},
		{"but for an address", []string{"203.0.113.0/24"}, []string{"203.0.113.7/32"},
			[]Block{{netip.MustParsePrefix("203.0.113.0/24"), parsePrefixes([]string{"203.0.113.7/32"})}}},
		{"half a network needs no exception", []string{"203.0.113.0/24"}, []string{"203.0.113.0/25"}, []Block{{Prefix: netip.MustParsePrefix("203.0.113.128/25")}}},
		{"everywhere but private networks", []string{"0.0.0.0/0", "::/0"}, []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
			[]Block{
				{netip.MustParsePrefix("0.0.0.0/0"), parsePrefixes([]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"})},
				{netip.MustParsePrefix("::/0"), parsePrefixes([]string{"fc00::/7"})},
			}},
		{"scattered", []string{"192.0.2.1/32", "198.51.100.1/32", "2001:db8::1/128"}, nil,
			[]Block{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}, {Prefix: netip.MustParsePrefix("198.51.100.1/32")}, {Prefix: netip.MustParsePrefix("2001:db8::1/128")}}},
		{"nothing", nil, nil, nil},
	} {
		set := match.NewPrefixes(parsePrefixes(c.include), parsePrefixes(c.except))
		if diff := cmp.Diff(c.want, Blocks(set), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestBlocksStaySmall: no block has more exceptions than its bound, and many prefixes take no longer than they should.
func TestBlocksStaySmall(t *testing.T) {
	var holes []netip.Prefix
	for i := range 4 * maxExcept {
		holes = append(holes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 6), byte(i << 2), 1}), 32))
	}
	set := match.NewPrefixes(parsePrefixes([]string{"10.0.0.0/8"}), holes)
	blocks := Blocks(set)
	checkBlocks(t, set, blocks)
	if got, plain := Size(blocks), len(set.Prefixes()); got > plain/4 {
		t.Errorf("%d CIDRs for %d prefixes", got, plain)
	}
	if i := slices.IndexFunc(blocks, func(b Block) bool { return len(b.Except) > maxExcept }); i >= 0 {
		t.Errorf("block %s has %d exceptions", blocks[i].Prefix, len(blocks[i].Except))
	}
}

func parsePrefixes(texts []string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}
