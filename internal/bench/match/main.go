package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
)

func main() {
	quick := flag.Bool("short", false, "up to 10,000 patterns, and fewer rounds")
	readme := flag.String("readme", "", "also put the first tables between the marks in this `file`")
	flag.Parse()
	if err := run(*quick, *readme); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(quick bool, readme string) error {
	p := long
	if quick {
		p = short
	}
	r, err := measure(p, os.Stderr)
	if err != nil {
		return err
	}
	r.write(os.Stdout, true)
	if readme == "" {
		return nil
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	var tables bytes.Buffer
	r.write(&tables, false)
	text, err = between(text, tables.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	return os.WriteFile(readme, text, 0o644)
}

// The marks that tables stand between. The first goes on with the command that makes them.
const beginMark, endMark = "<!-- speed: ", "<!-- end of speed -->"

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
