package cilium_test

import (
	"strings"
	"testing"

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
	text := yamlOf(result.Objects)
	if !strings.Contains(text, "matchName: www.bar.com") || strings.Contains(text, "**.bar.com") || len(result.Losses) > 0 {
		t.Errorf("losses %v\n%s", result.Losses, text)
	}
}
