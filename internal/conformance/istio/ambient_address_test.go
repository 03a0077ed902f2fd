package istio

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	renderistio "github.com/egresskit/egress/render/istio"
)

// judged is a policy rendered for a profile, accepted by every check, in a mesh of three accounts: shop/a, shop/b and news/a.
type judged struct {
	engine *policy.Engine
	result *render.Result
	world  *world.World
	mesh   *pilot.Mesh
}

func judgedBy(t *testing.T, document string, change func(*renderistio.Profile), options ...render.Option) judged {
	t.Helper()
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(document)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	profile := renderistio.DefaultProfile()
	change(&profile)
	renderer, err := renderistio.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	w := &world.World{
		Ambient: profile.DataPlane == renderistio.Ambient,
		Workloads: []world.Workload{
			{Namespace: "shop", ServiceAccount: "a", Labels: map[string]string{"app": "a"}},
			{Namespace: "shop", ServiceAccount: "b", Labels: map[string]string{"app": "b"}},
			{Namespace: "news", ServiceAccount: "a", Labels: map[string]string{"app": "a"}},
		},
	}
	if w.Ambient {
		w.Waypoints = []world.Waypoint{{Namespace: profile.Waypoint.Namespace, Name: profile.Waypoint.Name}}
	} else {
		w.Gateways = []world.Gateway{world.ClassicGateway()}
	}
	var pods []identity.Pod
	for i, p := range w.Workloads {
		pods = append(pods, identity.Pod{Namespace: p.Namespace, Name: fmt.Sprintf("p%d", i), ServiceAccount: p.ServiceAccount, Labels: p.Labels})
	}
	inventory, err := identity.NewInventory(nil, nil, pods)
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(inventory)), render.Stack{renderer}, options...)
	if err != nil {
		t.Fatal(err)
	}
	objs, err := objects.Rendered(result.Objects)
	if err != nil {
		t.Fatal(err)
	}
	found, err := check.Run(w, objs)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range check.Unexplained(found) {
		t.Error(f)
	}
	m, err := pilot.NewMesh(w, objs)
	if err != nil {
		t.Fatal(err)
	}
	return judged{engine, result, w, m}
}

// allows reports what the model says of the i-th workload.
func (j judged) allows(i int, a policy.Access) bool {
	w := j.world.Workloads[i]
	return j.engine.Decide(policy.Request{Source: identity.Workload{Namespace: w.Namespace, ServiceAccount: w.ServiceAccount, Labels: w.Labels}, Access: a}).Allowed
}

// ambientAddresses has networks inside each other, ports that some have for themselves, and a name whose address nobody may dial.
const ambientAddresses = `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow:
    - {name: all, hosts: [all.example.com]}
    deny:
    - {name: closed, cidrs: [203.0.113.13/32], protocol: TCP}
  sources:
  - name: a
    from: [{namespaces: [shop], serviceAccounts: [a]}]
    allow:
    - {name: database, cidrs: [203.0.113.0/24], protocol: TCP, ports: [5432, 5433]}
  - name: b
    from: [{namespaces: [shop], serviceAccounts: [b]}]
    allow:
    - {name: one, cidrs: [203.0.113.9/32, "2001:db8::/64"], protocol: TCP, ports: [5432, 443]}
  - name: news
    from: [{namespaces: [news]}]
    allow:
    - {name: news, cidrs: [203.0.113.8/30], except: [203.0.113.10/32], protocol: TCP, ports: [5432, 80]}
`

// TestAmbientAddresses asks, by address and port, for what the waypoint tells apart by certificate: of an honest pod, and of one that goes to
// the waypoint by itself.
func TestAmbientAddresses(t *testing.T) {
	j := judgedBy(t, ambientAddresses, func(p *renderistio.Profile) { p.DataPlane = renderistio.Ambient },
		render.AcceptWider("p/closed", "no name resolves to it here"))
	for _, l := range j.result.Losses {
		if l.Fidelity != render.Wider {
			t.Error(l)
		}
	}
	allowed, denied := 0, 0
	for i, w := range j.world.Workloads {
		for _, address := range []string{"203.0.113.8", "203.0.113.9", "203.0.113.10", "203.0.113.11", "203.0.113.13", "203.0.113.200", "203.0.114.1", "198.51.100.7"} {
			for _, port := range []uint16{80, 443, 5432, 5433, 8080} {
				to := netip.AddrPortFrom(netip.MustParseAddr(address), port)
				want := j.allows(i, policy.Access{Protocol: policy.TCP, Port: port, Address: to.Addr()})
				for _, bytes := range []walk.Bytes{walk.Raw{}, sni("all.example.com"), get("all.example.com")} {
					for how, ask := range map[string]func() (walk.Outcome, error){
						"honest": func() (walk.Outcome, error) { return j.mesh.Honest(i, to, bytes) },
						"tunnel": func() (walk.Outcome, error) { return j.mesh.Tunnel(i, 0, to, bytes) },
					} {
						out, err := ask()
						if err != nil {
							t.Fatalf("%s %v to %v: %v", how, w, to, err)
						}
						if out.Reached() != want || out.Reached() && (out.Addr != to.Addr() || out.Port != port) {
							t.Errorf("%s %v to %v with %v: %v, want %v\n\t%s", how, w, to, bytes, out, want, strings.Join(out.Trace, "\n\t"))
						}
						if want {
							allowed++
						} else {
							denied++
						}
					}
				}
			}
		}
	}
	if allowed < 50 || denied < 200 {
		t.Errorf("%d allowed, %d denied: too little was asked", allowed, denied)
	}
}

// TestAmbientPinsNames asks at the addresses of names that somebody may reach for other names, which a front end might have, too.
func TestAmbientPinsNames(t *testing.T) {
	j := judgedBy(t, `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow:
    - {name: tls, hosts: [a.example.com, "*.foo.com"]}
    - {name: http, hosts: [a.example.com, b.example.com], protocol: HTTP, ports: [80, 8080]}
`, func(p *renderistio.Profile) { p.DataPlane = renderistio.Ambient }, render.Strict())
	for _, at := range []string{"a.example.com", "b.example.com", "x.foo.com"} {
		to := j.mesh.Resolve(0, at, outsideAt(0).Addr())
		for _, port := range []uint16{80, 443, 8080} {
			for _, name := range []string{"a.example.com", "b.example.com", "x.foo.com", "front.example.net", ""} {
				for protocol, bytes := range map[policy.Protocol]walk.Bytes{policy.TLS: sni(name), policy.HTTP: walk.HTTP{Authority: fmt.Sprintf("%s:%d", name, port)}} {
					out, err := j.mesh.Tunnel(0, 0, netip.AddrPortFrom(to, port), bytes)
					if err != nil {
						t.Fatal(err)
					}
					access := policy.Access{Protocol: protocol, Port: port}
					if name != "" {
						access.Host = match.MustParseHost(name)
					}
					// Names of one entry share nothing but who may reach them: one may be asked for at the address of the other.
					if out.Reached() && !j.allows(0, access) {
						t.Errorf("%v at %s:%d arrives at %v", bytes, at, port, out)
					}
					if name == at && out.Reached() != j.allows(0, access) {
						t.Errorf("%v at %s:%d: %v", bytes, at, port, out)
					}
				}
			}
		}
	}
}

// TestAmbientMethods tells requests of HTTP apart by method at the waypoint.
func TestAmbientMethods(t *testing.T) {
	j := judgedBy(t, `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow:
    - {name: tls, hosts: [api.example.com]}
    - {name: read, hosts: [api.example.com, "*.foo.com"], protocol: HTTP, methods: [GET]}
    deny:
    - {name: no-delete, hosts: ["*.foo.com"], protocol: HTTP, methods: [DELETE]}
  sources:
  - name: a
    from: [{namespaces: [shop], serviceAccounts: [a]}]
    allow:
    - {name: write, hosts: [api.example.com], protocol: HTTP, methods: [POST, PUT]}
    - {name: all, hosts: ["*.foo.com"], protocol: HTTP}
  - name: b
    from: [{namespaces: [shop], serviceAccounts: [b]}]
    deny:
    - {name: no-get, hosts: [x.foo.com], protocol: HTTP, methods: [GET]}
`, func(p *renderistio.Profile) { p.DataPlane = renderistio.Ambient }, render.Strict())
	allowed := 0
	for i, w := range j.world.Workloads {
		for _, name := range []string{"api.example.com", "x.foo.com", "y.foo.com"} {
			to := j.mesh.Resolve(i, name, outsideAt(0).Addr())
			for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
				want := j.allows(i, policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost(name), Method: method, Path: "/"})
				out, err := j.mesh.Tunnel(i, 0, netip.AddrPortFrom(to, 80), walk.HTTP{Authority: name, Method: method, Path: "/"})
				if err != nil {
					t.Fatal(err)
				}
				if out.Reached() != want {
					t.Errorf("%v asks %s %s: %v, want %v\n\t%s", w, method, name, out, want, strings.Join(out.Trace, "\n\t"))
				}
				if want {
					allowed++
				}
			}
			out, err := j.mesh.Honest(i, netip.AddrPortFrom(to, 443), sni(name))
			if err != nil {
				t.Fatal(err)
			}
			if want := name == "api.example.com"; out.Reached() != want {
				t.Errorf("%v asks %s by TLS: %v, want %v", w, name, out, want)
			}
		}
	}
	if allowed < 10 {
		t.Errorf("%d allowed: too little was asked", allowed)
	}
}
