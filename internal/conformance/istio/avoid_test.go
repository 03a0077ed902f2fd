package istio

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// TestRenderingAvoidsTraps renders, for each trap of Istio, the policy that would lead into it: shop/a is let pass, to nowhere but where it asks to
// go, or where the target cannot hold the rule it is a loss and nobody is; shop/b is not. The tenth trap is TestRecipeIsQuadratic's, and
// what is rendered is measured by TestSizes.
func TestRenderingAvoidsTraps(t *testing.T) {
	tls := func(host string) policy.Access {
		return policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}
	}
	http := func(host, path string) policy.Access {
		return policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost(host), Method: "GET", Path: path}
	}
	at := func(a policy.Access, address string) policy.Access {
		a.Address = netip.MustParseAddr(address)
		return a
	}
	const unextended, ambient, gatewayAPI = "istio without EnvoyFilter", "istio ambient", "gatewayapi"
	for _, tt := range []struct {
		name, rules string
		ask, closed []policy.Access
		lostIn      []string
	}{
		{"01 two names of one server", "allow: [{hosts: [a.example.com, b.example.com]}]", []policy.Access{tls("a.example.com"), tls("b.example.com")}, nil, nil},
		{"02 a server of mutual TLS without its route", "allow: [{hosts: [a.example.com]}]", []policy.Access{tls("a.example.com")}, []policy.Access{tls("c.example.com")}, nil},
		{"03 a gateway that sees no certificate", "allow: [{hosts: [a.example.com]}, {hosts: [a.example.com], protocol: HTTP}]", []policy.Access{tls("a.example.com"), http("a.example.com", "/")}, nil, nil},
		{"04 a name that the gateway does not get to see", "allow: [{hosts: [a.example.com, www.foo.com], ports: [443, 8443]}]", []policy.Access{tls("a.example.com"), tls("www.foo.com")}, nil, nil},
		{"05 a wildcard of HTTP that goes past the gateway", `allow: [{hosts: ["*.foo.com"], protocol: HTTP}]`, []policy.Access{http("a.foo.com", "/"), http("a.b.foo.com", "/")}, []policy.Access{http("foo.com", "/"), tls("a.foo.com")},
			[]string{unextended, gatewayAPI}},
		{"06 a name that leads to any address", `allow: [{hosts: [a.example.com]}, {hosts: ["*.foo.com"]}]`, []policy.Access{at(tls("a.example.com"), "203.0.113.66")}, []policy.Access{at(tls("evil.com"), "203.0.113.66")}, nil},
		{"06 a wildcard that leads to any address", `allow: [{hosts: ["*.foo.com"]}]`, []policy.Access{at(tls("a.foo.com"), "203.0.113.66")}, []policy.Access{at(tls("foo.com"), "203.0.113.66")}, []string{unextended, gatewayAPI}},
		{"07 a wildcard inside of a label", `allow: [{hosts: ["?*a.x.foo.com", a.example.com]}]`, []policy.Access{tls("a.example.com")}, []policy.Access{tls("ba.x.foo.com")}, nil},
		{"08 a name in two cases", "allow: [{hosts: [WWW.foo.com]}, {hosts: [www.Foo.com], ports: [443, 8443]}]", []policy.Access{tls("www.foo.com")}, nil, nil},
		{"09 a deny of HTTP beside TLS", "allow: [{hosts: [a.example.com]}, {hosts: [a.example.com], protocol: HTTP}], deny: [{hosts: [b.example.com], protocol: HTTP}]",
			[]policy.Access{tls("a.example.com"), http("a.example.com", "/")}, []policy.Access{http("b.example.com", "/")}, nil},
		{"11 bytes of TCP by name", "allow: [{hosts: [db.example.com], protocol: TCP, ports: [5432, 443]}, {hosts: [a.example.com]}]", []policy.Access{tls("a.example.com")},
			[]policy.Access{tls("evil.com"), {Protocol: policy.TCP, Port: 5432, Host: match.MustParseHost("db2.example.com")}, {Protocol: policy.TCP, Port: 5432}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, u := range targets(t) {
				d := differOf(t, u.settings[0], tt.rules)
				for i, source := range []string{"a", "b"} {
					for _, a := range slices.Concat(tt.ask, tt.closed) {
						r := policy.Request{Source: sourceOf(d.mesh.World, i, cluster, d.inventory), Access: a}
						passed := d.seen.Counts[honestReached]
						if _, err := d.honest(i, r); err != nil {
							t.Errorf("%s: %v", u.name, err)
						}
						want := source == "a" && slices.ContainsFunc(tt.ask, func(q policy.Access) bool { return q.String() == a.String() }) && !slices.Contains(tt.lostIn, u.name)
						if got := d.seen.Counts[honestReached] > passed; got != want {
							t.Errorf("%s: %s asks %v: passes: %v, want %v; losses %v", u.name, source, a, got, want, d.result.Losses)
						}
					}
				}
				for range 500 {
					if err := d.bypass(); err != nil {
						t.Fatalf("%s: %v", u.name, err)
					}
				}
			}
		})
	}
}

// differOf renders rules for shop/a in a setting, has every check accept them, and returns what compares traffic of shop/a and shop/b.
func differOf(t *testing.T, s setting, rules string) *differ {
	t.Helper()
	document := "{apiVersion: egresskit.io/v1alpha1, kind: EgressPolicy, metadata: {name: p}, spec: {sources: [{name: s, from: [{namespaces: [shop], serviceAccounts: [a]}], " + rules + "}]}}"
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(document)})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "shop", Name: "a", ServiceAccount: "a"}, {Namespace: "shop", Name: "b", ServiceAccount: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := renderPolicies(policies, s.stack, cluster, inv)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.world(inv, r.objs)
	if err != nil {
		t.Fatal(err)
	}
	if err := acceptable(w, r.objs); err != nil {
		t.Fatal(err)
	}
	m, err := pilot.NewMesh(w, r.objs)
	if err != nil {
		t.Fatal(err)
	}
	filter, err := newPacketFilter(w, inv, []*objects.Object{})
	if err != nil {
		t.Fatal(err)
	}
	return &differ{setting: s, rendered: r, mesh: m, filter: filter, inventory: inv, seen: newTally(), random: rand.New(rand.NewPCG(1, 1)), known: harvest(m, policies)}
}
