package istio

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// renderAll renders policies, accepting what the target cannot take away.
func renderAll(t *rapid.T, r *Renderer, policies []*policy.Policy, opts ...render.PlanOption) *render.Result {
	engine, err := policy.Compile(policies, policy.At(gen.Now))
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	plan := render.NewPlan(engine, "c1", opts...)
	res, err := render.Render(plan, render.Stack{r})
	var wider *render.WideningError
	if errors.As(err, &wider) {
		var accept []render.Option
		for _, l := range wider.Losses {
			accept = append(accept, render.AcceptWider(l.Grant.Rule, "for the test"))
		}
		res, err = render.Render(plan, render.Stack{r}, accept...)
	}
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return res
}

func yamlOf(t *rapid.T, res *render.Result) []byte {
	var b bytes.Buffer
	if err := render.WriteYAML(&b, res.Objects); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPlans renders generated policies: all that is accounted for, in objects that Istio takes, the same whatever the order.
func TestPlans(t *testing.T) {
	r := defaultRenderer(t)
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		var opts []render.PlanOption
		if rapid.Bool().Draw(t, "inventory") {
			inv, err := identity.NewInventory(
				[]identity.Namespace{{Name: "a", Labels: map[string]string{"app": "1"}}, {Name: "ab"}, {Name: "c", Labels: map[string]string{"tier": "1"}}},
				[]identity.ServiceAccount{{Namespace: "a", Name: "x"}, {Namespace: "ab", Name: "xy"}},
				[]identity.Pod{{Namespace: "a", Name: "p", ServiceAccount: "x", Labels: map[string]string{"app": "1"}}},
			)
			if err != nil {
				t.Fatal(err)
			}
			opts = append(opts, render.WithInventory(inv))
		}
		res := renderAll(t, r, policies, opts...)
		checkStructure(t, res.Objects)

		shuffled := rapid.Permutation(policies).Draw(t, "shuffled")
		for i, p := range shuffled {
			q := *p
			q.Sources = slices.Clone(p.Sources)
			slices.Reverse(q.Sources)
			shuffled[i] = &q
		}
		if !bytes.Equal(yamlOf(t, res), yamlOf(t, renderAll(t, r, shuffled, opts...))) {
			t.Fatal("the order of policies and sources shows in the output")
		}
	})
}
