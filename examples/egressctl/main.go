// Command egressctl answers questions about egress policies and renders them for the systems that enforce them. It is built on the public
// packages alone and shows how they fit together.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/egresskit/egress/policy"
)

// Exit statuses.
const (
	exitDone   = 0 // done; of a single decision: allowed
	exitDenied = 1
	exitBad    = 2 // bad usage or input
)

const usage = `egressctl: state once which workloads may reach what outside the cluster

  egressctl render  --target istio,networkpolicy [--cluster C] [--inventory F] [--profile F] [--strict]
                    [--accept RULE=REASON]... [-o yaml|json] FILE...
  egressctl decide  --namespace N --service-account S [--labels k=v,...] --protocol TLS --host H --port P [--address A] [-o json] FILE...
                    [--cluster C] [--trust-domain T] [--namespace-labels k=v,...] [--method GET --path /a]
  egressctl decide  --requests REQUESTS.jsonl [-o json] FILE...
  egressctl explain the flags of decide, FILE...
  egressctl lint    [--inventory F [--cluster C]] FILE...
  egressctl fmt     FILE...

FILE is a policy document; - is standard input. Manifests and answers go to standard output, losses, assumptions and diagnostics to
standard error. fmt prints the canonical form of the documents, without comments. Exit status: 0 done (a single decision: allowed),
1 denied, 2 bad usage or input.
`

func main() {
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// A command runs one verb on its arguments and returns the exit status.
type command func(args []string, std stdio) (int, error)

func run(args []string, std stdio) int {
	commands := map[string]command{"render": renderCommand, "decide": decideCommand, "explain": explainCommand, "lint": lintCommand, "fmt": fmtCommand}
	if len(args) == 0 {
		fmt.Fprint(std.err, usage)
		return exitBad
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(std.out, usage)
		return exitDone
	}
	cmd, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(std.err, "egressctl: no command %q\n\n%s", args[0], usage)
		return exitBad
	}
	status, err := cmd(args[1:], std)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(std.out, usage)
		return exitDone
	}
	if ds := policy.Diagnostics(nil); errors.As(err, &ds) {
		fmt.Fprintln(std.err, ds) // each on a line that begins with its position
		return exitBad
	}
	if err != nil {
		fmt.Fprintf(std.err, "egressctl %s: %v\n", args[0], err)
		return exitBad
	}
	return status
}
