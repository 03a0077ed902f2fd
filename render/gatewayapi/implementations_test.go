package gatewayapi_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/golden"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
)

// portableProfile has a backend for every name of the generated policies, of the gateway's namespace and of another.
func portableProfile() gatewayapi.Profile {
	p := gatewayapi.DefaultProfile()
	p.Implementation = gatewayapi.Portable
	p.Backends = []gatewayapi.Backend{
		{Host: "*.com", Service: "proxy", Port: 3128},
		{Host: "*.a.com", Namespace: "proxies", Service: "a"},
		{Host: "*.io", Service: "io"},
	}
	return p
}

func linkerdProfile() gatewayapi.Profile {
	p := gatewayapi.DefaultProfile()
	p.Implementation = gatewayapi.Linkerd
	return p
}

func newRenderer(t fataler, p gatewayapi.Profile) *gatewayapi.Renderer {
	t.Helper()
	r, err := gatewayapi.New(p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

// renderAccepting renders and gives up every deny and boundary that can't be said, and the baseline.
func renderAccepting(p *render.Plan, stack render.Stack) (*render.Result, error) {
	result, err := render.Render(p, stack)
	var accept []render.Option
	for range 100 {
		wide := (*render.WideningError)(nil)
		if !errors.As(err, &wide) {
			break
		}
		for _, l := range wide.Losses {
			rule := l.Grant.Rule
			if rule == "" {
				rule = render.BaselineRule
			}
			accept = append(accept, render.AcceptWider(rule, "not what is tested"))
		}
		result, err = render.Render(p, stack, accept...)
	}
	return result, err
}

// bounds returns the rules without the allows that were lost, and without what was given up of denies.
func bounds(p *render.Plan, losses []render.Loss) (must, may []*policy.EffectiveRule) {
	lost := map[render.GrantID]bool{}
	for _, l := range losses {
		lost[l.Grant.ID] = true
	}
	for g := range p.Grants() {
		r := &policy.EffectiveRule{ID: policy.RuleID(g.ID), Sources: g.Source.Selector, To: []policy.Destination{g.To}}
		switch g.Kind {
		case render.AllowGrant:
			r.Effect = policy.Allow
		case render.DenyGrant:
			r.Effect = policy.Deny
		case render.BoundaryGrant:
			r.Effect, r.To = policy.Within, g.Within
		default:
			continue
		}
		if r.Effect != policy.Allow || !lost[g.ID] {
			must = append(must, r)
		}
		if r.Effect == policy.Allow || !lost[g.ID] {
			may = append(may, r)
		}
	}
	return must, may
}

// passes evaluates routes by what Gateway API says of hostnames: of those of the listener or network, the most specific one counts.
func passes(objects []render.Object, namespace string, r policy.Request) bool {
	kind, network := "TLSRoute", ""
	if r.Protocol == policy.HTTP {
		kind = "HTTPRoute"
	}
	networks := map[string]bool{}
	for _, o := range objects {
		networks[o.Namespace] = networks[o.Namespace] || o.Kind == "EgressNetwork"
	}
	if len(networks) > 0 && networks[namespace] {
		network = namespace
	} else if networks["linkerd-egress"] {
		network = "linkerd-egress"
	}
	section := fmt.Sprintf("%s-%d", strings.ToLower(r.Protocol.String()), r.Port)
	best := false
	for _, o := range objects {
		var parent gateway.ParentReference
		var names []gateway.Hostname
		switch spec := o.Spec.(type) {
		case *gateway.TLSRouteSpec:
			parent, names = spec.ParentRefs[0], spec.Hostnames
		case *gateway.HTTPRouteSpec:
			parent, names = spec.ParentRefs[0], spec.Hostnames
		default:
			continue
		}
		if o.Kind != kind || network != "" && (o.Namespace != network || *parent.Port != gateway.PortNumber(r.Port)) || network == "" && string(*parent.SectionName) != section {
			continue
		}
		if len(names) == 0 {
			return true
		}
		best = best || slices.ContainsFunc(names, func(n gateway.Hostname) bool { return match.MustParsePattern(string(n)).Matches(r.Host) })
	}
	return best
}

// TestImplementations compares the routes for generated policies with the model: nothing passes that it denies, and nothing is stopped that it
// allows, but for the losses. Rules for some sources alone are losses, or with Linkerd exact for whole namespaces.
func TestImplementations(t *testing.T) {
	for _, profile := range []gatewayapi.Profile{portableProfile(), linkerdProfile()} {
		t.Run(string(profile.Implementation), func(t *testing.T) {
			r := newRenderer(t, profile)
			passed, open := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				w := gen.Worlds("c1", 4).Draw(t, "world")
				access := w.Access()
				if rapid.Bool().Draw(t, "nested") {
					var err error
					if w.Engine, err = policy.Compile(nested(t), policy.At(gen.Now)); err != nil {
						t.Fatal(err)
					}
					access = rapid.Custom(nestedAccess)
				}
				plan := render.NewPlan(w.Engine, "c1", render.WithInventory(w.Inventory))
				result, err := renderAccepting(plan, render.Stack{r})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range result.Objects {
					checkRoute(t, o)
				}
				must, may := bounds(plan, result.Losses)
				for range 20 {
					request := policy.Request{Source: rapid.SampledFrom(w.Pods).Draw(t, "source"), Access: access.Draw(t, "access")}
					if request.Protocol != policy.TLS && request.Protocol != policy.HTTP || request.Host.IsZero() || request.Port == 0 {
						continue
					}
					request.Method, request.Path = "", ""
					if request.Protocol == policy.HTTP {
						request.Method, request.Path = "GET", "/"
					}
					got := passes(result.Objects, request.Source.Namespace, request)
					if got && !reference.DecideRules(may, request).Allowed {
						t.Fatalf("%v passes\n%v\n%v", request, result.Losses, describe(w.Engine))
					}
					if !got && reference.DecideRules(must, request).Allowed {
						t.Fatalf("%v does not pass\n%v\n%v", request, result.Losses, describe(w.Engine))
					}
					open++
					if got {
						passed++
					}
				}
			})
			if passed < 10 || passed == open {
				t.Errorf("%d of %d requests pass: too few to say anything", passed, open)
			}
		})
	}
}

// describe returns the rules of an engine, one a line.
func describe(e *policy.Engine) string {
	var b strings.Builder
	for r := range e.Rules() {
		fmt.Fprintf(&b, "%s: %v %v: %v\n", r.ID, r.Effect, r.Sources, r.To)
	}
	return b.String()
}

// nested draws a policy of names that lie below each other, for everybody, for namespaces and for accounts.
func nested(t *rapid.T) []*policy.Policy {
	rules := func(label string, most int) []policy.Rule {
		var out []policy.Rule
		for i := range rapid.IntRange(0, most).Draw(t, label) {
			host := rapid.SampledFrom([]string{"a.com", "*.a.com", "*.a.com", "b.a.com", "*.b.a.com", "c.b.a.com", "*.com"}).Draw(t, "host")
			to := policy.Destination{Hosts: []match.Pattern{match.MustParsePattern(host)}, Protocol: rapid.SampledFrom([]policy.Protocol{policy.TLS, policy.TLS, policy.HTTP}).Draw(t, "protocol")}
			out = append(out, policy.Rule{Name: fmt.Sprintf("%s-%d", label, i), To: to})
		}
		return out
	}
	p := &policy.Policy{Name: "nested", Cluster: policy.Section{Allow: rules("allow", 3), Deny: rules("deny", 1)}}
	for i := range rapid.IntRange(0, 2).Draw(t, "sources") {
		term := identity.Term{Namespaces: []string{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace")}}
		if rapid.IntRange(0, 2).Draw(t, "account") == 0 {
			term.ServiceAccounts = []string{"x"}
		}
		name := fmt.Sprintf("s%d", i)
		p.Sources = append(p.Sources, policy.Source{Name: name, From: identity.MustSelector(term), Section: policy.Section{Allow: rules(name+"-allow", 2), Deny: rules(name+"-deny", 1)}})
	}
	return []*policy.Policy{p}
}

// nestedAccess draws an access to one of the names of [nested].
func nestedAccess(t *rapid.T) policy.Access {
	a := policy.Access{Protocol: policy.TLS, Port: 443}
	if rapid.IntRange(0, 2).Draw(t, "http") == 0 {
		a.Protocol, a.Port = policy.HTTP, 80
	}
	a.Host = match.MustParseHost(rapid.SampledFrom([]string{"a.com", "x.a.com", "b.a.com", "x.b.a.com", "c.b.a.com", "x.c.b.a.com", "b.com"}).Draw(t, "host"))
	return a
}

// checkRoute checks the limits of routes.
func checkRoute(t fataler, o render.Object) {
	t.Helper()
	switch spec := o.Spec.(type) {
	case *gateway.HTTPRouteSpec:
		if len(spec.Hostnames) == 0 || len(spec.Hostnames) > 16 {
			t.Fatalf("%s has %d hostnames", o.Name, len(spec.Hostnames))
		}
	case *gateway.TLSRouteSpec:
		if len(spec.Hostnames) == 0 || len(spec.Hostnames) > 1024 || len(spec.Rules) != 1 {
			t.Fatalf("%s has %d hostnames and %d rules", o.Name, len(spec.Hostnames), len(spec.Rules))
		}
	}
}

// documented is the HTTP and the HTTPS example of the mesh's documentation, for everybody, and a rule for one source.
func documented() []*policy.Policy {
	cnn := []match.Pattern{match.MustParsePattern("edition.cnn.com")}
	return []*policy.Policy{{Name: "cnn", Cluster: policy.Section{Allow: []policy.Rule{
		{Name: "http", To: policy.Destination{Hosts: cnn, Protocol: policy.HTTP}},
		{Name: "https", To: policy.Destination{Hosts: cnn, Protocol: policy.TLS}},
	}}, Sources: []policy.Source{{
		Name: "shop", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}),
		Section: policy.Section{Allow: []policy.Rule{{Name: "payments", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("*.stripe.com")}, Protocol: policy.TLS}}}},
	}}}}
}

// TestDocumented compares the documented examples in each implementation with what a person has read.
func TestDocumented(t *testing.T) {
	external := gatewayapi.DefaultProfile()
	external.Implementation, external.Channel, external.ExternalHostnames = gatewayapi.Portable, "experimental", true
	for name, profile := range map[string]gatewayapi.Profile{
		"istio": gatewayapi.DefaultProfile(), "portable": portableProfile(), "linkerd": linkerdProfile(), "external": external,
	} {
		t.Run(name, func(t *testing.T) {
			result, err := renderAccepting(plan(t, documented()), render.Stack{newRenderer(t, profile)})
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, "testdata/documented-"+name+".yaml", result)
		})
	}
}

// compareGolden compares losses and objects with a file.
func compareGolden(t *testing.T, file string, result *render.Result) {
	t.Helper()
	var losses strings.Builder
	for _, l := range result.Losses {
		fmt.Fprintf(&losses, "# %s: %s %s\n", l.Fidelity, l.Grant.ID, l.Feature)
	}
	golden.Compare(t, file, losses.String()+golden.YAML(result.Objects))
}

// TestIstioExamples compares the objects for the two examples that Istio documents, HTTP and HTTPS egress, with what a person has read.
func TestIstioExamples(t *testing.T) {
	for _, name := range []string{"http-egress", "https-egress"} {
		policies, err := v1alpha1.Load(v1alpha1.Path("testdata/" + name + ".policy.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(plan(t, policies), render.Stack{renderer(t)}, render.Strict())
		if err != nil {
			t.Fatal(err)
		}
		compareGolden(t, "testdata/"+name+".yaml", result)
	}
}

// TestPortableAlone: routes say no baseline, so that they are no policy by themselves.
func TestPortableAlone(t *testing.T) {
	wide := (*render.WideningError)(nil)
	if _, err := render.Render(plan(t, documented()), render.Stack{newRenderer(t, portableProfile())}); !errors.As(err, &wide) {
		t.Errorf("error %v, want one about the baseline", err)
	}
}
