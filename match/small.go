package match

import "slices"

// maxSmall is the number of patterns up to which it is faster to go through all than to hash.
const maxSmall = 16

// A smallSet holds a few patterns, the most specific first, in the slots from 1 on.
type smallSet []ending

// An ending is a pattern by what names that it matches end in. Most names are told by their length or their last eight bytes.
type ending struct {
	text       string // an exact name, and for others a dot and the suffix, or nothing
	front      uint   // the most bytes that may stand before text: none, or any number (before a dot never none: no name begins with one)
	word, mask uint64 // the last eight bytes of text
	pattern    Pattern
}

// newSmallSet returns the set of patterns and fills in the slot of each.
func newSmallSet(patterns []Pattern, slots []uint32) (s smallSet, twice bool) {
	order := make([]int, len(patterns))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return compareSpecific(patterns[i], patterns[j]) })
	s = make(smallSet, len(patterns))
	for n, i := range order {
		s[n] = endingOf(patterns[i])
		slots[i] = uint32(n + 1)
		twice = twice || n > 0 && s[n].pattern == s[n-1].pattern
	}
	return s, twice
}

func endingOf(p Pattern) ending {
	e := ending{text: p.text, pattern: p}
	if p.kind != Exact {
		e.text, e.front = "."+p.Suffix(), maxHostLen
	}
	if e.text == "." {
		e.text = ""
	}
	e.mask = lastBytes(len(e.text))
	e.word = lastWord(e.text)
	return e
}

// mayMatch reports whether the pattern may match a name of n bytes whose last eight are w.
func (e *ending) mayMatch(n int, w uint64) bool {
	return uint(n-len(e.text)) <= e.front && (w^e.word)&e.mask == 0
}

// lastWord returns the last eight bytes of text, with zeros in front of a shorter one.
func lastWord(text string) (w uint64) {
	if n := len(text); n >= wordLen {
		return load(text[n-wordLen:])
	}
	for i := range len(text) {
		w = w>>8 | uint64(text[i])<<56
	}
	return w
}

func (s smallSet) each(name string, yield func(p Pattern, slot int) bool) {
	for i := range s {
		if p := s[i].pattern; p.matches(name) && !yield(p, i+1) {
			return
		}
	}
}
