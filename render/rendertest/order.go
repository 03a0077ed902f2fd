package rendertest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// checkOrder renders again, and with policies, sources, rules and layers in another order: all must give the same bytes.
func (s *suite) checkOrder(t rapid.TB) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		g := gen.Worlds(cluster, 6).Draw(t, "world")
		plan := render.NewPlan(g.Engine, cluster, render.WithInventory(g.Inventory))
		first := text(plan, s.stack())
		if diff := cmp.Diff(first, text(plan, s.stack())); diff != "" {
			t.Fatalf("a second rendering of the same plan differs:\n%s", diff)
		}
		reverse(g.Policies)
		e, err := policy.Compile(g.Policies, policy.At(gen.Now))
		if err != nil {
			t.Fatalf("%v", err)
		}
		stack := s.stack()
		slices.Reverse(stack)
		if diff := cmp.Diff(first, text(render.NewPlan(e, cluster, render.WithInventory(g.Inventory)), stack)); diff != "" {
			t.Fatalf("policies in another order are rendered otherwise:\n%s", diff)
		}
	})
}

// reverse puts policies, sources and rules in another order.
func reverse(policies []*policy.Policy) {
	slices.Reverse(policies)
	for _, p := range policies {
		slices.Reverse(p.Sources)
		sections := []*policy.Section{&p.Cluster}
		for i := range p.Sources {
			sections = append(sections, &p.Sources[i].Section)
		}
		for _, s := range sections {
			slices.Reverse(s.Allow)
			slices.Reverse(s.Deny)
			slices.Reverse(s.Within)
		}
	}
}

// text returns all that a rendering says.
func text(p *render.Plan, stack render.Stack) string {
	result, err := render.Render(p, stack)
	if err != nil {
		return err.Error()
	}
	return yamlOf(result.Objects) + fmt.Sprintln(result.Losses, result.Assumptions, result.Assurances)
}

// checkConcurrent renders several plans at a time by the same renderers. With -race, it finds what they share.
func (s *suite) checkConcurrent(t rapid.TB) {
	t.Helper()
	var plans []*render.Plan
	var want []string
	for seed := range 4 {
		g := gen.Worlds(cluster, 6).Example(seed)
		plans = append(plans, render.NewPlan(g.Engine, cluster, render.WithInventory(g.Inventory)))
		want = append(want, text(plans[seed], s.stack()))
	}
	got := make([]string, 2*len(plans))
	var done sync.WaitGroup
	for i := range got {
		done.Go(func() { got[i] = text(plans[i%len(plans)], s.stack()) })
	}
	done.Wait()
	for i := range got {
		if diff := cmp.Diff(want[i%len(plans)], got[i]); diff != "" {
			t.Errorf("a rendering beside others differs:\n%s", diff)
		}
	}
}
