package match

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A patternSet is an index without values: it finds patterns and their slots, numbers from 1 on.
type patternSet struct {
	small smallSet // all of the patterns, if they are few; otherwise nil:
	keys  *hashKeys
	names *table   // exact names and subdomains
	long  *longSet // those of them that are too long for a table; nil: none
	globs *globSet // nil: none

	exactLengths, lengths lengthSet  // of the exact names, and of the domains, that long and globs keep in maps
	tails                 tailFilter // of both
}

const maxPatterns = 1 << 30

var errTooLarge = errors.New("match: the patterns of an index are more than 2^30, or 4 GiB of text")

// newPatternSet returns the set of patterns, and the slot of each.
func newPatternSet(patterns []Pattern) (s *patternSet, slots []uint32, err error) {
	if slices.ContainsFunc(patterns, Pattern.IsZero) {
		return nil, nil, errors.New("match: the zero pattern was added to an index")
	}
	if len(patterns) > maxPatterns {
		return nil, nil, errTooLarge
	}
	slots = make([]uint32, len(patterns))
	var twice bool
	if len(patterns) <= maxSmall {
		s = new(patternSet)
		s.small, twice = newSmallSet(patterns, slots)
	} else if s, twice, err = newLargeSet(patterns, slots); err != nil {
		return nil, nil, err
	}
	if twice {
		return nil, nil, fmt.Errorf("match: pattern %q was added twice to an index", leastTwice(patterns))
	}
	return s, slots, nil
}

// leastTwice returns the least of the patterns that are there more than once.
func leastTwice(patterns []Pattern) Pattern {
	patterns = slices.SortedFunc(slices.Values(patterns), Pattern.Compare)
	for i := range patterns[1:] {
		if patterns[i] == patterns[i+1] {
			return patterns[i]
		}
	}
	return Pattern{}
}

func newLargeSet(patterns []Pattern, slots []uint32) (s *patternSet, twice bool, err error) {
	s = &patternSet{keys: newHashKeys()}
	texts := make([]string, len(patterns)) // of those in the table
	var long, globs []uint32               // indexes in patterns
	for i, p := range patterns {
		switch {
		case p.kind == Glob:
			globs = append(globs, uint32(i))
		case len(p.text) > maxText:
			long = append(long, uint32(i))
		default:
			texts[i] = p.text
		}
	}
	var inTable []uint32
	if s.names, inTable, twice, err = newTable(s.keys, texts); err != nil {
		return nil, false, err
	}
	copy(slots, inTable)
	number := func(list []uint32, first int) {
		slices.SortFunc(list, func(i, j uint32) int { return compareSpecific(patterns[i], patterns[j]) })
		for n, i := range list {
			slots[i] = uint32(first + n)
			twice = twice || n > 0 && patterns[i] == patterns[list[n-1]]
		}
	}
	names := len(patterns) - len(long) - len(globs)
	number(long, 1+names)
	number(globs, 1+names+len(long))
	var mapped []string // what maps will have
	for _, i := range long {
		if p := patterns[i]; p.kind == Exact {
			s.exactLengths.add(len(p.text))
			mapped = append(mapped, p.text)
		} else {
			s.lengths.add(len(p.Suffix()))
			mapped = append(mapped, p.Suffix())
		}
	}
	for _, i := range globs {
		if suffix := patterns[i].Suffix(); len(suffix) > maxDomain {
			s.lengths.add(len(suffix))
			mapped = append(mapped, suffix)
		}
	}
	s.tails = newTailFilter(s.keys, mapped)
	if len(long) > 0 {
		s.long = newLongSet(patterns, long, 1+names)
	}
	if len(globs) > 0 {
		s.globs, err = newGlobSet(s.keys, patterns, globs, 1+names+len(long))
	}
	return s, twice, err
}

// compareSpecific orders patterns so that of those that match a host the most specific is first, as the comment on Index says it.
func compareSpecific(p, q Pattern) int {
	if p.kind == Exact || q.kind == Exact {
		return cmp.Or(cmp.Compare(p.kind, q.kind), strings.Compare(p.text, q.text)) // Exact is the least
	}
	return cmp.Or(len(q.Suffix())-len(p.Suffix()), cmp.Compare(p.kind, q.kind), literals(q)-literals(p), strings.Compare(p.text, q.text))
}

// literals returns the number of bytes of p that are no wildcard.
func literals(p Pattern) int {
	return len(p.text) - strings.Count(p.text, "*") - strings.Count(p.text, "?")
}

// first finds the most specific pattern that matches name. The set is not small.
func (s *patternSet) first(name string) found {
	if len(name) > maxText && s.hasLong() {
		if f := s.firstLong(name); f.slot > 0 {
			return f
		}
	}
	var r reading
	s.keys.read(&r, name)
	fit, hash, whole := s.names.probe(&r)
	if s.names.isBig() {
		s.names.fetchBucket(whole)
	}
	if s.globs != nil {
		return s.rest(&r, name, fit, hash)
	}
	if fit == 0 {
		return found{}
	}
	f, _ := s.names.take(name, &r, fit, hash)
	return f
}

// rest is what first does after probing. It may be called for any host.
func (s *patternSet) rest(r *reading, name string, fit, hash uint64) found {
	f, _ := s.names.take(name, r, fit, hash)
	if s.globs != nil && f.kind != Exact {
		if g := s.globs.first(r, name, f.tail); g.slot > 0 {
			return g
		}
	}
	return f
}

// each yields the patterns that match name with their slots, most specific first, until yield returns false.
func (s *patternSet) each(name string, yield func(p Pattern, slot int) bool) {
	if s.small != nil {
		s.small.each(name, yield)
		return
	}
	if len(name) > maxText && s.hasLong() && !s.eachLong(name, yield) {
		return
	}
	var r reading
	s.keys.read(&r, name)
	fit, hash, _ := s.names.probe(&r)
	f, names := s.names.take(name, &r, fit, hash)
	var g found
	var groups uint64
	if s.globs != nil {
		fit, hash, _ := s.globs.suffixes.probe(&r)
		g, groups = s.globs.suffixes.take(name, &r, fit, hash)
	}
	for f.tail > 0 || g.tail > 0 {
		if f.tail >= g.tail {
			if !yield(f.pattern(), int(f.slot)) {
				return
			}
			f, names = s.names.take(name, &r, names, r.hash(s.keys, top(names)))
		} else {
			if !s.globs.each(s.globs.groups[g.slot-1], name, int(g.tail), yield) {
				return
			}
			g, groups = s.globs.suffixes.take(name, &r, groups, r.hash(s.keys, top(groups)))
		}
	}
	if s.globs != nil {
		s.globs.each(s.globs.anywhere, name, 0, yield)
	}
}

// all calls f for all patterns with their slots, in no order.
func (s *patternSet) all(f func(p Pattern, slot int)) {
	if s.small != nil {
		for i := range s.small {
			f(s.small[i].pattern, i+1)
		}
		return
	}
	s.names.all(f)
	if s.long != nil {
		for i, p := range s.long.patterns {
			f(p, s.long.slot+i)
		}
	}
	if s.globs != nil {
		for i, p := range s.globs.patterns {
			f(p, s.globs.slot+i)
		}
	}
}
