package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// TestDecisionsAgreeWithTheReference asks the engine and the slow reference the requests of the scenario, and a person's answers settle it.
func TestDecisionsAgreeWithTheReference(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: bytes.NewReader(policyYAML)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	want := []bool{true, false, true, true, false, false, true, true, false, true, false, true, false, false}
	got := 0
	for i, r := range requests(t) {
		fast, slow := engine.Decide(r), reference.Decide(policies, time.Now(), r)
		if fast.Allowed != slow.Allowed || fast.Reason != slow.Reason || fast.Allowed != want[i] {
			t.Errorf("%v: engine %v, reference %v, want %v", r, fast, slow, want[i])
		}
		got++
	}
	if got != len(want) {
		t.Errorf("%d requests for %d answers", got, len(want))
	}
}

func requests(t *testing.T) []policy.Request {
	t.Helper()
	f, err := os.Open("requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []policy.Request
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct {
			Source   identity.Workload
			Protocol string
			Host     match.Host
			Port     uint16
			Address  netip.Addr
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		protocol, err := policy.ParseProtocol(r.Protocol)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, policy.Request{Source: r.Source, Access: policy.Access{Protocol: protocol, Port: r.Port, Host: r.Host, Address: r.Address}})
	}
	return out
}

// TestRun: the main job prints the same on every run, and something for each target.
func TestRun(t *testing.T) {
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := run(w); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two runs print different things")
	}
	for _, want := range []string{
		"shop/a       TLS x.y.foo.com port 443       allowed by storefront/foo\n",
		"shop/b       TLS x.y.foo.com port 443       denied: no rule allows it\n",
		"\n# istio: ", "\n# networkpolicy: ", "\n# gatewayapi: ", "kind: EnvoyFilter\n", "kind: NetworkPolicy\n", "kind: TLSRoute\n",
	} {
		if !bytes.Contains(first.Bytes(), []byte(want)) {
			t.Errorf("%q is not printed", want)
		}
	}
}
