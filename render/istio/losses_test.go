package istio_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
)

// profiles are the shapes that the target has.
var profiles = map[string]func(*istio.Profile){
	"gateway":                     func(*istio.Profile) {},
	"gateway without EnvoyFilter": func(p *istio.Profile) { p.EnvoyFilter = false },
	"ambient":                     func(p *istio.Profile) { p.DataPlane = istio.Ambient },
	"direct":                      func(p *istio.Profile) { p.Egress = istio.Direct },
}

// TestLosses says what each profile cannot hold, by which feature, and what each can: an empty feature is no loss.
func TestLosses(t *testing.T) {
	namespace := identity.Term{Namespaces: []string{"shop"}}
	account := identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"a"}}
	labels := identity.Term{Namespaces: []string{"shop"}, PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}}
	name, wildcard := policy.MustHosts("www.foo.com"), policy.MustHosts("*.foo.com")
	network := policy.MustAddresses("203.0.113.0/24")
	ports := func(d policy.Destination, first, last uint16) policy.Destination {
		d.Ports = match.NewPorts(match.PortRange{First: first, Last: last})
		return d
	}
	mutual := name.HTTP(80)
	mutual.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.MutualTLS, CredentialName: "client"}
	calls := name.HTTP(80)
	calls.Methods = []string{"GET"}
	paths := name.HTTP(80)
	paths.Paths = []policy.Path{policy.MustParsePath("/v1/*")}
	for _, tt := range []struct {
		what                                 string
		from                                 identity.Term
		to                                   policy.Destination
		gateway, unextended, ambient, direct render.Feature
	}{
		{"exact name", namespace, name.TLS(), "", "", "", ""},
		{"several ports", namespace, name.TLS(443, 8443), "", "", "", ""},
		{"service account", account, name.TLS(), "", "", "", render.SourceAccounts},
		{"labels, without an inventory", labels, name.TLS(), render.SourceAccounts, render.SourceAccounts, render.SourceAccounts, render.SourceAccounts},
		{"subdomains", namespace, wildcard.TLS(), "", render.HostSubdomains, "", ""},
		{"subdomains by HTTP", namespace, wildcard.HTTP(80), "", render.HostSubdomains, "", render.HostSubdomains},
		{"glob", namespace, policy.MustHosts("api-*.foo.com").TLS(), render.HostGlob, render.HostGlob, render.HostGlob, render.HostGlob},
		{"HTTP", namespace, name.HTTP(80, 8080), "", "", "", ""},
		{"HTTP where servers speak first", namespace, name.HTTP(3306), render.HTTPByName, render.HTTPByName, render.HTTPByName, render.HTTPByName},
		{"methods", namespace, calls, "", "", "", render.HTTPMethods},
		{"paths", namespace, paths, "", "", render.HTTPPaths, render.HTTPPaths},
		{"TLS originated", namespace, name.HTTP(80).Originating(443), "", "", "", ""},
		{"mutual TLS originated", namespace, mutual, "", "", "", render.OriginateMutualTLS},
		{"TLS originated below a wildcard", namespace, wildcard.HTTP(80).Originating(443), render.HostSubdomains, render.HostSubdomains, render.HostSubdomains, render.HostSubdomains},
		{"addresses", namespace, network.TCP(5432), "", "", "", ""},
		{"addresses for a service account", account, network.TCP(5432), render.TCPByAddress, render.TCPByAddress, "", render.TCPByAddress},
		{"TLS by address", namespace, network.TLS(443), render.TLSByAddress, render.TLSByAddress, render.TLSByAddress, render.TLSByAddress},
		{"TCP by name", namespace, name.TCP(5432), render.TCPByName, render.TCPByName, render.TCPByName, render.TCPByName},
		{"UDP by name", namespace, name.UDP(443), render.UDPByName, render.UDPByName, render.UDPByName, render.UDPByName},
		{"UDP by address", namespace, network.UDP(53), render.UDPByAddress, render.UDPByAddress, render.UDPByAddress, render.UDPByAddress},
		{"many ports", namespace, ports(name.TLS(), 8000, 9000), render.PortRanges, render.PortRanges, render.PortRanges, render.PortRanges},
		{"many ports by address", namespace, ports(network.TCP(1), 8000, 9000), render.PortRanges, render.PortRanges, render.PortRanges, render.PortRanges},
		{"a name of the cluster", namespace, policy.MustHosts("db.shop.svc.cluster.local").TLS(), render.HostExact, render.HostExact, render.HostExact, render.HostExact},
	} {
		engine, err := policy.Compile([]*policy.Policy{{Name: "p", Sources: []policy.Source{{From: identity.MustSelector(tt.from), Section: policy.Section{Allow: policy.Rules(tt.to)}}}}})
		if err != nil {
			t.Fatal(err)
		}
		for profile, want := range map[string]render.Feature{"gateway": tt.gateway, "gateway without EnvoyFilter": tt.unextended, "ambient": tt.ambient, "direct": tt.direct} {
			p := istio.DefaultProfile()
			profiles[profile](&p)
			r, err := istio.New(p)
			if err != nil {
				t.Fatal(err)
			}
			res, err := render.Render(render.NewPlan(engine, ""), render.Stack{r})
			if err != nil {
				t.Fatal(err)
			}
			var got render.Feature
			if len(res.Losses) > 0 {
				got = res.Losses[0].Feature
				if res.Losses[0].Why == "" {
					t.Errorf("%s, %s: no reason", profile, tt.what)
				}
			}
			if got != want {
				t.Errorf("%s, %s: loses %q, want %q: %v", profile, tt.what, got, want, res.Losses)
			}
		}
	}
}
