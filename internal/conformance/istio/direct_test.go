package istio

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/gen"
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

// TestDirect asks for names from sidecars that let them out themselves.
func TestDirect(t *testing.T) {
	j := judgedBy(t, directPolicy, directProfile, render.Strict())
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

// TestDirectAgreesWithModel compares sidecars that let names out themselves with the model, by generated policies.
func TestDirectAgreesWithModel(t *testing.T) {
	u := underTest{name: "istio direct", stack: render.Stack{istioTarget(t, directProfile)}}
	counts := map[string]int{}
	for seed := range seeds(t, shortRun/4) {
		inv, policies := inventory().Example(seed), generate(seed)
		fails := func(policies []*policy.Policy) error { return u.compareHonest(inv, policies, seed, counts) }
		err := fails(policies)
		if err == nil {
			continue
		}
		least := reduce(policies, func(p []*policy.Policy) bool {
			e := fails(p)
			if e != nil {
				err = e
			}
			return e != nil
		})
		t.Fatalf("EGRESS_SEED=%d: %v\nThe rules, reduced:\n%s", seed, err, describe(least))
	}
	t.Log(counts)
	if counts["honest reached"] < shortRun/4 || counts["honest denied"] < shortRun {
		t.Errorf("%v: too few to say anything", counts)
	}
}

// compareHonest renders policies, checks what was rendered, and compares what passes sidecars.
func (u underTest) compareHonest(inv *identity.Inventory, policies []*policy.Policy, seed int, counts map[string]int) error {
	r, err := renderPolicies(policies, u.stack, cluster, inv, policy.At(gen.Now))
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	w := worldOf(inv)
	found, err := check.Run(w, r.objs)
	if err != nil {
		return err
	}
	for _, f := range check.Unexplained(found) {
		return fmt.Errorf("%v", f)
	}
	m, err := pilot.NewMesh(w, r.objs)
	if err != nil {
		return err
	}
	filter, err := newPacketFilter(w, inv, r.objs)
	if err != nil {
		return err
	}
	d := &differ{underTest: u, mesh: m, filter: filter, inventory: inv, rendered: r, counts: counts, random: rand.New(rand.NewPCG(uint64(seed), 0))}
	ask := gen.Request(policies)
	for i := range requests {
		var r policy.Request
		var from int
		for n := range 1 + (i%2)*10 {
			r, from = d.settle(ask.Example((seed*requests+i)*11 + n))
			if d.bounds.mustPass(r) {
				break
			}
		}
		if err := d.honest(from, r); err != nil {
			return err
		}
	}
	return nil
}
