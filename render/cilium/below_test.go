package cilium_test

import (
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/golden"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/cilium"
)

// TestBoundaryBelowWildcard: a boundary that holds one name of a wildcard leaves that name open, and nothing else of the wildcard.
func TestBoundaryBelowWildcard(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: web}
spec:
  sources:
  - name: shop
    from: [{namespaces: [shop]}]
    allow: [{hosts: ["*.bar.com"]}]
    within: [{hosts: [www.bar.com]}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	target, err := cilium.New(cilium.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{target})
	if err != nil {
		t.Fatal(err)
	}
	text := golden.YAML(result.Objects)
	if !strings.Contains(text, "matchName: www.bar.com") || strings.Contains(text, "**.bar.com") || len(result.Losses) > 0 {
		t.Errorf("losses %v\n%s", result.Losses, text)
	}
}

// TestBoundaryOfAPart: what a boundary leaves of TCP to some of the sources, packets do not tell from the rest, and it is a loss.
func TestBoundaryOfAPart(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: web}
spec:
  cluster:
    allow: [{name: tcp, hosts: [a.com], protocol: TCP, ports: [443]}]
  sources:
  - name: shop
    from: [{namespaces: [shop]}]
    within: [{hosts: [a.com], protocol: TLS, ports: [443]}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	profile := cilium.DefaultProfile()
	profile.TrustLearnedAddresses = true
	target, err := cilium.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{target})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Losses) != 1 || result.Losses[0].Grant.Rule != "web/tcp" || result.Losses[0].Feature != render.TCPByName {
		t.Errorf("losses %v\n%s", result.Losses, golden.YAML(result.Objects))
	}
}
