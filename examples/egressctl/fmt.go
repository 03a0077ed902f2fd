package main

import (
	"bytes"
	"flag"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// fmtCommand prints the policies in canonical form, which says the same for the same meaning. Comments are lost.
func fmtCommand(args []string, std stdio) (int, error) {
	files, err := parse(flag.NewFlagSet("fmt", flag.ContinueOnError), args)
	if err != nil {
		return exitBad, err
	}
	policies, err := (&inputs{stdin: std.in}).load(files)
	if err != nil {
		return exitBad, err
	}
	if _, err := policy.Compile(policies); err != nil {
		return exitBad, err // with positions in the files, which the canonical form no longer has
	}
	docs := make([]*v1alpha1.EgressPolicy, len(policies))
	for i, p := range policies {
		if docs[i], err = v1alpha1.FromPolicy(p); err != nil {
			return exitBad, err
		}
	}
	var out bytes.Buffer
	if err := v1alpha1.Encode(&out, docs...); err != nil {
		return exitBad, err
	}
	_, err = std.out.Write(out.Bytes())
	return exitDone, err
}
