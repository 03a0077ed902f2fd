package gatewayapi_test

import (
	"slices"
	"strings"
	"testing"

	security "istio.io/api/security/v1beta1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// called reads the rules about HTTP at the gateway as their API says: whether some principal may call a host on a port.
func called(objects []render.Object, principal, host string, port, method, path string) bool {
	matches := func(patterns []string, s string) bool { // none: all
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
			prefix, open := strings.CutSuffix(p, "*")
			return p == s || open && strings.HasPrefix(s, prefix)
		})
	}
	ruled := func(action security.AuthorizationPolicy_Action) bool {
		for _, o := range objects {
			spec, ok := o.Spec.(*security.AuthorizationPolicy)
			if !ok || spec.Action != action {
				continue
			}
			for _, rule := range spec.Rules {
				from := slices.ContainsFunc(rule.From, func(f *security.Rule_From) bool {
					return matches(f.Source.Principals, principal) && (len(f.Source.NotPrincipals) == 0 || !matches(f.Source.NotPrincipals, principal))
				})
				to := slices.ContainsFunc(rule.To, func(t *security.Rule_To) bool {
					op := t.Operation
					return matches(op.Ports, port) && matches(op.Hosts, host) && matches(op.Methods, method) && matches(op.Paths, path)
				})
				if from && to {
					return true
				}
			}
		}
		return false
	}
	return ruled(security.AuthorizationPolicy_ALLOW) && !ruled(security.AuthorizationPolicy_DENY)
}

// TestCalls: who may make which calls to a name, and which calls are taken from whom. A deny whose sources can't be said takes its calls from all, which is a
// loss; and a name with rules by path has a route for paths of one reading alone.
func TestCalls(t *testing.T) {
	account := func(name string) identity.Selector {
		return identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{name}})
	}
	calls := func(host string, methods []string, paths ...string) policy.Destination {
		to := policy.MustHosts(host).HTTP(80)
		to.Methods = methods
		for _, p := range paths {
			to.Paths = append(to.Paths, policy.MustParsePath(p))
		}
		return to
	}
	denied := calls("api.x.com", []string{"DELETE"}, "/v1/*")
	odd := identity.MustSelector(identity.Term{ServiceAccounts: []string{"*-odd-*"}}) // no rule of Istio says it
	p := &policy.Policy{Name: "p", Cluster: policy.Section{Allow: policy.Rules(policy.MustHosts("plain.x.com").HTTP(80))}, Sources: []policy.Source{
		{Name: "a", From: account("a"), Section: policy.Section{Allow: policy.Rules(calls("api.x.com", []string{"GET", "HEAD"}, "/v1/*"))}},
		{Name: "b", From: account("b"), Section: policy.Section{Allow: policy.Rules(policy.MustHosts("api.x.com").HTTP(80)), Deny: policy.Rules(denied)}},
		{Name: "odd", From: odd, Section: policy.Section{Deny: policy.Rules(calls("plain.x.com", []string{"TRACE"}))}},
	}}
	result, err := renderAccepting(plan(t, []*policy.Policy{p}), render.Stack{renderer(t)})
	if err != nil {
		t.Fatal(err)
	}
	checkLimits(t, result.Objects)
	for _, c := range []struct {
		account, host, port, method, path string
		want                              bool
	}{
		{"a", "api.x.com", "80", "GET", "/v1/charges", true},
		{"a", "api.x.com:80", "80", "HEAD", "/v1/", true},
		{"a", "api.x.com", "80", "POST", "/v1/charges", false},
		{"a", "api.x.com", "80", "GET", "/v2", false},
		{"a", "api.x.com", "8080", "GET", "/v1/charges", false},
		{"b", "api.x.com", "80", "POST", "/v2", true},
		{"b", "api.x.com", "80", "DELETE", "/v1/charges", false},
		{"b", "api.x.com:80", "80", "DELETE", "/v1/charges", false},
		{"b", "api.x.com", "80", "DELETE", "/v2", true},
		{"c", "api.x.com", "80", "GET", "/v1/charges", false},
		{"c", "plain.x.com", "80", "GET", "/", true},
	} {
		if got := called(result.Objects, "cluster.local/ns/shop/sa/"+c.account, c.host, c.port, c.method, c.path); got != c.want {
			t.Errorf("%+v: passes: %v", c, got)
		}
	}
	bounded := map[gateway.Hostname]bool{}
	for _, o := range result.Objects {
		if spec, ok := o.Spec.(*gateway.HTTPRouteSpec); ok && len(spec.Hostnames) > 0 {
			bounded[spec.Hostnames[0]] = len(spec.Rules[0].Matches) > 0
		}
	}
	if !bounded["api.x.com"] || bounded["plain.x.com"] {
		t.Errorf("routes for paths of one reading alone: %v", bounded)
	}
	if !slices.ContainsFunc(result.Losses, func(l render.Loss) bool {
		return l.Grant.Rule == "p/odd-deny" || strings.HasPrefix(string(l.Grant.ID), "p/") && strings.Contains(l.Why, "*-odd-*")
	}) {
		t.Errorf("losses: %v", result.Losses)
	}
}
