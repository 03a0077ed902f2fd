package main

import (
	"flag"
	"fmt"

	"github.com/egresskit/egress/policy"
)

func lintCommand(args []string, std stdio) (int, error) {
	fs := flag.NewFlagSet("lint", flag.ContinueOnError)
	files, err := parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	_, err = (&inputs{stdin: std.in}).compile(files)
	if err != nil {
		return exitBad, err
	}
	for _, d := range (policy.Diagnostics{}) {
		fmt.Fprintln(std.err, d)
	}
	return exitDone, nil
}
