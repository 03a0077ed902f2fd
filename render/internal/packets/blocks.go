package packets

import (
	"net/netip"
	"slices"

	"github.com/egresskit/egress/match"
)

// A Block is a prefix without some of its parts, as NetworkPolicy, Cilium and others know it.
type Block struct {
	Prefix netip.Prefix
	Except []netip.Prefix
}

// Size returns how many prefixes blocks are written with, exceptions included.
func Size(blocks []Block) int {
	n := 0
	for _, b := range blocks {
		n += 1 + len(b.Except)
	}
	return n
}

// maxExcept bounds the exceptions of one block, so that none grows past what an object can hold.
const maxExcept = 256

// Blocks says a set of addresses exactly, in as few prefixes as blocks with and without exceptions can: "everything but these" is one block
// with exceptions, scattered networks are a block each. Blocks do not overlap. Order is ascending, IPv4 first.
func Blocks(addresses match.Prefixes) []Block {
	prefixes := addresses.Prefixes()
	v6 := 0
	for v6 < len(prefixes) && prefixes[v6].Addr().Is4() {
		v6++
	}
	var out []Block
	for _, family := range []struct {
		root     netip.Prefix
		prefixes []netip.Prefix
	}{{netip.PrefixFrom(netip.IPv4Unspecified(), 0), prefixes[:v6]}, {netip.PrefixFrom(netip.IPv6Unspecified(), 0), prefixes[v6:]}} {
		if len(family.prefixes) > 0 {
			out = append(out, cover(family.root, family.prefixes).blocks...)
		}
	}
	return out
}

// covering is the cheapest way to say the addresses of a set within one prefix, and the set's complement there.
type covering struct {
	blocks []Block
	cost   int            // prefixes in blocks
	holes  []netip.Prefix // fewest prefixes of the complement; nil when there are more than maxExcept
	ragged int            // how many those are
}

// cover decides for the addresses of in, which are the fewest prefixes and all lie within at: one block for all of at with its holes as
// exceptions, or the best for each half. Without a gain, the blocks without exceptions win. It descends only where in has a prefix, at
// most 128 levels.
func cover(at netip.Prefix, in []netip.Prefix) covering {
	switch {
	case len(in) == 0:
		return covering{holes: []netip.Prefix{at}, ragged: 1}
	case in[0] == at:
		return covering{blocks: []Block{{Prefix: at}}, cost: 1}
	}
	low, high := halves(at)
	n := 0
	for n < len(in) && low.Contains(in[n].Addr()) {
		n++
	}
	l, h := cover(low, in[:n]), cover(high, in[n:])
	both := covering{ragged: l.ragged + h.ragged}
	if both.ragged <= maxExcept {
		both.holes = slices.Concat(l.holes, h.holes)
	}
	if both.holes != nil && 1+both.ragged < l.cost+h.cost {
		both.blocks, both.cost = []Block{{at, both.holes}}, 1+both.ragged
	} else {
		both.blocks, both.cost = append(l.blocks, h.blocks...), l.cost+h.cost
	}
	return both
}

// halves splits a masked prefix that is longer than one address.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits()
	b := p.Addr().AsSlice()
	b[bits/8] |= 1 << (7 - bits%8)
	upper, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(p.Addr(), bits+1), netip.PrefixFrom(upper, bits+1)
}
