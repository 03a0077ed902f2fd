package match

import "strings"

// A longSet holds exact names and subdomains whose texts are longer than maxText: too long for a table, and too rare for more than maps.
type longSet struct {
	patterns     []Pattern
	slot         int              // of the first pattern; the others follow
	exact, below map[string]int32 // indexes in patterns: of exact names, and of subdomains by their domains
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

// hasLong reports whether there are patterns that end in more than maxDomain bytes, other than exact names that are not longer than maxText.
func (s *patternSet) hasLong() bool {
	return s.long != nil || s.globs != nil && s.globs.long != nil
}

// eachLong yields, of the patterns that match name, those that end in more than maxDomain bytes. It returns false when yield did.
// No name has room for more than some hundred labels before these bytes.
func (s *patternSet) eachLong(name string, yield func(p Pattern, slot int) bool) bool {
	var none longSet
	long := s.long
	if long == nil {
		long = &none
	}
	if i, ok := long.exact[name]; ok && !yield(long.patterns[i], long.slot+int(i)) {
		return false
	}
	for _, domain, _ := strings.Cut(name, "."); len(domain) > maxDomain; _, domain, _ = strings.Cut(domain, ".") {
		if i, ok := long.below[domain]; ok && !yield(long.patterns[i], long.slot+int(i)) {
			return false
		}
		if s.globs == nil {
			continue
		}
		if g, ok := s.globs.long[domain]; ok && !s.globs.each(s.globs.groups[g], name, len(domain)+1, yield) {
			return false
		}
	}
	return true
}
