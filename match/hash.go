package match

import (
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
	name string // with zeros in front if it is shorter than a chunk
	n    uint   // length without the zeros, at most maxText
	dots uint64 // bit i: a dot in front of the last i bytes
	sums [maxChunks]uint64

	ahead uint32 // written by probe, so that what it reads is fetched; never read
}

// newReading returns the reading of name, or of its last maxText bytes, for read to fill in. It needs pad as long as it is used.
func newReading(name string, pad *[chunkLen]byte) reading {
	name = name[max(len(name)-maxText, 0):]
	return reading{n: uint(len(name)), name: padded(name, pad)}
}

// padded returns name with zeros in front, which are put into pad, if it is shorter than a chunk.
func padded(name string, pad *[chunkLen]byte) string {
	if len(name) >= chunkLen {
		return name
	}
	copy(pad[chunkLen-len(name):], name)
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
	front, mask := r.name[uint(len(r.name))-max(i, chunkLen):], &lastBytes[min(i, chunkLen)]
	_ = front[chunkLen-1]
	return r.sums[i/chunkLen&3] + mul(load(front)&mask[0]^k.front, load(front[8:])&mask[1]^(k.lengths+uint64(i)))
}

// hash returns the hash of a text of at most maxText bytes.
func (k *hashKeys) hash(text string) uint64 {
	var pad [chunkLen]byte
	r := newReading(text, &pad)
	k.read(&r)
	return r.hash(k, r.n)
}

// lastBytes has the masks of the last bytes of a chunk, by their number.
var lastBytes = func() (masks [chunkLen + 1][2]uint64) {
	for n := range uint(len(masks)) {
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
