package policy

import (
	"math/bits"
	"slices"
)

// Steps are a function of a number that changes at few points. A directory of as many buckets as there are points, over the numbers from
// the first point to the last, leads to the point in force at a number in a few steps, however many points there are. Where most points
// are crowded into few buckets, the last steps are a binary search. The zero steps are none everywhere.
type steps struct {
	points []point  // sorted by from
	bucket []uint32 // bucket[b] is the number of points before bucket b; one more than buckets
	base   uint32   // the first point
	shift  uint8    // number n is in bucket (n-base)>>shift
}

// A point is where a function of steps takes a value, which holds up to the next point.
type point struct {
	from  uint32
	value int32
}

// none is the value of steps where there is nothing, and the place of what no rule names.
const none = -1

// newSteps returns the function that is none before the first point. The points must be sorted by from, without duplicates.
func newSteps(points []point) steps {
	if len(points) == 0 {
		return steps{}
	}
	s := steps{points: slices.Clone(points), base: points[0].from}
	span := points[len(points)-1].from - s.base
	if width, buckets := bits.Len32(span), bits.Len(uint(len(points))); width > buckets {
		s.shift = uint8(width - buckets)
	}
	s.bucket = make([]uint32, span>>s.shift+2)
	b := 0
	for i, p := range points {
		for ; b <= int((p.from-s.base)>>s.shift); b++ {
			s.bucket[b] = uint32(i)
		}
	}
	for ; b < len(s.bucket); b++ {
		s.bucket[b] = uint32(len(points))
	}
	return s
}

// at returns the value at n.
func (s *steps) at(n uint32) int32 {
	if len(s.points) == 0 || n < s.base {
		return none
	}
	b := uint(n-s.base) >> s.shift
	if b+1 >= uint(len(s.bucket)) {
		return s.points[len(s.points)-1].value
	}
	lo, hi := s.bucket[b], s.bucket[b+1]
	for lo < hi { // the first point of the bucket beyond n
		if mid := (lo + hi) / 2; s.points[mid].from <= n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return s.points[lo-1].value // there is one: n is not before the first point
}
