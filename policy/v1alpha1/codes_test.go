package v1alpha1_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// A mistake has one code, whether it is made in a document or in a policy that is built in Go.
func TestCodesOfCompile(t *testing.T) {
	const good = "hosts: [a.com]"
	spec := func(s string) string { return head + "spec: " + s }
	for _, c := range []struct {
		text  string
		build func(p *policy.Policy)
	}{
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {}\nspec: {}", func(p *policy.Policy) { p.Name = "" }},
		{rule("hosts: [a.com]\n      name: a/b"), func(p *policy.Policy) { p.Cluster.Allow[0].Name = "a/b" }},
		{rule("{}"), func(p *policy.Policy) { p.Cluster.Allow[0].To.Hosts = nil }},
		{rule("{hosts: [a.com], cidrs: [10.0.0.0/8]}"), func(p *policy.Policy) { p.Cluster.Allow[0].To.Addresses = addresses() }},
		{rule("{cidrs: [10.0.0.0/8], ports: [1]}"), func(p *policy.Policy) { p.Cluster.Allow[0].To.Protocol = policy.AnyProtocol }},
		{rule("{cidrs: [10.0.0.0/8], protocol: TCP}"), func(p *policy.Policy) {
			p.Cluster.Allow[0].To = policy.Destination{Addresses: addresses(), Protocol: policy.TCP}
		}},
		{rule("{hosts: [a.com], protocol: SCTP, ports: [1]}"), func(p *policy.Policy) { p.Cluster.Allow[0].To = p.Cluster.Allow[0].To.SCTP(1) }},
		{rule("{hosts: [a.com], protocol: QUIC}"), func(p *policy.Policy) { p.Cluster.Allow[0].To.Protocol = 77 }},
		{rule("{hosts: [a.com], ports: [" + everyOther() + "]}"), func(p *policy.Policy) {
			var ports []uint16
			for i := range uint16(policy.MaxListed + 1) {
				ports = append(ports, 2*i+1)
			}
			p.Cluster.Allow[0].To.Ports = match.PortsOf(ports...)
		}},
		{rule("{hosts: [a.com], protocol: HTTP, paths: [" + strings.Repeat("/a, ", policy.MaxListed+1) + "]}"), func(p *policy.Policy) {
			p.Cluster.Allow[0].To = p.Cluster.Allow[0].To.HTTP()
			p.Cluster.Allow[0].To.Paths = slices.Repeat([]policy.Path{policy.MustParsePath("/a")}, policy.MaxListed+1)
		}},
		{rule("{hosts: [a.com], protocol: HTTP, methods: [" + strings.Repeat("GET, ", policy.MaxListed+1) + "]}"), func(p *policy.Policy) {
			p.Cluster.Allow[0].To = p.Cluster.Allow[0].To.HTTP()
			p.Cluster.Allow[0].To.Methods = slices.Repeat([]string{"GET"}, policy.MaxListed+1)
		}},
		{rule("{hosts: [a.com], methods: [GET]}"), func(p *policy.Policy) { p.Cluster.Allow[0].To.Methods = []string{"GET"} }},
		{rule("{hosts: [a.com], protocol: HTTP, methods: [get]}"), func(p *policy.Policy) {
			p.Cluster.Allow[0].To.Protocol = policy.HTTP
			p.Cluster.Allow[0].To.Methods = []string{"get"}
		}},
		{rule("{hosts: [a.com], paths: [/a]}"), func(p *policy.Policy) { p.Cluster.Allow[0].To.Paths = []policy.Path{policy.MustParsePath("/a")} }},
		{rule("{hosts: [a.com], originateTLS: {port: 443, mode: Simple}}"), func(p *policy.Policy) {
			p.Cluster.Allow[0].To.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
		}},
		{rule("{hosts: [a.com], protocol: HTTP, originateTLS: {mode: Simple}}"), func(p *policy.Policy) { originate(p, policy.TLSOrigination{Mode: policy.SimpleTLS}) }},
		{rule("{hosts: [a.com], protocol: HTTP, originateTLS: {port: 443}}"), func(p *policy.Policy) { originate(p, policy.TLSOrigination{Port: 443}) }},
		{rule("{hosts: [a.com], protocol: HTTP, originateTLS: {port: 443, mode: Mutual}}"), func(p *policy.Policy) { originate(p, policy.TLSOrigination{Port: 443, Mode: policy.MutualTLS}) }},
		{spec("{cluster: {deny: [{hosts: [a.com], protocol: HTTP, originateTLS: {port: 443, mode: Simple}}]}}"), func(p *policy.Policy) {
			originate(p, policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS})
			p.Cluster.Deny, p.Cluster.Allow = p.Cluster.Allow, nil
		}},
		{spec("{cluster: {within: [{hosts: [a.com], protocol: HTTP, originateTLS: {port: 443, mode: Simple}}]}}"), func(p *policy.Policy) {
			originate(p, policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS})
			p.Cluster.Within, p.Cluster.Allow = p.Cluster.Allow, nil
		}},
		{spec("{cluster: {within: []}}"), func(p *policy.Policy) { p.Cluster.Within = []policy.Rule{} }},
		{spec("{clusters: [a b]}"), func(p *policy.Policy) { p.Clusters = []string{"a b"} }},
		{spec("{sources: [{}]}"), func(p *policy.Policy) { p.Sources = []policy.Source{{}} }},
		{spec("{cluster: {allow: [{name: r, hosts: [a.com]}, {name: r, hosts: [b.com]}]}}"), func(p *policy.Policy) {
			p.Cluster.Allow = append(p.Cluster.Allow, p.Cluster.Allow[0])
			p.Cluster.Allow[0].Name, p.Cluster.Allow[1].Name = "r", "r"
			p.Cluster.Allow[1].To.Hosts = []match.Pattern{match.MustParsePattern("b.com")}
		}},
		{spec("{sources: [{name: s, from: [{namespaces: [a]}]}, {name: s, from: [{namespaces: [b]}]}]}"), func(p *policy.Policy) {
			p.Sources = []policy.Source{{Name: "s", From: from1("a")}, {Name: "s", From: from1("b")}}
		}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p, namespace: A}\nspec: {}", func(p *policy.Policy) {
			p.Namespace, p.Cluster = "A", policy.Section{}
		}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p, namespace: a}\nspec: {cluster: {allow: [{hosts: [a.com]}]}}", func(p *policy.Policy) { p.Namespace = "a" }},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p, namespace: a}\nspec: {sources: [{from: [{namespaces: [b]}]}]}", func(p *policy.Policy) {
			p.Namespace, p.Cluster = "a", policy.Section{}
			p.Sources = []policy.Source{{From: from1("b")}}
		}},
	} {
		_, err := v1alpha1.Load(file("f", c.text))
		fromText := codes(report(t, err))
		built, err := v1alpha1.Load(file("f", rule(good)))
		if err != nil {
			t.Fatal(err)
		}
		c.build(built[0])
		_, err = policy.Compile(built)
		if fromGo := codes(report(t, err)); len(fromText) != 1 || !slices.Equal(fromGo, fromText) {
			t.Errorf("%s\nthe document has %v, and the policy %v", c.text, fromText, fromGo)
		}
	}
}

func codes(found policy.Diagnostics) []string {
	var out []string
	for _, d := range found {
		out = append(out, d.Code)
	}
	return out
}

func addresses() match.Prefixes {
	return match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
}

func from1(namespace string) identity.Selector {
	return identity.MustSelector(identity.Term{Namespaces: []string{namespace}})
}

func originate(p *policy.Policy, o policy.TLSOrigination) {
	p.Cluster.Allow[0].To.Protocol = policy.HTTP
	p.Cluster.Allow[0].To.OriginateTLS = &o
}

// everyOther returns a port more than a rule may list, with none beside another.
func everyOther() string {
	var b strings.Builder
	for i := range policy.MaxListed + 1 {
		fmt.Fprintf(&b, "%d, ", 2*i+1)
	}
	return b.String()
}
