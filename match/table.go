package match

import (
	"math"
	"math/bits"
	"strings"
	"unsafe"
)

// A table holds exact names and subdomains of at most maxText bytes, and finds those that a name falls under.
//
// A name is read once. Each of its suffixes of a depth that the table has costs one more step: to ask a filter of about a byte a text, small
// enough for the caches next to the processor, whether there may be a text for it. All are asked before the first branch on an answer, so
// that the waits overlap. Only suffixes that pass, in general one or none, are looked up in a bucket, and only where tag and length fit there
// is the text compared.
//
// No name is slow: its suffixes are few, a bucket has twelve places, and nobody can choose names that pass the filter or meet in a bucket,
// because they do not know the keys of the hash. What is found does not depend on the keys.
type table struct {
	keys *hashKeys

	filter []uint64 // a word for each home, with two bits for each text

	buckets []bucket // ordered by the hashes of their texts; those after the homes only take what the last ones have no room for
	arena   string   // the texts in the order of the buckets, after as many bytes as endsIn compares at once

	// Subdomains have domains of minDepth labels or more. Any name is asked at near depths; at those beyond, which few texts are of, only if
	// goOn, a filter as the other, may have the suffix of the last near depth.
	minDepth, near int
	goOn           []uint64 // nil: none lie beyond
}

// A bucket lists up to twelve texts, each in a lane of sixteen bits. Where more lead to a bucket, the next one takes the rest.
type bucket struct {
	lanes [3]uint64 // the first three places are the lowest lanes, and so on
	slot  uint32    // number of texts in the buckets before; and moreBit
	first uint32    // where its first text begins in the arena
}

const (
	bucketSize = 12
	bucketFill = 8       // on average; so the filter has eight bits for a text
	moreBit    = 1 << 31 // in slot: the next bucket has texts that lead here
	farShare   = 16      // of so many subdomains one may lie beyond the near depths
)

// In every lane of a word:
const (
	laneOnes  = 0x0001_0001_0001_0001
	laneHighs = 0x8000_8000_8000_8000
	laneLens  = 0xff00_ff00_ff00_ff00
)

// newTable returns the table of texts, and the slot of each, or twice if a text is there more than once. It leaves out empty texts.
func newTable(keys *hashKeys, texts []string) (t *table, slots []uint32, twice bool, err error) {
	b := tableBuilder{table: &table{keys: keys}, texts: texts, hashes: make([]uint64, len(texts))}
	if err := b.measure(); err != nil {
		return nil, nil, false, err
	}
	b.findDepths()
	b.reserve()
	slots = b.fill()
	return b.table, slots, b.hasTwice(), nil
}

// A tableBuilder makes a table. It goes through the texts in the order given only, because they are many and lie anywhere.
type tableBuilder struct {
	*table
	texts  []string
	hashes []uint64
	homes  []home
	size   int              // bytes of all texts
	depths [maxText + 1]int // numbers of subdomains, by the labels of their domains
}

// A home is what the texts whose hashes lead to a bucket have together. First they are counted, and then it tells where the next one goes.
type home struct {
	place uint32 // bucketSize times the number of the bucket, and the place there
	slot  uint32 // less one
	at    uint32 // in the arena
}

// measure hashes the texts, and puts them into the filter and the counts.
func (b *tableBuilder) measure() error {
	count := 0 // no more than maxPatterns, so that numbers of places have 32 bits
	for _, s := range b.texts {
		if s != "" {
			count++
			b.size += len(s)
		}
	}
	if uint64(b.size) > math.MaxUint32-ahead {
		return errTooLarge
	}
	b.homes = make([]home, count/bucketFill+1)
	b.filter = make([]uint64, len(b.homes))
	for i, s := range b.texts {
		if s == "" {
			continue
		}
		domain, deep := strings.CutPrefix(s, "*.")
		var r reading
		b.keys.read(&r, domain)
		if deep {
			b.depths[bits.OnesCount64(r.dots)+1]++
		}
		hash := r.hash(b.keys, uint(len(domain)))
		b.hashes[i] = hash
		at := scale(hash, len(b.homes))
		b.filter[at] |= filterBits(hash)
		b.homes[at].slot++
		b.homes[at].at += uint32(len(s))
	}
	return nil
}

// findDepths decides which depths are near, and fills in the filter of those that are not.
func (b *tableBuilder) findDepths() {
	all := 0
	for depth, n := range b.depths {
		if all == 0 && n > 0 {
			b.minDepth = depth
		}
		all += n
	}
	if all == 0 {
		return
	}
	beyond := all - b.depths[b.minDepth]
	for b.near = 1; beyond > all/farShare; b.near++ {
		beyond -= b.depths[b.minDepth+b.near]
	}
	if beyond == 0 {
		return
	}
	last := b.minDepth + b.near - 1
	b.goOn = make([]uint64, beyond/4+1)
	for _, s := range b.texts {
		domain, deep := strings.CutPrefix(s, "*.")
		if !deep || strings.Count(domain, ".") < last {
			continue
		}
		var r reading
		b.keys.read(&r, domain)
		ends := r.dots
		for range last - 1 {
			ends &= ends - 1
		}
		hash := r.hash(b.keys, uint(bits.TrailingZeros64(ends)))
		b.goOn[scale(hash, len(b.goOn))] |= filterBits(hash)
	}
}

// reserve makes of the counts of the homes where their texts go, and makes the buckets.
func (b *tableBuilder) reserve() {
	next := home{at: ahead}
	for i := range b.homes {
		next.place = max(next.place, uint32(bucketSize*i)) // behind the texts that the bucket before has no room for
		n := b.homes[i]
		b.homes[i] = next
		next.place, next.slot, next.at = next.place+n.slot, next.slot+n.slot, next.at+n.at
	}
	b.buckets = make([]bucket, max(len(b.homes), int(next.place+bucketSize-1)/bucketSize))
	for i := range b.buckets {
		end := next.place // behind all that lead to this bucket or one before
		if i+1 < len(b.homes) {
			end = b.homes[i+1].place
		}
		if end > uint32(bucketSize*(i+1)) {
			b.buckets[i].slot = moreBit
		}
	}
}

// fill puts the texts into the buckets and the arena, and returns their slots.
func (b *tableBuilder) fill() (slots []uint32) {
	slots = make([]uint32, len(b.texts))
	arena := make([]byte, ahead+b.size)
	for i, s := range b.texts {
		if s == "" {
			continue
		}
		home := &b.homes[scale(b.hashes[i], len(b.homes))]
		bucket, place := &b.buckets[home.place/bucketSize], home.place%bucketSize
		if place == 0 {
			bucket.slot |= home.slot
			bucket.first = home.at
		}
		exact := uint(1)
		if s[0] == '*' {
			exact = 0
		}
		bucket.lanes[place%3] |= lane(b.hashes[i], uint(len(s)), exact) << (place / 3 * 16)
		copy(arena[home.at:], s)
		home.place++
		home.slot++
		home.at += uint32(len(s))
		slots[i] = home.slot
	}
	b.arena = unsafe.String(unsafe.SliceData(arena), len(arena)) // nothing writes to it from here on
	return slots
}

// hasTwice reports whether a text is there more than once.
func (b *tableBuilder) hasTwice() bool {
	for i := range b.buckets {
		at := b.buckets[i].first
		for n := range uint(bucketSize) {
			lane := b.buckets[i].lane(n)
			if lane == 0 {
				break
			}
			text := b.arena[at : at+uint32(lane>>8)]
			at += uint32(len(text))
			for j := i; ; j++ {
				other := &b.buckets[j]
				for fits := other.fits(lane); fits != 0; fits &= fits - 1 {
					bit := bits.TrailingZeros64(fits)
					at := other.at(bit)
					if (j > i || place(bit) > n) && b.arena[at:at+uint(len(text))] == text {
						return true
					}
				}
				if other.slot&moreBit == 0 {
					break
				}
			}
		}
	}
	return false
}

// scale returns the part of n that a hash is of all hashes, by its high bits. So it finds the home of a text, and the word of a filter. The
// lowest twelve bits are those of the filter.
func scale(hash uint64, n int) uint64 {
	at, _ := bits.Mul64(hash, uint64(n))
	return at
}

// filterBits returns the bits that a text with that hash has in its word of a filter.
func filterBits(hash uint64) uint64 { return 1<<(hash&63) | 1<<(hash>>6&63) }

// mayHave reports whether there may be a text with that hash in a filter.
func mayHave(filter []uint64, hash uint64) bool {
	return filterBits(hash)&^filter[scale(hash, len(filter))] == 0
}

// lane returns what a bucket says of a text: its length in the high byte, 1 for an exact name in the lowest bit, and between them a tag, seven
// bits of the hash. An empty lane is zero.
func lane(hash uint64, size, exact uint) uint64 {
	return uint64(size)<<8 | hash>>24&0xfe | uint64(exact)
}

// fits returns a bit for each place of b that has a lane: bit 16i+j for lane i of word j.
func (b *bucket) fits(lane uint64) uint64 {
	lane *= laneOnes
	return zeros(b.lanes[0]^lane)>>15 | zeros(b.lanes[1]^lane)>>14 | zeros(b.lanes[2]^lane)>>13
}

// zeros returns the highest bit of each lane that is zero. No lane of w has it: lengths are less than 128.
func zeros(w uint64) uint64 {
	return ^(w + ^uint64(laneHighs)) & laneHighs
}

// place returns the number of the place that a bit of fits stands for.
func place(bit int) uint { return 3*(uint(bit)>>4) + uint(bit)&3 }

// at returns where the text begins in the arena that has the place of a bit of fits.
func (b *bucket) at(bit int) uint {
	j := uint64(bit) & 3 // lane bit/16 of word j
	zero, one := b.lanes[0]&laneLens, b.lanes[1]&laneLens
	sum := (zero + one + b.lanes[2]&laneLens) >> 8             // of the lengths of three places
	sum = sum*(laneOnes-1) + (zero&-((j+1)>>1)+one&-(j>>1))>>8 // of those before these
	return uint(b.first) + uint(sum>>(bit&48)&0xffff)
}

// lane returns the lane of a place, zero if it is empty.
func (b *bucket) lane(place uint) uint64 { return b.lanes[place%3] >> (place / 3 * 16) & 0xffff }

// all calls f for all texts, as patterns, with their slots.
func (t *table) all(f func(p Pattern, slot int)) {
	for i := range t.buckets {
		b := &t.buckets[i]
		at := b.first
		for place := range uint(bucketSize) {
			size := uint32(b.lane(place) >> 8)
			if size == 0 {
				break
			}
			text := t.arena[at : at+size]
			f(Pattern{kindOf(text), text}, int(b.slot&^moreBit)+1+int(place))
			at += size
		}
	}
}
