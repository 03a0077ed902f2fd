package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"github.com/egresskit/egress/internal/marks"
)

func main() {
	quick := flag.Bool("short", false, "up to 1,000 sources, and fewer rounds")
	readme := flag.String("readme", "", "also put the tables between the marks in this `file`")
	flag.Parse()
	if err := run(*quick, *readme); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(quick bool, readme string) error {
	worlds, rounds, builds := []world{{10, 100, 1000}, {1000, 100, 1000}, {10_000, 100, 1000}, {1, 100, 0}, {1, 100_000, 0}}, 201, 5
	if quick {
		worlds, rounds, builds = []world{{10, 100, 1000}, {1000, 100, 1000}}, 15, 1
	}
	var columns []column
	for _, w := range worlds {
		fmt.Fprintln(os.Stderr, w)
		c, err := measure(w, rounds, builds)
		if err != nil {
			return err
		}
		columns = append(columns, c)
	}
	var tables bytes.Buffer
	write(&tables, columns)
	os.Stdout.Write(tables.Bytes())
	if readme == "" {
		return nil
	}
	return marks.Write(readme, "decisions", tables.String())
}
