package istio

import (
	"net/netip"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// TestGatewayAPICalls has the gateway tell requests apart by method and path, for applications and for pods that go to it themselves.
func TestGatewayAPICalls(t *testing.T) {
	api := func(methods []string, paths ...string) policy.Destination {
		to := policy.MustHosts("api.example.com").HTTP(80)
		to.Methods = methods
		for _, p := range paths {
			to.Paths = append(to.Paths, policy.MustParsePath(p))
		}
		return to
	}
	account := func(name string, s policy.Section) policy.Source {
		return policy.Source{Name: name, From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{name}}), Section: s}
	}
	m := renderMesh(t, []*policy.Policy{{Name: "p", Sources: []policy.Source{
		account("a", policy.Section{Allow: policy.Rules(api([]string{"GET"}, "/public/*"))}),
		account("b", policy.Section{Allow: policy.Rules(api(nil)), Deny: policy.Rules(api(nil, "/admin/*"))}),
	}}}, render.Strict())
	m.accepted(t)
	m.attached(t)
	mesh, err := pilot.NewMesh(m.world, m.objs)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from         int // a, b, and the reader of news
		method, path string
		want         bool
	}{
		{0, "GET", "/public/x", true}, {0, "POST", "/public/x", false}, {0, "GET", "/", false}, {0, "GET", "/public", false},
		{1, "POST", "/public/x", true}, {1, "GET", "/", true}, {1, "GET", "/admin/x", false}, {1, "GET", "/admin", true},
		{2, "GET", "/public/x", false},
	} {
		call := walk.HTTP{Authority: "api.example.com", Method: c.method, Path: c.path}
		own := walk.TLS{Identity: m.world.SPIFFE(m.world.Workloads[c.from]), Inner: call}
		honest, err := mesh.Honest(c.from, outsideAt(80), call)
		if err != nil {
			t.Fatal(err)
		}
		bypass, err := mesh.Bypass(c.from, netip.AddrPortFrom(m.world.ServiceIP(0), 80), own)
		if err != nil {
			t.Fatal(err)
		}
		if honest.Reached() != c.want || bypass.Reached() != c.want {
			t.Errorf("%d asks for %s %s: %v, and past its sidecar %v, want it to pass: %v\n%v", c.from, c.method, c.path, honest, bypass, c.want, honest.Trace)
		}
	}
}
