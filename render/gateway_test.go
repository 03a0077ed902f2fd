package render_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/identity"
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
		return render.Gateway{Namespace: namespace, PodLabels: map[string]string{"app": "gateway", "tier": "edge"}, Ports: match.PortsOf(ports...), Upstream: match.PortsOf(ports[0] + 1)}
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
		want[1].Upstream = match.PortsOf(444, 8444)
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

// lockedRoom is a layer with a gateway that asks nobody who they are.
type lockedRoom struct{ given **render.Plan }

func (lockedRoom) Target() string { return "room" }
func (lockedRoom) Features() render.Features {
	return render.Features{
		render.HostExact: render.Same, render.TLSByName: render.Same, render.SourceEveryone: render.Same,
		render.NamesAlone: render.Same, render.NamesApart: render.Same, render.SourcesByGateway: render.Same,
	}
}
func (lockedRoom) Gateways(p *render.Plan) []render.Gateway {
	var out []render.Gateway
	for _, c := range p.NameClasses(policy.TLS) {
		g := render.Gateway{Namespace: "rooms", PodLabels: map[string]string{"for": c.Sources.Key()}, Ports: match.PortsOf(443), Sources: &c.Sources}
		for _, grant := range c.Grants {
			g.Grants = append(g.Grants, grant.ID)
		}
		out = append(out, g)
	}
	return out
}
func (l lockedRoom) Render(p *render.Plan, out *render.Emitter) error {
	*l.given = p
	for g := range p.Grants() {
		if g.Kind == render.AllowGrant {
			out.Emit(render.Object{APIVersion: "v1", Kind: "Room", Name: render.Name("room", string(g.ID))}, render.Same, g)
		}
	}
	return nil
}

// doorman is a packet filter: with guards it keeps pods from gateways that are not for them.
type doorman struct{ guards bool }

func (doorman) Target() string { return "doorman" }
func (d doorman) Features() render.Features {
	f := render.Features{
		render.HostExact: render.Wider, render.TLSByName: render.Wider, render.TCPByAddress: render.Same, render.SourceEveryone: render.Same, render.SourcePods: render.Same,
		render.Baseline: render.Same, render.NamesApart: render.Same,
	}
	if d.guards {
		f[render.GuardsGateways] = render.Same
	}
	return f
}
func (doorman) Render(p *render.Plan, out *render.Emitter) error {
	for g := range p.Grants() {
		f := render.Same
		if g.Admit {
			f = render.Wider
		}
		out.Emit(render.Object{APIVersion: "v1", Kind: "Door", Name: render.Name("door", string(g.ID))}, f, g)
	}
	return nil
}

// TestSourcesByGateway: rules by name for some sources are exact where one layer has gateways for them and another guards these, and losses where
// nobody does. What is by address passes by the gateways unseen. The gateways are those for what is rendered.
func TestSourcesByGateway(t *testing.T) {
	shop := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}})
	news := identity.MustSelector(identity.Term{Namespaces: []string{"news"}})
	engine, err := policy.Compile([]*policy.Policy{{Name: "p", Sources: []policy.Source{
		{Name: "shop", From: shop, Section: policy.Section{Allow: policy.Rules(policy.MustHosts("a.com").TLS(443), policy.MustAddresses("203.0.113.0/24").TCP(5432))}},
		{Name: "news", From: news, Section: policy.Section{Allow: policy.Rules(policy.MustHosts("*.b.com").TLS(443))}}, // no layer says wildcards
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, guards := range []bool{true, false} {
		var given *render.Plan
		result, err := render.Render(render.NewPlan(engine, ""), render.Stack{lockedRoom{&given}, doorman{guards}})
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for _, o := range result.Objects {
			kinds[o.Kind]++
		}
		want, losses := map[string]int{"Room": 1, "Door": 3}, 1 // doors: the name, the network, and the baseline
		if !guards {
			want, losses = map[string]int{"Door": 2}, 2
		}
		if diff := cmp.Diff(want, kinds); diff != "" || len(result.Losses) != losses {
			t.Errorf("guarded: %v (-want +got)\n%s%v", guards, diff, result.Losses)
		}
		if given.Guarded() != guards {
			t.Errorf("the plan says that it is guarded: %v, want %v", given.Guarded(), guards)
		}
		var labels []string
		for _, g := range given.Gateways() {
			labels = append(labels, g.PodLabels["for"])
		}
		if guards && !slices.Equal(labels, []string{"namespaces=shop"}) {
			t.Errorf("gateways for %q", labels)
		}
	}
}
