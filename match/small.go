package match

import (
	"math/bits"
	"slices"
)

const (
	maxSmall = 16 // the number of patterns up to which it is faster to go through all than to hash
	chunkLen = 16 // bytes of a name that are compared at once
)

// A smallSet holds a few patterns in the slots from 1 on, the most specific first. For each it has the last sixteen bytes of what it ends in, so
// that most are told by comparing two words.
type smallSet struct {
	n        int
	ends     [1 + maxSmall]ending
	patterns [1 + maxSmall]Pattern // the zero Pattern in slot 0
}

// An ending is what names that a pattern matches end in: two words under masks. If it is whole, there is nothing else to them.
type ending struct {
	a, b, maskA, maskB uint64
	whole              bool
}

// newSmallSet returns the set of patterns and fills in the slot of each.
func newSmallSet(patterns []Pattern, slots []uint32) (s *smallSet, twice bool) {
	order := make([]int, len(patterns))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return compareSpecific(patterns[i], patterns[j]) })
	s = new(smallSet)
	for _, i := range order {
		p := patterns[i]
		twice = twice || p == s.patterns[s.n]
		s.n++
		s.patterns[s.n], s.ends[s.n] = p, endOf(p)
		slots[i] = uint32(s.n)
	}
	return s, twice
}

func endOf(p Pattern) ending {
	text, known := p.text, chunkLen // of an exact name, that nothing is in front
	if p.kind != Exact {
		text = "." + p.Suffix() // no name begins with a dot: something is in front
		known = min(len(text), chunkLen)
		if p.Suffix() == "" {
			known = 0
		}
	}
	a, b := lastChunk(text)
	maskA, maskB := lastBytes(known-wordLen), lastBytes(known)
	return ending{a & maskA, b & maskB, maskA, maskB, p.kind == Exact && len(text) < chunkLen || p.kind == Subdomains && len(text) <= chunkLen}
}

// lastChunk returns the last sixteen bytes of text, with zeros in front of a shorter one.
func lastChunk(text string) (a, b uint64) {
	for i := max(0, len(text)-chunkLen); i < len(text); i++ {
		a, b = a>>8|b<<56, b>>8|uint64(text[i])<<56
	}
	return a, b
}

// find returns the slot of the most specific pattern that matches name, which is not empty, or 0.
func (s *smallSet) find(name string) (slot int) {
	var a, b uint64 // as lastChunk returns them
	if n := len(name); n < 8 {
		a, b = lastChunk(name)
	} else {
		lack := chunkLen - n
		lack &^= lack >> (bits.UintSize - 1) // 0 if negative, without a branch that nobody can predict
		a, b = load(name[n-chunkLen+lack:])<<(8*uint(lack)), load(name[n-8:])
	}
	for slot := 1; slot <= s.n && slot <= maxSmall; slot++ {
		e := &s.ends[slot]
		if (a&e.maskA^e.a)|(b&e.maskB^e.b) != 0 {
			continue
		}
		if e.whole || s.patterns[slot].matches(name) {
			return slot
		}
	}
	return 0
}

func (s *smallSet) each(name string, yield func(p Pattern, slot int) bool) {
	for slot := 1; slot <= s.n; slot++ {
		if p := s.patterns[slot]; p.matches(name) && !yield(p, slot) {
			return
		}
	}
}
