package istio

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
)

// TestGatewayAPIExamples renders the two policies that stand for the egress examples of Istio's documentation, HTTP and HTTPS, and walks what comes
// out: by applications through their sidecars, and by pods that go past them, to the outside and to the gateway.
func TestGatewayAPIExamples(t *testing.T) {
	for _, c := range []struct {
		policy string
		port   uint16 // of the name
		asks   []ask  // honest ones, from each workload alike
	}{
		{"http-egress", 80, []ask{
			{port: 80, bytes: get("edition.cnn.com"), want: "edition.cnn.com:80 by gateway"},
			{port: 80, bytes: get("EDITION.CNN.COM"), want: "edition.cnn.com:80 by gateway"},
			{port: 80, bytes: get("edition.cnn.com:80"), want: "edition.cnn.com:80 by gateway"},
			{port: 80, bytes: get("www.cnn.com"), want: "denied"},
			{port: 80, bytes: get("cnn.com"), want: "denied"},
			{port: 80, bytes: sni("edition.cnn.com"), want: "denied"},
			{port: 443, bytes: sni("edition.cnn.com"), want: "denied"}, // as documented it goes out directly
			{port: 8080, bytes: get("edition.cnn.com:8080"), want: "denied"},
		}},
		{"https-egress", 443, []ask{
			{port: 443, bytes: sni("edition.cnn.com"), want: "edition.cnn.com:443 by gateway"},
			{port: 443, bytes: sni("Edition.CNN.com"), want: "edition.cnn.com:443 by gateway"},
			{port: 443, bytes: sni("www.cnn.com"), want: "denied"},
			{port: 443, bytes: sni(""), want: "denied"},
			{port: 443, bytes: get("edition.cnn.com"), want: "denied"},
			{port: 443, bytes: walk.Raw{}, want: "denied"},
			{port: 80, bytes: get("edition.cnn.com"), want: "denied"},
		}},
	} {
		t.Run(c.policy, func(t *testing.T) {
			policies, err := v1alpha1.Load(v1alpha1.Path("../../../render/gatewayapi/testdata/" + c.policy + ".policy.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			m := renderMesh(t, policies, render.Strict())
			m.accepted(t)
			m.attached(t)
			mesh, err := pilot.NewMesh(m.world, m.objs)
			if err != nil {
				t.Fatal(err)
			}
			for i := range m.world.Workloads {
				for _, a := range c.asks {
					a.from = i
					got, err := a.walk(mesh)
					if err != nil {
						t.Fatal(err)
					}
					if arrived := arrival(got); arrived != a.want {
						t.Errorf("%v: %s, want %s\n%v", a, arrived, a.want, got.Trace)
					}
				}
			}
			m.compromised(t, mesh, "edition.cnn.com", c.port)
		})
	}
}

// arrival says where a connection ended: "denied", or where it arrived, and whether by a gateway that Istio made for Gateway API.
func arrival(o walk.Outcome) string {
	if !o.Reached() {
		return "denied"
	}
	way := "direct"
	if slices.ContainsFunc(o.Hops, func(h walk.Hop) bool { return strings.HasSuffix(h.Proxy, "-istio") }) {
		way = "by gateway"
	}
	return fmt.Sprintf("%s:%d %s", o.Host, o.Port, way)
}

// compromised has pods open connections to the gateway themselves, with their certificate and without, by every name to every port: nothing arrives
// anywhere but at the one name and port that the policy allows, and something does.
func (m meshed) compromised(t *testing.T, mesh *pilot.Mesh, host string, port uint16) {
	t.Helper()
	names := []string{host, "www.cnn.com", "cnn.com", "", strings.ToUpper(host)}
	reached := 0
	for i, w := range m.world.Workloads {
		for at := range outerNames(m.objs) {
			to := netip.AddrPortFrom(m.world.ServiceIP(0), at)
			for _, name := range names {
				for _, inner := range []walk.Bytes{sni(host), sni("www.cnn.com"), get(host), get("www.cnn.com"), get(host + ":8443"), walk.Raw{}} {
					own := walk.TLS{SNI: name, Identity: m.world.SPIFFE(w), Inner: inner}
					got, err := mesh.Bypass(i, to, own)
					if err != nil {
						t.Fatal(err)
					}
					if got.Reached() && (got.Host != host || got.Port != port) {
						t.Errorf("%v to port %d: %v\n%v", own, at, got, got.Trace)
					}
					if got.Reached() {
						reached++
					}
					if got, err := mesh.Bypass(i, to, inner); err != nil || got.Reached() {
						t.Errorf("%v to port %d without a certificate: %v, %v", inner, at, got, err)
					}
				}
			}
		}
	}
	if reached == 0 {
		t.Error("nothing passes by the gateway")
	}
}

// TestGatewayAPIWildcards: the wildcard of a ServiceEntry that an HTTPRoute is for is what Istio ignores, with the traffic going round the gateway.
// No policy leads there: wildcards are losses, and names below them are denied, whatever other names are allowed beside them.
func TestGatewayAPIWildcards(t *testing.T) {
	for _, allowed := range [][]policy.Destination{
		{policy.MustHosts("*.foo.com").HTTP(80), policy.MustHosts("*.foo.com").TLS(443)},
		{policy.MustHosts("*.foo.com", "a.foo.com").HTTP(80), policy.MustHosts("*.foo.com", "a.foo.com").TLS(443)},
		{policy.MustHosts("*.foo.com").HTTP(80), policy.MustHosts("a.foo.com").TLS(443, 8443), policy.MustHosts("*.a.foo.com", "foo.com").HTTP(80, 8080)},
	} {
		policies := []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: policy.Rules(allowed...)}}}
		m := renderMesh(t, policies)
		mesh, err := pilot.NewMesh(m.world, m.objs)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"x.foo.com", "x.a.foo.com", "a.foo.com", "foo.com"} {
			for _, a := range []policy.Access{
				{Protocol: policy.HTTP, Port: 80}, {Protocol: policy.HTTP, Port: 8080}, {Protocol: policy.TLS, Port: 443}, {Protocol: policy.TLS, Port: 8443},
			} {
				a.Host = match.MustParseHost(host)
				to, bytes, _ := spoken(a)
				got, err := mesh.Honest(0, to, bytes)
				if err != nil {
					t.Fatal(err)
				}
				exact := slices.ContainsFunc(allowed, func(d policy.Destination) bool {
					return d.Protocol == a.Protocol && d.Ports.Contains(a.Port) && slices.ContainsFunc(d.Hosts, match.MustParsePattern(host).Equal)
				})
				if got.Reached() != exact || exact && !strings.HasSuffix(arrival(got), "by gateway") {
					t.Errorf("%v allows %v: %v\n%v", allowed, a, got, got.Trace)
				}
			}
		}
	}
}

// suite is what the conformance suite of Gateway API expects of hostnames of listeners and routes (HTTPRouteHostnameIntersection): three listeners of a
// gateway, routes with a path each, and which requests arrive. It is the same since release 0.5.
var suite = struct {
	listeners []string
	routes    []suiteRoute
}{
	listeners: []string{"very.specific.com", "*.wildcard.io", "*.anotherwildcard.io"},
	routes: []suiteRoute{
		{hostnames: []string{"non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"}, accepted: true,
			arrive: []string{"very.specific.com", "very.specific.com:1234"}, miss: []string{"non.matching.com", "foo.nonmatchingwildcard.io", "foo.wildcard.io"}},
		{hostnames: []string{"non.matching.com", "wildcard.io", "foo.wildcard.io", "bar.wildcard.io", "foo.bar.wildcard.io"}, accepted: true,
			arrive: []string{"foo.wildcard.io", "bar.wildcard.io", "foo.bar.wildcard.io"}, miss: []string{"non.matching.com", "wildcard.io", "very.specific.com"}},
		{hostnames: []string{"non.matching.com", "*.specific.com"}, accepted: true,
			arrive: []string{"very.specific.com"}, miss: []string{"non.matching.com", "foo.specific.com", "foo.wildcard.io"}},
		{hostnames: []string{"*.anotherwildcard.io"}, accepted: true,
			arrive: []string{"foo.anotherwildcard.io", "bar.anotherwildcard.io", "foo.bar.anotherwildcard.io"}, miss: []string{"anotherwildcard.io", "foo.wildcard.io", "very.specific.com"}},
		{hostnames: []string{"specific.but.wrong.com", "wildcard.io"},
			miss: []string{"specific.but.wrong.com", "wildcard.io"}},
	},
}

type suiteRoute struct {
	hostnames    []string
	accepted     bool
	arrive, miss []string // by Host header
}

// TestGatewayAPISuite puts what the conformance suite expects beside the project's own patterns and beside Pilot: all three must agree on which routes
// a listener accepts, and on which requests arrive.
func TestGatewayAPISuite(t *testing.T) {
	for _, r := range suite.routes {
		var meet []match.Pattern // of the route's hostnames and the listeners'
		for _, l := range suite.listeners {
			for _, h := range r.hostnames {
				meet = append(meet, match.MustParsePattern(l).Intersect(match.MustParsePattern(h))...)
			}
		}
		if (len(meet) > 0) != r.accepted {
			t.Errorf("%v meets the listeners at %v, and is accepted: %v", r.hostnames, meet, r.accepted)
		}
		for _, host := range slices.Concat(r.arrive, r.miss) {
			name, _, _ := strings.Cut(host, ":")
			matches := slices.ContainsFunc(meet, func(p match.Pattern) bool { return p.Matches(match.MustParseHost(name)) })
			if want := slices.Contains(r.arrive, host); matches != want {
				t.Errorf("%v matches %s: %v, want %v", meet, host, matches, want)
			}
		}
	}
	objs, err := objects.Parse([]byte(suiteManifests()))
	if err != nil {
		t.Fatal(err)
	}
	w := &world.World{Workloads: []world.Workload{{Namespace: "shop", ServiceAccount: "a"}}, Gateways: []world.Gateway{world.ManagedGateway("infra", "intersection", 80)}}
	err = pilot.Run(w, objs, func(p *pilot.Pilot) error {
		if err := p.AwaitStatus(20*time.Second, func(written map[string]any) error {
			for i, r := range suite.routes {
				err := fulfilled(written[fmt.Sprintf("HTTPRoute/infra/route-%d", i)], []string{"Accepted"})
				if (err == nil) != r.accepted {
					return fmt.Errorf("route %d, accepted should be %v: %v", i, r.accepted, written)
				}
			}
			return nil
		}); err != nil {
			return err
		}
		mesh, err := p.Mesh()
		if err != nil {
			return err
		}
		for i, r := range suite.routes {
			for _, host := range slices.Concat(r.arrive, r.miss) {
				got, err := mesh.Bypass(0, netip.AddrPortFrom(w.ServiceIP(0), 80), walk.HTTP{Authority: host, Path: fmt.Sprintf("/s%d", i)})
				if err != nil {
					return err
				}
				want := slices.Contains(r.arrive, host)
				if got.Reached() != want || want && got.Host != "backend.example.com" {
					t.Errorf("route %d, %s: %v, want it to arrive: %v\n%v", i, host, got, want, got.Trace)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// suiteManifests says the suite's gateway and routes, with a backend outside.
func suiteManifests() string {
	var b strings.Builder
	b.WriteString(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: backend, namespace: infra}
spec: {hosts: [backend.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: intersection, namespace: infra}
spec:
  gatewayClassName: istio
  listeners:
`)
	for i, l := range suite.listeners {
		fmt.Fprintf(&b, "  - {name: listener-%d, port: 80, protocol: HTTP, hostname: %q}\n", i+1, l)
	}
	for i, r := range suite.routes {
		fmt.Fprintf(&b, `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route-%d, namespace: infra}
spec:
  parentRefs: [{name: intersection}]
  hostnames: [%q]
  rules:
  - matches: [{path: {type: PathPrefix, value: /s%d}}]
    backendRefs: [{group: networking.istio.io, kind: Hostname, name: backend.example.com, port: 80}]
`, i, strings.Join(r.hostnames, `", "`), i)
	}
	return strings.ReplaceAll(b.String(), `\"`, `"`)
}
