package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/render"
)

var update = flag.Bool("update", false, "write the table of the README anew")

const (
	readme     = "../../README.md"
	tableBegin = "<!-- features: go test ./examples/egressctl -update -->\n"
	tableEnd   = "<!-- end of features -->\n"
)

// rows are the features in the order and the words of the README.
var rows = []struct {
	feature render.Feature
	says    string
}{
	{render.HostExact, "exact names"},
	{render.HostSubdomains, "`*.foo.com`"},
	{render.HostGlob, "`api-*.foo.com`"},
	{render.TLSByName, "TLS by name"},
	{render.HTTPByName, "HTTP by name"},
	{render.HTTPMethods, "HTTP methods"},
	{render.HTTPPaths, "HTTP paths"},
	{render.OriginateSimpleTLS, "TLS originated on the way"},
	{render.OriginateMutualTLS, "mutual TLS originated on the way"},
	{render.TCPByName, "TCP by name"},
	{render.TCPByAddress, "TCP by address"},
	{render.UDPByAddress, "UDP by address"},
	{render.SCTPByAddress, "SCTP by address"},
	{render.PortRanges, "any port range"},
	{render.SourceEveryone, "rules for every workload"},
	{render.SourceAccounts, "sources by service account"},
	{render.SourcePods, "sources by pod labels"},
	{render.Baseline, "everything else denied"},
}

// overlooked are what targets that see TCP alone let pass, for another layer to say.
var overlooked = []render.Feature{render.UDPByAddress, render.SCTPByAddress}

// TestReadmeTable: what the README says of targets is what their renderers declare.
func TestReadmeTable(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the table")
	}
	want := before + tableBegin + featureTable(t) + tableEnd + after
	if *update {
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
	}
}

func featureTable(t *testing.T) string {
	t.Helper()
	stack, err := defaultProfile().stack(strings.Join(targetNames(), ","))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| |")
	for _, r := range stack {
		fmt.Fprintf(&b, " %s |", r.Target())
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(stack)) + "\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |", row.says)
		for _, r := range stack {
			cell := "loss"
			switch features := r.Features(); {
			case features[row.feature] == render.Same:
				cell = "same"
			case features[row.feature] == render.Wider, features[render.TCPAlone] == render.Same && slices.Contains(overlooked, row.feature):
				cell = "in a stack"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}
