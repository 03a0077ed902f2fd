package networkpolicy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	netv1 "k8s.io/api/networking/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// TestWidest: selectors that others cover go, whatever their number; what is left selects the same pods.
func TestWidest(t *testing.T) {
	var some, many []identity.PodSelector
	for i := range 2 * maxSelectors {
		p := labelled("a", map[string]string{"app": fmt.Sprint(i)})
		both, _ := p.With(identity.LabelRequirement{Key: "tier", Operator: "Exists"})
		if i < maxSelectors/2 {
			some = append(some, both, p, p)
		}
		many = append(many, p, p)
	}
	if got := widest(slices.Clone(some)); len(got) != maxSelectors/2 {
		t.Errorf("%d selectors are left of %d: %v", len(got), len(some), got)
	}
	if got := widest(slices.Clone(many)); len(got) != 2*maxSelectors {
		t.Errorf("%d selectors are left of %d", len(got), len(many))
	}
	whole := identity.PodSelector{Namespace: "a"}
	if got := widest(append(slices.Clone(many), whole, identity.PodSelector{Namespace: "b"})); len(got) != 2 || got[0].String() != "a" || got[1].String() != "b" {
		t.Errorf("%d selectors are left beside whole namespaces: %v", len(got), got)
	}
}

// TestGateways: a profile's gateways come before those of the stack, none included, and in ambient mode all are reached by HBONE.
func TestGateways(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile Profile
		want    string
	}{
		{"those of the stack", Profile{}, "[istio-system/app=edge 8443]"},
		{"ambient", Profile{Mesh: Mesh{DataPlane: Ambient}}, "[istio-system/app=edge 8443,15008]"},
		{"those of the profile", Profile{Gateways: []Gateway{{"b", Labels{"x": "y"}, ports(1)}, {"a", Labels{"x": "y"}, ports(2)}}}, "[a/x=y 2 b/x=y 1]"},
		{"none", Profile{Gateways: []Gateway{}}, "[]"},
	} {
		r, err := New(c.profile)
		if err != nil {
			t.Fatal(err)
		}
		engine, err := policy.Compile(nil)
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		probe := edge{func(p *render.Plan) {
			for _, g := range r.gateways(p) {
				seen = append(seen, fmt.Sprintf("%s %s", g.pods, g.ports))
			}
		}}
		if _, err := render.Render(render.NewPlan(engine, ""), render.Stack{probe}); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(seen); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// edge is a layer with a gateway.
type edge struct{ render func(*render.Plan) }

func (edge) Target() string            { return "edge" }
func (edge) Features() render.Features { return render.Features{render.Baseline: render.Same} }
func (edge) Gateways(*render.Plan) []render.Gateway {
	return []render.Gateway{{Namespace: "istio-system", PodLabels: map[string]string{"app": "edge"}, Ports: match.PortsOf(8443)}}
}

func (e edge) Render(p *render.Plan, out *render.Emitter) error {
	e.render(p)
	for g := range p.Grants() {
		out.Emit(render.Object{APIVersion: "v1", Kind: "Baseline", Name: "edge"}, render.Same, g)
	}
	return nil
}

// TestMembers reads labels as the mesh does.
func TestMembers(t *testing.T) {
	inventory, err := identity.NewInventory([]identity.Namespace{
		{Name: "enabled", Labels: map[string]string{"istio-injection": "enabled"}},
		{Name: "revision", Labels: map[string]string{"istio.io/rev": "canary"}},
		{Name: "disabled", Labels: map[string]string{"istio-injection": "disabled", "istio.io/rev": "canary"}},
		{Name: "mixed"},
		{Name: "plain"},
		{Name: "ambient", Labels: map[string]string{"istio.io/dataplane-mode": "ambient"}},
	}, nil, []identity.Pod{
		{Namespace: "mixed", Name: "a", Labels: map[string]string{"sidecar.istio.io/inject": "true"}},
		{Namespace: "mixed", Name: "b", Labels: map[string]string{"istio.io/rev": "canary"}},
		{Namespace: "mixed", Name: "c", Labels: map[string]string{"istio.io/dataplane-mode": "ambient"}},
		{Namespace: "disabled", Name: "a", Labels: map[string]string{"sidecar.istio.io/inject": "true"}},
		{Namespace: "plain", Name: "a", Labels: map[string]string{"sidecar.istio.io/inject": "false"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"ambient", "disabled", "enabled", "mixed", "plain", "revision", "unknown"}
	for _, c := range []struct {
		mesh Mesh
		want string
	}{
		{Mesh{DataPlane: Sidecar}, "[enabled mixed/sidecar.istio.io/inject=true mixed/istio.io/rev revision unknown]"},
		{Mesh{DataPlane: Ambient}, "[ambient mixed/istio.io/dataplane-mode=ambient unknown]"},
		{Mesh{DataPlane: Sidecar, Members: AllPods}, fmt.Sprint(all)},
		{Mesh{DataPlane: NoMesh}, fmt.Sprint(all)},
		{Mesh{}, fmt.Sprint(all)},
	} {
		if got := fmt.Sprint(membersOf(inventory, c.mesh).of(all)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.mesh, got, c.want)
		}
	}
	plain, err := identity.NewInventory([]identity.Namespace{{Name: "plain"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, inv := range []*identity.Inventory{nil, plain} {
		if m := membersOf(inv, Mesh{DataPlane: Sidecar}); !m.all {
			t.Errorf("an inventory without the mesh's labels closes the mesh: %+v", m)
		}
	}
}

// TestLargeRulesAreSplit: more networks than an object holds go to several, which together say them all.
func TestLargeRulesAreSplit(t *testing.T) {
	var list []netip.Prefix
	for i := range 3 * maxCIDRs {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7}), 32))
	}
	engine, err := policy.Compile([]*policy.Policy{{Name: "p", Sources: []policy.Source{{
		Name: "s", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}),
		Section: policy.Section{Allow: []policy.Rule{{Name: "r", To: policy.Destination{Addresses: match.NewPrefixes(list, nil), Protocol: policy.TCP, Ports: match.PortsOf(443)}}}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Profile{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{r})
	if err != nil {
		t.Fatal(err)
	}
	var said []netip.Prefix
	for _, o := range result.Objects {
		n := 0
		for _, rule := range o.Spec.(*netv1.NetworkPolicySpec).Egress {
			for _, peer := range rule.To {
				n++
				said = append(said, netip.MustParsePrefix(peer.IPBlock.CIDR))
			}
		}
		if n > maxCIDRs {
			t.Errorf("%s has %d networks", o.Name, n)
		}
	}
	slices.SortFunc(said, netip.Prefix.Compare)
	if !slices.Equal(said, list) {
		t.Errorf("%d networks are said, of %d", len(said), len(list))
	}
}
