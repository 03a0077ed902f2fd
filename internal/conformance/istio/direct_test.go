package istio

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	istiotarget "github.com/egresskit/egress/render/istio"
)

func directProfile(p *istiotarget.Profile) { p.Egress = istiotarget.Direct }

// directPolicy has names that a namespace has for itself below a wildcard for all, names of nobody, and ports that differ by namespace.
const directPolicy = `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow:
    - {name: all, hosts: ["*.foo.com", all.example.com]}
    - {name: plain, hosts: [plain.example.com], protocol: HTTP}
    deny:
    - {name: closed, hosts: [closed.foo.com, "*.deep.foo.com"], protocol: TLS}
  sources:
  - name: shop
    from: [{namespaces: [shop]}]
    allow:
    - {name: bar, hosts: ["*.bar.com"]}
    - {name: alt, hosts: [all.example.com], ports: [8443]}
    - {name: cnn, hosts: [edition.cnn.com], protocol: HTTP, originateTLS: {port: 443, mode: Simple}}
    deny:
    - {name: not-for-shop, hosts: [news.foo.com, plain.example.com]}
  - name: news
    from: [{namespaces: [news]}]
    allow:
    - {name: x, hosts: [x.bar.com]}
    - {name: x-http, hosts: [x.foo.com], protocol: HTTP}
`

// TestDirect asks for names from sidecars that let them out themselves, closed by one Sidecar or by one in each namespace.
func TestDirect(t *testing.T) {
	for _, by := range []istiotarget.RegistryOnly{istiotarget.ByRootSidecar, istiotarget.ByNamespaceSidecars} {
		t.Run(string(by), func(t *testing.T) {
			asksDirectly(t, judgedBy(t, directPolicy, func(p *istiotarget.Profile) { p.Egress, p.RegistryOnly = istiotarget.Direct, by }, render.Strict()))
		})
	}
}

func asksDirectly(t *testing.T, j judged) {
	t.Helper()
	allowed, denied := 0, 0
	for i, w := range j.world.Workloads {
		for _, name := range []string{"all.example.com", "plain.example.com", "edition.cnn.com", "foo.com", "x.foo.com", "y.x.foo.com", "closed.foo.com", "a.deep.foo.com",
			"deep.foo.com", "news.foo.com", "bar.com", "x.bar.com", "y.bar.com", "y.x.bar.com", "evil.com", ""} {
			for _, port := range []uint16{80, 443, 8443} {
				for protocol, bytes := range map[policy.Protocol]walk.Bytes{policy.TLS: sni(name), policy.HTTP: get(name)} {
					a := policy.Access{Protocol: protocol, Port: port}
					if name != "" {
						a.Host = match.MustParseHost(name)
					}
					want := j.allows(i, a)
					out, err := j.mesh.Honest(i, netip.AddrPortFrom(outsideAt(0).Addr(), port), bytes)
					if err != nil {
						t.Fatalf("%v asks %v: %v", w, a, err)
					}
					if out.Reached() != want || want && out.Host != name {
						t.Errorf("%v asks %v: %v, want %v\n\t%s", w, a, out, want, strings.Join(out.Trace, "\n\t"))
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
	if allowed < 15 || denied < 100 {
		t.Errorf("%d allowed, %d denied: too little was asked", allowed, denied)
	}
	for _, a := range j.result.Assurances {
		if a.Holds != render.Advisory {
			t.Errorf("%v, and a compromised pod gets past it", a)
		}
	}
}

// TestDirectAgreesWithModel compares sidecars that let names out themselves with the model, by generated policies. There is no gateway to attack: what
// pods do past their sidecars is not held, and said to be advisory.
func TestDirectAgreesWithModel(t *testing.T) {
	plain := world.World{Gateways: []world.Gateway{world.ClassicGateway()}}
	capturing := plain
	capturing.DNSCapture = true
	direct := func(changes ...func(*istiotarget.Profile)) render.Stack {
		p := istiotarget.DefaultProfile()
		for _, change := range append(changes, directProfile) {
			change(&p)
		}
		r, err := istiotarget.New(p)
		if err != nil {
			t.Fatal(err)
		}
		return render.Stack{r}
	}
	u := target{"istio direct", []setting{
		{name: "1.31", stack: direct(), mesh: plain},
		{name: "1.31, DNS capture", stack: direct(), mesh: capturing},
		{name: "1.30, other names", stack: direct(func(p *istiotarget.Profile) { p.Version = "1.30" }, elsewhereProfile), mesh: elsewhereMesh()},
	}}
	policies := shortRun
	if os.Getenv("EGRESS_LONG") != "" {
		policies = longRun
	}
	sum := newTally()
	u.judge(t, number(t, "EGRESS_SEED", 0), number(t, "EGRESS_POLICIES", policies)/4, sum)
	t.Logf("\n%v", sum)
	if sum.Counts[honestReached] < shortRun || sum.Counts[honestDenied] < shortRun || sum.Counts[bypassReached] > 0 {
		t.Errorf("%d let pass, %d stopped, %d through a gateway that is not there", sum.Counts[honestReached], sum.Counts[honestDenied], sum.Counts[bypassReached])
	}
}
