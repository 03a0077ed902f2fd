package policy

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCrowdAgreesWithALoop(t *testing.T) {
	port := rapid.OneOf(rapid.Uint16Range(1, 12), rapid.Uint16Range(math.MaxUint16-2, math.MaxUint16), rapid.Uint16Min(1))
	rulePath := rapid.Map(rapid.SampledFrom([]string{"/", "/*", "/a", "/a/", "/a/*", "/a/b", "/a/b/*", "/a/b/c/*"}), MustParsePath)
	method := rapid.SampledFrom([]string{"GET", "PUT", "POST"})
	rapid.Check(t, func(t *rapid.T) {
		var rests []Destination
		clauses := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) clause {
			c := clause{scope: rapid.Int32Range(0, 4).Draw(t, "scope"), rule: rapid.Int32Range(0, 9).Draw(t, "rule"), call: none, first: port.Draw(t, "first"), last: port.Draw(t, "last"),
				protocols: rapid.Uint8Range(0, 31).Draw(t, "protocols"), deny: rapid.Bool().Draw(t, "deny")}
			c.first, c.last = min(c.first, c.last), max(c.first, c.last)
			if rapid.Bool().Draw(t, "calls") {
				c.call = int32(len(rests))
				rests = append(rests, Destination{Methods: rapid.SliceOfN(method, 0, 2).Draw(t, "methods"), Paths: rapid.SliceOfN(rulePath, 0, 3).Draw(t, "paths")})
			}
			return c
		}), 1, 60).Draw(t, "clauses")
		crowd := newCrowd(slices.Clone(clauses), rests)
		for range 10 {
			a := Access{Protocol: Protocol(rapid.Uint8Range(1, 4).Draw(t, "protocol")), Port: port.Draw(t, "port"), Method: method.Draw(t, "method"),
				Path: rapid.SampledFrom([]string{"", "/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/ab"}).Draw(t, "path")}
			want, scope := noVerdict, rapid.Int32Range(0, 5).Draw(t, "of scope")
			for _, c := range clauses {
				if c.scope == scope && c.takes(&a, rests) {
					want.add(c.rule, c.deny)
				}
			}
			if got := crowd.judge(noVerdict, &a, scope, rests); got != want {
				t.Fatalf("%v: %v, want %v", a, got, want)
			}
		}
	})
}
