package match

import (
	"math/bits"
	"math/rand/v2"
	"unsafe"
)

// The hash of a text is a sum over its words of eight bytes, counted from its end: those that are whole, and what is in front of them. So the
// sums over the words of a name serve all of its suffixes, and the hash of each takes one more step.
//
// Each index draws keys of its own. Nobody who does not know them can choose names that meet.
type hashKeys struct {
	adds, muls [maxWords]uint64
}

const (
	wordLen  = 8
	maxWords = 8                    // of a text with a hash
	maxText  = maxWords*wordLen - 1 // so that a bit of a word stands for each length
)

func newHashKeys() *hashKeys {
	k := new(hashKeys)
	for i := range k.adds {
		k.adds[i], k.muls[i] = rand.Uint64(), rand.Uint64()
	}
	return k
}

// A reading is what hashes of the suffixes of a name are made from.
type reading struct {
	whole uint64           // bit n of a whole name of n bytes; otherwise 0
	dots  uint64           // bit i: a dot in front of the last i bytes
	words [maxWords]uint64 // of the name, the last one first; with zeros in front of the name
	sums  [maxWords]uint64 // of the hashes of the words before, in that order
}

// reverse returns a label backwards, in buf. The text is the bytes of buf, so it is for callers who neither write to buf nor keep the text.
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

// read fills in r, which is zero, for a name, or for its last maxText bytes.
func (k *hashKeys) read(r *reading, name string) {
	if n := len(name); n > maxText {
		name = name[n-maxText:]
	} else {
		r.whole = 1 << n
	}
	var sum, dots, w uint64
	at, rest := uint(0), name
	words, sums, adds, muls := &r.words, &r.sums, &k.adds, &k.muls
	for ; at < maxWords-1 && len(rest) >= wordLen; at++ {
		w = load(rest[len(rest)-wordLen:])
		rest = rest[:len(rest)-wordLen]
		words[at], sums[at] = w, sum
		sum += mul(w^adds[at], muls[at])
		dots = dots>>8 | findDots(w)
	}
	if len(name) >= wordLen {
		w = load(name) << 8 << (8 * (^uint(len(name)) & 7))
	} else {
		w = 0
		for i := range len(name) {
			w = w>>8 | uint64(name[i])<<56
		}
	}
	words[at], sums[at] = w, sum
	r.dots = (dots>>8 | findDots(w)) >> (8 * (^at & 7))
}

// hash returns the hash of the last i bytes.
func (r *reading) hash(k *hashKeys, i uint) uint64 {
	at := i / wordLen & 7
	w := r.words[at] >> 8 >> (8 * (^i & 7)) // the last i%8 bytes of it
	return r.sums[at] + mul(w^k.adds[at], k.muls[at])
}

// hash returns the hash of a text of at most maxText bytes.
func (k *hashKeys) hash(text string) uint64 {
	var r reading
	k.read(&r, text)
	return r.hash(k, uint(len(text)))
}

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

// lastBytes returns a mask of the last n bytes of what load returns: of none if n is negative, and of all from eight on.
func lastBytes(n int) uint64 { return ^uint64(0) << (8 * (wordLen - min(max(n, 0), wordLen))) }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// findDots returns a bit for each dot among eight bytes of ASCII, in the highest byte: the lowest bit of it for the last byte.
func findDots(w uint64) uint64 {
	return (highs - (w ^ '.'*ones)) & highs >> 7 * 0x8040201008040201 &^ (1<<56 - 1)
}
