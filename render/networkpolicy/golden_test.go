package networkpolicy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/golden"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/networkpolicy"
)

// mesh is a stand-in for a layer that knows names, and lets addresses pass: all of them or, if it looks inside, those where TLS and HTTP are spoken that may.
type mesh struct{ looksInside bool }

func (mesh) Target() string { return "mesh" }

func (m mesh) Features() render.Features {
	f := render.Features{}
	for _, feature := range []render.Feature{
		render.HostExact, render.HostSubdomains, render.HostGlob, render.TLSByName, render.HTTPByName, render.HTTPMethods, render.HTTPPaths,
		render.OriginateSimpleTLS, render.OriginateMutualTLS, render.PortRanges, render.SourceEveryone, render.SourceAccounts, render.SourceAccountGlob,
		render.SourcePods, render.Baseline, render.NamesApart,
	} {
		f[feature] = render.Same
	}
	for _, feature := range []render.Feature{render.TCPByAddress, render.UDPByAddress, render.TLSByAddress, render.HTTPByAddress} {
		f[feature] = render.Wider
	}
	if m.looksInside {
		f[render.TLSByAddress], f[render.HTTPByAddress] = render.Same, render.Same
	}
	return f
}

func (mesh) Gateways(*render.Plan) []render.Gateway {
	return []render.Gateway{{Namespace: "istio-system", PodLabels: map[string]string{"istio": "egressgateway"}, Ports: match.PortsOf(8080, 8443)}}
}

func (mesh) Render(p *render.Plan, out *render.Emitter) error {
	for g := range p.Grants() {
		fidelity := render.Same
		switch {
		case g.Admit:
			fidelity = render.Wider
		case g.Kind == render.AllowGrant && len(g.To.Hosts) == 0:
			out.Assure(g, render.Assurance{EnforcedAt: "sidecar", Holds: render.Advisory, Why: "a pod goes round its sidecar"})
		default:
			out.Assure(g, render.Assurance{EnforcedAt: "gateway", Holds: render.WithPacketFilter, Why: "callers are known by certificate"})
		}
		out.Emit(render.Object{APIVersion: "v1", Kind: "Rule", Name: out.Name("rule", string(g.ID))}, fidelity, g)
	}
	return nil
}

// knownCluster is what an inventory.yaml holds: labels by namespace, and pods.
type knownCluster struct {
	Namespaces map[string]map[string]string
	Pods       []identity.Pod
}

func readInventory(t *testing.T, file string) *identity.Inventory {
	t.Helper()
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	var known knownCluster
	if err == nil {
		err = yaml.UnmarshalStrict(data, &known)
	}
	if err != nil {
		t.Fatal(err)
	}
	var namespaces []identity.Namespace
	for name, labels := range known.Namespaces {
		namespaces = append(namespaces, identity.Namespace{Name: name, Labels: labels})
	}
	inventory, err := identity.NewInventory(namespaces, nil, known.Pods)
	if err != nil {
		t.Fatal(err)
	}
	return inventory
}

// renderCase renders the policy of a case for its profile: alone, or with a layer that knows names.
func renderCase(t *testing.T, dir string) *render.Result {
	t.Helper()
	policies, err := v1alpha1.Load(v1alpha1.Path(filepath.Join(dir, "policy.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	profile := networkpolicy.DefaultProfile()
	if data, err := os.ReadFile(filepath.Join(dir, "profile.yaml")); err == nil {
		if err := yaml.UnmarshalStrict(data, &profile); err != nil {
			t.Fatal(err)
		}
	}
	filter, err := networkpolicy.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	stack := render.Stack{filter}
	if !strings.HasSuffix(dir, "-alone") {
		stack = append(stack, mesh{looksInside: true})
	}
	result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(readInventory(t, filepath.Join(dir, "inventory.yaml")))), stack)
	if err != nil {
		t.Fatal(err)
	}
	result.Objects = slices.DeleteFunc(result.Objects, func(o render.Object) bool { return o.Kind != "NetworkPolicy" })
	return result
}

var holds = map[render.Hold]string{render.Advisory: "advisory", render.WithPacketFilter: "holds with a packet filter", render.Holds: "holds"}

// TestGolden shows what is rendered for policies that are worth reading.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/policy.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no cases", err)
	}
	for _, policyFile := range dirs {
		dir := filepath.Dir(policyFile)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			result := renderCase(t, dir)
			var report strings.Builder
			for _, l := range result.Losses {
				fmt.Fprintf(&report, "loss: %s (%s, %s): %s\n", l.Grant.ID, l.Feature, l.Fidelity, l.Why)
			}
			for _, a := range result.Assumptions {
				if a.Target == networkpolicy.Target {
					fmt.Fprintf(&report, "assumption %s: %s\n", a.Code, a.Text)
				}
			}
			for _, a := range result.Assurances {
				fmt.Fprintf(&report, "assurance: %s: %s, %s: %s\n", a.Grant.ID, a.EnforcedAt, holds[a.Holds], a.Why)
			}
			golden.Compare(t, filepath.Join(dir, "objects.yaml"), golden.YAML(result.Objects))
			golden.Compare(t, filepath.Join(dir, "report.txt"), report.String())
		})
	}
}
