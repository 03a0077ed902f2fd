package match

import "slices"

// maxSmall is the number of patterns up to which it is faster to go through all than to hash.
const maxSmall = 16

// A smallSet holds a few patterns, the most specific first; their slots are their places, from 1 on. For each it has the last sixteen bytes of what it ends in,
// so that most are passed over by comparing two words.
type smallSet struct {
	patterns []Pattern
	ends     [maxSmall]lastWords
}

type lastWords struct{ a, b, maskA, maskB uint64 }

// newSmallSet returns the set of patterns and fills in the slot of each.
func newSmallSet(patterns []Pattern, slots []uint32) (s *smallSet, twice string) {
	order := make([]int, len(patterns))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return compareSpecific(patterns[i], patterns[j]) })
	s = new(smallSet)
	for slot, i := range order {
		p := patterns[i]
		if slot > 0 && p == s.patterns[slot-1] && (twice == "" || p.text < twice) {
			twice = p.text
		}
		slots[i] = uint32(1 + slot)
		s.patterns = append(s.patterns, p)
		s.ends[slot] = endOf(p)
	}
	return s, twice
}

func endOf(p Pattern) lastWords {
	end, known := p.text, chunkLen // of an exact name, that nothing is in front
	if p.kind != Exact {
		end = "." + p.Suffix()
		known = min(len(end), chunkLen)
		if p.Suffix() == "" {
			known = 0
		}
	}
	var pad [chunkLen]byte
	end = padded(end, &pad)
	end = end[len(end)-chunkLen:]
	m := &lastBytes[known]
	return lastWords{load(end) & m[0], load(end[8:]) & m[1], m[0], m[1]}
}

func (s *smallSet) first(name string) (p Pattern, slot int) {
	var pad [chunkLen]byte
	end := padded(name, &pad)
	end = end[len(end)-chunkLen:]
	a, b := load(end), load(end[8:])
	for i := range s.patterns {
		w := &s.ends[i&(maxSmall-1)]
		if (a&w.maskA^w.a)|(b&w.maskB^w.b) == 0 && s.patterns[i].matches(name) {
			return s.patterns[i], 1 + i
		}
	}
	return Pattern{}, 0
}

func (s *smallSet) each(name string, yield func(p Pattern, slot int) bool) {
	for i, p := range s.patterns {
		if p.matches(name) && !yield(p, 1+i) {
			return
		}
	}
}
