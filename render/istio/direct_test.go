package istio_test

import (
	"slices"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/istio"
)

func directRenderer(t testing.TB) *istio.Renderer {
	t.Helper()
	p := istio.DefaultProfile()
	p.Egress = istio.Direct
	r, err := istio.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDirectEntries: whatever the policies, there is no gateway; an entry is for everybody or lies in the namespace that it is for; a name has one entry
// there; no entry leads to any address; and nothing is said to hold against a compromised pod.
func TestDirectEntries(t *testing.T) {
	r := directRenderer(t)
	rapid.Check(t, func(t *rapid.T) {
		engine, err := policy.Compile(gen.Policies().Draw(t, "policies"), policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, "c1"), render.Stack{r})
		if err != nil {
			return // a deny that sidecars can't say
		}
		seen := map[string]bool{}
		for _, o := range result.Objects {
			entry, ok := o.Spec.(*networking.ServiceEntry)
			if !ok {
				if !slices.Contains([]string{"Sidecar", "DestinationRule"}, o.Kind) {
					t.Fatalf("%s %s without a gateway", o.Kind, o.Name)
				}
				continue
			}
			if len(entry.Addresses) > 0 {
				continue // by address
			}
			if want := map[bool]string{true: "*", false: "."}[o.Namespace == "istio-system"]; !slices.Equal(entry.ExportTo, []string{want}) {
				t.Fatalf("%s of %s is exported to %v", o.Name, o.Namespace, entry.ExportTo)
			}
			if entry.Resolution == networking.ServiceEntry_NONE {
				t.Fatalf("%s leads to any address", o.Name)
			}
			for _, h := range entry.Hosts {
				if seen[o.Namespace+"/"+h] {
					t.Fatalf("%s has two entries in %s", h, o.Namespace)
				}
				seen[o.Namespace+"/"+h] = true
			}
		}
		for _, a := range result.Assurances {
			if a.Holds != render.Advisory {
				t.Fatalf("%v, and a compromised pod gets past its sidecar", a)
			}
		}
	})
}

// TestDirectUnderPacketFilter opens names for a namespace as a whole where another layer tells its accounts apart.
func TestDirectUnderPacketFilter(t *testing.T) {
	filter, err := cilium.New(cilium.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	plan := scenario(t)
	alone, err := render.Render(plan, render.Stack{directRenderer(t)})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := render.Render(plan, render.Stack{directRenderer(t), filter})
	if err != nil {
		t.Fatal(err)
	}
	lost := func(r *render.Result) bool {
		return slices.ContainsFunc(r.Losses, func(l render.Loss) bool { return l.Grant.Rule == "storefront/database" })
	}
	if !lost(alone) || lost(stack) {
		t.Errorf("alone: %v\nin a stack: %v", alone.Losses, stack.Losses)
	}
	open := func(r *render.Result) bool {
		return slices.ContainsFunc(r.Objects, func(o render.Object) bool {
			e, ok := o.Spec.(*networking.ServiceEntry)
			return ok && o.Namespace == "shop" && slices.Contains(e.Hosts, "*.baz.com")
		})
	}
	if open(alone) || !open(stack) {
		t.Error("*.baz.com has to be open in the stack, and closed alone")
	}
}
