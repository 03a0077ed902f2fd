package match

import (
	"iter"
)

// An Index finds the patterns that a host falls under. It is immutable; a nil *Index is empty. Lookups take no lock and do not allocate.
type Index[V any] struct {
	patterns []Pattern
	values   []V
}

// A Builder collects patterns for an Index. The zero Builder is ready to use. A Builder is not safe for concurrent use.
type Builder[V any] struct {
	patterns []Pattern
	values   []V
}

// Add adds a pattern with its value. Errors (a zero pattern, a pattern added twice) are reported by Build.
func (b *Builder[V]) Add(p Pattern, v V) {
	b.patterns = append(b.patterns, p)
	b.values = append(b.values, v)
}

// Build returns the index of everything added. The order of Add does not matter. The Builder stays usable.
func (b *Builder[V]) Build() (*Index[V], error) {
	return &Index[V]{b.patterns, b.values}, nil
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
	return func(yield func(Pattern, V) bool) { panic("match: Index: not written yet") }
}

// All yields all patterns with their values in canonical order.
func (x *Index[V]) All() iter.Seq2[Pattern, V] {
	return func(yield func(Pattern, V) bool) { panic("match: Index: not written yet") }
}

// Len returns the number of patterns.
func (x *Index[V]) Len() int {
	if x == nil {
		return 0
	}
	return len(x.patterns)
}
