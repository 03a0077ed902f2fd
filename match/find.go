package match

import (
	"math/bits"
	"unsafe"
)

// probe returns bits for the suffixes of a name that there may be a text for: bit i for the subdomains of the last i bytes, and bit n for the
// whole name of n bytes; the hash of the longest of them; and the hash of the whole name, 0 if it is too long to have one. It has no branch on
// what the filter says.
func (t *table) probe(r *reading) (fit, longest, whole uint64) {
	keys, filter := t.keys, t.filter
	ends := r.dots
	for range t.minDepth - 1 {
		ends &= ends - 1
	}
	var hash uint64
	for depths := t.near; ends != 0 && depths > 0; depths-- {
		i := uint(bits.TrailingZeros64(ends))
		ends &= ends - 1
		hash = r.hash(keys, i)
		if with := fit | 1<<(i&63); mayHave(filter, hash) {
			fit, longest = with, hash
		}
	}
	if ends != 0 && t.goOn != nil && mayHave(t.goOn, hash) {
		for ; ends != 0; ends &= ends - 1 {
			i := uint(bits.TrailingZeros64(ends))
			hash = r.hash(keys, i)
			if with := fit | 1<<(i&63); mayHave(filter, hash) {
				fit, longest = with, hash
			}
		}
	}
	if r.whole != 0 {
		whole = r.hash(keys, uint(bits.TrailingZeros64(r.whole)))
		if with := fit | r.whole; mayHave(filter, whole) {
			fit, longest = with, whole
		}
	}
	return fit, longest, whole
}

// isBig reports whether it is worth the time to begin to fetch buckets and texts before they are needed: whether the buckets, of 32 bytes,
// take more room than the caches next to the processor are sure to have for them.
func (t *table) isBig() bool { return len(t.buckets) > 1<<13 }

// fetchBucket begins to fetch the bucket of a hash.
func (t *table) fetchBucket(hash uint64) {
	prefetch(unsafe.Pointer(&t.buckets[scale(hash, len(t.filter))]))
}

// fetchText begins to fetch the text at a place of the arena.
func (t *table) fetchText(at uint) { prefetch(unsafe.Pointer(unsafe.StringData(t.arena[at:]))) }

// A found text is one that a name ends in, and its slot. Its tail is how many bytes of the name it ends in: all for an exact name, and those
// from the dot for subdomains. The zero found stands for none.
type found struct { // of a size that the compiler keeps in registers
	text string
	slot int32
	tail uint16
	kind Kind
}

func (f found) pattern() Pattern { return Pattern{f.kind, f.text} }

// A target is a text to look for: what lane it has, its length, what part of the name it ends in, and its kind.
type target struct {
	lane       uint64
	size, tail uint
	kind       Kind
}

// target returns the target of a suffix that fits, the last i bytes, with its hash.
func (r *reading) target(i uint, hash uint64) target {
	whole := uint(r.whole >> (i & 63) & 1)
	size := i + 2 - 2*whole
	return target{lane(hash, size, whole), size, i + 1 - whole, Subdomains - Kind(whole)}
}

// take returns the longest text that is there, of those that fit, and those that fit and are shorter. The hash is that of the longest.
func (t *table) take(name string, r *reading, fit, hash uint64) (f found, shorter uint64) {
	for fit != 0 {
		i := top(fit)
		want := r.target(i, hash)
		fit &^= 1 << i
		for home := scale(hash, len(t.filter)); ; home++ {
			b := &t.buckets[home]
			for fits := b.fits(want.lane); fits != 0; fits &= fits - 1 {
				bit := bits.TrailingZeros64(fits)
				if at := b.at(bit); t.endsIn(at+want.size, name, r, want.tail) {
					return t.found(b, bit, at, want), fit
				}
			}
			if b.slot&moreBit == 0 {
				break
			}
		}
		hash = r.hash(t.keys, top(fit))
	}
	return found{}, 0
}

// top returns the number of the highest bit of those that fit, which is the length of the longest suffix; any if there is none.
func top(fit uint64) uint { return uint(bits.Len64(fit)-1) & 63 }

// peek returns the bit of fits that take will look at first, and where its text begins in the arena, or 0 if there is none.
func (t *table) peek(want target, hash uint64) (bit int, at uint) {
	b := &t.buckets[scale(hash, len(t.filter))]
	if fits := b.fits(want.lane); fits != 0 {
		bit = bits.TrailingZeros64(fits)
		at = b.at(bit)
	}
	return bit, at
}

// found returns what was looked for and is there, at the place of a bit of fits and in the arena.
func (t *table) found(b *bucket, bit int, at uint, want target) found {
	return found{t.arena[at : at+want.size], int32(uint(b.slot&^moreBit) + 1 + place(bit)), uint16(want.tail), want.kind}
}

// endsIn reports whether the text before end ends in the last tail bytes of name, which r is of.
func (t *table) endsIn(end uint, name string, r *reading, tail uint) bool {
	// Four words at once, without a branch on the length.
	text, masks := t.arena[end-ahead:end], &tailMasks[min(tail, ahead)]
	if (load(text[24:])^r.words[0])&masks[0]|(load(text[16:])^r.words[1])&masks[1]|(load(text[8:])^r.words[2])&masks[2]|(load(text)^r.words[3])&masks[3] != 0 {
		return false
	}
	return tail <= ahead || t.arena[end-tail:end-ahead] == name[uint(len(name))-tail:len(name)-ahead]
}

// ahead is the number of bytes that endsIn compares at once; so many are in front of the texts in an arena.
const ahead = 4 * wordLen

// tailMasks has for a number of bytes the masks that leave as many of four words, the last one first.
var tailMasks = func() (masks [ahead + 1][4]uint64) {
	for n := range masks {
		for i := range masks[n] {
			masks[n][i] = lastBytes(n - wordLen*i)
		}
	}
	return masks
}()
