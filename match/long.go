package match

import "math/bits"

// A longSet holds exact names and subdomains whose texts are longer than maxText: too long for a table, and too rare for more than maps.
type longSet struct {
	patterns     []Pattern
	slot         int              // of the first pattern; the others follow
	exact, below map[string]int32 // indexes in patterns: of exact names, and of subdomains by their domains
}

// A lengthSet is a set of lengths of names.
type lengthSet [4]uint64

func (s *lengthSet) add(n int)      { s[n>>6] |= 1 << (n & 63) }
func (s *lengthSet) has(n int) bool { return s[n>>6&3]>>(n&63)&1 != 0 }

// A tailFilter tells of most names that nothing in the maps fits them, by eight of the bytes that everything there has.
type tailFilter []uint64 // a power of two; nil for none

// newTailFilter returns the filter of names and domains of more than maxDomain bytes.
func newTailFilter(keys *hashKeys, texts []string) tailFilter {
	if len(texts) == 0 {
		return nil
	}
	f := make(tailFilter, 1<<bits.Len(uint(len(texts))/4))
	for _, s := range texts {
		word, bit := f.place(keys, s)
		f[word] |= 1 << bit
	}
	return f
}

// mayHave reports whether there may be something that name, of more than maxDomain bytes, ends in.
func (f tailFilter) mayHave(keys *hashKeys, name string) bool {
	word, bit := f.place(keys, name)
	return f[word]>>bit&1 != 0
}

func (f tailFilter) place(keys *hashKeys, name string) (word, bit uint64) {
	hash := mul(load(name[len(name)-maxDomain-1:])^keys.adds[0], keys.muls[0])
	return hash >> 6 & uint64(len(f)-1), hash & 63
}

// maxDomain is the greatest length of a domain whose subdomains are in a table.
const maxDomain = maxText - len("*.")

// newLongSet returns the set of the patterns in list, whose slots begin with the one given.
func newLongSet(patterns []Pattern, list []uint32, slot int) *longSet {
	s := &longSet{slot: slot, exact: map[string]int32{}, below: map[string]int32{}}
	for n, i := range list {
		p := patterns[i]
		s.patterns = append(s.patterns, p)
		if p.kind == Exact {
			s.exact[p.text] = int32(n)
		} else {
			s.below[p.Suffix()] = int32(n)
		}
	}
	return s
}

// hasLong reports whether there are patterns that a longSet or a globSet keeps in maps.
func (s *patternSet) hasLong() bool {
	return s.long != nil || s.globs != nil && s.globs.long != nil
}

// firstLong finds the first of the patterns that eachLong yields. Its tail is not set. It is not inlined into first, so that names that do not
// come here, nearly all, do not pay for its closure.
//
//go:noinline
func (s *patternSet) firstLong(name string) (f found) {
	s.eachLong(name, func(p Pattern, slot int) bool {
		f = found{text: p.text, slot: int32(slot), kind: p.kind}
		return false
	})
	return f
}

// eachLong yields, of the patterns that match name, those in maps, which are the most specific. It returns false when yield did. It looks
// only for names of the lengths that there are.
func (s *patternSet) eachLong(name string, yield func(p Pattern, slot int) bool) bool {
	if !s.tails.mayHave(s.keys, name) {
		return true
	}
	if s.exactLengths.has(len(name)) {
		if i, ok := s.long.exact[name]; ok && !yield(s.long.patterns[i], s.long.slot+int(i)) {
			return false
		}
	}
	for word := len(s.lengths) - 1; word >= 0; word-- {
		for left := s.lengths[word]; left != 0; {
			bit := bits.Len64(left) - 1
			left &^= 1 << bit
			at := len(name) - (64*word + bit)
			if at <= 0 || name[at-1] != '.' {
				continue
			}
			domain := name[at:]
			if s.long != nil {
				if i, ok := s.long.below[domain]; ok && !yield(s.long.patterns[i], s.long.slot+int(i)) {
					return false
				}
			}
			if s.globs != nil {
				if g, ok := s.globs.long[domain]; ok && !s.globs.each(s.globs.groups[g], name, len(domain)+1, yield) {
					return false
				}
			}
		}
	}
	return true
}
