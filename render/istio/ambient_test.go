package istio_test

import (
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	telemetry "istio.io/api/telemetry/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
)

func ambientRenderer(t testing.TB) *istio.Renderer {
	t.Helper()
	p := istio.DefaultProfile()
	p.DataPlane = istio.Ambient
	r, err := istio.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAmbientIsClosed: whatever the policies, each entry is the waypoint's, is seen by no sidecar, and has a policy of its own that asks for a
// certificate; wildcards are pinned to their names; the waypoint has a policy without rules, and an entry takes everything else.
func TestAmbientIsClosed(t *testing.T) {
	r := ambientRenderer(t)
	rapid.Check(t, func(t *rapid.T) {
		engine, err := policy.Compile(gen.Policies().Draw(t, "policies"), policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, "c1"), render.Stack{r})
		if err != nil {
			return // a deny that a waypoint can't say
		}
		entries := map[string]*networking.ServiceEntry{}
		policies := map[string]*security.AuthorizationPolicy{}
		empty, rest, logged := false, false, false
		for _, o := range result.Objects {
			switch spec := o.Spec.(type) {
			case *networking.ServiceEntry:
				if o.Labels["istio.io/use-waypoint"] != "egress" || len(spec.ExportTo) != 1 || spec.ExportTo[0] != "." || o.Namespace != "istio-egress" {
					t.Fatalf("%s goes past the waypoint: %v", o.Name, spec)
				}
				if len(spec.Addresses) > 0 {
					rest = true
				} else {
					entries[o.Name] = spec
				}
			case *telemetry.Telemetry:
				logged = spec.TargetRefs[0].Kind == "Gateway"
			case *security.AuthorizationPolicy:
				if spec.TargetRefs[0].Kind == "Gateway" {
					empty = len(spec.Rules) == 0
				} else if spec.Action == security.AuthorizationPolicy_ALLOW {
					policies[spec.TargetRefs[0].Name] = spec
				}
			}
		}
		if !empty || !rest || !logged {
			t.Fatal("the waypoint is open, or nobody hears of what it does")
		}
		for name, entry := range entries {
			p := policies[name]
			if p == nil || len(p.Rules) < len(entry.Ports) {
				t.Fatalf("%s has %d ports and the policy %v", name, len(entry.Ports), p)
			}
			for _, rule := range p.Rules {
				if len(rule.From) == 0 || len(rule.From[0].Source.Principals) == 0 {
					t.Fatalf("%s asks for no certificate: %v", name, rule)
				}
				if wild := strings.HasPrefix(entry.Hosts[0], "*"); wild && len(rule.To[0].Operation.Hosts) == 0 && !pinned(rule, entry.Hosts[0]) {
					t.Fatalf("%s is not pinned to its names: %v", name, rule)
				}
			}
		}
	})
}

func pinned(rule *security.Rule, sni string) bool {
	for _, c := range rule.When {
		if c.Key == "connection.sni" && len(c.Values) == 1 && c.Values[0] == sni {
			return true
		}
	}
	return false
}

// TestAmbientNobody accounts for sources that no pod is known of: the waypoint is closed to them by being closed.
func TestAmbientNobody(t *testing.T) {
	from := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "none"}}})
	to := policy.Destination{Protocol: policy.TLS, Hosts: []match.Pattern{match.MustParsePattern("a.com")}}
	engine, err := policy.Compile([]*policy.Policy{{Name: "p", Sources: []policy.Source{{Name: "s", From: from, Section: policy.Section{Allow: []policy.Rule{{To: to}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "shop", Name: "web-0", ServiceAccount: "web"}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(inv)), render.Stack{ambientRenderer(t)}, render.Strict())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range result.Objects {
		if e, ok := o.Spec.(*networking.ServiceEntry); ok && len(e.Addresses) == 0 {
			t.Errorf("an entry for nobody: %v", e)
		}
	}
}
