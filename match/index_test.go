package match_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// sizedName draws a name of the size given or a little more, over few letters: of long labels or short ones, and often like another but for
// one byte.
func sizedName(t *rapid.T, size int) string {
	end := rapid.SampledFrom([]string{"a", "b", "ab", "a.b", "b.ab.a"}).Draw(t, "end")
	front := bytes.Repeat([]byte{'a'}, max(1, size-len(end)-1))
	step := rapid.SampledFrom([]int{2, 2, 3, 9, 32, 63}).Draw(t, "step") // from dot to dot
	for i := len(front) - step; i > 0; i -= step {
		front[i] = '.'
	}
	if i := rapid.IntRange(0, len(front)-1).Draw(t, "at"); front[i] != '.' {
		front[i] = 'b'
	}
	if len(end) >= size {
		return end
	}
	return string(front) + "." + end
}

// edges are sizes at which something changes: words, what is compared at once, what is too long for a table, and the limits of names.
var edges = []int{1, 3, 6, 7, 8, 9, 14, 15, 16, 17, 24, 30, 31, 32, 33, 34, 48, 59, 60, 61, 62, 63, 64, 65, 66, 96, 127, 128, 129, 192, 250, 251, 252, 253}

// kinds draw patterns that lie in one part of an index, or at its edges.
var kinds = map[string]func(t *rapid.T) string{
	"exact":   func(t *rapid.T) string { return sizedName(t, rapid.SampledFrom(edges).Draw(t, "size")) },
	"deep":    func(t *rapid.T) string { return "*." + sizedName(t, rapid.SampledFrom(edges).Draw(t, "size")) },
	"shallow": func(t *rapid.T) string { return "*." + rapid.StringMatching("[ab]{1,5}").Draw(t, "label") },
	"deepest": func(t *rapid.T) string {
		return "*." + strings.Repeat("a.", rapid.IntRange(1, 30).Draw(t, "labels")) + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "end")
	},
	"long": func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "*."}).Draw(t, "front") + sizedName(t, rapid.IntRange(60, 253).Draw(t, "size"))
	},
	"glob": func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"a*.", "?.", "?*.", "?*b.", "*.a*.", "*.?."}).Draw(t, "front") + sizedName(t, rapid.SampledFrom(edges).Draw(t, "size"))
	},
	"anywhere": func(t *rapid.T) string {
		return rapid.StringMatching("[ab]{1,2}[.]([ab][.])?[ab]{1,2}[*]").Draw(t, "text")
	},
}

// hostNear draws a host that one of the patterns matches, or that is like one.
func hostNear(t *rapid.T, patterns []string) match.Host {
	name := sizedName(t, rapid.SampledFrom(edges).Draw(t, "size"))
	if len(patterns) > 0 && rapid.IntRange(0, 3).Draw(t, "near") > 0 {
		front := rapid.SampledFrom([]string{"a.", "b.a.", "aab.", "a.a.a.a.a.a.a.a.a.a.", strings.Repeat("a", 60) + "."}).Draw(t, "front")
		name = rapid.SampledFrom(patterns).Draw(t, "pattern")
		if rest, ok := strings.CutPrefix(name, "*."); ok {
			name = front + rest
		}
		name = strings.NewReplacer("*", rapid.SampledFrom([]string{"", "a", "bb"}).Draw(t, "stars"), "?", "a").Replace(name)
		switch i := rapid.IntRange(0, len(name)-1).Draw(t, "at"); rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			name = front + name
		case 1:
			name = "b" + name
		case 2:
			name = name[min(1, len(name)-1):]
		case 3:
			name = name[:i] + "b" + name[i+1:]
		case 4:
			_, name, _ = strings.Cut(name, ".")
		}
	}
	h, _ := match.ParseHost(name) // the zero Host, if it became none
	return h
}

// Indexes in which one kind of pattern is alone, or alone but for a few, answer all questions as the reference does.
func TestIndexOfEachKind(t *testing.T) { rapid.Check(t, checkIndexOfKind) }

func FuzzIndexOfEachKind(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkIndexOfKind)) }

func checkIndexOfKind(t *rapid.T) {
	names := slices.Sorted(maps.Keys(kinds))
	known := map[string]bool{}
	add := func(kind string) {
		if p, err := match.ParsePattern(kinds[kind](t)); err == nil {
			known[p.String()] = true
		}
	}
	kind := rapid.SampledFrom(names)
	main := kind.Draw(t, "kind")
	for range rapid.SampledFrom([]int{1, 8, 17, 18, 20, 25, 33, 60, 60}).Draw(t, "patterns") {
		add(main)
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2, 17}).Draw(t, "others") {
		add(kind.Draw(t, "kind"))
	}
	patterns := slices.Sorted(maps.Keys(known))
	x := mustIndex(t, patterns...)
	var all []string
	for p, v := range x.All() {
		if all = append(all, p.String()); v != "value of "+p.String() {
			t.Fatalf("%v has %q", p, v)
		}
	}
	if !slices.Equal(all, patterns) {
		t.Fatalf("all %q, want %q", all, patterns)
	}
	hosts := make([]match.Host, 40) // more than one batch
	for i := range hosts {
		if i%13 != 5 { // of these one is the zero Host
			hosts[i] = hostNear(t, patterns)
		}
	}
	first := match.Entry[string]{Value: "first"}
	entries := x.LookupBatch([]match.Entry[string]{first}, hosts)
	if entries[0] != first {
		t.Fatalf("the entry that was there is %v", entries[0])
	}
	entries = entries[1:]
	if len(entries) != len(hosts) {
		t.Fatalf("%d entries for %d hosts", len(entries), len(hosts))
	}
	for i, h := range hosts {
		checkIndex(t, x, patterns, h)
		p, v, ok := x.Lookup(h) // as the reference says
		if e := entries[i]; e.Pattern != p || e.Value != v {
			t.Fatalf("%v in %q: %v, %q in a batch, want %v", h, patterns, e.Pattern, e.Value, p)
		}
		if q, w, found := x.LookupString(strings.ToUpper(h.String())); q != p || w != v || found != ok {
			t.Fatalf("%v in %q: %v, %q, %t by its text, want %v", h, patterns, q, w, found, p)
		}
	}
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

// What is there twice is told, wherever an index keeps it, and whatever else comes before and behind it there.
func TestBuilderErrorsOfAllKinds(t *testing.T) {
	texts := []string{longest, longest[1:], "*." + longest[2:], "*." + longest[3:], "a*.foo.com", "b*.foo.com", "a*." + longest[64:], "?a", "?b"}
	few := texts
	for i := range 20 {
		texts = append(texts, fmt.Sprintf("h%d.foo.com", i))
	}
	for _, texts := range [][]string{few, texts} {
		for _, again := range texts {
			var b match.Builder[int]
			for i, text := range texts {
				b.Add(match.MustParsePattern(text), i)
			}
			if _, err := b.Build(); err != nil {
				t.Fatal(err)
			}
			b.Add(match.MustParsePattern(again), 1)
			if _, err := b.Build(); err == nil || err.Error() != fmt.Sprintf("match: pattern %q was added twice to an index", again) {
				t.Errorf("%v: %v", again, err)
			}
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

// TestBigIndex looks names up in an index whose buckets are fetched ahead, one by one and together.
func TestBigIndex(t *testing.T) {
	const n = 100_000
	var b match.Builder[int]
	for i := range n {
		text := fmt.Sprintf("n%d.example.com", i)
		if i%3 == 0 {
			text = "*." + text
		}
		b.Add(match.MustParsePattern(text), i)
	}
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	var hosts []match.Host
	var want []int // -1: none
	for i := 0; i < n+500; i += 7 {
		for deep, text := range []string{fmt.Sprintf("n%d.example.com", i), fmt.Sprintf("a.n%d.example.com", i)} {
			hosts = append(hosts, match.MustParseHost(text))
			if i < n && (i%3 == 0) == (deep == 1) {
				want = append(want, i)
			} else {
				want = append(want, -1)
			}
		}
	}
	for i, e := range x.LookupBatch(nil, hosts) {
		_, one, ok := x.Lookup(hosts[i])
		if ok != (want[i] >= 0) || ok && one != want[i] {
			t.Errorf("Lookup %s: %d, %t, want %d", hosts[i], one, ok, want[i])
		}
		if e.Pattern.IsZero() != (want[i] < 0) || e.Value != max(want[i], 0) {
			t.Errorf("LookupBatch %s: %v, want %d", hosts[i], e, want[i])
		}
	}
}
