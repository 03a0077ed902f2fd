package match

import (
	"math"
	"math/bits"
	"strings"
)

// A table holds exact names and subdomains of at most maxText bytes, and finds those that a name falls under.
//
// A name is read once. Each of its suffixes of a depth that the table has costs one more step: to ask a filter of about a byte a text, small
// enough for the caches next to the processor, whether there may be a text for it. All are asked before the first branch on an answer, so
// that the waits overlap, and the buckets are fetched meanwhile. Only suffixes that pass, in general one or none, are looked up in a bucket,
// and only where tag and length fit there is the text compared.
//
// No name is slow: its suffixes are few, a bucket has twelve places, and nobody can choose names that pass the filter or meet in a bucket,
// because they do not know the keys of the hash. What is found does not depend on the keys.
type table struct {
	keys *hashKeys

	filter []uint64 // a word for each home, with two bits for each text

	homes   uint64   // buckets that hashes lead to; those after them only take what the last ones have no room for
	buckets []bucket // ordered by the hashes of their texts
	arena   string   // the texts in the order of the buckets, after the bytes of one chunk

	minDepth, depths int // labels of the domains of subdomains: the least number, and how many from it to the greatest
}

// A bucket lists up to twelve texts, each in a lane of sixteen bits. Where more lead to a bucket, the next one takes the rest.
type bucket struct {
	lanes [bucketSize / 4]uint64
	slot  uint32 // number of texts in the buckets before; and moreBit
	first uint32 // where its first text begins in the arena
}

const (
	bucketSize = 12
	bucketFill = 8       // on average; so the filter has eight bits for a text
	moreBit    = 1 << 31 // in slot: the next bucket has texts that lead here
)

// In every lane of a word:
const (
	laneOnes  = 0x0001_0001_0001_0001
	laneHighs = 0x8000_8000_8000_8000
	laneLens  = 0x00ff_00ff_00ff_00ff // once shifted
)

// newTable returns the table of texts, and the slot of each. Of texts that are there more than once it returns the least, as twice.
func newTable(keys *hashKeys, texts []string) (t *table, slots []uint32, twice string, err error) {
	size := chunkLen
	for _, s := range texts {
		size += len(s)
	}
	if len(texts) >= moreBit || size > math.MaxUint32 {
		return nil, nil, "", errTooLarge
	}
	t = &table{
		keys: keys, homes: uint64(len(texts))/bucketFill + 1, minDepth: 1,
	}
	t.filter = make([]uint64, t.homes)
	// Put the texts in the order of their buckets, by counting.
	hashes := make([]uint64, len(texts))
	ends := make([]uint32, t.homes+1)
	for i, s := range texts {
		domain, deep := strings.CutPrefix(s, "*.")
		if deep {
			depth := strings.Count(domain, ".") + 1
			if t.depths == 0 {
				t.minDepth = depth
			}
			least, greatest := min(t.minDepth, depth), max(t.minDepth+t.depths-1, depth)
			t.minDepth, t.depths = least, greatest-least+1
		}
		hashes[i] = keys.hash(domain)
		home := t.home(hashes[i])
		t.filter[home] |= 1<<(hashes[i]&63) | 1<<(hashes[i]>>6&63)
		ends[home+1]++
	}
	for b := range t.homes {
		ends[b+1] += ends[b]
	}
	order := make([]uint32, len(texts))
	for i, hash := range hashes {
		home := t.home(hash)
		order[ends[home]] = uint32(i) // where home begins, until it is filled
		ends[home]++
	}

	slots = make([]uint32, len(texts))
	arena := new(strings.Builder)
	arena.Grow(size)
	arena.WriteString(strings.Repeat(" ", chunkLen))
	t.buckets = make([]bucket, 0, t.homes+t.homes/64+1)
	for next := 0; uint64(len(t.buckets)) < t.homes || next < len(order); {
		end := int(ends[min(uint64(len(t.buckets)), t.homes-1)])
		b := bucket{slot: uint32(next), first: uint32(arena.Len())} // for the texts up to end
		for place := 0; place < bucketSize && next < end; place++ {
			i := order[next]
			for _, j := range order[next+1 : end] {
				if hashes[i] == hashes[j] && texts[i] == texts[j] && (twice == "" || texts[i] < twice) {
					twice = texts[i]
				}
			}
			exact := uint(1)
			if texts[i][0] == '*' {
				exact = 0
			}
			b.lanes[place/4] |= lane(hashes[i], uint(len(texts[i])), exact) << (place % 4 * 16)
			arena.WriteString(texts[i])
			next++
			slots[i] = uint32(next)
		}
		if next < end {
			b.slot |= moreBit
		}
		t.buckets = append(t.buckets, b)
	}
	t.arena = arena.String()
	return t, slots, twice, nil
}

// home returns the number of the bucket that a hash leads to, by its high bits. The lowest twelve bits are those of the filter.
func (t *table) home(hash uint64) uint64 {
	home, _ := bits.Mul64(hash, t.homes)
	return home
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

// zeros returns the highest bit of each lane that is zero.
func zeros(w uint64) uint64 {
	return ^((w&^laneHighs + ^uint64(laneHighs)) | w) & laneHighs
}

// place returns the number of the place that a bit of fits stands for, and where its text begins in the arena.
func (b *bucket) place(bit int) (place, at uint) {
	i, j := uint(bit)>>4, uint(bit)&3
	before := uint64(1)<<(16*i) - 1         // the lanes of word j before i
	one, two := -uint64(j&1), -uint64(j>>1) // all bits if j is 1 or 2
	sum := b.lanes[0] >> 8 & laneLens & (before | one | two)
	sum += b.lanes[1] >> 8 & laneLens & (before&one | two)
	sum += b.lanes[2] >> 8 & laneLens & (before & two)
	return 4*j + i, uint(b.first) + uint(sum*laneOnes>>48)
}

// all calls f for all texts, as patterns, with their slots.
func (t *table) all(f func(p Pattern, slot int)) {
	at := chunkLen
	for i := range t.buckets {
		b := &t.buckets[i]
		for place := range bucketSize {
			size := int(b.lanes[place/4] >> (place % 4 * 16) & 0xffff >> 8)
			if size == 0 {
				break
			}
			slot := int(b.slot&^moreBit) + 1 + place
			f(Pattern{kindOf(t.arena[at : at+size]), t.arena[at : at+size]}, slot)
			at += size
		}
	}
}
