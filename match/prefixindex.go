package match

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// A PrefixIndex finds the prefixes that an address falls under. It is immutable and safe for any number of readers; a nil or zero
// PrefixIndex is empty. Lookups take no lock and do not allocate, and their cost does not grow with the number of prefixes, but for what
// the processor's caches hold.
//
// Of the prefixes that hold an address the longest is the most specific. An address in an exception of a prefix is not in that prefix, and
// falls under the next one around it. As in [Prefixes], IPv4-mapped IPv6 addresses count as IPv4, zones are ignored, and the zero Addr is
// in no prefix.
type PrefixIndex[V any] struct {
	innermost bart.Table[int32] // entry of each prefix
	entries   []prefixEntry[V]  // in ascending order, an outer prefix before those in it
}

type prefixEntry[V any] struct {
	prefix netip.Prefix
	except Prefixes
	outer  int32 // the entry of the next prefix around; noEntry: there is none
	value  V
}

const noEntry = -1

// A PrefixBuilder collects prefixes for a PrefixIndex. The zero PrefixBuilder is ready to use. It is not safe for concurrent use.
type PrefixBuilder[V any] struct {
	added []addedPrefix[V]
}

type addedPrefix[V any] struct {
	prefix netip.Prefix
	except []netip.Prefix
	value  V
}

// Add adds the addresses of p that are in none of except, with their value. Host bits of prefixes are ignored. Errors (an invalid prefix, a
// prefix added twice, with whatever exceptions) are reported by Build.
func (b *PrefixBuilder[V]) Add(p netip.Prefix, v V, except ...netip.Prefix) {
	b.added = append(b.added, addedPrefix[V]{canonicalPrefix(p), slices.Clone(except), v})
}

// Build returns the index of everything added. The order of Add does not matter. The PrefixBuilder stays usable. The error names a prefix
// that was added twice, or says that an invalid one was added.
func (b *PrefixBuilder[V]) Build() (*PrefixIndex[V], error) {
	added := slices.Clone(b.added)
	slices.SortStableFunc(added, func(a, b addedPrefix[V]) int { return comparePrefixes(a.prefix, b.prefix) })
	x := &PrefixIndex[V]{entries: make([]prefixEntry[V], len(added))}
	open := int32(noEntry) // the innermost of the prefixes before that reach up to the one at hand
	for i, a := range added {
		switch {
		case !a.prefix.IsValid(), slices.ContainsFunc(a.except, func(p netip.Prefix) bool { return !p.IsValid() }):
			return nil, fmt.Errorf("match: an invalid prefix was added to an index")
		case i > 0 && a.prefix == added[i-1].prefix:
			return nil, fmt.Errorf("match: prefix %v was added twice to an index", a.prefix)
		}
		for open != noEntry && !x.entries[open].prefix.Contains(a.prefix.Addr()) {
			open = x.entries[open].outer
		}
		x.entries[i] = prefixEntry[V]{a.prefix, NewPrefixes(a.except, nil), open, a.value}
		open = int32(i)
		x.innermost.Insert(a.prefix, open)
	}
	return x, nil
}

// comparePrefixes orders masked prefixes by address, an outer one before those in it, and the invalid one first.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Lookup returns the most specific prefix that holds a, and its value.
func (x *PrefixIndex[V]) Lookup(a netip.Addr) (netip.Prefix, V, bool) {
	for p, v := range x.Matching(a) {
		return p, v, true
	}
	var v V
	return netip.Prefix{}, v, false
}

// Matching yields all prefixes that hold a with their values, most specific first.
func (x *PrefixIndex[V]) Matching(a netip.Addr) iter.Seq2[netip.Prefix, V] {
	return func(yield func(netip.Prefix, V) bool) {
		if x == nil {
			return
		}
		a := a.Unmap()
		i, ok := x.innermost.Lookup(a)
		for ok && i != noEntry {
			e := &x.entries[i]
			if !e.except.Contains(a) && !yield(e.prefix, e.value) {
				return
			}
			i = e.outer
		}
	}
}

// All yields all prefixes with their values in ascending order, IPv4 before IPv6, and an outer prefix before those in it.
func (x *PrefixIndex[V]) All() iter.Seq2[netip.Prefix, V] {
	return func(yield func(netip.Prefix, V) bool) {
		for i := range x.Len() {
			if !yield(x.entries[i].prefix, x.entries[i].value) {
				return
			}
		}
	}
}

// Len returns the number of prefixes.
func (x *PrefixIndex[V]) Len() int {
	if x == nil {
		return 0
	}
	return len(x.entries)
}
