package match

import "math/bits"

// probe returns bits for the suffixes of a name that there may be a text for: bit i for the subdomains of the last i bytes, and bit n for the
// whole name of n bytes; and the hash of the longest. It has no branch on what the filter says. With ahead
// it begins to fetch the buckets as well.
func (t *table) probe(r *reading, ahead bool) (fit, longest uint64) {
	filter, buckets, k := t.filter, t.buckets, t.keys
	if r.whole != 0 {
		longest = r.hash(k, uint(bits.TrailingZeros64(r.whole)))
		home := t.home(longest)
		w := filter[home]
		fit = r.whole & -(w >> (longest & 63) & (w >> (longest >> 6 & 63)) & 1)
		if ahead {
			r.ahead = buckets[home].slot
		}
	}
	whole, wholeHash := fit, longest
	ends := r.dots
	for range t.minDepth - 1 {
		ends &= ends - 1
	}
	for depths := t.depths; ends != 0 && depths > 0; depths-- {
		i := uint(bits.TrailingZeros64(ends))
		ends &= ends - 1
		// This is r.hash, which is too large to be inlined.
		short := less(i, chunkLen)
		front, mask := r.name[uint(len(r.name))-i+short:], &lastBytes[(chunkLen+short)&31]
		_ = front[chunkLen-1]
		hash := r.sums[i/chunkLen&3] + mul(load(front)&mask[0]^k.front, load(front[8:])&mask[1]^(k.lengths+uint64(i)))
		home := t.home(hash)
		w := filter[home]
		hit := w >> (hash & 63) & (w >> (hash >> 6 & 63)) & 1
		fit |= hit << (i & 63)
		if hit != 0 {
			longest = hash
		}
		if ahead {
			r.ahead = buckets[home].slot
		}
	}
	if whole != 0 {
		longest = wholeHash
	}
	return fit, longest
}

// A found text is one that a name ends in, and its slot. Its tail is how many bytes of the name it ends in: all for an exact name, and those
// from the dot for subdomains. The zero found stands for none.
type found struct { // of a size that the compiler keeps in registers
	text string
	slot int32
	tail uint16
	kind Kind
}

func (f found) pattern() Pattern { return Pattern{f.kind, f.text} }

// take returns the longest text that is there, of those that fit, and those that fit and are shorter. The hash is that of the longest.
func (t *table) take(r *reading, fit, hash uint64) (f found, shorter uint64) {
	for fit != 0 {
		i := uint(63 - bits.LeadingZeros64(fit))
		fit &^= 1 << (i & 63)
		whole := uint(r.whole >> (i & 63) & 1)
		size, tail := i+2-2*whole, i+1-whole
		lane := lane(hash, size, whole)
		for home := t.home(hash); ; home++ {
			b := &t.buckets[home]
			for fits := b.fits(lane); fits != 0; fits &= fits - 1 {
				place, at := b.place(bits.TrailingZeros64(fits))
				if t.endsIn(at+size, r, tail) {
					return found{t.arena[at : at+size], int32(uint(b.slot&^moreBit) + 1 + place), uint16(tail), Subdomains - Kind(whole)}, fit
				}
			}
			if b.slot&moreBit == 0 {
				break
			}
		}
		hash = r.longest(t.keys, fit)
	}
	return found{}, 0
}

// fetchBucket begins to fetch the bucket that a hash leads to, and fetchText the text there that take will look at first.

func (t *table) fetchBucket(r *reading, hash uint64) {
	r.ahead = t.buckets[t.home(hash)].slot
}

func (t *table) fetchText(r *reading, fit, hash uint64) {
	i := uint(bits.Len64(fit|1) - 1)
	whole := uint(r.whole >> (i & 63) & 1)
	b := &t.buckets[t.home(hash)]
	if fits := b.fits(lane(hash, i+2-2*whole, whole)); fits != 0 {
		_, at := b.place(bits.TrailingZeros64(fits))
		r.ahead = uint32(t.arena[at])
	}
}

// endsIn reports whether the text before end ends in the last tail bytes of a name.
func (t *table) endsIn(end uint, r *reading, tail uint) bool {
	// Chunks from both ends meet in the middle, without a branch on the length.
	text, name := t.arena[:end], r.name
	a, b := text[end-chunkLen:], name[len(name)-chunkLen:]
	short := less(tail, chunkLen)
	front := tail - short
	c, d := text[end-front:], name[uint(len(name))-front:]
	_, _, _, _ = a[chunkLen-1], b[chunkLen-1], c[chunkLen-1], d[chunkLen-1]
	mask := &lastBytes[(chunkLen+short)&31]
	if ((load(a)^load(b))|(load(c)^load(d)))&mask[0]|((load(a[8:])^load(b[8:]))|(load(c[8:])^load(d[8:])))&mask[1] != 0 {
		return false
	}
	return tail <= 2*chunkLen || c[chunkLen:front-chunkLen] == d[chunkLen:front-chunkLen]
}
