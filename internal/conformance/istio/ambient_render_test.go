package istio

import (
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

// ambientPolicy has what is told apart below a wildcard: a name of somebody else, a name of nobody, a deeper wildcard of somebody else.
const ambientPolicy = `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow:
    - {name: all, hosts: [all.example.com]}
    deny:
    - {name: closed, hosts: [closed.foo.com]}
  sources:
  - name: a
    from: [{namespaces: [shop], serviceAccounts: [a]}]
    allow:
    - {name: foo, hosts: ["*.foo.com"]}
    - {name: foo-http, hosts: ["*.foo.com"], protocol: HTTP}
    - {name: cnn, hosts: [edition.cnn.com], protocol: HTTP, originateTLS: {port: 443, mode: Simple}}
    - {name: alt, hosts: [alt.example.com], ports: [443, 8443]}
  - name: b
    from: [{namespaces: [shop], serviceAccounts: [b]}]
    allow:
    - {name: b-foo, hosts: [b.foo.com, "*.deep.foo.com"]}
    - {name: b-foo-http, hosts: [b.foo.com], protocol: HTTP}
    - {name: plain, hosts: [plain.example.com], protocol: HTTP}
    within:
    - hosts: ["*.foo.com", "*.example.com"]
`

// TestAmbientAgreesWithModel renders a policy for ambient mode and asks Istio where requests end up: honest ones, which look the name up and
// go by the address they get, and those of a pod that goes to the waypoint by itself, with its own certificate, to any name's address
// with any SNI or Host.
func TestAmbientAgreesWithModel(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(ambientPolicy)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	profile := renderistio.DefaultProfile()
	profile.DataPlane = renderistio.Ambient
	renderer, err := renderistio.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{renderer}, render.Strict())
	if err != nil {
		t.Fatal(err)
	}
	objs, err := objects.Rendered(result.Objects)
	if err != nil {
		t.Fatal(err)
	}
	w := &world.World{
		Ambient:   true,
		Workloads: []world.Workload{{Namespace: "shop", ServiceAccount: "a"}, {Namespace: "shop", ServiceAccount: "b"}, {Namespace: "news", ServiceAccount: "a"}},
		Waypoints: []world.Waypoint{{Namespace: profile.Waypoint.Namespace, Name: profile.Waypoint.Name}},
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
	names := []string{"all.example.com", "alt.example.com", "plain.example.com", "edition.cnn.com", "foo.com", "x.foo.com", "x.y.foo.com", "b.foo.com", "closed.foo.com", "p.deep.foo.com", "deep.foo.com", "evil.com", ""}
	allowed, denied := 0, 0
	decide := func(source world.Workload, protocol policy.Protocol, name string, port uint16) bool {
		a := policy.Access{Protocol: protocol, Port: port}
		if name != "" {
			a.Host = match.MustParseHost(name)
		}
		return engine.Decide(policy.Request{Source: identity.Workload{Namespace: source.Namespace, ServiceAccount: source.ServiceAccount}, Access: a}).Allowed
	}
	for i, source := range w.Workloads {
		for _, at := range names {
			to := outsideAt(0).Addr()
			if at != "" {
				to = m.Resolve(i, at, to)
			}
			for _, port := range []uint16{80, 443, 8443} {
				for _, name := range names {
					for protocol, b := range map[policy.Protocol]walk.Bytes{policy.TLS: sni(name), policy.HTTP: get(name)} {
						for how, ask := range map[string]func() (walk.Outcome, error){
							"honest": func() (walk.Outcome, error) { return m.Honest(i, netip.AddrPortFrom(to, port), b) },
							"tunnel": func() (walk.Outcome, error) { return m.Tunnel(i, 0, netip.AddrPortFrom(to, port), b) },
						} {
							out, err := ask()
							if err != nil {
								t.Fatalf("%s %v to %s:%d with %v: %v", how, source, at, port, b, err)
							}
							// Nobody gets anywhere that the model would not let it go to.
							if out.Reached() && out.Host == "" {
								t.Errorf("%s %v to %s:%d with %v: %v", how, source, at, port, b, out)
							} else if out.Reached() && !decide(source, policy.TLS, out.Host, out.Port) && !decide(source, policy.HTTP, out.Host, port) {
								t.Errorf("%s %v to %s:%d with %v: %v, which the model denies", how, source, at, port, b, out)
							}
							// Who asks for what it looked up gets there exactly when the model lets it.
							if name != at || name == "" {
								continue
							}
							want := decide(source, protocol, name, port)
							if out.Reached() != want {
								t.Errorf("%s %v to %s:%d with %v: %v, want %v\n\t%s", how, source, at, port, b, out, want, strings.Join(out.Trace, "\n\t"))
							}
							if want {
								allowed++
							} else {
								denied++
							}
							if out.Reached() && (out.Host != name || out.Origination != nil != (name == "edition.cnn.com")) {
								t.Errorf("%v with %v ends up at %v", source, b, out)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d allowed, %d denied", allowed, denied)
	if allowed < 20 || denied < 100 {
		t.Errorf("%d allowed, %d denied: too little was asked", allowed, denied)
	}
}
