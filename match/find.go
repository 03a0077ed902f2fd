package match

import "math/bits"

// probe returns bits for the suffixes of a name that there may be a text for: bit i for the subdomains of the last i bytes, and bit n for the
// whole name of n bytes; and the hash of the longest. It has no branch on what the filter says.
func (t *table) probe(r *reading) (fit, longest uint64) {
	k := t.keys
	filter, mask := t.filter, uint64(len(t.filter)-1)
	var whole uint64
	dots := r.dots
	for range t.minDepth - 1 {
		dots &= dots - 1
	}
	i := r.n
	for depths := t.depths; ; depths-- {
		front, m := r.name[uint(len(r.name))-max(i, chunkLen):], &lastBytes[min(i, chunkLen)]
		_ = front[chunkLen-1]
		hash := r.sums[i/chunkLen&3] + mul(load(front)&m[0]^k.front, load(front[8:])&m[1]^(k.lengths+uint64(i)))
		w := filter[hash&mask]
		hit := w >> (hash >> 58) & (w >> (hash >> 52 & 63)) & 1
		r.ahead = t.buckets[t.home(hash)].slot
		fit |= hit << (i & 63)
		if i == r.n {
			whole = hash
		}
		if hit != 0 {
			longest = hash
		}
		if dots == 0 || depths == 0 {
			break
		}
		i = uint(bits.TrailingZeros64(dots))
		dots &= dots - 1
	}
	if fit>>(r.n&63) != 0 {
		longest = whole
	}
	return fit, longest
}

// A found text is one that a name ends in, and its slot. Its tail is how many bytes of the name it ends in: all for an exact name, and those
// from the dot for subdomains. The zero found stands for none.
type found struct {
	text string
	slot int
	tail int
}

func (f found) pattern() Pattern {
	if f.text[0] == '*' {
		return Pattern{Subdomains, f.text}
	}
	return Pattern{Exact, f.text}
}

// A search finds the texts of a table that a name falls under, the most specific first.
type search struct {
	table *table
	fit   uint64 // what may be there yet, as probe says it
	hash  uint64 // of the longest, unless it is stale
	stale bool
}

// search begins a search. The reading is of name, or of its last maxText bytes.
func (t *table) search(r *reading, name string) search {
	fit, hash := t.probe(r)
	if len(name) > maxText {
		return search{t, fit &^ (1 << maxText), 0, true} // the reading is no whole name
	}
	return search{t, fit, hash, false}
}

// next returns the next text.
func (s *search) next(r *reading) found {
	t := s.table
	for s.fit != 0 {
		i := uint(63 - bits.LeadingZeros64(s.fit))
		s.fit &^= 1 << (i & 63)
		hash := s.hash
		if s.stale {
			hash = r.hash(t.keys, i)
		}
		s.stale = true
		size, tail := i+2, i+1
		if i == r.n {
			size, tail = i, i
		}
		lane := lane(hash, size, i == r.n)
		for home := t.home(hash); ; home++ {
			b := &t.buckets[home]
			for fits := b.fits(lane); fits != 0; fits &= fits - 1 {
				place, at := b.place(bits.TrailingZeros64(fits))
				if t.endsIn(at+size, r, tail) {
					return found{t.arena[at : at+size], int(uint(b.slot&^moreBit) + place), int(tail)}
				}
			}
			if b.slot&moreBit == 0 {
				break
			}
		}
	}
	return found{}
}

// endsIn reports whether the text before end ends in the last tail bytes of a name.
func (t *table) endsIn(end uint, r *reading, tail uint) bool {
	// Chunks from both ends meet in the middle, without a branch on the length.
	text, name := t.arena[:end], r.name
	a, b := text[end-chunkLen:], name[len(name)-chunkLen:]
	front := max(tail, chunkLen)
	c, d := text[end-front:], name[uint(len(name))-front:]
	_, _, _, _ = a[chunkLen-1], b[chunkLen-1], c[chunkLen-1], d[chunkLen-1]
	mask := &lastBytes[min(tail, chunkLen)]
	if ((load(a)^load(b))|(load(c)^load(d)))&mask[0]|((load(a[8:])^load(b[8:]))|(load(c[8:])^load(d[8:])))&mask[1] != 0 {
		return false
	}
	return tail <= 2*chunkLen || c[chunkLen:front-chunkLen] == d[chunkLen:front-chunkLen]
}
