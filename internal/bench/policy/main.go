package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
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
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	if text, err = between(text, tables.Bytes()); err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	return os.WriteFile(readme, text, 0o644)
}

// The marks that tables stand between. The first goes on with the command that makes them.
const beginMark, endMark = "<!-- decisions: ", "<!-- end of decisions -->"

// between replaces what stands between the marks in text.
func between(text, tables []byte) ([]byte, error) {
	head, rest, found := bytes.Cut(text, []byte(beginMark))
	command, rest, closed := bytes.Cut(rest, []byte("\n"))
	_, tail, ended := bytes.Cut(rest, []byte(endMark))
	if !found || !closed || !ended {
		return nil, fmt.Errorf("no %q and %q", beginMark, endMark)
	}
	return bytes.Join([][]byte{head, []byte(beginMark), command, []byte("\n\n"), tables, []byte("\n" + endMark), tail}, nil), nil
}
