package istio

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
)

// TestUnambiguousPath compares the expression with the model, which denies requests whose path servers read in different ways.
func TestUnambiguousPath(t *testing.T) {
	to := policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("a.example")}, Protocol: policy.HTTP}
	engine, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{{To: to}}}}})
	if err != nil {
		t.Fatal(err)
	}
	regex := regexp.MustCompile("^(?:" + unambiguousPath + ")$")
	check := func(t interface {
		Errorf(string, ...any)
	}, path string) {
		d := engine.Decide(policy.Request{Access: policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("a.example"), Method: "GET", Path: path}})
		if got := regex.MatchString(path); got != d.Allowed {
			t.Errorf("%q: %t, and the model says %v", path, got, d)
		}
	}
	for c := range 256 {
		check(t, "/"+string(rune(c)))
		check(t, "/a/."+string(rune(c)))
		for _, hex := range []string{"0123456789abcdef", "0123456789ABCDEF"} {
			check(t, "/x%"+string(hex[c>>4])+string(hex[c&15]))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, "/"+rapid.StringOfN(rapid.SampledFrom([]rune("/..a%26fF\\;é?")), 1, 8, -1).Draw(t, "path"))
	})
}

// TestCalls tells for requests of two sources whether they pass, where rules ask for methods and paths. It holds for the model as well.
func TestCalls(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "calls.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    deny:
    - {hosts: ["*.example.com"], protocol: HTTP, methods: [POST], paths: ["/admin/*"]}
    - {hosts: [c.example.com], protocol: HTTP, methods: [DELETE]}
  sources:
  - {name: all, from: [{namespaces: [shop]}], allow: [{hosts: ["*.example.com", c.example.com], protocol: HTTP}]}
  - {name: some, from: [{namespaces: [news]}], allow: [{hosts: [a.example.com], protocol: HTTP, methods: [GET], paths: ["/v1/*", /health]}, {hosts: [c.example.com], protocol: HTTP, methods: [GET, DELETE]}]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	r := defaultRenderer(t)
	res, err := render.Render(render.NewPlan(engine, ""), render.Stack{r})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Losses) > 0 {
		t.Errorf("losses: %v", res.Losses)
	}
	read := reader{t, res.Objects, r.profile}
	for _, tt := range []struct {
		namespace, host, method, path string
		want                          bool
	}{
		{"news", "a.example.com", "GET", "/v1/x", true},
		{"news", "a.example.com", "GET", "/v1/", true},
		{"news", "a.example.com", "GET", "/health", true},
		{"news", "a.example.com", "GET", "/v1", false},
		{"news", "a.example.com", "GET", "/health/", false},
		{"news", "a.example.com", "POST", "/v1/x", false},
		{"news", "a.example.com", "GET", "/v1/../admin", false},
		{"news", "a.example.com", "GET", "/v1//x", false},
		{"news", "b.example.com", "GET", "/v1/x", false},
		{"news", "c.example.com", "GET", "/x", true},
		{"news", "c.example.com", "PUT", "/x", false},
		{"news", "c.example.com", "DELETE", "/x", false},
		{"shop", "a.example.com", "POST", "/x", true},
		{"shop", "a.example.com", "GET", "/admin/x", true},
		{"shop", "a.example.com", "POST", "/admin/x", false},
		{"shop", "a.example.com", "POST", "//admin/x", false},
		{"shop", "a.example.com", "POST", "/%61dmin/x", false},
		{"shop", "b.example.com", "POST", "/admin/x", false},
		{"shop", "b.example.com", "DELETE", "/x", true},
		{"shop", "c.example.com", "DELETE", "/x", false},
	} {
		who := identity.Workload{Namespace: tt.namespace, ServiceAccount: "a"}
		id, _ := who.SPIFFE()
		if got := read.lets(id, policy.HTTP, 80, tt.host, tt.method, tt.path); got != tt.want {
			t.Errorf("%v: %t", tt, got)
		}
		d := engine.Decide(policy.Request{Source: who, Access: policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost(tt.host), Method: tt.method, Path: tt.path}})
		if d.Allowed != tt.want {
			t.Errorf("%v: the model says %v", tt, d)
		}
		if tt.want && !read.steers(tt.namespace, policy.HTTP, 80, match.MustParseHost(tt.host)) {
			t.Errorf("%v is not steered", tt)
		}
	}
}
