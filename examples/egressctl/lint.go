package main

import (
	"flag"
	"fmt"

	"github.com/egresskit/egress/policy/lint"
)

// lintCommand reports what compiles and may not be meant. Findings are no mistakes: the exit status is that of a verb that is done.
func lintCommand(args []string, std stdio) (int, error) {
	fs := flag.NewFlagSet("lint", flag.ContinueOnError)
	inventory := fs.String("inventory", "", "dump of namespaces, service accounts and pods")
	cluster := fs.String("cluster", "", "name of the cluster that the dump is of")
	files, err := parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	in := inputs{stdin: std.in}
	inv, err := in.inventory(*inventory)
	if err != nil {
		return exitBad, err
	}
	policies, err := in.load(files)
	if err != nil {
		return exitBad, err
	}
	var opts []lint.Option
	if inv != nil {
		opts = append(opts, lint.Inventory(inv, *cluster))
	}
	found := lint.Check(policies, opts...)
	if err := found.Err(); err != nil {
		return exitBad, err
	}
	for _, d := range found {
		fmt.Fprintln(std.err, d)
	}
	return exitDone, nil
}
