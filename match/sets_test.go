package match_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
)

// smallPattern draws patterns over few letters and labels, so that pairs of them often touch.
func smallPattern() *rapid.Generator[match.Pattern] {
	label := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "1", "ab", "a*", "?", "?*", "*-a", "a*b", "?*b", "*", "a?", "0x"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("ab-1?*")), 1, 5, -1),
	)
	return rapid.Custom(func(t *rapid.T) match.Pattern {
		return rapid.Custom(func(t *rapid.T) match.Pattern {
			labels := rapid.SliceOfN(label, 1, 3).Draw(t, "labels")
			if rapid.Bool().Draw(t, "deep") {
				labels = slices.Insert(labels, 0, "*")
			}
			p, _ := match.ParsePattern(strings.Join(labels, "."))
			return p
		}).Filter(func(p match.Pattern) bool { return !p.IsZero() }).Draw(t, "pattern")
	})
}

// smallHosts returns all hosts of the letters given, with up to labels labels of up to size bytes.
func smallHosts(letters string, labels, size int) []match.Host {
	words := []string{""}
	var all []string
	for range size {
		var longer []string
		for _, w := range words {
			for _, c := range letters {
				longer = append(longer, w+string(c))
			}
		}
		words = longer
		all = append(all, words...)
	}
	names := []string{""}
	var out []match.Host
	for range labels {
		var longer []string
		for _, n := range names {
			for _, w := range all {
				longer = append(longer, strings.TrimPrefix(n+"."+w, "."))
			}
		}
		names = longer
		for _, n := range names {
			if h, err := match.ParseHost(n); err == nil {
				out = append(out, h)
			}
		}
	}
	return out
}

func checkSets(t interface{ Fatalf(string, ...any) }, p, q match.Pattern, hosts []match.Host) {
	both := p.Intersect(q)
	w, differs := p.Witness(q)
	if differs != !q.Covers(p) {
		t.Fatalf("%v covers %v: %t, but there is a witness: %t", q, p, q.Covers(p), differs)
	}
	if differs && (!p.Matches(w) || q.Matches(w)) {
		t.Fatalf("%v is no witness for in %v and not in %v", w, p, q)
	}
	if differs {
		if h, err := match.ParseHost(w.String()); err != nil || h != w {
			t.Fatalf("the witness %v for in %v and not in %v is no host: %v", w, p, q, err)
		}
	}
	if p.Overlaps(q) != (len(both) > 0) {
		t.Fatalf("%v overlaps %v: %t, but the intersection is %v", p, q, p.Overlaps(q), both)
	}
	for i, a := range both {
		if !p.Covers(a) || !q.Covers(a) {
			t.Fatalf("%v is in the intersection of %v and %v, and is not in both", a, p, q)
		}
		for j, b := range both {
			if i != j && a.Covers(b) {
				t.Fatalf("%v covers %v in the intersection of %v and %v", a, b, p, q)
			}
		}
	}
	for _, h := range hosts {
		inP, inQ := reference.MatchesHost(p.String(), h.String()), reference.MatchesHost(q.String(), h.String())
		if p.Matches(h) != inP {
			t.Fatalf("%v matches %v: %t, want %t", p, h, p.Matches(h), inP)
		}
		if inP && !inQ && (!differs || len(h.String()) < len(w.String())) {
			t.Fatalf("%v is in %v and not in %v; the witness is %q", h, p, q, w)
		}
		in := slices.ContainsFunc(both, func(b match.Pattern) bool { return b.Matches(h) })
		if in != (inP && inQ) {
			t.Fatalf("%v is in %v: %t, in %v: %t, in the intersection %v: %t", h, p, inP, q, inQ, both, in)
		}
	}
}

func TestSetsAgainstAllSmallHosts(t *testing.T) {
	few := append(smallHosts("ab-1", 1, 5), smallHosts("ab1", 2, 3)...)
	few = append(few, smallHosts("a1x", 4, 1)...)
	rapid.Check(t, func(t *rapid.T) {
		checkSets(t, smallPattern().Draw(t, "p"), smallPattern().Draw(t, "q"), few)
	})
}

// Pairs that were found by climbing towards more work. The steps of the searches take memory, so that allocations tell how many they are.
func TestSetsAreBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, pair := range [][2]string{
		{"aa????a???aaa*a*aaaaa?aa?aaaaaaaaaaaaaaaaaaaaaaaaaaa?aaaaaaaa?", "?*a??????????????????????????????????????????aa?????"},
		{"?*a???b??baa?aa?aba??ba?aaaabaa?aaaaa?a*?ab", "??a??b*??a?ba*??aa?aaa??abaaaaaa?aaaa??ab?a?b"},
		{"a*a", strings.Repeat("?", 62) + "*"},
	} {
		suffix := ".x-" + strings.Repeat("?", 60) + "*.foo.com"
		p, q := match.MustParsePattern(pair[0]+suffix), match.MustParsePattern(pair[1]+suffix)
		checkSets(t, p, q, nil)
		checkSets(t, q, p, nil)
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > 12_000_000 {
		t.Errorf("%d allocations", n)
	}
}

func TestWitnessOfLongNames(t *testing.T) {
	// Where only one byte is left, "*." stands for one label of one byte.
	tail := longest[2:]
	p, q := match.MustParsePattern("*."+tail), match.MustParsePattern("?."+tail)
	checkSets(t, p, q, nil)
	if !q.Covers(p) || !p.Covers(q) {
		t.Errorf("%q and %q are the same hosts", p, q)
	}
	if w, ok := match.MustParsePattern("*." + tail[1:]).Witness(match.MustParsePattern("?." + tail[1:])); !ok || len(w.String()) != 253 {
		t.Errorf("%q, %t", w, ok)
	}
}

// Laws that hold for any patterns, whatever they match.
func TestSetLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q, r := smallPattern().Draw(t, "p"), smallPattern().Draw(t, "q"), smallPattern().Draw(t, "r")
		if !p.Covers(p) || !p.Overlaps(p) || len(p.Intersect(p)) != 1 {
			t.Fatalf("%q is not itself", p)
		}
		if p.Covers(q) && q.Covers(r) && !p.Covers(r) {
			t.Fatalf("%q covers %q, which covers %q", p, q, r)
		}
		if !slices.Equal(p.Intersect(q), q.Intersect(p)) && !p.Covers(q) {
			t.Fatalf("%q and %q: %q, and %q the other way", p, q, p.Intersect(q), q.Intersect(p))
		}
		if p.Covers(q) && q.Overlaps(r) && !p.Overlaps(r) {
			t.Fatalf("%q covers %q, which overlaps %q", p, q, r)
		}
		zero := match.Pattern{}
		if !p.Covers(zero) || zero.Covers(p) || p.Overlaps(zero) || zero.Overlaps(p) || len(p.Intersect(zero)) > 0 || !zero.Covers(zero) {
			t.Fatalf("%q and the zero Pattern", p)
		}
		if _, ok := zero.Witness(p); ok {
			t.Fatal("a witness in nothing")
		}
	})
}
