package match

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// An Index finds the patterns that a host falls under. It is immutable and safe for any number of readers; a nil or zero Index is empty.
// Lookups take no lock and do not allocate.
//
// Of the patterns that match a host the most specific is, in this order: the exact one; the one with the longer literal suffix
// (see [Pattern.Suffix]); of one suffix, the subdomains before the globs; of globs, the one with more bytes that are no wildcard, and then
// the one whose text is less.
type Index[V any] struct {
	patterns []Pattern // by text
	values   []V
	exact    map[string]int
	below    map[string]int   // subdomains, by suffix
	globs    map[string][]int // by suffix, most specific first
}

// A Builder collects patterns for an Index. The zero Builder is ready to use. A Builder is not safe for concurrent use.
type Builder[V any] struct {
	entries []Entry[V]
}

// Add adds a pattern with its value. Errors (a zero pattern, a pattern added twice) are reported by Build.
func (b *Builder[V]) Add(p Pattern, v V) {
	b.entries = append(b.entries, Entry[V]{p, v})
}

// Build returns the index of everything added. The order of Add does not matter. The Builder stays usable. The error names a pattern that was
// added twice, or says that a zero Pattern was added.
func (b *Builder[V]) Build() (*Index[V], error) {
	entries := slices.Clone(b.entries)
	slices.SortFunc(entries, func(a, b Entry[V]) int { return a.Pattern.Compare(b.Pattern) })
	x := &Index[V]{exact: map[string]int{}, below: map[string]int{}, globs: map[string][]int{}}
	for i, e := range entries {
		p := e.Pattern
		switch {
		case p.IsZero():
			return nil, fmt.Errorf("match: the zero pattern was added to an index")
		case i > 0 && p == entries[i-1].Pattern:
			return nil, fmt.Errorf("match: pattern %q was added twice to an index", p)
		}
		x.patterns = append(x.patterns, p)
		x.values = append(x.values, e.Value)
		switch p.Kind() {
		case Exact:
			x.exact[p.text] = i
		case Subdomains:
			x.below[p.Suffix()] = i
		case Glob:
			x.globs[p.Suffix()] = append(x.globs[p.Suffix()], i)
		}
	}
	for _, g := range x.globs {
		slices.SortFunc(g, func(i, j int) int {
			return cmp.Or(literals(x.patterns[j])-literals(x.patterns[i]), i-j)
		})
	}
	return x, nil
}

// literals returns the number of bytes of p that are no wildcard.
func literals(p Pattern) int {
	return len(p.text) - strings.Count(p.text, "*") - strings.Count(p.text, "?")
}

// Lookup returns the most specific pattern that matches h, and its value.
func (x *Index[V]) Lookup(h Host) (Pattern, V, bool) {
	for p, v := range x.Matching(h) {
		return p, v, true
	}
	var v V
	return Pattern{}, v, false
}

// Matching yields all patterns that match h with their values, most specific first.
func (x *Index[V]) Matching(h Host) iter.Seq2[Pattern, V] {
	return func(yield func(Pattern, V) bool) { x.matching(h, yield) }
}

func (x *Index[V]) matching(h Host, yield func(Pattern, V) bool) {
	if x == nil || h.IsZero() {
		return
	}
	if i, ok := x.exact[h.name]; ok && !yield(x.patterns[i], x.values[i]) {
		return
	}
	for suffix := h.name; suffix != ""; {
		_, suffix, _ = strings.Cut(suffix, ".")
		if i, ok := x.below[suffix]; ok && !yield(x.patterns[i], x.values[i]) {
			return
		}
		for _, i := range x.globs[suffix] {
			if x.patterns[i].Matches(h) && !yield(x.patterns[i], x.values[i]) {
				return
			}
		}
	}
}

// All yields all patterns with their values, ordered by text.
func (x *Index[V]) All() iter.Seq2[Pattern, V] {
	return func(yield func(Pattern, V) bool) {
		for i := range x.Len() {
			if !yield(x.patterns[i], x.values[i]) {
				return
			}
		}
	}
}

// Len returns the number of patterns.
func (x *Index[V]) Len() int {
	if x == nil {
		return 0
	}
	return len(x.patterns)
}
