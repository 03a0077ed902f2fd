package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

func renderCommand(args []string, std stdio) (int, error) {
	fs := flag.NewFlagSet("render", flag.ContinueOnError)
	target := fs.String("target", "", "one target, or several joined by commas")
	cluster := fs.String("cluster", "", "name of the cluster")
	inventory := fs.String("inventory", "", "dump of namespaces, service accounts and pods")
	profileFile := fs.String("profile", "", "what the targets assume of the cluster")
	strict := fs.Bool("strict", false, "fail on any loss")
	var opts []render.Option
	fs.Func("accept", "rule=reason: a deny or boundary that the manifests need not say; may be given again", func(s string) error {
		rule, reason, _ := strings.Cut(s, "=")
		if rule == "" || strings.TrimSpace(reason) == "" {
			return errors.New("write the rule and a reason, as in shop/no-uploads='ticket 7'")
		}
		opts = append(opts, render.AcceptWider(policy.RuleID(rule), reason))
		return nil
	})
	format := fs.String("o", "yaml", "yaml or json")
	files, err := parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	if err := output(*format, "yaml", "json"); err != nil {
		return exitBad, err
	}
	in := inputs{stdin: std.in}
	stack, err := in.stack(*target, *profileFile)
	if _, positions := err.(policy.Diagnostics); err != nil && !positions {
		return exitBad, err
	}
	inv, invErr := in.inventory(*inventory)
	engine, engineErr := in.compile(files)
	if err := together(err, invErr, engineErr); err != nil {
		return exitBad, err
	}
	if *strict {
		opts = append(opts, render.Strict())
	}
	result, err := render.Render(render.NewPlan(engine, *cluster, render.WithInventory(inv)), stack, opts...)
	if err != nil {
		return exitBad, err
	}
	// Encode before writing anything, so that an error leaves no half of a manifest behind.
	var out bytes.Buffer
	write := render.WriteYAML
	if *format == "json" {
		write = render.WriteJSON
	}
	if err := write(&out, result.Objects); err != nil {
		return exitBad, err
	}
	report(std.err, result)
	_, err = std.out.Write(out.Bytes())
	return exitDone, err
}

// report writes what a reader of the manifests must know.
func report(w io.Writer, r *render.Result) {
	for _, l := range r.Losses {
		fmt.Fprintf(w, "loss: %s\n", l)
	}
	for _, rule := range r.Unneeded {
		fmt.Fprintf(w, "unneeded: --accept %s: nothing of that rule lets more pass\n", rule)
	}
	for _, a := range r.Assumptions {
		fmt.Fprintf(w, "assumption: %s\n", a)
	}
	for _, a := range r.Assurances {
		fmt.Fprintf(w, "assurance: %s\n", a)
	}
}
