package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/marks"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/lint"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
)

var update = flag.Bool("update", false, "write the table of the README anew")

const readme = "../../README.md"

// TestReadmePolicy: the policy that the README shows compiles, decides what the README says of it, and is said by the stack without a loss.
func TestReadmePolicy(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("the README shows no policy")
	}
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "README.md", Reader: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) // before anything in it expires
	if found := lint.Check(policies, lint.At(now)); len(found) > 0 {
		t.Error(found)
	}
	engine, err := policy.Compile(policies, policy.At(now))
	if err != nil {
		t.Fatal(err)
	}
	checkout := engine.For(identity.Workload{Namespace: "shop", ServiceAccount: "checkout"})
	for host, want := range map[string]string{
		"api.stripe.com": "allowed by storefront/card-payments",
		"files.bar.com":  "denied by storefront/",
		"www.bar.com":    "allowed by storefront/",
		"bar.com":        "denied: no rule allows it",
	} {
		d := checkout.Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)})
		if !strings.HasPrefix(d.String(), want) {
			t.Errorf("%s: %s, want %s", host, d, want)
		}
	}
	inventory, err := identity.NewInventory(nil, nil, []identity.Pod{
		{Namespace: "shop", Name: "checkout", ServiceAccount: "checkout", Labels: map[string]string{"app": "checkout"}},
		{Namespace: "shop", Name: "orders", ServiceAccount: "orders", Labels: map[string]string{"app": "orders"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := defaultProfile().stack("istio,networkpolicy")
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, "prod-eu", render.WithInventory(inventory)), stack, render.Strict())
	if err != nil || len(result.Objects) == 0 {
		t.Error(err)
	}
}

// TestReadmeCommands: what the README says to type runs as it stands.
func TestReadmeCommands(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	verbs := 0
	for line := range strings.Lines(string(data)) {
		args, ok := strings.CutPrefix(line, "    go run ./examples/egressctl ")
		if !ok {
			continue
		}
		verbs++
		want := exitDone
		if strings.HasPrefix(args, "explain") {
			want = exitDenied
		}
		if status, _, stderr := egressctl(t, "", strings.Fields(args)...); status != want {
			t.Errorf("%s: status %d: %s", args, status, stderr)
		}
	}
	if verbs != 5 {
		t.Errorf("%d commands, want one of each verb", verbs)
	}
}

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
	const mark = "features"
	want := featureTable(t)
	if *update {
		if err := marks.Write(readme, mark, want); err != nil {
			t.Fatal(err)
		}
	}
	there, err := marks.Read(readme, mark)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, there); diff != "" {
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
