package istio

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

func ambientWorld() *world.World {
	w := smallWorld()
	w.Gateways, w.Ambient = nil, true
	w.Waypoints = []world.Waypoint{{Namespace: "egress", Name: "egress-wp"}}
	return w
}

// ambientMesh returns the mesh of ambientObjects.
func ambientMesh(t *testing.T, replace ...string) *pilot.Mesh {
	t.Helper()
	m, err := pilot.NewMesh(ambientWorld(), ambientObjects(t, replace...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ambientObjects returns testdata/ambient/shape.yaml with replacements. What they turn into the kind Ignored is left out.
func ambientObjects(t *testing.T, replace ...string) []*objects.Object {
	t.Helper()
	return slices.DeleteFunc(replaced(t, "testdata/ambient/shape.yaml", replace...), func(o *objects.Object) bool { return o.GetKind() == "Ignored" })
}

// replaced returns the objects of a file with replacements, pairs of a text that the file must have and of what stands in its place.
func replaced(t *testing.T, file string, replace ...string) []*objects.Object {
	t.Helper()
	y, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(y)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("no %q in the configuration", replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	objs, err := objects.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// A named ask is a connection to a name: looked up, dialled and spoken to by it. at asks at the name's address while the bytes say
// something else.
type namedAsk struct {
	from  int
	at    string
	port  uint16
	bytes walk.Bytes
	want  string
}

func (a namedAsk) in(t *testing.T, m *pilot.Mesh) {
	t.Helper()
	to := netip.AddrPortFrom(m.Resolve(a.from, a.at, outsideAt(0).Addr()), a.port)
	out, err := m.Honest(a.from, to, a.bytes)
	if err != nil {
		t.Errorf("%v: %v", a, err)
		return
	}
	if got := ambientPlace(out); !strings.HasPrefix(got, a.want) {
		t.Errorf("workload %d to %s:%d (%v) with %v: %s, want %s\n\t%s", a.from, a.at, a.port, to, a.bytes, got, a.want, strings.Join(out.Trace, "\n\t"))
	}
	// A pod that holds its certificate itself gets no further by going to the waypoint itself.
	past, err := m.Tunnel(a.from, 0, to, a.bytes)
	if err != nil {
		t.Errorf("%v past ztunnel: %v", a, err)
	} else if past.Reached() && len(out.Hops) > 0 && ambientPlace(past) != ambientPlace(out) {
		t.Errorf("workload %d to %s:%d with %v: %s, and past ztunnel %s", a.from, a.at, a.port, a.bytes, ambientPlace(out), ambientPlace(past))
	}
}

func ambientPlace(o walk.Outcome) string {
	if o.Reached() && len(o.Hops) > 0 {
		return strings.TrimSuffix(place(o), " direct") + " by waypoint"
	}
	return place(o)
}

func to(from int, name string, want string) namedAsk {
	if want == "by waypoint" || want == "direct" {
		want = name + ":443 " + want
	}
	return namedAsk{from, name, 443, sni(name), want}
}

// TestWaypointAsEgressGateway asks the shape of testdata/ambient/shape.yaml about each of the ways that a waypoint can be got round.
func TestWaypointAsEgressGateway(t *testing.T) {
	m := ambientMesh(t)
	const denied, noRule, noChain = "denied", "denied: no access rule of egress-wp", "denied: no filter chain of listener main_internal"
	for _, a := range []namedAsk{
		to(sleep, "a.foo.com", "by waypoint"), to(other, "a.foo.com", noRule),
		to(sleep, "b.foo.com", noRule), to(other, "b.foo.com", "by waypoint"),
		to(sleep, "x.y.foo.com", "by waypoint"), to(other, "x.y.foo.com", noRule),
		// What nothing names falls to the entry for the rest, as does foo.com, on the ports that it declares and on others.
		to(sleep, "foo.com", noRule), to(sleep, "evil.com", noRule),
		{sleep, "evil.com", 8080, walk.Raw{}, noChain},
		{sleep, "a.foo.com", 8443, sni("a.foo.com"), noChain},
		// A forged server name: at an exact entry it goes to that entry's host, at a wildcard it is asked for.
		{sleep, "a.foo.com", 443, sni("evil.com"), "a.foo.com:443 by waypoint"},
		{sleep, "x.foo.com", 443, sni("evil.com"), noRule},
		{sleep, "x.foo.com", 443, sni(""), noRule},
		{sleep, "x.foo.com", 443, walk.Raw{}, noRule},
		// Reserved names below the wildcard.
		{sleep, "x.foo.com", 443, sni("b.foo.com"), noRule},
		{sleep, "x.foo.com", 80, get("b.foo.com"), noRule},
		// HTTP.
		{sleep, "a.foo.com", 80, get("a.foo.com"), "a.foo.com:80 by waypoint"},
		{other, "a.foo.com", 80, get("a.foo.com"), noRule},
		{sleep, "x.foo.com", 80, get("x.foo.com"), "x.foo.com:80 by waypoint"},
		{sleep, "x.foo.com", 80, get("evil.com"), noRule},
		{sleep, "x.foo.com", 80, get("x.foo.com:80"), "denied"},
		{sleep, "x.foo.com", 80, get("x.foo.com:22"), "denied"},
		{sleep, "x.foo.com", 80, get("x.foo.com."), "denied"},
	} {
		a.in(t, m)
	}
	for _, b := range []walk.Bytes{
		walk.TLS{Inner: walk.HTTP{Method: "CONNECT", Authority: "240.240.0.1:443", Tunnel: sni("a.foo.com")}},
		walk.TLS{Identity: "spiffe://elsewhere/ns/default/sa/sleep", Inner: walk.HTTP{Method: "CONNECT", Authority: "240.240.0.1:443", Tunnel: sni("a.foo.com")}},
		walk.TLS{Identity: "spiffe://cluster.local/ns/default/sa/sleep", Inner: walk.HTTP{Authority: "240.240.0.1:443"}},
		walk.TLS{Identity: "spiffe://cluster.local/ns/default/sa/sleep", Inner: walk.HTTP{Method: "CONNECT", Authority: "a.foo.com:443", Tunnel: sni("a.foo.com")}},
		sni("a.foo.com"), get("a.foo.com"),
	} {
		out, err := m.Bypass(sleep, netip.AddrPortFrom(m.World.WaypointIP(0), world.HBONE), b)
		if err != nil || out.Reached() {
			t.Errorf("%v: %v, %v", b, out, err)
		}
	}
}

// TestAmbientTraps changes one thing at a time, as a user might, and keeps what comes of it. None of this is found by a check.
func TestAmbientTraps(t *testing.T) {
	const noRule = "denied: no access rule of egress-wp"
	rest := "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: rest,"
	for _, tt := range []struct {
		name    string
		replace []string
		asks    []namedAsk
	}{
		{"01 nothing for the rest of the world", []string{rest, strings.Replace(rest, "kind: ServiceEntry", "kind: Ignored", 1)}, []namedAsk{
			to(sleep, "evil.com", "203.0.113.9:443 direct"),
			{other, "a.foo.com", 443, sni("a.foo.com"), noRule},
		}},
		{"02 a waypoint that is not there", []string{"labels: {istio.io/use-waypoint: egress-wp}", "labels: {istio.io/use-waypoint: misspelt}"}, []namedAsk{
			to(other, "a.foo.com", "direct"),
			to(sleep, "x.foo.com", `denied: ztunnel looks up "*.foo.com"`), // a wildcard fails closed
			to(sleep, "evil.com", "203.0.113.9:443 direct"),
		}},
		{"02 a waypoint that refuses the namespace", []string{"name: a-foo, namespace: egress, labels", "name: a-foo, namespace: default, labels: {istio.io/use-waypoint-namespace: egress, istio.io/use-waypoint: egress-wp}, x-labels"}, []namedAsk{
			to(other, "a.foo.com", "direct"),
		}},
		{"02 an entry that wants no waypoint", []string{"name: a-foo, namespace: egress, labels: {istio.io/use-waypoint: egress-wp}", "name: a-foo, namespace: egress, labels: {istio.io/use-waypoint: none}"}, []namedAsk{
			to(other, "a.foo.com", "direct"),
		}},
		{"03 a name looked up elsewhere", nil, []namedAsk{
			{sleep, "cached.example", 443, sni("a.foo.com"), noRule}, // dialled by its real address
		}},
		{"04 a wildcard without a rule on the server name", []string{`
    to: [{operation: {ports: ["443"]}}]
    when: [{key: connection.sni, values: ["*.foo.com"], notValues: [b.foo.com]}]`, `
    to: [{operation: {ports: ["443"]}}]`}, []namedAsk{
			{sleep, "x.foo.com", 443, sni("evil.com"), "evil.com:443 by waypoint"},
		}},
		{"05 a reserved name that the wildcard's rule forgets", []string{", notValues: [b.foo.com]", ""}, []namedAsk{
			to(sleep, "b.foo.com", noRule),
			{sleep, "x.foo.com", 443, sni("b.foo.com"), "b.foo.com:443 by waypoint"},
		}},
		{"06 a port or a final dot in the Host of a wildcard, and any Host at an exact entry", nil, []namedAsk{
			{sleep, "x.foo.com", 80, get("x.foo.com:80"), "denied"}, {sleep, "x.foo.com", 80, get("x.foo.com:22"), "denied"}, {sleep, "x.foo.com", 80, get("x.foo.com."), "denied"},
			{sleep, "a.foo.com", 80, get("evil.com"), "a.foo.com:80 by waypoint"},
		}},
		{"07 a rule by host on TLS", []string{`when: [{key: connection.sni, values: ["*.foo.com"], notValues: [b.foo.com]}]`, ``, `to: [{operation: {ports: ["443"]}}]`, `to: [{operation: {ports: ["443"], hosts: ["*.foo.com"]}}]`}, []namedAsk{
			to(sleep, "x.foo.com", noRule),
		}},
		{"08 a policy that selects pods", []string{"targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: a-foo}]", "selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: egress-wp}}"}, []namedAsk{
			to(sleep, "a.foo.com", noRule),
		}},
		{"08 a policy in another namespace", []string{"kind: AuthorizationPolicy\nmetadata: {name: a-foo, namespace: egress}", "kind: AuthorizationPolicy\nmetadata: {name: a-foo, namespace: default}"}, []namedAsk{
			to(sleep, "a.foo.com", noRule),
		}},
		{"08 no policy at all", []string{"kind: AuthorizationPolicy", "kind: Ignored"}, []namedAsk{
			to(other, "a.foo.com", "by waypoint"), to(other, "x.foo.com", "by waypoint"), to(other, "evil.com", "203.0.113.9:443 by waypoint"),
		}},
		{"09 an older entry of a tenant", []string{"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n", `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a-foo, namespace: tenant, creationTimestamp: "2025-01-01T00:00:00Z"}
spec:
  hosts: [a.foo.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
`, "name: a-foo, namespace: egress, labels", `name: a-foo, namespace: egress, creationTimestamp: "2026-01-01T00:00:00Z", labels`}, []namedAsk{
			to(other, "a.foo.com", "direct"),
		}},
		{"09 upper case", []string{"hosts: [a.foo.com]", "hosts: [A.foo.com]"}, []namedAsk{
			to(sleep, "a.foo.com", "a.foo.com:443 by waypoint"), // as a name below the wildcard
			to(other, "a.foo.com", noRule),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := ambientMesh(t, tt.replace...)
			for _, a := range tt.asks {
				a.in(t, m)
			}
			// The eleventh: of all this no check says a word, but for one.
			found, err := check.Run(ambientWorld(), ambientObjects(t, tt.replace...))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range check.Unexplained(found) {
				if f.Error || f.Check != "IST0166" || tt.name != "08 a policy that selects pods" {
					t.Errorf("%v", f)
				}
			}
		})
	}
}

// TestSidecarsIgnoreWaypoints keeps the tenth trap: what ambient mode sends to a waypoint, an exported entry opens to every sidecar.
func TestSidecarsIgnoreWaypoints(t *testing.T) {
	y, err := os.ReadFile("testdata/ambient/shape.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for exported, want := range map[string]string{string(y): "denied", strings.ReplaceAll(string(y), `  exportTo: ["."]`+"\n", ""): "a.foo.com:443 direct"} {
		objs, err := objects.Parse([]byte(exported))
		if err != nil {
			t.Fatal(err)
		}
		m, err := pilot.NewMesh(smallWorld(), objs)
		if err != nil {
			t.Fatal(err)
		}
		ask{from: other, port: 443, bytes: sni("a.foo.com"), want: want}.in(t, m)
	}
}

func TestChecksPassWaypoint(t *testing.T) {
	found, err := check.Run(ambientWorld(), readObjects(t, "ambient/shape.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range check.Unexplained(found) {
		t.Error(f)
	}
}
