package istio_test

import (
	"slices"
	"testing"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/registry"
	"github.com/egresskit/egress/render/istio"
)

// TestRegistryOnly closes sidecars in each of the ways, with names to reach and without any.
func TestRegistryOnly(t *testing.T) {
	engine, err := policy.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := render.NewPlan(engine, "")
	for _, tt := range []struct {
		by       istio.RegistryOnly
		plan     *render.Plan
		sidecars []string // their namespaces
		assumed  string
	}{
		{"", scenario(t), []string{"istio-system"}, "one-root-sidecar"},
		{istio.ByRootSidecar, empty, []string{"istio-system"}, "one-root-sidecar"},
		{istio.ByNamespaceSidecars, scenario(t), []string{"news", "shop"}, "one-sidecar"},
		{istio.ByMeshConfig, scenario(t), nil, "registry-only"},
		{istio.ByMeshConfig, empty, nil, "registry-only"},
	} {
		p := istio.DefaultProfile()
		p.RegistryOnly = tt.by
		r, err := istio.New(p)
		if err != nil {
			t.Fatal(err)
		}
		res, err := render.Render(tt.plan, render.Stack{r})
		if err != nil {
			t.Errorf("%s: %v", tt.by, err)
			continue
		}
		var sidecars []string
		for _, o := range res.Objects {
			if o.Kind == "Sidecar" {
				sidecars = append(sidecars, o.Namespace)
				if s, ok := o.Spec.(registry.Only); !ok || s.WorkloadSelector != nil {
					t.Errorf("%s: %v", tt.by, o.Spec)
				}
			}
		}
		if !slices.Equal(sidecars, tt.sidecars) {
			t.Errorf("%s: Sidecars in %v, want %v", tt.by, sidecars, tt.sidecars)
		}
		if !slices.ContainsFunc(res.Assumptions, func(a render.Assumption) bool { return a.Code == tt.assumed }) {
			t.Errorf("%s: %s is not assumed: %v", tt.by, tt.assumed, res.Assumptions)
		}
	}
	p := istio.DefaultProfile()
	p.RegistryOnly = istio.ByNamespaceSidecars
	r, err := istio.New(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := render.Render(empty, render.Stack{r}); err == nil {
		t.Error("a mesh of no known namespace is said to be closed")
	}
}
