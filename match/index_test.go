package match_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
)

func mustIndex(t interface{ Fatalf(string, ...any) }, patterns ...string) *match.Index[string] {
	var b match.Builder[string]
	for _, p := range patterns {
		b.Add(match.MustParsePattern(p), "value of "+p)
	}
	x, err := b.Build()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return x
}

// matching is Matching as a list, with the values checked.
func matching(t interface{ Fatalf(string, ...any) }, x *match.Index[string], h match.Host) []string {
	var out []string
	for p, v := range x.Matching(h) {
		if v != "value of "+p.String() {
			t.Fatalf("%v has %q", p, v)
		}
		out = append(out, p.String())
	}
	return out
}

func TestIndexOrder(t *testing.T) {
	x := mustIndex(t, "*.com", "*.foo.com", "*.b.foo.com", "a.b.foo.com", "?.b.foo.com", "a*.b.foo.com", "?*.b.foo.com", "*.b*.foo.com",
		"?.?.foo.com", "*.*.foo.com", "a.b.f*.com", "a.b.foo.*", "foo.com", "b.foo.com", "*.c.foo.com")
	want := []string{"a.b.foo.com", "*.b.foo.com", "a*.b.foo.com", "?*.b.foo.com", "?.b.foo.com", "*.foo.com", "*.b*.foo.com", "*.*.foo.com", "?.?.foo.com", "*.com", "a.b.f*.com", "a.b.foo.*"}
	if got := matching(t, x, match.MustParseHost("a.b.foo.com")); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func checkIndex(t interface{ Fatalf(string, ...any) }, x *match.Index[string], patterns []string, h match.Host) {
	want := reference.MatchingPatterns(patterns, h.String())
	if got := matching(t, x, h); !slices.Equal(got, want) {
		t.Fatalf("%v in %q: matching %q, want %q", h, patterns, got, want)
	}
	p, v, ok := x.Lookup(h)
	if ok != (len(want) > 0) || ok && (p.String() != want[0] || v != "value of "+want[0]) || !ok && (!p.IsZero() || v != "") {
		t.Fatalf("%v in %q: lookup %v, %q, %t, want the first of %q", h, patterns, p, v, ok, want)
	}
	n := 0
	for range x.Matching(h) {
		n++
		break
	}
	if n != min(1, len(want)) {
		t.Fatalf("a loop that was left early ran %d times", n)
	}
}

func TestIndexAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SliceOfNDistinct(smallPattern(), 0, 40, match.Pattern.String).Draw(t, "patterns")
		patterns := make([]string, len(drawn))
		for i, p := range drawn {
			patterns[i] = p.String()
		}
		x := mustIndex(t, patterns...)
		slices.Sort(patterns)
		var all []string
		for p, v := range x.All() {
			if v != "value of "+p.String() {
				t.Fatalf("%v has %q", p, v)
			}
			all = append(all, p.String())
		}
		if !slices.Equal(all, patterns) || x.Len() != len(patterns) {
			t.Fatalf("all %q (%d), want %q", all, x.Len(), patterns)
		}
		for range 20 {
			checkIndex(t, x, patterns, smallHost().Draw(t, "h"))
		}
	})
}

func TestIndexOfNothing(t *testing.T) {
	h := match.MustParseHost("foo.com")
	built, err := new(match.Builder[string]).Build()
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*match.Index[string]{"nil": nil, "zero": {}, "built": built} {
		checkIndex(t, x, nil, h)
		checkIndex(t, x, nil, match.Host{})
		for range x.All() {
			t.Errorf("%s: not empty", name)
		}
		if x.Len() != 0 {
			t.Errorf("%s: length %d", name, x.Len())
		}
	}
	if _, _, ok := mustIndex(t, "*.com", "a.com", "a*.com").Lookup(match.Host{}); ok {
		t.Error("the zero Host was found")
	}
}

func TestBuilderErrors(t *testing.T) {
	for _, n := range []int{0, 100} { // a small index, and one that is not
		for range 5 { // the report does not depend on chance
			var b match.Builder[int]
			for i := range n {
				b.Add(match.MustParsePattern(fmt.Sprintf("h%d.foo.com", i)), i)
			}
			for _, p := range []string{"b.com", "*.a.com", "a.com", "x*.com", "*.a.com", "b.com", "x*.com"} {
				b.Add(match.MustParsePattern(p), 1)
			}
			if x, err := b.Build(); err == nil || err.Error() != `match: pattern "*.a.com" was added twice to an index` || x != nil {
				t.Errorf("%v, %v", x, err)
			}
			b.Add(match.Pattern{}, 1)
			if x, err := b.Build(); err == nil || err.Error() != "match: the zero pattern was added to an index" || x != nil {
				t.Errorf("%v, %v", x, err)
			}
		}
	}
}

// What is kept beside the table is told to be there twice as well.
func TestBuilderErrorsOfAllKinds(t *testing.T) {
	for _, text := range []string{longest, "*." + longest[2:], "a*.foo.com", "a*." + longest[64:], "?a"} {
		var b match.Builder[int]
		for i := range 20 {
			b.Add(match.MustParsePattern(fmt.Sprintf("h%d.foo.com", i)), i)
		}
		p := match.MustParsePattern(text)
		b.Add(p, 1)
		if _, err := b.Build(); err != nil {
			t.Errorf("%v: %v", p, err)
		}
		b.Add(p, 2)
		if _, err := b.Build(); err == nil || err.Error() != fmt.Sprintf("match: pattern %q was added twice to an index", p) {
			t.Errorf("%v: %v", p, err)
		}
	}
}

func TestBuilderStaysUsable(t *testing.T) {
	var b match.Builder[int]
	b.Add(match.MustParsePattern("*.foo.com"), 1)
	first, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	b.Add(match.MustParsePattern("a.foo.com"), 2)
	second, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	h := match.MustParseHost("a.foo.com")
	if _, v, _ := first.Lookup(h); v != 1 || first.Len() != 1 {
		t.Errorf("the first index changed: %d, %d patterns", v, first.Len())
	}
	if _, v, _ := second.Lookup(h); v != 2 || second.Len() != 2 {
		t.Errorf("the second index answers %d, %d patterns", v, second.Len())
	}
}
