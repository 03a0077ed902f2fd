package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"

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

// heap returns the bytes in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A column is what was measured of one world.
type column struct {
	world     world
	decisions []cell    // by contestant
	builds    []cell    // by builder, a rule
	bytes     []float64 // by builder, a rule
}

// A cell is the time of the fastest round, and the median of the ratios to what the bare index takes in the same round. The zero cell is
// none.
type cell struct{ ns, ratio float64 }

// measure takes rounds of decisions, and of builds.
func measure(w world, rounds, builds int) (column, error) {
	c := column{world: w}
	var asks []ask
	built := make([][]float64, len(builders))
	for i, b := range builders {
		if w.pairs() > b.limit {
			asks = append(asks, make([]ask, len(b.names))...)
			c.bytes = append(c.bytes, 0)
			continue
		}
		build, err := b.prepare(w)
		if err != nil {
			return c, fmt.Errorf("%s: %w", b.names[0], err)
		}
		var made []ask
		var held int64
		for round := range 1 + builds {
			made = nil
			before := heap()
			start := cpu()
			if made, err = build(); err != nil {
				return c, fmt.Errorf("%s: %w", b.names[0], err)
			}
			if took := cpu() - start; round > 0 { // the first build runs on memory that the system has yet to hand out, and does not count
				built[i] = append(built[i], float64(took)/float64(w.pairs()))
			}
			held = heap() - before
		}
		c.bytes = append(c.bytes, float64(max(0, held))/float64(w.pairs()))
		asks = append(asks, made...)
	}
	c.builds = cells(built)
	c.decisions = race(asks, len(w.hosts()), rounds)
	return c, nil
}

const budget = 2_000_000 // ns a round

// race lets asks take turns, beginning each round with another one. Those that are nil have no cell.
func race(asks []ask, hosts, rounds int) []cell {
	repeat := make([]int, len(asks))
	for i, ask := range asks {
		if ask == nil {
			continue
		}
		// Also a first round that does not count.
		start := cpu()
		askAll(ask, hosts)
		repeat[i] = max(1, int(budget/max(1, cpu()-start)))
	}
	times := make([][]float64, len(asks))
	for round := range rounds {
		for i := range asks {
			i = (i + round) % len(asks)
			if asks[i] == nil {
				continue
			}
			for range repeat[i] / 4 { // until the processor has its data at hand again, and not that of the one before
				askAll(asks[i], hosts)
			}
			start := cpu()
			for range repeat[i] {
				askAll(asks[i], hosts)
			}
			times[i] = append(times[i], float64(cpu()-start)/float64(repeat[i]*hosts))
		}
	}
	return cells(times)
}

func askAll(ask ask, hosts int) (yes int) {
	for h := range hosts {
		if ask(0, h) {
			yes++
		}
	}
	return yes
}

// cells returns cells of the times of rounds, whose ratios are to the first.
func cells(times [][]float64) []cell {
	out := make([]cell, len(times))
	for i, list := range times {
		if len(list) == 0 {
			continue
		}
		ratios := make([]float64, len(list))
		for round := range list {
			ratios[round] = list[round] / times[0][round]
		}
		out[i] = cell{slices.Min(list), median(ratios)}
	}
	return out
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// write writes columns as Markdown: first the decisions, then the builds.
func write(out io.Writer, columns []column) {
	head := func(what string) {
		fmt.Fprintf(out, "| %s |", what)
		for _, c := range columns {
			fmt.Fprintf(out, " %s |", c.world)
		}
		fmt.Fprint(out, "\n|---|")
		for range columns {
			fmt.Fprint(out, "---|")
		}
		fmt.Fprintln(out)
	}
	head("one decision")
	i := 0
	for _, b := range builders {
		for _, name := range b.names {
			fmt.Fprintf(out, "| %s |", name)
			for _, c := range columns {
				fmt.Fprintf(out, " %s |", c.decisions[i])
			}
			fmt.Fprintln(out)
			i++
		}
	}
	fmt.Fprintln(out)
	head("building, a rule")
	for i, b := range builders {
		fmt.Fprintf(out, "| %s |", b.what)
		for _, c := range columns {
			if c.builds[i].ns == 0 {
				fmt.Fprint(out, " – |")
			} else {
				fmt.Fprintf(out, " %s, %.0f bytes |", c.builds[i], c.bytes[i])
			}
		}
		fmt.Fprintln(out)
	}
}

// String returns the time and its ratio.
func (c cell) String() string {
	switch {
	case c.ns == 0:
		return "–"
	case c.ns < 1e3:
		return fmt.Sprintf("%.0f ns, %s×", c.ns, figures(c.ratio))
	case c.ns < 1e6:
		return fmt.Sprintf("%s µs, %s×", figures(c.ns/1e3), figures(c.ratio))
	}
	return fmt.Sprintf("%s ms, %s×", figures(c.ns/1e6), figures(c.ratio))
}

// figures writes a number with two significant digits, and one decimal at most.
func figures(x float64) string {
	if x < 9.95 {
		return fmt.Sprintf("%.1f", x)
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return fmt.Sprintf("%.0f", math.Round(x/unit)*unit)
}
