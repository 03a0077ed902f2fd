package policy

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestStepsAgreeWithALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]uint32{0, 1, 7, 8, 1000, math.MaxUint16 + 1, math.MaxUint32}).Draw(t, "limit")
		number := rapid.OneOf(rapid.Uint32Range(0, limit), rapid.Uint32Range(0, min(limit, 20)))
		from := rapid.SliceOfDistinct(number, rapid.ID[uint32]).Draw(t, "from")
		slices.Sort(from)
		points := make([]point, len(from))
		for i, f := range from {
			points[i] = point{f, int32(i)}
		}
		s := newSteps(points)
		for _, n := range append(from, 0, limit, number.Draw(t, "n")) {
			want := int32(none)
			for i, f := range from {
				if f <= n {
					want = int32(i)
				}
			}
			if got := s.at(n); got != want {
				t.Fatalf("at %d: %d, want %d", n, got, want)
			}
		}
	})
}
