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

// spin looks nothing up, and takes about as long for each byte of the names.
func spin(s stream, out []int32) {
	for i, name := range s.names {
		out[i] = none
		for range 2000 * len(name) {
			out[i] ^= 1
		}
	}
}

// TestGrowth: each matcher has one cell, that of its deep names to its own near ones, whichever of its functions there is.
func TestGrowth(t *testing.T) {
	near, deep := newStream(slices.Repeat([]string{"a.b"}, 64)), newStream(slices.Repeat([]string{strings.Repeat("a.", 29) + "b"}, 64))
	cells := growthOf([]matcher{{find: spin}, {}, {has: spin}}, near, deep, 5, turn{64, 1 << 40})
	if len(cells) != 3 || cells[1] != (cell{}) {
		t.Fatalf("%#v", cells)
	}
	for _, c := range []cell{cells[0], cells[2]} { // 59 bytes to 3
		if c.ratio < 7 || c.ratio > 60 || c.ns <= 0 {
			t.Errorf("%#v", c)
		}
	}
}

// TestNamesFor: what happens once does not make a turn shorter, and being slow does.
func TestNamesFor(t *testing.T) {
	s := newStream(slices.Repeat([]string{"a.b"}, 1000))
	calls := 0
	slowOnce := func(s stream, out []int32) {
		if calls++; calls == 1 {
			for range 10 {
				spin(s, out)
			}
		}
	}
	if n := (turn{500, 1_000_000}).namesFor(runner{run: slowOnce, s: s}); n != 500 {
		t.Errorf("%d names of 500", n)
	}
	if n := (turn{5000, 1 << 40}).namesFor(runner{run: spin, s: s}); n != 1000 {
		t.Errorf("%d names of a stream of 1000", n)
	}
	if n := (turn{500, 1}).namesFor(runner{run: spin, s: s}); n != 16 {
		t.Errorf("%d names in no time, want 16", n)
	}
}

func TestMedians(t *testing.T) {
	got := medians([][]cell{{{1, 50}, {}, {3, 10}}, {{1, 70}, {}, {5, 90}}, {{1, 10}, {}, {4, 20}}})
	if want := []cell{{1, 50}, {}, {4, 20}}; !slices.Equal(got, want) {
		t.Errorf("%#v, want %#v", got, want)
	}
}

// TestInstances: of more patterns there are fewer instances, all of them have rounds, and together about as many as the plan says.
func TestInstances(t *testing.T) {
	last := 5
	for _, size := range long.sizes {
		n, rounds := long.instances(size)
		want := long.rounds
		if size > 10_000 {
			want /= 2
		}
		if n < 1 || n > last || n*rounds != want {
			t.Errorf("%d patterns: %d instances of %d rounds, want %d in all", size, n, rounds, want)
		}
		last = n
		if n, rounds := (plan{rounds: 1}).instances(size); n < 1 || rounds < 2 {
			t.Errorf("%d patterns: %d instances of %d rounds", size, n, rounds)
		}
	}
}

func TestSmall(t *testing.T) {
	cells, err := measureSmall(3, plan{names: 500, rounds: 3, small: 2})
	if err != nil || len(cells) != len(smallContestants) {
		t.Fatalf("%#v, %v", cells, err)
	}
	for i, c := range cells {
		if c.ns <= 0 || c.ratio <= 0 || i == 0 && c.ratio != 1 {
			t.Errorf("%s: %#v", smallContestants[i].name, c)
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
