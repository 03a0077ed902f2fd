package match

import "slices"

// A span is the points from first to last, both included.
type span[P point[P]] struct{ first, last P }

// A point is a member of an ordered set whose members have neighbours. Next of the greatest and Prev of the least are no points of the set.
type point[P any] interface {
	comparable
	Compare(P) int
	Next() P
	Prev() P
}

// spans is a set of points: ascending, disjoint and not adjacent, so that equal sets are equal slices. Every operation takes time linear in
// the numbers of spans, after sorting.
type spans[P point[P]] []span[P]

// unite returns the union of list, which it sorts.
func unite[P point[P]](list []span[P]) spans[P] {
	slices.SortFunc(list, func(a, b span[P]) int { return a.first.Compare(b.first) })
	var out spans[P]
	for _, s := range list {
		if n := len(out); n > 0 && (s.first.Compare(out[n-1].last) <= 0 || s.first == out[n-1].last.Next()) {
			if s.last.Compare(out[n-1].last) > 0 {
				out[n-1].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s spans[P]) contains(p P) bool {
	lo, hi := 0, len(s)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if s[mid].last.Compare(p) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s) && s[lo].first.Compare(p) <= 0
}

func (s spans[P]) intersect(o spans[P]) spans[P] {
	var out spans[P]
	for len(s) > 0 && len(o) > 0 {
		a, b := s[0], o[0]
		first, last := a.first, a.last
		if first.Compare(b.first) < 0 {
			first = b.first
		}
		if last.Compare(b.last) > 0 {
			last = b.last
		}
		if first.Compare(last) <= 0 {
			out = append(out, span[P]{first, last})
		}
		if a.last.Compare(b.last) < 0 {
			s = s[1:]
		} else {
			o = o[1:]
		}
	}
	return out
}

func (s spans[P]) subtract(o spans[P]) spans[P] {
	var out spans[P]
	for _, a := range s {
		for len(o) > 0 && o[0].last.Compare(a.first) < 0 {
			o = o[1:]
		}
		rest := true
		for _, b := range o {
			if b.first.Compare(a.last) > 0 {
				break
			}
			if b.first.Compare(a.first) > 0 {
				out = append(out, span[P]{a.first, b.first.Prev()})
			}
			if b.last.Compare(a.last) >= 0 {
				rest = false
				break
			}
			a.first = b.last.Next()
		}
		if rest {
			out = append(out, a)
		}
	}
	return out
}
