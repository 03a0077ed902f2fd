package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"github.com/egresskit/egress/internal/marks"
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
	var tables bytes.Buffer
	r.write(&tables, false)
	return marks.Write(readme, "speed", tables.String())
}
