package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cpu returns the processor time of this process in nanoseconds. Unlike time on the wall it does not grow while others have the processor.
func cpu() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic(err) // every system that the package builds for has it
	}
	return ts.Nano()
}

// A runner is something to time: a lookup of a stream of names.
type runner struct {
	run     func(s stream, out []int32)
	s       stream
	against int // the runner that its ratio is to
}

// A cell is a measurement. The zero cell is none.
type cell struct{ ratio, ns float64 } // medians over the rounds

func (c cell) String() string {
	if c.ratio == 0 {
		return "–"
	}
	return figures(c.ratio)
}

// figures writes a number with two significant digits and no decimals from ten on.
func figures(x float64) string {
	switch {
	case x < 1:
		return fmt.Sprintf("%.2f", x)
	case x < 9.95:
		return fmt.Sprintf("%.1f", x)
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(x))-1))
	return fmt.Sprintf("%.0f", math.Round(x/unit)*unit)
}

// A turn is how long a runner runs before the next one does. The first half of it is not timed.
type turn struct {
	names  int
	budget int64 // ns, for those who do not get through as many names in that
}

// turnOf returns the turns with a number of patterns.
func turnOf(patterns int) turn {
	if patterns > 10_000 {
		return turn{1 << 18, 200_000_000}
	}
	return turn{1 << 16, 20_000_000}
}

// namesFor returns how many names of its stream a runner gets through in a turn, at least 16 if there are as many.
func (t turn) namesFor(r runner) int {
	n := min(16, len(r.s.names))
	s, out := r.s.slice(0, n), make([]int32, n)
	r.run(s, out) // the first time costs more than any other, and would leave a fast one with other names than the one that its ratio is to
	start := cpu()
	r.run(s, out)
	each := max(1, (cpu()-start)/int64(n))
	return min(t.names, len(r.s.names), max(n, int(t.budget/each)))
}

// race lets the runners take turns, beginning each round with another one, on the next names each time if the stream has more than a turn
// takes. A runner without a function has no cell.
func race(runners []runner, rounds int, turn turn) []cell {
	out := make([]int32, turn.names)
	sizes := make([]int, len(runners))
	for i, r := range runners {
		if r.run != nil {
			sizes[i] = turn.namesFor(r)
		}
	}
	times := make([][]float64, len(runners))
	for round := range rounds {
		for i := range runners {
			i = (i + round) % len(runners)
			r, n := runners[i], sizes[i]
			if r.run == nil {
				continue
			}
			s, skip := r.s.slice(round*turn.names%(len(r.s.names)-n+1), n), n/2
			r.run(s.slice(0, skip), out) // until the processor has its data at hand again, and not that of the one before
			start := cpu()
			r.run(s.slice(skip, n-skip), out[skip:])
			times[i] = append(times[i], float64(cpu()-start)/float64(n-skip))
		}
	}
	cells := make([]cell, len(runners))
	for i, r := range runners {
		if r.run == nil || runners[r.against].run == nil {
			continue
		}
		cells[i] = cell{median(quotients(times[i], times[r.against])), median(times[i])}
	}
	return cells
}

func quotients(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// medians returns, for each runner, the medians of its cells in several races.
func medians(races [][]cell) []cell {
	out := make([]cell, len(races[0]))
	for i := range out {
		var ratios, times []float64
		for _, cells := range races {
			ratios, times = append(ratios, cells[i].ratio), append(times, cells[i].ns)
		}
		out[i] = cell{median(ratios), median(times)}
	}
	return out
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// raceBuilds lets the contestants take turns in building, and returns the time of each for a pattern. Parsing is not part of it.
func raceBuilds(list []contestant, p patterns, rounds int) ([]cell, error) {
	times := make([][]float64, len(list))
	repeat := max(1, 20_000/len(p.texts)) // builds that are too short to be timed alone
	for round := range 1 + rounds {
		for i := range list {
			i = (i + round) % len(list)
			if list[i].tooMany(len(p.texts)) {
				continue
			}
			runtime.GC()
			start := cpu()
			for range repeat {
				m, err := list[i].build(p)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", list[i].name, err)
				}
				runtime.KeepAlive(m)
			}
			if took := cpu() - start; round > 0 { // the first build runs on memory that the system has yet to hand out, and does not count
				times[i] = append(times[i], float64(took)/float64(repeat*len(p.texts)))
			}
		}
	}
	cells := make([]cell, len(list))
	for i := range list {
		if len(times[i]) > 0 {
			cells[i] = cell{median(quotients(times[i], times[0])), median(times[i])}
		}
	}
	return cells, nil
}

// held returns a matcher, and the bytes that it keeps for a pattern, texts included where it keeps them.
func held(c contestant, texts []string) (matcher, float64, error) {
	before := heap()
	own := make([]string, len(texts))
	for i, t := range texts {
		own[i] = strings.Clone(t)
	}
	m, err := c.build(parse(own))
	own = nil
	after := heap()
	runtime.KeepAlive(m)
	return m, math.Max(0, float64(after)-float64(before)) / float64(len(texts)), err
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers held
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// allocations returns how many a name costs.
func allocations(run func(stream, []int32), s stream) float64 {
	out := make([]int32, len(s.names))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run(s, out)
	runtime.ReadMemStats(&after)
	return math.Round(float64(after.Mallocs-before.Mallocs)/float64(len(s.names))*100) / 100
}

// tooMany reports whether c is not to be asked about so many patterns.
func (c contestant) tooMany(patterns int) bool { return c.most > 0 && patterns > c.most }

// check holds the answers of a matcher against those of the base, for the first names of a stream.
func check(c contestant, m matcher, base matcher, from *corpus, s stream) error {
	most := 1 << 16
	if c.most > 0 { // about a second for the slowest
		most = max(64, 10_000_000/len(from.texts))
	}
	s = s.slice(0, min(len(s.names), most))
	want, got := make([]int32, len(s.names)), make([]int32, len(s.names))
	base.find(s, want)
	if m.find != nil {
		m.find(s, got)
		for i, name := range s.names {
			if got[i] != want[i] {
				return fmt.Errorf("%s: finds pattern %d for %q, and the base finds %d", c.name, got[i], name, want[i])
			}
		}
	}
	if m.has != nil {
		m.has(s, got)
		for i, name := range s.names {
			if yes := got[i] != none; yes != (want[i] != none) && !(yes && c.apex && from.known["*."+name]) {
				return fmt.Errorf("%s: has %q: %t, and the base finds pattern %d", c.name, name, yes, want[i])
			}
		}
	}
	return nil
}
