package gatewayapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"pgregory.net/rapid"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
)

const scenario = "../../examples/quickstart/policy.yaml"

func renderer(t testing.TB) *gatewayapi.Renderer {
	t.Helper()
	r, err := gatewayapi.New(gatewayapi.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func plan(t testing.TB, policies []*policy.Policy) *render.Plan {
	t.Helper()
	engine, err := policy.Compile(policies, policy.At(gen.Now))
	if err != nil {
		t.Fatal(err)
	}
	return render.NewPlan(engine, "c1")
}

// TestScenario compares the objects for the quickstart's policy with what a person has read.
func TestScenario(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.Path(scenario))
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(plan(t, policies), render.Stack{renderer(t)})
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "testdata/scenario.yaml", result)
}

// TestGenerated renders generated policies: rules in another order give the same bytes, names are unique, and the objects keep to the limits
// of Gateway API and Istio.
func TestGenerated(t *testing.T) {
	r := renderer(t)
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds("c1", 4).Draw(t, "world")
		policies := w.Policies
		var inventory *identity.Inventory // unknown every other time
		if rapid.Bool().Draw(t, "inventory") {
			inventory = w.Inventory
		}
		render := func() ([]render.Object, string) {
			engine, err := policy.Compile(policies, policy.At(gen.Now))
			if err != nil {
				t.Fatal(err)
			}
			result, err := render.Render(render.NewPlan(engine, "c1", render.WithInventory(inventory)), render.Stack{r})
			if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
				return nil, err.Error()
			}
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := render.WriteYAML(&b, result.Objects); err != nil {
				t.Fatal(err)
			}
			return result.Objects, b.String() + fmt.Sprint(len(result.Losses))
		}
		objects, first := render()
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		random.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
		for _, p := range policies {
			random.Shuffle(len(p.Sources), func(i, j int) { p.Sources[i], p.Sources[j] = p.Sources[j], p.Sources[i] })
			for _, rules := range [][]policy.Rule{p.Cluster.Allow, p.Cluster.Deny} {
				random.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
			}
		}
		if _, second := render(); first != second {
			t.Fatalf("the order of rules changes the output:\n%s", cmp.Diff(first, second))
		}
		checkLimits(t, objects)
	})
}

// TestManyNames: more names than one Gateway has listeners for, and than it has ListenerSets for.
func TestManyNames(t *testing.T) {
	for n, want := range map[int][2]int{48: {1, 0}, 49: {1, 1}, 200: {1, 3}, 240: {1, 3}, 241: {2, 6}} {
		manyNames(t, n, want[0], want[1])
	}
}

func manyNames(t *testing.T, n, gateways, sets int) {
	t.Helper()
	var hosts []match.Pattern
	for i := range n {
		hosts = append(hosts, match.MustParsePattern(fmt.Sprintf("h%d.example.com", i)))
	}
	p := &policy.Policy{Name: "many", Sources: []policy.Source{{
		Name: "a", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"a"}}),
		Section: policy.Section{Allow: []policy.Rule{{To: policy.Destination{Hosts: hosts, Protocol: policy.TLS}}}},
	}}}
	result, err := render.Render(plan(t, []*policy.Policy{p}), render.Stack{renderer(t)}, render.Strict())
	if err != nil {
		t.Fatal(err)
	}
	checkLimits(t, result.Objects)
	kinds := map[string]int{}
	for _, o := range result.Objects {
		kinds[o.Kind]++
	}
	if kinds["TCPRoute"] != n || kinds["Gateway"] != gateways || kinds["ListenerSet"] > sets || (sets == 0) != (kinds["ListenerSet"] == 0) {
		t.Errorf("%d names: %v", n, kinds)
	}
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkLimits checks what the targets' own validation would, and that references hit.
func checkLimits(t fataler, objects []render.Object) {
	t.Helper()
	names := map[string]bool{}
	listeners := map[string]bool{}
	for _, o := range objects {
		key := strings.Join([]string{o.Kind, o.Namespace, o.Name}, "/")
		if names[key] || len(o.Name) > 63 {
			t.Fatalf("%s: twice, or too long", key)
		}
		names[key] = true
		switch spec := o.Spec.(type) {
		case *gateway.GatewaySpec:
			if len(spec.Listeners) > 64 {
				t.Fatalf("%s has %d listeners", o.Name, len(spec.Listeners))
			}
			ports := map[gateway.PortNumber]bool{}
			for _, l := range spec.Listeners {
				if ports[l.Port] {
					t.Fatalf("%s has two listeners on port %d", o.Name, l.Port)
				}
				ports[l.Port] = true
				listeners[o.Name+"/"+string(l.Name)] = true
			}
		case *gateway.ListenerSetSpec:
			if len(spec.Listeners) > 64 {
				t.Fatalf("%s has %d listeners", o.Name, len(spec.Listeners))
			}
			for _, l := range spec.Listeners {
				listeners[o.Name+"/"+string(l.Name)] = true
			}
		case *networking.ServiceEntry:
			// Istio ignores an HTTPRoute on a wildcard, and the traffic goes round the gateway.
			if slices.ContainsFunc(spec.Hosts, func(h string) bool { return strings.Contains(h, "*") }) {
				t.Fatalf("%s is of a wildcard: %v", o.Name, spec.Hosts)
			}
			ports := map[uint32]bool{}
			for _, p := range spec.Ports {
				if ports[p.Number] {
					t.Fatalf("%s has port %d twice", o.Name, p.Number)
				}
				ports[p.Number] = true
			}
			if !slices.Contains(spec.ExportTo, "*") && !slices.Contains(spec.ExportTo, "istio-egress") {
				t.Fatalf("%s is hidden from the gateway", o.Name)
			}
		case *networking.DestinationRule:
			if names["rule for "+spec.Host] {
				t.Fatalf("two DestinationRules for %s: Istio reads one", spec.Host)
			}
			names["rule for "+spec.Host] = true
		case *security.AuthorizationPolicy:
			for _, r := range spec.Rules {
				if len(r.From) == 0 || len(r.To) == 0 || len(spec.TargetRefs) == 0 {
					t.Fatalf("%s is open: %v", o.Name, spec)
				}
			}
		}
	}
	for _, o := range objects {
		for _, ref := range parents(o) {
			if ref.SectionName != nil && !listeners[string(ref.Name)+"/"+string(*ref.SectionName)] {
				t.Fatalf("%s: no listener %s/%s", o.Name, ref.Name, *ref.SectionName)
			}
			if ref.SectionName == nil && !names["ServiceEntry/istio-egress/"+string(ref.Name)] {
				t.Fatalf("%s: no ServiceEntry %s", o.Name, ref.Name)
			}
		}
	}
}

func parents(o render.Object) []gateway.ParentReference {
	switch spec := o.Spec.(type) {
	case *gateway.TLSRouteSpec:
		return spec.ParentRefs
	case *gateway.TCPRouteSpec:
		return spec.ParentRefs
	case *gateway.HTTPRouteSpec:
		return spec.ParentRefs
	}
	return nil
}

func TestProfileMistakes(t *testing.T) {
	for _, change := range []func(*gatewayapi.Profile){
		func(p *gatewayapi.Profile) { *p = gatewayapi.Profile{} },
		func(p *gatewayapi.Profile) { p.Namespace = p.RootNamespace },
		func(p *gatewayapi.Profile) { p.Namespace = "Shop" },
		func(p *gatewayapi.Profile) { p.Gateway = strings.Repeat("g", 60) },
		func(p *gatewayapi.Profile) { p.TrustDomain = "*" },
	} {
		p := gatewayapi.DefaultProfile()
		change(&p)
		if _, err := gatewayapi.New(p); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

func Example() {
	r, err := gatewayapi.New(gatewayapi.DefaultProfile())
	if err != nil {
		fmt.Println(err)
		return
	}
	engine, err := policy.Compile([]*policy.Policy{{Name: "shop", Sources: []policy.Source{{
		Name: "checkout", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout"}}),
		Section: policy.Section{Allow: []policy.Rule{
			{Name: "payments", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("api.stripe.com")}, Protocol: policy.TLS}},
			{Name: "images", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("*.images.example")}, Protocol: policy.TLS}},
		}},
	}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{r})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range result.Objects {
		fmt.Println(o.Kind)
	}
	for _, l := range result.Losses {
		fmt.Println("loss:", l.Grant.Rule, l.Feature)
	}
	// Output:
	// Gateway
	// TCPRoute
	// TLSRoute
	// DestinationRule
	// ServiceEntry
	// Sidecar
	// AuthorizationPolicy
	// loss: shop/images host-subdomains
}
