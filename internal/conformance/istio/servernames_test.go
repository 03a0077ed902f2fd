package istio

import (
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
)

// meshOf renders a document for a profile, holds what it gives to Istio's checks, and has the proxies of workloads default/sleep and
// other/sleep take it.
func meshOf(t *testing.T, document string, profile istio.Profile) (*pilot.Mesh, []*objects.Object) {
	t.Helper()
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(document)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	target, err := istio.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{target})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range result.Losses {
		t.Errorf("loss: %v", l)
	}
	objs, err := objects.Rendered(result.Objects)
	if err != nil {
		t.Fatal(err)
	}
	w := smallWorld()
	w.Gateways = []world.Gateway{world.ClassicGateway()}
	found, err := check.Run(w, objs)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range check.Unexplained(found) {
		t.Errorf("%v", f)
	}
	m, err := pilot.NewMesh(w, objs)
	if err != nil {
		t.Fatal(err)
	}
	return m, objs
}

// serverNames returns the server names that the gateway takes, by the name that they lead to.
func serverNames(objs []*objects.Object) map[string]string {
	out := map[string]string{}
	for _, o := range objs {
		spec, _ := o.Object["spec"].(map[string]any)
		endpoints, _ := spec["endpoints"].([]any)
		if o.GetKind() != "ServiceEntry" || len(endpoints) != 1 {
			continue
		}
		port := spec["ports"].([]any)[0].(map[string]any)["name"].(string)
		out[endpoints[0].(map[string]any)["address"].(string)+" "+port] = spec["hosts"].([]any)[0].(string)
	}
	return out
}

// TestServerNamesWithoutEnvoyFilter walks the shape that needs no EnvoyFilter: names of two sources, of one and of both, a name of HTTP besides,
// and dots and dashes that look alike in a label.
func TestServerNamesWithoutEnvoyFilter(t *testing.T) {
	p := istio.DefaultProfile()
	p.EnvoyFilter = false
	m, objs := meshOf(t, `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow: [{hosts: [both.example.com]}]
    deny: [{hosts: ["*.evil.com"]}]
  sources:
  - {name: a, from: [{namespaces: [default], serviceAccounts: [sleep]}], allow: [{hosts: [a.b.com, x.evil.com], ports: [443, 8443]}, {hosts: [a.b.com], protocol: HTTP, ports: [443]}]}
  - {name: b, from: [{namespaces: [other], serviceAccounts: [sleep]}], allow: [{hosts: [a-b.com]}, {hosts: [z.example.com], protocol: HTTP}]}
`, p)
	outer := serverNames(objs)
	if len(outer) != 4 {
		t.Fatalf("server names: %v", outer)
	}
	byGateway := func(name string, port string) string { return name + ":" + port + " by gateway" }
	for _, a := range []ask{
		{from: sleep, port: 443, bytes: sni("both.example.com"), want: byGateway("both.example.com", "443")},
		{from: other, port: 443, bytes: sni("both.example.com"), want: byGateway("both.example.com", "443")},
		{from: sleep, port: 443, bytes: sni("A.b.com"), want: byGateway("a.b.com", "443")},
		{from: sleep, port: 8443, bytes: sni("a.b.com"), want: byGateway("a.b.com", "8443")},
		{from: other, port: 443, bytes: sni("a-b.com"), want: byGateway("a-b.com", "443")},
		{from: sleep, port: 443, bytes: sni("a-b.com"), want: "denied"},
		{from: other, port: 443, bytes: sni("a.b.com"), want: "denied"},
		{from: other, port: 8443, bytes: sni("a.b.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni("x.evil.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni("x.example.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni(""), want: "denied"},
		{from: sleep, port: 443, bytes: walk.Raw{}, want: "denied"},
		{from: sleep, port: 443, bytes: get("a.b.com:443"), want: byGateway("a.b.com", "443")},
		{from: other, port: 80, bytes: get("z.example.com"), want: byGateway("z.example.com", "80")},
		{from: sleep, port: 80, bytes: get("z.example.com"), want: "denied"},

		raw(sleep, outer["a.b.com tls-8443"], sni("a.b.com"), byGateway("a.b.com", "8443")),
		raw(other, outer["a.b.com tls-443"], sni("a.b.com"), "denied"),
		raw(other, outer["a.b.com tls-443"], sni("a-b.com"), "denied"),
		raw(sleep, outer["a-b.com tls-443"], sni("a.b.com"), "denied"),
		raw(sleep, "x."+outer["a.b.com tls-443"], sni("a.b.com"), "denied"),
		raw(sleep, "a.b.com", sni("a.b.com"), "denied"),
		// What the shape does not hold, and its assurance says: any name, but at the addresses of an allowed one alone.
		raw(sleep, outer["a.b.com tls-443"], sni("a-b.com"), byGateway("a.b.com", "443")),
	} {
		a.in(t, m)
	}
}

// TestMethodsAndPaths walks requests of HTTP that rules tell apart by method and path, spelled as servers read them differently, too.
func TestMethodsAndPaths(t *testing.T) {
	m, _ := meshOf(t, `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    deny: [{hosts: ["*.example.com"], protocol: HTTP, paths: ["/admin/*"], methods: [POST]}]
  sources:
  - {name: a, from: [{namespaces: [default], serviceAccounts: [sleep]}], allow: [{hosts: ["*.example.com"], protocol: HTTP}, {hosts: [tls.example.com]}]}
  - {name: b, from: [{namespaces: [other], serviceAccounts: [sleep]}], allow: [{hosts: [a.example.com], protocol: HTTP, methods: [GET], paths: ["/v1/*", /health]}]}
`, istio.DefaultProfile())
	const passes = "a.example.com:80 by gateway"
	to := func(method, path string) walk.HTTP {
		return walk.HTTP{Authority: "a.example.com", Method: method, Path: path}
	}
	for _, a := range []ask{
		http(other, to("GET", "/v1/x"), passes), http(other, to("GET", "/v1/"), passes), http(other, to("GET", "/health"), passes),
		http(other, to("GET", "/v1/x?a=/../b"), passes),
		http(other, to("GET", "/v1"), "denied"), http(other, to("GET", "/health/"), "denied"), http(other, to("GET", "/v10"), "denied"),
		http(other, to("POST", "/v1/x"), "denied"), http(other, to("GET", "/admin/x"), "denied"),
		http(other, to("GET", "/v1//x"), "denied"),
		http(sleep, to("GET", "/admin/x"), passes), http(sleep, to("POST", "/admin"), passes), http(sleep, to("POST", "/other"), passes),
		http(sleep, to("POST", "/admin/x"), "denied"), http(sleep, to("POST", "//admin/x"), "denied"),
		http(sleep, walk.HTTP{Authority: "b.example.com", Method: "POST", Path: "/admin/x"}, "denied"),
		http(sleep, walk.HTTP{Authority: "b.example.com", Method: "POST", Path: "/"}, "b.example.com:80 by gateway"),
		// Rules about requests take nothing from connections.
		{from: sleep, port: 443, bytes: sni("tls.example.com"), want: "tls.example.com:443 by gateway"},
	} {
		a.in(t, m)
	}
}
