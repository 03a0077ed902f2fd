package render_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// keeper is a layer with gateways that says nothing.
type keeper struct {
	target   string
	gateways []render.Gateway
	seen     *[]render.Gateway // what it learns of the stack
}

func (k keeper) Target() string                         { return k.target }
func (k keeper) Features() render.Features              { return render.Features{render.Baseline: render.Same} }
func (k keeper) Gateways(*render.Plan) []render.Gateway { return k.gateways }
func (k keeper) Render(p *render.Plan, out *render.Emitter) error {
	*k.seen = p.Gateways()
	for g := range p.Grants() {
		out.Emit(render.Object{APIVersion: "v1", Kind: "Baseline", Name: k.target}, render.Same, g)
	}
	return nil
}

// TestLayersLearnOfGateways: every layer learns of the gateways of all layers, each once, whatever their order.
func TestLayersLearnOfGateways(t *testing.T) {
	engine, err := policy.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway := func(namespace string, ports ...uint16) render.Gateway {
		return render.Gateway{Namespace: namespace, PodLabels: map[string]string{"app": "gateway", "tier": "edge"}, Ports: match.PortsOf(ports...)}
	}
	var first, second []render.Gateway
	a := keeper{"a", []render.Gateway{gateway("n", 443), gateway("m", 80)}, &first}
	b := keeper{"b", []render.Gateway{gateway("n", 8443)}, &second}
	plan := render.NewPlan(engine, "")
	for _, stack := range []render.Stack{{a, b}, {b, a}} {
		if _, err := render.Render(plan, stack); err != nil {
			t.Fatal(err)
		}
		want := []render.Gateway{gateway("m", 80), gateway("n", 443, 8443)}
		ports := cmp.Comparer(func(a, b match.Ports) bool { return a.Equal(b) })
		for _, got := range [][]render.Gateway{first, second} {
			if diff := cmp.Diff(want, got, ports); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
	}
	first[0].PodLabels["app"] = "changed"
	if slices.ContainsFunc(second, func(g render.Gateway) bool { return g.PodLabels["app"] == "changed" }) {
		t.Error("the layers share labels")
	}
	if got := plan.Gateways(); len(got) > 0 {
		t.Errorf("the plan itself has gateways: %v", got)
	}
}
