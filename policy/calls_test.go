package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/policy"
)

// For requests without a path or a method, rules that have some are as good as not there, whatever their effect.
func TestRulesWithCallsNeedCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		d := gen.Destination(policy.Allow).Filter(func(d policy.Destination) bool { return d.Protocol == policy.HTTP }).Draw(t, "to")
		d.Methods, d.Paths = []string{"GET"}, []policy.Path{policy.MustParsePath("/*")}
		switch rapid.IntRange(0, 2).Draw(t, "without") {
		case 0:
			d.Methods = nil
		case 1:
			d.Paths = nil
		}
		policies = append(policies, &policy.Policy{Name: "calls", Cluster: policy.Section{Allow: []policy.Rule{{To: d}}}})
		e := compile(t, policies)
		for range 4 {
			r := gen.Request(policies).Draw(t, "request")
			r.Protocol, r.Port = policy.HTTP, 80
			if !d.Ports.IsEmpty() {
				r.Port = d.Ports.Ranges()[0].First
			}
			noPath, noMethod := rapid.Bool().Draw(t, "no path"), rapid.Bool().Draw(t, "no method")
			if noPath {
				r.Path = ""
			}
			if noMethod {
				r.Method = ""
			}
			gone := func(d policy.Destination) bool { return noPath && len(d.Paths) > 0 || noMethod && len(d.Methods) > 0 }
			var rest []*policy.EffectiveRule
			for rule := range e.Rules() {
				left := *rule
				left.To = slices.DeleteFunc(slices.Clone(rule.To), gone)
				if len(left.To) > 0 || rule.Effect == policy.Within {
					rest = append(rest, &left)
				}
			}
			if got, want := e.Decide(r), reference.DecideRules(rest, r); got != want {
				t.Fatalf("%+v: %+v, and %+v without rules about calls", r, got, want)
			}
		}
	})
}

func TestCalls(t *testing.T) {
	d := policy.MustHosts("api.foo.com").HTTP()
	paths, methods, both := d, d, d
	paths.Paths = []policy.Path{policy.MustParsePath("/v1/*"), policy.MustParsePath("/health")}
	methods.Methods = []string{"GET", "HEAD"}
	both.Paths, both.Methods = paths.Paths, methods.Methods
	for _, c := range []struct {
		to           policy.Destination
		method, path string
		want         bool
	}{
		{d, "", "", true}, {d, "PUT", "/x", true},
		{paths, "", "", false}, {paths, "GET", "", false}, {paths, "", "/health", true}, {paths, "PUT", "/v1/x", true},
		{paths, "", "/v1/", true}, {paths, "", "/v1", false}, {paths, "", "/v1x", false}, {paths, "", "/health/", false}, {paths, "", "/", false},
		{methods, "", "", false}, {methods, "", "/health", false}, {methods, "GET", "", true}, {methods, "get", "", false}, {methods, "PUT", "/x", false},
		{both, "GET", "", false}, {both, "", "/health", false}, {both, "HEAD", "/v1/x/y", true}, {both, "PUT", "/health", false},
	} {
		e := compile(t, []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: policy.Rules(c.to)}}})
		r := request("shop", "a", "api.foo.com")
		r.Protocol, r.Port, r.Method, r.Path = policy.HTTP, 80, c.method, c.path
		if got := e.Decide(r).Allowed; got != c.want {
			t.Errorf("%s: %q %q: %v", c.to, c.method, c.path, got)
		}
		// Of other protocols than HTTP, nothing is a call.
		r.Protocol, r.Port = policy.TLS, 443
		if d := e.Decide(r); d.Reason != policy.NoRule {
			t.Errorf("%s: TLS is %v", c.to, d)
		}
	}
}

// Many rules about the calls of one host are looked up, and each still decides about its own.
func TestManyCalls(t *testing.T) {
	p := &policy.Policy{Name: "p"}
	for i := range 20 {
		d := policy.MustHosts("api.foo.com").HTTP()
		d.Paths = []policy.Path{policy.MustParsePath(fmt.Sprintf("/v%d/*", i)), policy.MustParsePath(fmt.Sprintf("/health%d", i))}
		if i%2 == 1 {
			d.Methods = []string{"GET"}
		}
		p.Cluster.Allow = append(p.Cluster.Allow, policy.Rule{Name: fmt.Sprint("r", i), To: d})
	}
	e := compile(t, []*policy.Policy{p})
	for path, want := range map[string]policy.RuleID{
		"/v8/": "p/r8", "/v8/x/y": "p/r8", "/v12/x": "p/r12", "/health8": "p/r8", "/v8": "", "/v77/x": "", "/x/v8/": "", "/health": "", "/v9/x": "", "": "",
	} {
		r := request("shop", "a", "api.foo.com")
		r.Protocol, r.Port, r.Method, r.Path = policy.HTTP, 80, "PUT", path
		if got := e.Decide(r); got.Rule != want {
			t.Errorf("%q: %v, want %q", path, got, want)
		}
	}
}
