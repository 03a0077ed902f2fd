package match

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"unsafe"
)

// The hash of a text is a sum over its chunks of sixteen bytes, counted from its end, and over its first sixteen bytes together with its
// length. So the sums over the chunks of a name serve all of its suffixes, and the hash of each takes one more step.
//
// Each index draws keys of its own. Nobody who does not know them can choose names that meet.
type hashKeys struct {
	chunks  [2 * maxChunks]uint64
	front   uint64
	lengths uint64
}

const (
	chunkLen  = 16
	maxChunks = 4                      // of a text with a hash
	maxText   = maxChunks*chunkLen - 1 // so that a bit of a word stands for each length
)

func newHashKeys() *hashKeys {
	k := &hashKeys{front: rand.Uint64(), lengths: rand.Uint64()}
	for i := range k.chunks {
		k.chunks[i] = rand.Uint64()
	}
	return k
}

// A reading is what hashes of the suffixes of a name are made from.
type reading struct {
	name  string // with zeros in front if it is shorter than a chunk
	whole uint64 // bit n of a whole name of n bytes; otherwise 0
	dots  uint64 // bit i: a dot in front of the last i bytes
	sums  [maxChunks]uint64

	ahead uint32 // written by probe, so that what it reads is fetched; never read
}

// readable returns the name and the bit of a reading: name, or its last maxText bytes. They need pad as long as they are used.
func readable(name string, pad *[chunkLen]byte) (string, uint64) {
	if len(name) > maxText {
		return name[len(name)-maxText:], 0
	}
	return padded(name, pad), 1 << len(name)
}

// padded returns name with zeros in front, which are put into pad, if it is shorter than a chunk.
func padded(name string, pad *[chunkLen]byte) string {
	n := len(name)
	if n >= chunkLen {
		return name
	}
	if n >= 8 {
		binary.LittleEndian.PutUint64(pad[:8], load(name)<<(8*(chunkLen-1-n)&63)<<8)
		binary.LittleEndian.PutUint64(pad[8:], load(name[n-8:]))
	} else {
		copy(pad[chunkLen-n:], name)
	}
	return unsafe.String(&pad[0], chunkLen)
}

// reverse returns a label backwards, in buf.
func reverse(label string, buf *[maxLabelLen]byte) string {
	n := len(label)
	if n == 0 {
		return ""
	}
	for i := range n {
		buf[n-1-i] = label[i]
	}
	return unsafe.String(&buf[0], n)
}

// read fills in dots and sums.
func (k *hashKeys) read(r *reading) {
	var sum, dots uint64
	at := 0
	for rest := r.name; len(rest) >= chunkLen; rest = rest[:len(rest)-chunkLen] {
		chunk := rest[len(rest)-chunkLen:]
		a, b := load(chunk), load(chunk[8:])
		r.sums[at&3] = sum
		sum += mul(a^k.chunks[2*at&7], b^k.chunks[(2*at+1)&7])
		dots |= (findDots(b) | findDots(a)<<8) << (16 * at & 63)
		at++
	}
	r.sums[at&3] = sum
	r.dots = dots | (findDots(load(r.name[8:]))|findDots(load(r.name))<<8)<<(uint(len(r.name)-16)&63)
}

// hash returns the hash of the last i bytes.
func (r *reading) hash(k *hashKeys, i uint) uint64 {
	short := less(i, chunkLen)
	front, mask := r.name[uint(len(r.name))-i+short:], &lastBytes[(chunkLen+short)&31]
	_ = front[chunkLen-1]
	return r.sums[i/chunkLen&3] + mul(load(front)&mask[0]^k.front, load(front[8:])&mask[1]^(k.lengths+uint64(i)))
}

// longest returns the hash of the longest suffix of those that fit.
func (r *reading) longest(k *hashKeys, fit uint64) uint64 {
	if fit == 0 {
		return 0
	}
	return r.hash(k, uint(63-bits.LeadingZeros64(fit)))
}

// less returns i-n if i is less than n, and otherwise 0, without a branch.
func less(i, n uint) uint {
	return (i - n) & uint(int(i-n)>>63)
}

// hash returns the hash of a text of at most maxText bytes.
func (k *hashKeys) hash(text string) uint64 {
	var pad [chunkLen]byte
	var r reading
	r.name, r.whole = readable(text, &pad)
	k.read(&r)
	return r.hash(k, uint(len(text)))
}

// lastBytes has the masks of the last bytes of a chunk, by their number.
var lastBytes = func() (masks [2 * chunkLen][2]uint64) { // a power of two, to be indexed without a check
	for n := range uint(chunkLen + 1) {
		masks[n] = [2]uint64{^uint64(0) << (8 * min(16-n, 8)), ^uint64(0) << (8 * (8 - min(n, 8)))}
	}
	return masks
}()

// mul returns the product of a and b, folded into one word.
func mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// load returns the first eight bytes of s, the first of them lowest.
func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// findDots returns a bit for each dot among eight bytes of ASCII: the lowest for the last byte.
func findDots(w uint64) uint64 {
	return ^((w ^ '.'*ones) + 0x7f*ones) & highs >> 7 * 0x8040201008040201 >> 56
}
