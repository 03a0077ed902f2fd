package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

// contains reads a pattern as it is written: "*." stands for one or more labels.
func contains(pattern, name string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		return strings.HasSuffix(name, "."+suffix)
	}
	return name == pattern
}

// TestBaseIsRight holds the base, which all others are held to, against plain reading: of the patterns that match, the exact one is the
// most specific, and then the longest.
func TestBaseIsRight(t *testing.T) {
	c := newCorpus(300, 2)
	base, err := buildMaps(parse(c.texts))
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Concat(c.stream(2000, 50, false).names, c.misses(300, 12, 16).names)
	got := make([]int32, len(names))
	base.find(newStream(names), got)
	hits := 0
	for i, name := range names {
		want := none
		for j, p := range c.texts {
			if contains(p, name) && (want == none || p == name || c.texts[want] != name && len(p) > len(c.texts[want])) {
				want = j
			}
		}
		if got[i] != int32(want) {
			t.Errorf("%q: pattern %d, want %d", name, got[i], want)
		}
		if want != none {
			hits++
		}
	}
	if hits < 800 || hits > 1200 {
		t.Errorf("%d of %d names are hits", hits, len(names))
	}
}

func TestContestantsAgree(t *testing.T) {
	for _, n := range []int{1, 10, 17, 1000} {
		c := newCorpus(n, 3)
		p := parse(c.texts)
		base, err := buildMaps(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []stream{c.stream(2000, 50, false), c.stream(500, 100, n > 1), c.misses(200, 4, 4), c.misses(200, 12, 16)} {
			for _, who := range slices.Concat(contestants, smallContestants) {
				m, err := who.build(p)
				if err != nil {
					t.Fatalf("%s: %v", who.name, err)
				}
				if err := check(who, m, base, c, s); err != nil {
					t.Errorf("%d patterns: %v", n, err)
				}
			}
		}
	}
}

// TestCheckRefuses: a contestant that answers wrongly is not timed.
func TestCheckRefuses(t *testing.T) {
	c := newCorpus(100, 4)
	p := parse(c.texts)
	base, err := buildMaps(p)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(one int32) func(s stream, out []int32) {
		return func(s stream, out []int32) {
			base.find(s, out)
			out[len(out)-1] = one
		}
	}
	s := newStream([]string{"nobody.example", c.hit(c.texts[0])})
	for name, m := range map[string]matcher{"find": {find: wrong(99)}, "find none": {find: wrong(none)}, "has": {has: wrong(none)}} {
		if err := check(contestant{name: name}, m, base, c, s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTables(t *testing.T) {
	p := plan{sizes: []int{10, 50}, names: 500, rounds: 2, builds: 1, costs: []int{50}, small: 1}
	r, err := measure(p, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var all, first bytes.Buffer
	r.write(&all, true)
	r.write(&first, false)
	for _, kind := range kinds {
		if !strings.Contains(all.String(), kind.title) {
			t.Errorf("no table %q", kind.title)
		}
	}
	for _, c := range slices.Concat(contestants, smallContestants) {
		if !strings.Contains(first.String(), "\n| "+label(c)+" |") {
			t.Errorf("%s is in no row of\n%s", c.name, first.String())
		}
	}
}

func TestFigures(t *testing.T) {
	for x, want := range map[float64]string{0.5678: "0.57", 1.23: "1.2", 9.96: "10", 34.5: "35", 456: "460", 12345: "12000"} {
		if got := figures(x); got != want {
			t.Errorf("%v: %q, want %q", x, got, want)
		}
	}
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median %v", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}
