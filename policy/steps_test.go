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

func TestWideAgreesWithALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		port := rapid.OneOf(rapid.Uint16Range(1, 12), rapid.Uint16Range(math.MaxUint16-2, math.MaxUint16), rapid.Uint16Min(1))
		clauses := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) clause {
			c := clause{rule: rapid.Int32Range(0, 9).Draw(t, "rule"), first: port.Draw(t, "first"), last: port.Draw(t, "last"),
				protocols: rapid.Uint8Range(0, 31).Draw(t, "protocols"), deny: rapid.Bool().Draw(t, "deny")}
			c.first, c.last = min(c.first, c.last), max(c.first, c.last)
			return c
		}), 1, 30).Draw(t, "clauses")
		w := newWide(slices.Clone(clauses))
		for range 10 {
			a := Access{Protocol: Protocol(rapid.Uint8Range(1, 4).Draw(t, "protocol")), Port: port.Draw(t, "port")}
			want := noVerdict
			for _, c := range clauses {
				if c.protocols>>a.Protocol&1 != 0 && c.first <= a.Port && a.Port <= c.last {
					want.add(c.rule, c.deny)
				}
			}
			if got := w.at(&a); got != want {
				t.Fatalf("%v: %v, want %v", a, got, want)
			}
		}
	})
}
