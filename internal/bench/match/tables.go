package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// A plan is what is measured.
type plan struct {
	sizes  []int // of patterns
	names  int   // in a stream, at least
	rounds int   // up to 10,000 patterns; half of them for more, whose turns are longer
	builds int   // rounds of building
	costs  []int // the sizes at which building and memory are measured
	small  int   // how many sets of each small size
}

var (
	long  = plan{sizes: []int{10, 1_000, 10_000, 100_000, 1_000_000}, names: 1 << 16, rounds: 25, builds: 5, costs: []int{1_000, 1_000_000}, small: 9}
	short = plan{sizes: []int{10, 1_000, 10_000}, names: 1 << 16, rounds: 15, builds: 3, costs: []int{1_000}, small: 5}
)

// A kind is how names are drawn, and what is asked about them.
type kind struct {
	title string
	hits  int // percent
	zipf  bool
	has   bool
}

var kinds = []kind{
	{title: "The most specific pattern, half of the names hits", hits: 50},
	{title: "The most specific pattern, half of the names hits, names by Zipf's law (1.1)", hits: 50, zipf: true},
	{title: "The most specific pattern, all names hits", hits: 100},
	{title: "The most specific pattern, all names misses", hits: 0},
	{title: "Whether any pattern matches, half of the names hits", hits: 50, has: true},
}

// Results are all measurements, by contestant in their innermost slices.
type results struct {
	plan
	kinds  [][][]cell // by kind and size
	growth [][]cell   // by size: misses of 12 labels and more to misses of 4
	costs  []cost     // by plan.costs
	small  [][]cell   // by size
}

type cost struct {
	parse  float64 // ns a pattern
	build  []cell
	bytes  []float64
	allocs []float64
}

// measure makes all measurements. It writes what it is at to progress.
func measure(p plan, progress io.Writer) (results, error) {
	r := results{plan: p, kinds: make([][][]cell, len(kinds))}
	for _, n := range p.sizes {
		fmt.Fprintf(progress, "%d patterns\n", n)
		if err := r.measureSize(n); err != nil {
			return results{}, fmt.Errorf("%d patterns: %w", n, err)
		}
	}
	for _, n := range smallSizes {
		fmt.Fprintf(progress, "small sets of %d\n", n)
		cells, err := measureSmall(n, p)
		if err != nil {
			return results{}, fmt.Errorf("small sets of %d: %w", n, err)
		}
		r.small = append(r.small, cells)
	}
	for _, n := range p.costs {
		fmt.Fprintf(progress, "building %d patterns\n", n)
		c, err := measureCost(n, p.builds)
		if err != nil {
			return results{}, fmt.Errorf("building %d patterns: %w", n, err)
		}
		r.costs = append(r.costs, c)
	}
	return r, nil
}

// instances returns how many times the matchers are built for a number of patterns, and for how many rounds each is asked. Where in memory they
// lie makes a difference of a tenth or more, and the median over several of them repeats better.
func (p plan) instances(patterns int) (n, rounds int) {
	switch {
	case patterns <= 10_000:
		n, rounds = 5, p.rounds
	case patterns <= 100_000:
		n, rounds = 3, p.rounds/2
	default:
		n, rounds = 1, p.rounds/2
	}
	return n, max(2, rounds/n)
}

// measureSize appends the medians over the instances.
func (r *results) measureSize(size int) error {
	c := newCorpus(size, 1)
	p := parse(c.texts)
	names := max(r.names, min(5*size, 1<<19))
	var streams []stream
	for _, kind := range kinds {
		streams = append(streams, c.stream(names, kind.hits, kind.zipf))
	}
	few := min(names/2, 1<<16) // so that the deep ones, which are three times as long, also come from a cache
	near, deep := c.misses(few, 4, 4), c.misses(few, 12, 16)
	n, rounds := r.instances(size)
	byKind, growths := make([][][]cell, len(kinds)), [][]cell(nil)
	var all [][]matcher // so that none lies where one before did
	for range n {
		matchers := make([]matcher, len(contestants))
		for i, who := range contestants {
			if who.tooMany(size) {
				continue
			}
			var err error
			if matchers[i], err = who.build(p); err != nil {
				return fmt.Errorf("%s: %w", who.name, err)
			}
			for _, s := range append(streams[:len(streams):len(streams)], near, deep) {
				if err := check(who, matchers[i], matchers[0], c, s); err != nil {
					return err
				}
			}
		}
		all = append(all, matchers)
		runtime.GC()
		for k, kind := range kinds {
			byKind[k] = append(byKind[k], race(runnersOf(matchers, kind, streams[k]), rounds, turnOf(size)))
		}
		growths = append(growths, growthOf(matchers, near, deep, rounds, turnOf(size)))
	}
	runtime.KeepAlive(all)
	for k := range kinds {
		r.kinds[k] = append(r.kinds[k], medians(byKind[k]))
	}
	r.growth = append(r.growth, medians(growths))
	return nil
}

func runnersOf(matchers []matcher, k kind, s stream) []runner {
	runners := make([]runner, len(matchers))
	for i, m := range matchers {
		runners[i] = runner{run: m.find, s: s}
		if k.has && m.has != nil {
			runners[i].run = m.has
		}
	}
	return runners
}

// growthOf returns the ratio of deep misses to near ones for each matcher.
func growthOf(matchers []matcher, near, deep stream, rounds int, t turn) (growth []cell) {
	var runners []runner
	for _, m := range matchers {
		run := m.find
		if run == nil {
			run = m.has
		}
		runners = append(runners, runner{run: run, s: near, against: len(runners)}, runner{run: run, s: deep, against: len(runners)})
	}
	for i, cell := range race(runners, rounds, t) {
		if i%2 == 1 {
			growth = append(growth, cell)
		}
	}
	return growth
}

func measureCost(n, rounds int) (cost, error) {
	c := newCorpus(n, 1)
	p := parse(c.texts)
	build, err := raceBuilds(contestants, p, rounds)
	if err != nil {
		return cost{}, err
	}
	start := cpu()
	parse(c.texts)
	out := cost{parse: float64(cpu()-start) / float64(n), build: build, bytes: make([]float64, len(contestants)), allocs: make([]float64, len(contestants))}
	s := c.stream(min(n, 1<<14), 50, false)
	for i, who := range contestants {
		if who.tooMany(n) {
			continue
		}
		m, bytes, err := held(who, c.texts)
		if err != nil {
			return cost{}, fmt.Errorf("%s: %w", who.name, err)
		}
		if m.find == nil {
			m.find = m.has
		}
		out.bytes[i], out.allocs[i] = bytes, allocations(m.find, s)
	}
	return out, nil
}

// write writes the tables as Markdown; without all, those that a user asks for first.
func (r results) write(w io.Writer, all bool) {
	if all {
		fmt.Fprintf(w, "# Lookups of host names, beside others\n\nPrinted by `go -C internal/bench/match run .`\n\n")
	}
	fmt.Fprintf(w, "Times the base's, measured with %s on %s/%s, %d processors; the base in nanoseconds.\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for k, kind := range kinds {
		if k > 0 && !all {
			break
		}
		fmt.Fprintf(w, "\n%s:\n\n", kind.title)
		writeSizes(w, r.sizes, contestants, r.kinds[k], times)
	}
	if all {
		fmt.Fprintf(w, "\nA miss of 12 to 16 labels, times a miss of 4 of the same contestant:\n\n")
		writeSizes(w, r.sizes, contestants, r.growth, func(_ int, c cell) string { return c.String() })
	}
	r.writeSmall(w)
	last := len(r.costs) - 1
	fmt.Fprintf(w, "\nWhat it costs, and how much longer a miss of 12 to 16 labels takes than a miss of 4 at %s patterns. `match.Index` is built from parsed "+
		"patterns; parsing takes %.0f ns more for each of %s:\n\n", thousands(r.deepest()), r.costs[last].parse, thousands(r.plan.costs[last]))
	r.writeCosts(w)
	fmt.Fprintln(w)
	for i, note := range notes() {
		fmt.Fprintf(w, "[%d] %s. ", i+1, note)
	}
	fmt.Fprintf(w, "– is what was not measured: what cannot tell, and loops over more than %s patterns.\n", thousands(loops))
}

// notes returns the notes of the contestants, each once.
func notes() (list []string) {
	for _, c := range contestants {
		if c.note != "" && !slices.Contains(list, c.note) {
			list = append(list, c.note)
		}
	}
	return list
}

// deepest is the size that growth is shown for where there is room for one.
func (r results) deepest() int { return r.sizes[r.deepestAt()] }

func (r results) deepestAt() int { return min(1, len(r.sizes)-1) }

func label(c contestant) string {
	if c.note == "" {
		return c.name
	}
	return fmt.Sprintf("%s [%d]", c.name, slices.Index(notes(), c.note)+1)
}

// times writes the ratio to the first contestant, and of that one the time.
func times(i int, c cell) string {
	if i == 0 {
		return fmt.Sprintf("%.0f ns", c.ns)
	}
	return c.String()
}

// writeSizes writes a table with a column for each size and a row for each contestant that has a cell.
func writeSizes(w io.Writer, sizes []int, list []contestant, bySize [][]cell, text func(i int, c cell) string) {
	head := []string{"patterns"}
	for _, n := range sizes {
		head = append(head, thousands(n))
	}
	writeHead(w, head)
	for i, who := range list {
		row, measured := []string{label(who)}, false
		for _, cells := range bySize {
			row = append(row, text(i, cells[i]))
			measured = measured || cells[i] != cell{}
		}
		if measured {
			writeRow(w, row)
		}
	}
}

func (r results) writeCosts(w io.Writer) {
	head := []string{""}
	for i := range r.costs {
		head = append(head, "bytes a pattern, "+thousands(r.plan.costs[i]), "build, "+thousands(r.plan.costs[i]))
	}
	writeHead(w, append(head, "allocations a name", "12 labels to 4"))
	for i, who := range contestants {
		row := []string{label(who)}
		for _, c := range r.costs {
			switch {
			case c.build[i] == cell{}:
				row = append(row, "–", "–")
			case i == 0:
				row = append(row, fmt.Sprintf("%.0f", c.bytes[i]), fmt.Sprintf("%.0f ns", c.build[i].ns))
			default:
				row = append(row, fmt.Sprintf("%.0f", c.bytes[i]), c.build[i].String())
			}
		}
		writeRow(w, append(row, fmt.Sprint(r.costs[0].allocs[i]), r.growth[r.deepestAt()][i].String()))
	}
}

func writeHead(w io.Writer, cells []string) {
	writeRow(w, cells)
	fmt.Fprintf(w, "|---|%s\n", strings.Repeat("--:|", len(cells)-1))
}

func writeRow(w io.Writer, cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

// thousands writes a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
