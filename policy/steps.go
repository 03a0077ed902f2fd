package policy

import (
	"math/bits"
	"slices"
)

// Steps are a function of a number that changes at few points. A directory of as many buckets as there are points leads to the point in
// force at a number in a few steps, however many points there are, unless most of them are crowded into few buckets; then the last
// steps are a binary search. The zero steps are none everywhere.
type steps struct {
	points []point  // sorted by from
	first  []uint32 // first[b] is the number of points before bucket b; one more than buckets
	shift  uint8    // a number belongs to bucket number>>shift
}

// A point is where a function of steps takes a value, which holds up to the next point.
type point struct {
	from  uint32
	value int32
}

// none is the value of steps where there is nothing, and the place of what no rule names.
const none = -1

// newSteps returns the function that is none before the first point. The points must be sorted by from, without duplicates, and reach up
// to limit at most.
func newSteps(points []point, limit uint32) steps {
	if len(points) == 0 {
		return steps{}
	}
	s := steps{points: slices.Clip(points)}
	if width, buckets := bits.Len32(limit), bits.Len(uint(len(points))); width > buckets {
		s.shift = uint8(width - buckets)
	}
	s.first = make([]uint32, limit>>s.shift+2)
	b := 0
	for i, p := range points {
		for ; b <= int(p.from>>s.shift); b++ {
			s.first[b] = uint32(i)
		}
	}
	for ; b < len(s.first); b++ {
		s.first[b] = uint32(len(points))
	}
	return s
}

// at returns the value at n, which must not be above the limit.
func (s *steps) at(n uint32) int32 {
	if len(s.points) == 0 {
		return none
	}
	b := n >> s.shift
	lo, hi := s.first[b], s.first[b+1]
	for lo < hi { // the first point of the bucket beyond n
		if mid := (lo + hi) / 2; s.points[mid].from <= n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return none
	}
	return s.points[lo-1].value
}
