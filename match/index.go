package match

import (
	"iter"
	"slices"
	"strings"
)

// An Index finds the patterns that a host falls under. It is immutable and safe for any number of readers; a nil or zero Index is empty.
// Lookups take no lock and do not allocate, and compare the name with what they find.
//
// Of the patterns that match a host the most specific is, in this order: the exact one; the one with the longer literal suffix
// (see [Pattern.Suffix]); of one suffix, the subdomains before the globs; of globs, the one with more bytes that are no wildcard, and then
// the one whose text is less.
//
// The time of a lookup grows with the length of the host and hardly with the number of patterns, whatever the host. Globs are found by their
// suffix, and those of one suffix by the longest of three literal pieces: that at the front of the pattern, and those at the front and at the
// end of the label before the suffix. Only globs that share their suffix and that piece are tried one by one: of a thousand such as
// "team-N-*.foo.com" or "svcN.*.foo.com" at most a few, of a thousand such as "a*N*b.foo.com" all.
type Index[V any] struct {
	small  smallSet    // that of set, at hand
	set    *patternSet // nil: empty
	values []V         // by slot; the first stands for none
}

// An Entry is a pattern of an index with its value. The zero Entry stands for none.
type Entry[V any] struct {
	Pattern Pattern
	Value   V
}

// A Builder collects patterns for an Index. The zero Builder is ready to use. A Builder is not safe for concurrent use.
type Builder[V any] struct {
	patterns []Pattern
	values   []V
}

// Add adds a pattern with its value. Errors (a zero pattern, a pattern added twice) are reported by Build.
func (b *Builder[V]) Add(p Pattern, v V) {
	if n := len(b.patterns); n == cap(b.patterns) {
		b.Grow(max(n, maxSmall)) // append would add a quarter only to what is long, and copy it time and again
	}
	b.patterns = append(b.patterns, p)
	b.values = append(b.values, v)
}

// Grow makes room for n more patterns, so that as many Adds do not allocate. It panics if n is negative, as [slices.Grow] does.
func (b *Builder[V]) Grow(n int) {
	b.patterns = slices.Grow(b.patterns, n)
	b.values = slices.Grow(b.values, n)
}

// Build returns the index of everything added. The order of Add does not matter. The Builder stays usable. The error names a pattern that was
// added twice, or says that a zero Pattern was added.
func (b *Builder[V]) Build() (*Index[V], error) {
	if len(b.patterns) == 0 {
		return new(Index[V]), nil
	}
	set, slots, err := newPatternSet(b.patterns)
	if err != nil {
		return nil, err
	}
	x := &Index[V]{small: set.small, set: set, values: make([]V, 1+len(b.values))}
	for i, slot := range slots {
		x.values[slot] = b.values[i]
	}
	return x, nil
}

// Lookup returns the most specific pattern that matches h, and its value.
func (x *Index[V]) Lookup(h Host) (Pattern, V, bool) { return x.lookup(h.name) }

// lookup is Lookup for a normalised name, or "" for what is no host. It does not keep name.
func (x *Index[V]) lookup(name string) (p Pattern, v V, ok bool) {
	if x == nil || name == "" {
		return p, v, false
	}
	if s := x.small; len(s) > 0 {
		// Here and not in a function of its own: with one pattern or two a call is a tenth of the time.
		var w uint64
		if n := len(name); n >= wordLen {
			w = load(name[n-wordLen:])
		} else {
			w = lastWord(name)
		}
		for i := range s {
			if e := &s[i]; e.mayMatch(len(name), w) && strings.HasSuffix(name, e.text) && (e.pattern.kind != Glob || e.pattern.matches(name)) {
				return e.pattern, x.values[i+1], true
			}
		}
		return p, v, false
	}
	if x.set == nil {
		return p, v, false
	}
	f := x.set.first(name)
	return f.pattern(), x.values[f.slot], f.slot > 0
}

// Matching yields all patterns that match h with their values, most specific first.
func (x *Index[V]) Matching(h Host) iter.Seq2[Pattern, V] {
	return func(yield func(Pattern, V) bool) { x.matching(h, yield) }
}

func (x *Index[V]) matching(h Host, yield func(Pattern, V) bool) {
	if x == nil || x.set == nil || h.IsZero() {
		return
	}
	x.set.each(h.name, func(p Pattern, slot int) bool { return yield(p, x.values[slot]) })
}

// All yields all patterns with their values, ordered by text. It sorts them first: it is no lookup, and allocates.
func (x *Index[V]) All() iter.Seq2[Pattern, V] {
	return func(yield func(Pattern, V) bool) {
		if x.Len() == 0 {
			return
		}
		entries := make([]Entry[V], 0, x.Len())
		x.set.all(func(p Pattern, slot int) { entries = append(entries, Entry[V]{p, x.values[slot]}) })
		slices.SortFunc(entries, func(a, b Entry[V]) int { return a.Pattern.Compare(b.Pattern) })
		for _, e := range entries {
			if !yield(e.Pattern, e.Value) {
				return
			}
		}
	}
}

// Len returns the number of patterns.
func (x *Index[V]) Len() int {
	if x == nil || x.set == nil {
		return 0
	}
	return len(x.values) - 1
}
