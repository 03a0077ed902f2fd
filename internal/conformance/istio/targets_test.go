package istio

import (
	"slices"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
	istiotarget "github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// A target is a shape of configuration, in several settings that generated policies are dealt to in turn.
type target struct {
	name     string
	settings []setting
}

// A setting is a stack of renderers and the mesh that it renders for.
type setting struct {
	name  string
	stack render.Stack
	mesh  world.World // without workloads; its classic gateway, if any, and what it is called

	// anyBytes says that nobody looks at what is spoken on a port for TLS: whoever may reach a name there by TLS may send it anything.
	anyBytes bool
}

// packetFiltered reports whether the stack has a packet filter.
func (s setting) packetFiltered() bool { return len(s.stack) > 1 }

// elsewhereMesh is a mesh that is called otherwise in all that has a name.
func elsewhereMesh() world.World {
	return world.World{TrustDomain: "mesh.example", Root: "mesh-root", Gateways: []world.Gateway{{
		Namespace: "way-out", Name: "exit", Labels: map[string]string{"role": "exit", "tier": "edge"},
		Ports: []world.Port{{Name: "plain", Number: 8081, Target: 10081}, {Name: "secure", Number: 15443, Target: 11443}},
	}}}
}

// elsewhereProfile is the profile of that mesh.
func elsewhereProfile(p *istiotarget.Profile) {
	m := elsewhereMesh()
	g := m.Gateways[0]
	p.TrustDomain, p.TrustAliases, p.RootNamespace = m.TrustDomain, []string{"old.example"}, m.Root
	p.Gateway = istiotarget.Gateway{
		Namespace: g.Namespace, Service: g.Name, PodLabels: g.Labels,
		HTTP: istiotarget.Port{Port: g.Ports[0].Number, TargetPort: g.Ports[0].Target}, TLS: istiotarget.Port{Port: g.Ports[1].Number, TargetPort: g.Ports[1].Target},
	}
	p.Waypoint = istiotarget.Waypoint{Namespace: g.Namespace, Name: g.Name}
}

func targets(t *testing.T) []target {
	t.Helper()
	packets, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	istio := func(changes ...func(*istiotarget.Profile)) render.Renderer {
		p := istiotarget.DefaultProfile()
		for _, change := range changes {
			change(&p)
		}
		r, err := istiotarget.New(p)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	version := func(v string) func(*istiotarget.Profile) {
		return func(p *istiotarget.Profile) { p.Version = v }
	}
	unextended := func(p *istiotarget.Profile) { p.EnvoyFilter = false }
	ambient := func(p *istiotarget.Profile) { p.DataPlane = istiotarget.Ambient }
	gateway := func(change func(*gatewayapi.Profile)) render.Renderer {
		p := gatewayapi.DefaultProfile()
		change(&p)
		r, err := gatewayapi.New(p)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plain := world.World{Gateways: []world.Gateway{world.ClassicGateway()}}
	capturing := plain
	capturing.DNSCapture = true
	waypoints := world.World{Ambient: true}
	waypointsElsewhere := elsewhereMesh()
	waypointsElsewhere.Gateways, waypointsElsewhere.Ambient = nil, true
	inRoot := elsewhereMesh()
	inRoot.Gateways = nil
	return []target{
		{"istio", []setting{
			{name: "1.31", stack: render.Stack{istio()}, mesh: plain},
			{name: "1.31, networkpolicy", stack: render.Stack{istio(), packets}, mesh: plain},
			{name: "1.30, other names, two trust domains", stack: render.Stack{istio(version("1.30"), elsewhereProfile)}, mesh: elsewhereMesh()},
			{name: "1.29.2, DNS capture, networkpolicy", stack: render.Stack{istio(version("1.29.2")), packets}, mesh: capturing},
		}},
		{"istio without EnvoyFilter", []setting{
			{name: "1.31", stack: render.Stack{istio(unextended)}, mesh: plain, anyBytes: true},
			{name: "1.29.0, networkpolicy", stack: render.Stack{istio(version("1.29")), packets}, mesh: plain, anyBytes: true},
			{name: "1.30, other names, two trust domains, DNS capture", stack: render.Stack{istio(version("1.30"), unextended, elsewhereProfile)}, mesh: func() world.World {
				m := elsewhereMesh()
				m.DNSCapture = true
				return m
			}(), anyBytes: true},
		}},
		{"istio ambient", []setting{
			{name: "1.31", stack: render.Stack{istio(ambient)}, mesh: waypoints},
			{name: "1.31, networkpolicy", stack: render.Stack{istio(ambient), packets}, mesh: waypoints},
			{name: "1.31, other names, two trust domains", stack: render.Stack{istio(ambient, elsewhereProfile)}, mesh: waypointsElsewhere},
		}},
		{"gatewayapi", []setting{
			{name: "standard", stack: render.Stack{gateway(func(*gatewayapi.Profile) {})}, anyBytes: true},
			{name: "experimental, other names", stack: render.Stack{gateway(func(p *gatewayapi.Profile) {
				p.Channel, p.Namespace, p.Gateway, p.TrustDomain, p.RootNamespace = "experimental", "way-out", "exit", inRoot.TrustDomain, inRoot.Root
			})}, mesh: inRoot, anyBytes: true},
			{name: "standard, networkpolicy", stack: render.Stack{gateway(func(*gatewayapi.Profile) {}), packets}, anyBytes: true},
		}},
	}
}

// world returns the cluster of an inventory in the setting, with the gateways and waypoints that objs ask for.
func (s setting) world(inv *identity.Inventory, objs []*objects.Object) (*world.World, error) {
	w := s.mesh
	w.Workloads = workloadsOf(inv)
	for _, ns := range inv.Namespaces() {
		w.Namespaces = append(w.Namespaces, ns.Name)
	}
	if w.Ambient {
		for _, o := range objs {
			if o.GetKind() == "Gateway" {
				w.Waypoints = append(w.Waypoints, world.Waypoint{Namespace: o.GetNamespace(), Name: o.GetName()})
			}
		}
		return &w, nil
	}
	managed, err := managedGateways(slices.DeleteFunc(slices.Clone(objs), func(o *objects.Object) bool { return o.GroupVersionKind().Group != "gateway.networking.k8s.io" }))
	w.Gateways = slices.Concat(w.Gateways, managed)
	return &w, err
}
