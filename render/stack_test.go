package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// everyFeature is what a target can say that can say everything.
func everyFeature() Features {
	f := Features{}
	for _, feature := range []Feature{
		HostExact, HostSubdomains, HostGlob, TLSByName, HTTPByName, TCPByName, UDPByName, TLSByAddress, HTTPByAddress, TCPByAddress, UDPByAddress, SCTPByAddress,
		PortRanges, HTTPMethods, HTTPPaths, OriginateSimpleTLS, OriginateMutualTLS, SourceEveryone, SourceAccounts, SourceAccountGlob, SourcePods,
		DenyNameOnAddress, DenyAddressOnName, Baseline,
	} {
		f[feature] = Same
	}
	return f
}

// tcpAlone are the features of a target that sees TCP alone.
func tcpAlone(lost ...Feature) Features {
	f := without(append(lost, UDPByAddress, SCTPByAddress)...)
	f[TCPAlone] = Same
	return f
}

func without(lost ...Feature) Features {
	f := everyFeature()
	for _, l := range lost {
		delete(f, l)
	}
	return f
}

func wider(wide ...Feature) Features {
	f := everyFeature()
	for _, w := range wide {
		f[w] = Wider
	}
	return f
}

// saying returns features and one more.
func saying(f Features, more Feature) Features {
	f[more] = Same
	return f
}

// fake is a target that makes an object of each grant.
type fake struct {
	target   string
	features Features
	render   func(p *Plan, out *Emitter) error // instead
	plan     *Plan                             // as it was given
}

func (f *fake) Target() string     { return f.target }
func (f *fake) Features() Features { return f.features }

func (f *fake) Render(p *Plan, out *Emitter) error {
	f.plan = p
	if f.render != nil {
		return f.render(p, out)
	}
	for g := range p.Grants() {
		f.emit(g, out)
	}
	return nil
}

func (f *fake) emit(g *Grant, out *Emitter) {
	fidelity := Same
	if g.Admit {
		fidelity = Wider
	}
	out.Emit(Object{APIVersion: "example.com/v1", Kind: "Grant", Namespace: f.target, Name: out.Name("grant", string(g.ID)), Spec: map[string]any{"to": g.To.String()}}, fidelity, g)
}

type exempting struct{ fake }

func (e *exempting) Exemptions(p *Plan) []Exemption {
	return []Exemption{{Name: "DNS", Peer: Peer{Name: "DNS", Protocol: policy.UDP, Ports: match.PortsOf(53)}, Why: "names are resolved"}}
}

func TestExempterIsAnExtensionOfRenderer(t *testing.T) {
	e := &exempting{fake{target: "x", features: everyFeature()}}
	res, err := Render(planOf(t), Stack{e})
	if err != nil {
		t.Fatal(err)
	}
	if l := res.Layers[0]; len(l.Exempts) != 1 || l.Exempts[0].Source.Selector.String() != "everything" || l.Exempts[0].Peer.Name != "DNS" || l.Exempts[0].Reason != "names are resolved" {
		t.Errorf("exemptions: %+v", l.Exempts)
	}
	e.render = func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			if g.Kind != ExemptionGrant {
				e.emit(g, out)
			}
		}
		return nil
	}
	var unaccounted *UnaccountedError
	if _, err := Render(planOf(t), Stack{e}); !errors.As(err, &unaccounted) || unaccounted.Grants[0].ID != "#exemption x: DNS" {
		t.Errorf("an exemption that is not accounted for: %v", err)
	}
}

// planOf is the plan of rules p/r1, p/r2, … that are written briefly: "allow shop/a TLS *.foo.com 443", "within shop any foo.com or UDP 203.0.113.7".
func planOf(t testing.TB, rules ...string) *Plan {
	t.Helper()
	var list []*policy.EffectiveRule
	for i, text := range rules {
		list = append(list, ruleOf(t, fmt.Sprintf("p/r%d", i+1), text))
	}
	return newPlan(slices.Values(list), "")
}

func ruleOf(t testing.TB, id, text string) *policy.EffectiveRule {
	t.Helper()
	f := strings.Fields(text)
	r := &policy.EffectiveRule{ID: policy.RuleID(id), Effect: map[string]policy.Effect{"allow": policy.Allow, "deny": policy.Deny, "within": policy.Within}[f[0]], Sources: sourceOf(f[1])}
	for _, to := range strings.Split(strings.Join(f[2:], " "), " or ") {
		r.To = append(r.To, destinationOf(t, strings.Fields(to)))
	}
	return r
}

// sourceOf reads "*", "ns", "ns,ns", "ns/sa", "ns?label=value", and several by "+".
func sourceOf(s string) identity.Selector {
	if s == "*" {
		return identity.Everything()
	}
	var terms []identity.Term
	for _, term := range strings.Split(s, "+") {
		terms = append(terms, termOf(term))
	}
	return identity.MustSelector(terms...)
}

func termOf(s string) identity.Term {
	ns, sa, account := strings.Cut(s, "/")
	ns, label, labelled := strings.Cut(ns, "?")
	term := identity.Term{Namespaces: strings.Split(ns, ",")}
	if account {
		term.ServiceAccounts = []string{sa}
	}
	if labelled {
		k, v, _ := strings.Cut(label, "=")
		term.PodLabels = matchLabel(k, v)
	}
	return term
}

func destinationOf(t testing.TB, f []string) policy.Destination {
	t.Helper()
	d := policy.Destination{Protocol: map[string]policy.Protocol{"any": policy.AnyProtocol, "TLS": policy.TLS, "HTTP": policy.HTTP, "TCP": policy.TCP, "UDP": policy.UDP, "SCTP": policy.SCTP}[f[0]]}
	for _, word := range f[1:] {
		if p, err := match.ParsePortRange(word); err == nil {
			d.Ports = d.Ports.Union(match.NewPorts(p))
		} else if p, err := parsePrefix(word); err == nil {
			d.Addresses = d.Addresses.Union(p)
		} else if mode, ok := strings.CutPrefix(word, "originate:"); ok {
			d.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: map[string]policy.TLSMode{"Simple": policy.SimpleTLS, "Mutual": policy.MutualTLS}[mode]}
		} else if strings.HasPrefix(word, "/") {
			d.Paths = append(d.Paths, policy.MustParsePath(word))
		} else if word == strings.ToUpper(word) {
			d.Methods = append(d.Methods, word)
		} else {
			d.Hosts = append(d.Hosts, match.MustParsePattern(word))
		}
	}
	return d
}

// lossLines returns losses in short: rule, target, feature, fidelity.
func lossLines(losses []Loss) string {
	var out []string
	for _, l := range losses {
		rule := string(l.Grant.Rule)
		if rule == "" {
			rule = string(l.Grant.ID)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", rule, l.Target, l.Feature, l.Fidelity)))
	}
	return strings.Join(out, "; ")
}

func TestLossesAndWidening(t *testing.T) {
	for _, test := range []struct {
		name     string
		features []Features // of the layers a, b, …
		rules    []string
		losses   string // of a result
		wider    string // of a WideningError
		inert    string
	}{
		{name: "nothing", features: []Features{everyFeature()}},
		{name: "everything can be said", features: []Features{everyFeature()}, rules: []string{
			"allow shop TLS *.foo.com 443", "deny shop/a any api-*.foo.com", "allow shop TCP 203.0.113.0/24 5432", "deny shop?app=x any 203.0.113.7", "within shop any foo.com *.foo.com or TCP 203.0.113.0/24"}},
		{name: "glob", features: []Features{without(HostGlob)}, rules: []string{"allow shop TLS api-*.foo.com 443"}, losses: "p/r1 a host-glob narrower"},
		{name: "protocol before shape", features: []Features{without(HostGlob, TLSByName)}, rules: []string{"allow shop TLS api-*.foo.com 443"}, losses: "p/r1 a tls-by-name narrower"},
		{name: "raw TCP by name", features: []Features{without(TCPByName)}, rules: []string{"allow shop TCP foo.com 5432"}, losses: "p/r1 a tcp-by-name narrower"},
		{name: "port range by name", features: []Features{without(PortRanges)}, rules: []string{"allow shop TLS foo.com 8000-8100", "allow shop TLS foo.com 443"}, losses: "p/r1 a port-ranges narrower"},
		{name: "too many ports in all", features: []Features{without(PortRanges)}, rules: []string{"allow shop TLS foo.com 8000-8039", "allow shop TLS foo.com 9000-9029", "allow shop HTTP foo.com 8000-8039"},
			losses: "p/r1 a port-ranges narrower"},
		{name: "as many ports in all as are listed", features: []Features{without(PortRanges)}, rules: []string{"allow shop TLS foo.com 8000-8039", "allow shop TLS foo.com 9000-9023", "allow news TLS bar.com 8000-8039"}},
		{name: "one port too many", features: []Features{without(PortRanges)}, rules: []string{"allow shop TLS foo.com 8000-8039", "allow shop TLS foo.com 9000-9024"}, losses: "p/r1 a port-ranges narrower"},
		{name: "ports of what is lost are not listed", features: []Features{without(PortRanges)}, rules: []string{
			"allow shop TLS foo.com 8000-8039", "allow shop TLS foo.com 9000-9039", "allow shop TLS foo.com 10000-10023", "allow news TLS bar.com 8000-8039"}, losses: "p/r2 a port-ranges narrower"},
		{name: "ports by address are counted for each", features: []Features{without(PortRanges)}, rules: []string{"allow shop TCP 203.0.113.7 1-64", "allow shop TCP 203.0.113.8 101-164", "allow shop TCP foo.com 443"}},
		{name: "port range by address", features: []Features{without(PortRanges)}, rules: []string{"allow shop TCP 203.0.113.0/24 1-65", "allow shop TCP 203.0.113.0/24 1-64"}, losses: "p/r1 a port-ranges narrower"},
		{name: "source by labels", features: []Features{without(SourcePods)}, rules: []string{"allow shop?app=x TLS foo.com 443"}, losses: "p/r1 a source-accounts narrower"},
		{name: "source by account", features: []Features{without(SourceAccounts)}, rules: []string{"allow shop/x TLS foo.com 443"}, losses: "p/r1 a source-pods narrower"},
		{name: "source by namespace", features: []Features{without(SourceAccounts)}, rules: []string{"allow shop TLS foo.com 443"}},
		{name: "source in no way", features: []Features{without(SourceAccounts, SourceAccountGlob, SourcePods)}, rules: []string{"allow shop/x TLS foo.com 443", "allow shop?app=x TLS foo.com 443", "allow team-* TLS foo.com 443"},
			losses: "p/r1 a source-accounts narrower; p/r2 a source-pods narrower; p/r3 a source-account-glob narrower"},
		{name: "everyone", features: []Features{without(SourceEveryone, SourceAccounts, SourcePods)}, rules: []string{"allow * TLS foo.com 443"}, losses: "p/r1 a source-everyone narrower"},
		{name: "origination", features: []Features{without(OriginateMutualTLS)}, rules: []string{"allow * HTTP foo.com 80 originate:Mutual", "allow * HTTP bar.com 80 originate:Simple"}, losses: "p/r1 a originate-mutual-tls narrower"},
		{name: "origination differs", features: []Features{everyFeature()}, rules: []string{"allow shop/a HTTP *.foo.com 80", "allow shop/b HTTP www.foo.com 80 originate:Simple"}, losses: "p/r1 a originate-simple-tls narrower"},
		{name: "originations differ", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP foo.com 80 originate:Simple", "allow news HTTP foo.com 80 originate:Mutual"}, losses: "p/r1 a originate-mutual-tls narrower"},
		{name: "origination of some calls", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP foo.com 80 originate:Simple GET", "allow shop HTTP foo.com 80"}, losses: "p/r2 a originate-simple-tls narrower"},
		{name: "origination differs for the same source", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP *.foo.com 80", "allow shop HTTP www.foo.com 80 originate:Simple"}},
		{name: "methods by name", features: []Features{without(HTTPMethods)}, rules: []string{"allow shop HTTP foo.com 80 GET"}, losses: "p/r1 a http-methods narrower"},
		{name: "methods by address", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP 203.0.113.7 80 GET"}, losses: "p/r1 a http-methods narrower"},

		{name: "methods by name that can be said", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP foo.com 80 GET"}},
		{name: "methods and paths by name", features: []Features{without(HTTPPaths)}, rules: []string{"allow shop HTTP foo.com 80 GET /a/*"}, losses: "p/r1 a http-paths narrower"},
		{name: "ports of TCP are listed for HTTP", features: []Features{without(PortRanges)}, rules: []string{"allow shop TCP foo.com 8000-8039", "allow shop HTTP foo.com 9000-9029"}, losses: "p/r1 a port-ranges narrower"},
		{name: "ports of HTTP are listed for TCP", features: []Features{without(PortRanges)}, rules: []string{"allow shop TCP foo.com 8000-8029", "allow shop HTTP foo.com 9000-9039"}, losses: "p/r2 a port-ranges narrower"},
		{name: "many ports of several rules", features: []Features{without(PortRanges)}, rules: []string{"allow shop TLS foo.com 8000-8029", "allow shop TLS foo.com 9000-9029", "allow shop TLS foo.com 10000-10029"}, losses: "p/r3 a port-ranges narrower"},
		{name: "as many ports, the least rule first", features: []Features{without(PortRanges)}, rules: []string{"allow shop TLS foo.com 9000-9039", "allow shop TLS foo.com 8000-8039"}, losses: "p/r2 a port-ranges narrower"},

		{name: "denied", features: []Features{without(SourcePods)}, rules: []string{"allow shop?app=x TLS foo.com 443", "deny shop any *.com"}, inert: "p/r1"},
		{name: "denied by several together", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.0/31 5432", "deny shop any 203.0.113.0/32", "deny shop any 203.0.113.1/32"}, inert: "p/r1"},
		{name: "denied to each of the sources", features: []Features{everyFeature()}, rules: []string{"allow shop,news TLS foo.com 443", "deny shop any foo.com", "deny news any *.com foo.com"}, inert: "p/r1"},
		{name: "denied to all but one of the sources", features: []Features{everyFeature()}, rules: []string{"allow shop,news,lab TLS foo.com 443", "deny shop any foo.com", "deny news any foo.com"}},
		{name: "outside a boundary", features: []Features{everyFeature()}, rules: []string{"allow shop TLS foo.com 443", "within * any bar.com"}, inert: "p/r1"},
		{name: "within a glob", features: []Features{everyFeature()}, rules: []string{"allow shop TLS *.foo.com 443", "within * any api-*.foo.com"}, losses: "p/r1 a host-glob narrower"},
		{name: "within some calls of a glob", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP api-1.foo.com 80", "within * HTTP api-*.foo.com GET"}, losses: "p/r1 a http-methods narrower"},
		{name: "within an address", features: []Features{everyFeature()}, rules: []string{"allow shop TLS foo.com 443", "within * any 203.0.113.0/24"}, losses: "p/r1 a within-address-on-name narrower"},
		{name: "within some calls by name", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP foo.com 80", "within * HTTP foo.com GET"}, losses: "p/r1 a http-methods narrower"},
		{name: "within some calls by address", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP 203.0.113.7 80", "within * HTTP 203.0.113.0/24 GET"}, losses: "p/r1 a http-methods narrower"},
		{name: "within another protocol's address", features: []Features{everyFeature()}, rules: []string{"allow shop TLS foo.com 443", "within * UDP 203.0.113.0/24"}, inert: "p/r1"},
		{name: "within a part of the protocol", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.7 443", "within * TLS 203.0.113.0/24"}, losses: "p/r1 a tls-by-address narrower"},
		{name: "a part of the protocol denied", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.0/24 443", "deny * TLS 203.0.113.7"}, losses: "p/r1 a tls-by-address narrower"},

		{name: "within a part of a glob", features: []Features{everyFeature()}, rules: []string{"allow shop TLS api-*.foo.com 443", "within * any api-1.foo.com"}, losses: "p/r1 a host-glob narrower"},
		{name: "within a part of a wildcard", features: []Features{everyFeature()}, rules: []string{"allow shop TLS *.foo.com 443", "within * any www.foo.com"}},
		{name: "within a glob elsewhere", features: []Features{everyFeature()}, rules: []string{"allow shop TLS foo.com 443", "within * any api-*.bar.com"}, inert: "p/r1"},
		{name: "within some calls elsewhere", features: []Features{everyFeature()}, rules: []string{"allow shop HTTP foo.com 80", "within * HTTP bar.com GET"}, inert: "p/r1"},
		{name: "within names alone", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.7 443", "within * any foo.com"}, losses: "p/r1 a within-name-on-address narrower"},
		{name: "within a part of the protocol elsewhere", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.7 443", "within * TLS 198.51.100.0/24"}, inert: "p/r1"},
		{name: "within a part of the protocol, and denied", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.7 443", "within * TLS 203.0.113.0/24", "deny shop any 203.0.113.7"}, inert: "p/r1"},
		{name: "within an address, and denied", features: []Features{everyFeature()}, rules: []string{"allow shop TLS foo.com 443", "within * any 203.0.113.0/24", "deny shop any foo.com"}, inert: "p/r1"},
		{name: "HTTP denied on an address", features: []Features{everyFeature()}, rules: []string{"allow shop TCP 203.0.113.0/24 80", "deny * HTTP 203.0.113.7"}, losses: "p/r1 a http-by-address narrower"},

		{name: "some sources denied that another deny covers", features: []Features{without(SourcePods)}, rules: []string{"allow * TLS foo.com 443", "deny shop any foo.com", "deny shop?app=x any foo.com"}},
		{name: "some sources denied that another deny covers elsewhere", features: []Features{without(SourcePods)}, rules: []string{
			"allow * TLS a.foo.com 443", "allow * TLS b.foo.com 443", "deny shop any a.foo.com", "deny shop?app=x any *.foo.com"}, wider: "p/r4 a source-accounts wider"},
		{name: "some sources denied that no other deny covers", features: []Features{without(SourcePods)}, rules: []string{"allow * TLS foo.com 443", "deny news any foo.com", "deny shop?app=x any foo.com"}, wider: "p/r3 a source-accounts wider"},
		{name: "some sources denied that another deny covers where the allow is wider", features: []Features{without(SourcePods), wider(TLSByName)}, rules: []string{
			"allow * TLS foo.com 443", "deny shop+news?app=y any foo.com", "deny shop?app=x any foo.com"}, wider: "p/r2 a source-accounts wider; p/r3 a source-accounts wider"},
		{name: "calls denied to who is denied all", features: []Features{without(HTTPMethods)}, rules: []string{"allow * HTTP a.com 80", "deny shop any a.com", "deny shop HTTP a.com POST"}},
		{name: "calls denied to who is denied all between rules", features: []Features{without(HTTPMethods)}, rules: []string{"allow * HTTP a.com 80", "deny shop any a.com", "deny news any a.com", "deny shop,news HTTP a.com POST"}},
		{name: "calls denied to who is denied all between rules elsewhere", features: []Features{without(HTTPMethods)}, rules: []string{
			"allow * HTTP a.foo.com 80", "allow * HTTP b.foo.com 80", "deny shop any a.foo.com", "deny news any a.foo.com", "deny shop,news HTTP *.foo.com POST"}, wider: "p/r5 a http-methods wider"},
		{name: "calls denied to who is denied all between rules, one of which cannot be said", features: []Features{without(HTTPMethods, SourcePods)}, rules: []string{
			"allow * HTTP a.com 80", "deny shop any a.com", "deny news?app=x any a.com", "deny shop,news?app=x HTTP a.com POST"}, wider: "p/r3 a source-accounts wider; p/r4 a http-methods wider"},
		{name: "calls denied to who is denied all by one rule, and in part by another that cannot be said", features: []Features{without(HTTPMethods, SourcePods)}, rules: []string{
			"allow * HTTP a.com 80", "deny shop any a.com", "deny shop?app=x any a.com", "deny shop HTTP a.com POST"}},
		{name: "calls denied to some of who is denied all", features: []Features{without(HTTPMethods)}, rules: []string{"allow * HTTP a.com 80", "deny shop any a.com", "deny shop,news HTTP a.com POST"}, wider: "p/r3 a http-methods wider"},

		{name: "glob denied", features: []Features{without(HostGlob)}, rules: []string{"allow shop TLS *.foo.com 443", "deny * any api-*.foo.com"}, wider: "p/r2 a host-glob wider"},
		{name: "glob denied, said wider", features: []Features{wider(HostGlob)}, rules: []string{"allow shop TLS *.foo.com 443", "deny * any api-*.foo.com"}, wider: "p/r2 a host-glob wider"},
		{name: "address denied on name, said wider", features: []Features{wider(DenyAddressOnName)}, rules: []string{"allow shop TLS foo.com 443", "deny * any 169.254.169.254"}, wider: "p/r2 a deny-address-on-name wider"},
		{name: "glob denied that covers", features: []Features{without(HostGlob)}, rules: []string{"allow shop TLS api-1.foo.com 443", "deny * any api-*.foo.com"}, inert: "p/r1"},
		{name: "glob denied to others", features: []Features{without(HostGlob)}, rules: []string{"allow shop TLS *.foo.com 443", "deny other any api-*.foo.com"}},
		{name: "glob denied elsewhere", features: []Features{without(HostGlob)}, rules: []string{"allow shop TLS *.foo.com 443", "deny * any api-*.bar.com", "deny * UDP api-*.foo.com", "deny * any api-*.foo.com 8443"}},
		{name: "calls of a glob denied that covers", features: []Features{without(HostGlob)}, rules: []string{"allow shop HTTP api-1.foo.com 80", "deny * HTTP api-*.foo.com POST"}},
		{name: "calls of a glob denied", features: []Features{without(HostGlob)}, rules: []string{"allow shop HTTP *.foo.com 80", "deny * HTTP api-*.foo.com POST"}, wider: "p/r2 a host-glob wider"},
		{name: "glob denied of a lost allow", features: []Features{without(HostGlob, HTTPByName)}, rules: []string{"allow shop HTTP *.foo.com 80", "deny * any api-*.foo.com"}, losses: "p/r1 a http-by-name narrower"},
		{name: "some sources denied", features: []Features{without(SourcePods)}, rules: []string{"allow shop TLS foo.com 443", "deny shop?app=x any foo.com"}, wider: "p/r2 a source-accounts wider"},
		{name: "some sources denied, said wider", features: []Features{wider(SourcePods)}, rules: []string{"allow shop TLS foo.com 443", "deny shop?app=x any foo.com"}, wider: "p/r2 a source-accounts wider"},
		{name: "all sources denied", features: []Features{without(SourcePods)}, rules: []string{"allow shop?app=x TLS foo.com 443", "deny shop any foo.com", "allow shop TLS bar.com 443", "deny shop?app=x any foo.com"}, inert: "p/r1"},
		{name: "some sources bounded", features: []Features{without(SourcePods)}, rules: []string{"allow shop TLS foo.com 443", "within shop?app=x any bar.com"}, wider: "p/r2 a source-accounts wider"},
		{name: "name denied on address", features: []Features{without(DenyNameOnAddress)}, rules: []string{"allow shop TCP 203.0.113.0/24 443", "deny * TLS evil.com"}, wider: "p/r2 a deny-name-on-address wider"},
		{name: "name denied on another protocol's address", features: []Features{without(DenyNameOnAddress)}, rules: []string{"allow shop TLS 203.0.113.0/24 443", "deny * HTTP evil.com", "deny * any evil.com 80"}},
		{name: "glob denied on address", features: []Features{without(HostGlob)}, rules: []string{"allow shop TCP 203.0.113.0/24 443", "deny * TLS api-*.evil.com", "deny * TLS evil.com"}, wider: "p/r2 a host-glob wider"},
		{name: "method denied on address", features: []Features{without(HTTPMethods)}, rules: []string{"allow shop TCP 203.0.113.0/24 80", "allow shop HTTP 198.51.100.0/24 80", "deny * HTTP 198.51.100.0/24 POST"}, wider: "p/r3 a http-methods wider"},
		{name: "address denied on name", features: []Features{without(DenyAddressOnName)}, rules: []string{"allow shop TLS foo.com 443", "deny * any 169.254.169.254"}, wider: "p/r2 a deny-address-on-name wider"},
		{name: "method denied", features: []Features{without(HTTPMethods)}, rules: []string{"allow shop HTTP foo.com 80", "deny * HTTP *.com POST"}, wider: "p/r2 a http-methods wider"},
		{name: "no baseline", features: []Features{without(Baseline)}, wider: "#baseline a baseline wider"},

		{name: "one layer exact, one wider", features: []Features{everyFeature(), wider(TLSByName)}, rules: []string{"allow shop TLS foo.com 443"}},
		{name: "one layer exact, one not at all", features: []Features{everyFeature(), without(TLSByName)}, rules: []string{"allow shop TLS foo.com 443"}, losses: "p/r1 b tls-by-name narrower"},
		{name: "both wider", features: []Features{wider(TLSByName), wider(HostExact)}, rules: []string{"allow shop TLS foo.com 443"}, losses: "p/r1 a,b tls-by-name narrower"},
		{name: "what more layers say exactly comes first", features: []Features{wider(TCPByAddress), wider(TLSByAddress)}, rules: []string{
			"allow shop TCP 203.0.113.7 443", "allow shop TLS 203.0.113.7 443", "allow shop HTTP 203.0.113.7 443"}, losses: "p/r2 b tls-by-address narrower"},
		{name: "what more layers say exactly comes before the least rule", features: []Features{wider(TLSByAddress, HTTPByAddress), wider(TCPByAddress, HTTPByAddress), wider(TCPByAddress)}, rules: []string{
			"allow shop TCP 203.0.113.7 443", "allow shop TLS 203.0.113.7 443", "allow shop HTTP 203.0.113.7 443"}, losses: "p/r1 b,c tcp-by-address narrower"},
		{name: "names apart from addresses", features: []Features{saying(wider(TLSByName), NamesApart), saying(wider(TCPByAddress), NamesApart)}, rules: []string{"allow shop TLS foo.com 443", "allow shop TCP 203.0.113.7 443"}},
		{name: "names not apart from addresses in one layer", features: []Features{saying(wider(TLSByName), NamesApart), wider(TCPByAddress)}, rules: []string{"allow shop TLS foo.com 443", "allow shop TCP 203.0.113.7 443"},
			losses: "p/r2 b tcp-by-address narrower"},
		{name: "names apart from addresses, names among them", features: []Features{saying(wider(TLSByName), NamesApart), saying(wider(TCPByName), NamesApart)}, rules: []string{"allow shop TLS foo.com 443", "allow shop TCP foo.com 443"},
			losses: "p/r2 b tcp-by-name narrower"},
		{name: "names apart from addresses, addresses among them", features: []Features{saying(wider(TLSByAddress), NamesApart), saying(wider(TCPByAddress), NamesApart)}, rules: []string{"allow shop TLS 203.0.113.7 443", "allow shop TCP 203.0.113.7 443"},
			losses: "p/r2 b tcp-by-address narrower"},
		{name: "names apart, said without the baseline", features: []Features{saying(wider(TLSByName, TCPByAddress), NamesApart), saying(without(Baseline), NamesApart)}, rules: []string{"allow shop TLS foo.com 443"}},
		{name: "addresses apart from names, said without the baseline", features: []Features{saying(wider(TLSByName, TCPByAddress), NamesApart), saying(without(Baseline), NamesApart)}, rules: []string{"allow shop TCP 203.0.113.7 443"},
			losses: "p/r1 a,b tcp-by-address narrower"},
		{name: "not said at all, and without the baseline", features: []Features{everyFeature(), without(Baseline, TLSByName)}, rules: []string{"allow shop TLS foo.com 443"}, losses: "p/r1 b tls-by-name narrower"},
		{name: "TLS by address is not overlooked", features: []Features{tcpAlone(TLSByAddress), everyFeature()}, rules: []string{"allow shop TLS 203.0.113.7 443"}, losses: "p/r1 a tls-by-address narrower"},
		{name: "each exact and wider, a port shared with the first of two", features: []Features{wider(TCPByAddress), wider(TLSByAddress)}, rules: []string{
			"allow shop TLS 203.0.113.7 1", "allow shop TLS 203.0.113.7 2", "allow shop TCP 203.0.113.7 1"}, losses: "p/r3 a tcp-by-address narrower"},
		{name: "calls denied to who is denied all, by each layer a part", features: []Features{without(HTTPMethods, SourcePods), without(HTTPMethods, SourceAccounts)}, rules: []string{
			"allow * HTTP a.com 80", "deny shop/x any a.com", "deny news?app=y any a.com", "deny shop/x+news?app=y HTTP a.com POST"}},
		{name: "each exact and wider, other ports", features: []Features{wider(TCPByAddress), wider(TLSByAddress)}, rules: []string{"allow shop TLS 203.0.113.7 443", "allow shop TCP 203.0.113.7 5432"}},
		{name: "each exact and wider, a port shared", features: []Features{wider(TCPByAddress), wider(TLSByAddress)}, rules: []string{"allow shop TLS 203.0.113.7 443", "allow shop TCP 203.0.113.7 442-444"},
			losses: "p/r2 a tcp-by-address narrower"},
		{name: "each exact and wider, ports that may be wider", features: []Features{wider(TCPByAddress), wider(PortRanges)}, rules: []string{"allow shop TLS 203.0.113.7 1-100", "allow shop TCP 203.0.113.7 5432"},
			losses: "p/r2 a tcp-by-address narrower"},
		{name: "each exact and wider, a port shared over UDP", features: []Features{wider(UDPByAddress), wider(TLSByAddress)}, rules: []string{"allow shop TLS 203.0.113.7 443", "allow shop UDP 203.0.113.7 443"}},
		{name: "UDP and SCTP overlooked, from sources that cannot be said", features: []Features{tcpAlone(SourcePods, PortRanges), everyFeature()}, rules: []string{
			"allow shop?app=x UDP 203.0.113.7 1-100", "allow shop?app=x SCTP 203.0.113.7 443"}},
		{name: "UDP overlooked by every layer", features: []Features{tcpAlone(), tcpAlone()}, rules: []string{"allow shop UDP 203.0.113.7 443"}, losses: "p/r1 a,b udp-by-address narrower"},
		{name: "UDP overlooked and said nowhere", features: []Features{tcpAlone(), without(UDPByAddress)}, rules: []string{"allow shop UDP 203.0.113.7 443"}, losses: "p/r1 b udp-by-address narrower"},
		{name: "UDP overlooked, said without the baseline", features: []Features{tcpAlone(), without(Baseline)}, rules: []string{"allow shop UDP 203.0.113.7 443"}, losses: "p/r1 a,b udp-by-address narrower"},
		{name: "TCP is not overlooked", features: []Features{tcpAlone(TCPByAddress), everyFeature()}, rules: []string{"allow shop TCP 203.0.113.7 443"}, losses: "p/r1 a tcp-by-address narrower"},
		{name: "UDP that is said is not overlooked", features: []Features{saying(tcpAlone(), UDPByAddress)}, rules: []string{"allow shop UDP 203.0.113.7 443"}},
		{name: "UDP by name is not overlooked", features: []Features{tcpAlone(UDPByName), everyFeature()}, rules: []string{"allow shop UDP foo.com 443"}, losses: "p/r1 a udp-by-name narrower"},
		{name: "exact only without the baseline", features: []Features{without(Baseline), wider(TLSByName)}, rules: []string{"allow shop TLS foo.com 443"}, losses: "p/r1 a,b baseline narrower"},
		{name: "deny said by another layer", features: []Features{everyFeature(), without(DenyNameOnAddress, SourcePods)}, rules: []string{"allow shop TCP 203.0.113.0/24 443", "deny shop?app=x TLS evil.com", "deny shop?app=x any 203.0.113.7"}},
		{name: "deny said by a layer that says the allow wider", features: []Features{wider(TCPByAddress), without(DenyNameOnAddress)}, rules: []string{"allow shop TCP 203.0.113.0/24 443", "deny * TLS evil.com"},
			wider: "p/r2 b deny-name-on-address wider"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := planOf(t, test.rules...)
			var stack Stack
			for i, f := range test.features {
				stack = append(stack, &fake{target: string(rune('a' + i)), features: f})
			}
			res, err := Render(p, stack)
			var widening *WideningError
			if errors.As(err, &widening) {
				if got := lossLines(widening.Losses); got != test.wider {
					t.Fatalf("widening %q, want %q\n%v", got, test.wider, err)
				}
				accepted := mustAccept(t, p, stack, widening)
				if got := lossLines(accepted.Losses); got != test.wider {
					t.Errorf("accepted, losses %q, want %q", got, test.wider)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := lossLines(res.Losses); got != test.losses || test.wider != "" {
				t.Errorf("losses %q, want %q, and wider %q", got, test.losses, test.wider)
			}
			var inert []string
			for _, g := range res.Inert {
				inert = append(inert, string(g.Rule))
			}
			if got := strings.Join(inert, " "); got != test.inert {
				t.Errorf("inert %q, want %q", got, test.inert)
			}
			checkAccounts(t, p, res)
		})
	}
}

// TestWideningNamesTheLeastAllow: of several allows that a deny takes from, whatever their ports and names.
func TestWideningNamesTheLeastAllow(t *testing.T) {
	for _, rules := range [][]string{
		{"allow shop TLS *.foo.com 9000", "allow shop TLS *.foo.com 80", "allow shop TLS *.foo.com 443", "deny * any api-*.foo.com"},
		{"allow shop TLS *.b.com 443", "allow shop TLS *.c.com 443", "allow shop TLS *.a.com 443", "deny * any api.*.com"},
	} {
		_, err := Render(planOf(t, rules...), Stack{&fake{target: "a", features: without(HostGlob)}})
		if err == nil || !strings.Contains(err.Error(), "which rule p/r1 allows") || strings.Contains(err.Error(), "rule p/r2") || strings.Contains(err.Error(), "rule p/r3") {
			t.Errorf("%v", err)
		}
	}
}

// TestAcceptedDeniesAreNotInClasses: what a target cannot say it is not given, once it is accepted that it is left out.
func TestAcceptedDeniesAreNotInClasses(t *testing.T) {
	for _, rules := range [][]string{{"allow shop TLS *.foo.com 443", "deny shop?app=x any *.foo.com"}, {"allow shop TLS *.foo.com 443", "deny shop?app=x any api-*.foo.com"}} {
		target := &fake{target: "a", features: without(SourcePods)}
		if _, err := Render(planOf(t, rules...), Stack{target}, AcceptWider("p/r2", "until labels can be said")); err != nil {
			t.Fatal(err)
		}
		classes := target.plan.NameClasses(policy.TLS)
		if len(classes) != 1 || classes[0].describe() != "TLS 443 *.foo.com from namespaces=shop [p/r1]" {
			t.Errorf("%q: %+v", rules, classes)
		}
	}
}

// mustAccept renders again with everything accepted that was widened.
func mustAccept(t interface {
	Helper()
	Fatalf(string, ...any)
}, p *Plan, stack Stack, e *WideningError) *Result {
	t.Helper()
	res, err := Render(p, stack, accepting(e)...)
	if err != nil {
		t.Fatalf("everything is accepted, and %v", err)
	}
	return res
}

func accepting(e *WideningError) []Option {
	var opts []Option
	for _, l := range e.Losses {
		rule := l.Grant.Rule
		if l.Grant.Kind == BaselineGrant {
			rule = BaselineRule
		}
		opts = append(opts, AcceptWider(rule, "the reason"))
	}
	return opts
}

// checkAccounts checks that each allow is said by every layer, or is a loss, or without effect.
func checkAccounts(t interface {
	Errorf(string, ...any)
}, p *Plan, res *Result) {
	for g := range p.of(AllowGrant) {
		lost := slices.ContainsFunc(res.Losses, func(l Loss) bool { return l.Grant == g })
		inert := slices.Contains(res.Inert, g)
		said := 0
		for _, l := range res.Layers {
			if slices.Contains(l.Enforces, g.ID) || slices.Contains(l.Admits, g.ID) {
				said++
			}
		}
		switch {
		case said != 0 && said != len(res.Layers):
			t.Errorf("grant %s is said by %d of %d layers", g.ID, said, len(res.Layers))
		case said == 0 && !lost && !inert, inert && (lost || said > 0):
			t.Errorf("grant %s: said %d, lost %t, inert %t", g.ID, said, lost, inert)
		}
	}
}

// A stack of targets with any features, each as wide as it may be, lets pass nothing that the engine denies, and all that it allows but for the
// losses. Nothing is left unaccounted for.
func TestStacksAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		e, err := policy.Compile(policies, policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		p := NewPlan(e, "")
		var fakes []*fake
		var stack Stack
		for i := range rapid.IntRange(1, 3).Draw(t, "layers") {
			f := &fake{target: string(rune('a' + i)), features: drawFeatures(t)}
			fakes, stack = append(fakes, f), append(stack, f)
		}
		res, err := Render(p, stack)
		var widening *WideningError
		if errors.As(err, &widening) {
			mustAccept(t, p, stack, widening)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		checkAccounts(t, p, res)
		lost := map[GrantID]bool{}
		for _, l := range res.Losses {
			lost[l.Grant.ID] = true
		}
		for range 10 {
			r := gen.Request(policies).Draw(t, "request")
			r.Source.Cluster = ""
			want := e.Decide(r)
			if want.Reason == policy.InvalidRequest {
				continue
			}
			got, seen := true, false
			for _, f := range fakes {
				got = got && f.passes(r)
				seen = seen || f.features[Baseline] == Same && !f.overlooks(r)
			}
			if !seen {
				continue // what no layer looks at, a target that sees TCP alone has to assume to be kept in
			}
			if got && !want.Allowed {
				t.Fatalf("the stack lets pass what the engine denies (%v)\nplan:\n%s", want, describe(p))
			}
			excused := false
			for g := range p.of(AllowGrant) {
				excused = excused || holds(g, r) && lost[g.ID]
			}
			if want.Allowed && !got && !excused {
				t.Fatalf("the stack does not let pass what the engine allows (%v)\nplan:\n%s", want, describe(p))
			}
		}
	})
}

func drawFeatures(t *rapid.T) Features {
	f := everyFeature()
	for _, feature := range slices.Sorted(maps.Keys(f)) {
		switch rapid.IntRange(0, 19).Draw(t, string(feature)) {
		case 17, 18:
			f[feature] = Wider
		case 19:
			delete(f, feature)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, string(TCPAlone)) == 0 {
		f[TCPAlone] = Same
		delete(f, UDPByName)
		delete(f, UDPByAddress)
		delete(f, SCTPByAddress)
	}
	return f
}

// overlooks reports whether the target does not see requests of such a protocol, but for what it says of them all the same.
func (f *fake) overlooks(r policy.Request) bool {
	return f.features[TCPAlone] == Same && r.Protocol.Transport() != policy.TCP
}

// passes judges a request by the plan that the target was given: exactly by its classes, and for what it only has to admit as widely as can be, by
// transport and port alone.
func (f *fake) passes(r policy.Request) bool {
	if f.features[Baseline] != Same || f.overlooks(r) || judged(f.plan, r) {
		return true
	}
	inRanges := ranged(slices.Collect(f.plan.of(AllowGrant)))
	for g := range f.plan.of(AllowGrant) {
		ports := g.To.Ports
		if f.features[PortRanges] == Wider && inRanges[g.ID] {
			ports = match.AllPorts()
		}
		if g.Admit && ports.Contains(r.Port) && g.To.Protocol.Transport() == r.Protocol.Transport() {
			return true
		}
	}
	return false
}
