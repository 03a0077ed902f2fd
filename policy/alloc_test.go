package policy_test

import (
	"fmt"
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Decisions allocate nothing, whatever decides them.
func TestDecisionsDoNotAllocate(t *testing.T) {
	policies := scenario()
	glob := hosts("api-*.foo.com", "eu.*.foo.com")
	http := policy.Destination{Hosts: hosts("*.http.com").Hosts, Protocol: policy.HTTP, Methods: []string{"GET"}, Paths: []policy.Path{policy.MustParsePath("/v1/*")}}
	many := policy.Section{Allow: []policy.Rule{{To: glob}, {To: http}, {To: policy.MustAddresses("2001:db8::/32", "2001:db8::/64").TCP(5432)}}}
	for i := range 20 {
		d := policy.MustHosts("calls.foo.com").HTTP()
		d.Methods, d.Paths = []string{"GET"}, []policy.Path{policy.MustParsePath(fmt.Sprintf("/v%d/*", i))}
		many.Allow = append(many.Allow, policy.Rule{To: d})
	}
	for port := uint16(1000); port < 1020; port++ {
		d := hosts("many.foo.com")
		d.Ports = match.PortsOf(port)
		many.Allow = append(many.Allow, policy.Rule{To: d})
	}
	labelled := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}})
	policies[0].Sources = append(policies[0].Sources, policy.Source{Name: "many", From: labelled, Section: many})
	e := compile(t, policies)
	w := identity.Workload{Cluster: "c", Namespace: "shop", ServiceAccount: "a", Labels: map[string]string{"app": "a"}}
	v := e.For(w)
	addr := netip.MustParseAddr("203.0.113.9")
	for name, a := range map[string]policy.Access{
		"exact":    {Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("service1.foo.com")},
		"wildcard": {Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("a.b.c.foo.com")},
		"glob":     {Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("eu.api-1.foo.com")},
		"wide":     {Protocol: policy.TLS, Port: 1007, Host: match.MustParseHost("many.foo.com")},
		"http":     {Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("a.http.com"), Method: "GET", Path: "/v1/a%20b"},
		"calls":    {Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("calls.foo.com"), Method: "GET", Path: "/v7/a/b/c"},
		"denied":   {Protocol: policy.TCP, Port: 1, Host: match.MustParseHost("admin.foo.com")},
		"nobody":   {Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("nobody.example")},
		"v4":       {Protocol: policy.TCP, Port: 5432, Address: addr},
		"mapped":   {Protocol: policy.TCP, Port: 5432, Address: netip.AddrFrom16(addr.As16())},
		"v6":       {Protocol: policy.TCP, Port: 5432, Address: netip.MustParseAddr("2001:db8::1")},
		"both":     {Protocol: policy.TCP, Port: 5432, Address: addr, Host: match.MustParseHost("x.foo.com")},
		"invalid":  {},
	} {
		if n := testing.AllocsPerRun(100, func() { v.Decide(a) }); n != 0 {
			t.Errorf("%s: a view allocates %v times", name, n)
		}
		r := policy.Request{Source: w, Access: a}
		if n := testing.AllocsPerRun(100, func() { e.Decide(r) }); n != 0 {
			t.Errorf("%s: an engine allocates %v times", name, n)
		}
	}
}
