package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"text/tabwriter"
	"time"
)

func main() {
	long := flag.Bool("long", false, "also measure 10,000 sources of 100 rules")
	testing.Init()
	flag.Parse()
	if err := flag.Set("test.benchtime", "200ms"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	worlds := []world{{1, 100, 0}, {10, 100, 1000}, {1000, 100, 1000}}
	if *long {
		worlds = append(worlds, world{10_000, 100, 1000})
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "sources\trules each\tshared\tcontestant\tns/decision\tallocations\tbuild\theap bytes/rule\t")
	for _, w := range worlds {
		for _, c := range contestants {
			row, err := measure(w, c)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
				os.Exit(1)
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\t\n", w.sources, w.own, w.shared, c.name, row)
		}
	}
	out.Flush()
}

// measure returns the columns of a table that are measured.
func measure(w world, c contestant) (string, error) {
	if w.pairs() > c.limit {
		return "too slow\t-\t-\t-", nil
	}
	before := heap()
	start := time.Now()
	ask, err := c.build(w)
	if err != nil {
		return "", err
	}
	took := time.Since(start)
	held := heap() - before
	hosts := len(w.hosts())
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			ask(0, i)
			if i++; i == hosts {
				i = 0
			}
		}
	})
	runtime.KeepAlive(ask)
	return fmt.Sprintf("%d\t%d\t%v\t%d", r.NsPerOp(), r.AllocsPerOp(), took.Round(time.Millisecond/10), max(0, held)/int64(w.pairs())), nil
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
