package packets

import (
	"net/netip"

	"github.com/egresskit/egress/match"
)

// A Block is a prefix without some of its parts.
type Block struct {
	Prefix netip.Prefix
	Except []netip.Prefix
}

// maxExcept bounds the exceptions of one block.
const maxExcept = 256

// Blocks says addresses by blocks, each family in the shorter of two ways: prefix by prefix, or as the least prefix that holds all, with the rest of
// it as exceptions.
func Blocks(addresses match.Prefixes) []Block {
	var families [2][]netip.Prefix
	for _, p := range addresses.Prefixes() {
		f := 0
		if p.Addr().Is6() {
			f = 1
		}
		families[f] = append(families[f], p)
	}
	var out []Block
	for _, prefixes := range families {
		if len(prefixes) == 0 {
			continue
		}
		whole := prefixes[0]
		for last := prefixes[len(prefixes)-1]; !whole.Contains(last.Addr()); {
			whole = netip.PrefixFrom(whole.Addr(), whole.Bits()-1).Masked()
		}
		holes := match.NewPrefixes([]netip.Prefix{whole}, prefixes).Prefixes()
		if len(holes) < maxExcept && 1+len(holes) < len(prefixes) {
			out = append(out, Block{whole, holes})
			continue
		}
		for _, p := range prefixes {
			out = append(out, Block{Prefix: p})
		}
	}
	return out
}
