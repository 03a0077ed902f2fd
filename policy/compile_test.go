package policy_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func hosts(patterns ...string) policy.Destination {
	d := policy.Destination{Protocol: policy.TLS}
	for _, p := range patterns {
		d.Hosts = append(d.Hosts, match.MustParsePattern(p))
	}
	return d
}

func addresses(prefixes ...string) policy.Destination {
	var ps []netip.Prefix
	for _, p := range prefixes {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return policy.Destination{Addresses: match.NewPrefixes(ps, nil), Protocol: policy.TCP, Ports: match.PortsOf(5432)}
}

func account(namespace, name string) identity.Selector {
	return identity.MustSelector(identity.Term{Namespaces: []string{namespace}, ServiceAccounts: []string{name}})
}

// with returns a policy of one source with one allow, after a change.
func with(change func(p *policy.Policy, s *policy.Source, r *policy.Rule)) *policy.Policy {
	p := &policy.Policy{Name: "p", Sources: []policy.Source{{Name: "s", From: account("shop", "a"), Section: policy.Section{
		Allow: []policy.Rule{{Name: "r", To: hosts("www.foo.com")}},
	}}}}
	change(p, &p.Sources[0], &p.Sources[0].Allow[0])
	return p
}

func TestCompileFindsMistakes(t *testing.T) {
	type (
		P = *policy.Policy
		S = *policy.Source
		R = *policy.Rule
	)
	const rule = `policy "p".spec.sources[0].allow[0]`
	for _, c := range []struct {
		code, field string
		change      func(P, S, R)
	}{
		{"missing-name", `policy "".metadata.name`, func(p P, s S, r R) { p.Name = "" }},
		{"bad-name", `policy "a/b".metadata.name`, func(p P, s S, r R) { p.Name = "a/b" }},
		{"bad-name", `policy "p".spec.sources[0].name`, func(p P, s S, r R) { s.Name = "-s" }},
		{"bad-name", rule + ".name", func(p P, s S, r R) { r.Name = strings.Repeat("x", 64) }},
		{"bad-namespace", `policy "No/p".metadata.namespace`, func(p P, s S, r R) { p.Namespace = "No" }},
		{"bad-cluster", `policy "p".spec.clusters`, func(p P, s S, r R) { p.Clusters = []string{"a b"} }},
		{"cluster-section", `policy "shop/p".spec.cluster`, func(p P, s S, r R) { p.Namespace, p.Cluster.Allow = "shop", s.Allow }},
		{"cluster-section", `policy "shop/p".spec.cluster`, func(p P, s S, r R) { p.Namespace, p.Cluster.Within = "shop", []policy.Rule{} }},
		{"missing-from", `policy "p".spec.sources[0].from`, func(p P, s S, r R) { s.From = identity.Selector{} }},
		{"foreign-namespace", `policy "news/p".spec.sources[0].from[0].namespaces[0]`, func(p P, s S, r R) { p.Namespace = "news" }},
		{"foreign-namespace", `policy "shop/p".spec.sources[0].from[1].namespaces[1]`, func(p P, s S, r R) {
			p.Namespace = "shop"
			s.From = identity.MustSelector(identity.Term{ServiceAccounts: []string{"a"}}, identity.Term{Namespaces: []string{"shop", "team"}}, identity.Term{Namespaces: []string{"sh*"}})
		}},
		{"foreign-namespace", `policy "shop/p".spec.sources[0].from[0].namespaceLabels`, func(p P, s S, r R) {
			p.Namespace = "shop"
			s.From = identity.MustSelector(identity.Term{NamespaceLabels: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: identity.NamespaceNameLabel, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"shop"}}}}})
		}},
		{"source-clusters", `policy "p".spec.sources[0].from`, func(p P, s S, r R) {
			p.Clusters, s.From = []string{"prod"}, identity.MustSelector(identity.Term{Clusters: []string{"dev"}})
		}},
		{"duplicate-source", `policy "p".spec.sources[1].name`, func(p P, s S, r R) {
			p.Sources = append(p.Sources, policy.Source{Name: "s", From: account("shop", "b")})
		}},
		{"duplicate-rule", rule[:len(rule)-2] + "1].name", func(p P, s S, r R) { s.Allow = append(s.Allow, policy.Rule{Name: "r", To: hosts("b.com")}) }},
		{"duplicate-rule", rule + ".name", func(p P, s S, r R) { r.Name, s.Within = "s-within", []policy.Rule{{To: hosts("b.com")}} }},
		{"duplicate-boundary", `policy "p".spec.sources[1].within`, func(p P, s S, r R) {
			s.Name, s.Within = "", []policy.Rule{{To: hosts("b.com")}}
			p.Sources = append(p.Sources, policy.Source{From: s.From, Section: policy.Section{Within: []policy.Rule{{To: hosts("c.com")}}}})
		}},
		{"duplicate-boundary", `policy "p".spec.sources[0].within`, func(p P, s S, r R) {
			s.Name, s.Within, p.Cluster.Within = "cluster", []policy.Rule{{To: hosts("b.com")}}, []policy.Rule{{To: hosts("b.com")}}
		}},
		{"empty-within", `policy "p".spec.sources[0].within`, func(p P, s S, r R) { s.Within = []policy.Rule{} }},
		{"no-destination", rule, func(p P, s S, r R) { r.To.Hosts = nil }},
		{"empty-host", rule + ".hosts[1]", func(p P, s S, r R) { r.To.Hosts = append(r.To.Hosts, match.Pattern{}) }},
		{"hosts-and-addresses", rule, func(p P, s S, r R) { r.To.Addresses = addresses("10.0.0.0/8").Addresses }},
		{"bad-protocol", rule + ".protocol", func(p P, s S, r R) { r.To.Protocol = policy.SCTP + 1 }},
		{"missing-protocol", rule + ".protocol", func(p P, s S, r R) { r.To.Protocol = policy.AnyProtocol }},
		{"missing-ports", rule + ".ports", func(p P, s S, r R) { r.To.Protocol = policy.TCP }},
		{"missing-ports", rule + ".ports", func(p P, s S, r R) { r.To.Protocol = policy.UDP }},
		{"missing-ports", rule + ".ports", func(p P, s S, r R) { r.To = policy.MustAddresses("10.0.0.0/8").SCTP() }},
		{"sctp-by-name", rule + ".protocol", func(p P, s S, r R) { r.To = hosts("a.com").SCTP(1) }},
		{"sctp-by-name", `policy "p".spec.sources[0].deny[0].protocol`, func(p P, s S, r R) { s.Deny = policy.Rules(hosts("a.com").SCTP()) }},
		{"too-many", rule + ".ports", func(p P, s S, r R) {
			for i := range uint16(policy.MaxListed + 1) {
				r.To.Ports = r.To.Ports.Union(match.PortsOf(2*i + 1))
			}
		}},
		{"too-many", rule + ".methods", func(p P, s S, r R) {
			r.To.Protocol, r.To.Methods = policy.HTTP, slices.Repeat([]string{"GET"}, policy.MaxListed+1)
		}},
		{"too-many", rule + ".paths", func(p P, s S, r R) {
			r.To.Protocol, r.To.Paths = policy.HTTP, slices.Repeat([]policy.Path{policy.MustParsePath("/a")}, policy.MaxListed+1)
		}},
		{"methods-not-http", `policy "p".spec.sources[0].deny[0].methods`, func(p P, s S, r R) {
			s.Deny = []policy.Rule{{To: policy.Destination{Hosts: r.To.Hosts, Methods: []string{"GET"}}}}
		}},
		{"paths-not-http", `policy "p".spec.sources[0].within[0].paths`, func(p P, s S, r R) {
			s.Within = []policy.Rule{{To: policy.Destination{Hosts: r.To.Hosts, Paths: []policy.Path{policy.MustParsePath("/a")}}}}
		}},
		{"bad-method", rule + ".methods[1]", func(p P, s S, r R) { r.To.Protocol, r.To.Methods = policy.HTTP, []string{"ZAP", ""} }},
		{"bad-method", rule + ".methods[0]", func(p P, s S, r R) {
			r.To.Protocol, r.To.Methods = policy.HTTP, []string{strings.Repeat("X", 64), "X-Y"}
		}},
		{"originate-in-within", `policy "p".spec.sources[0].within[0].originateTLS`, func(p P, s S, r R) { s.Within = policy.Rules(hosts("www.foo.com").HTTP().Originating(443)) }},
		{"originate-credential", rule + ".originateTLS.credentialName", func(p P, s S, r R) { r.To = r.To.HTTP().OriginatingMutual(443, "a b") }},
		{"empty-within", `policy "p".spec.sources[0].within`, func(p P, s S, r R) { s.Allow, s.Within = nil, []policy.Rule{} }},
		{"duplicate-rule", rule[:len(rule)-2] + "1].name", func(p P, s S, r R) { s.Allow = append(s.Allow, policy.Rule{Name: "r", To: r.To, Reason: "another"}) }},
		{"duplicate-rule", rule[:len(rule)-2] + "1].name", func(p P, s S, r R) {
			s.Allow = append(s.Allow, policy.Rule{Name: "r", To: r.To, Expires: gen.Now.AddDate(90, 0, 0)})
		}},
		{"methods-not-http", rule + ".methods", func(p P, s S, r R) { r.To.Methods = []string{"GET"} }},
		{"paths-not-http", rule + ".paths", func(p P, s S, r R) { r.To.Paths = []policy.Path{policy.MustParsePath("/a")} }},
		{"bad-method", rule + ".methods[0]", func(p P, s S, r R) { r.To.Protocol, r.To.Methods = policy.HTTP, []string{"get"} }},
		{"empty-path", rule + ".paths[0]", func(p P, s S, r R) { r.To.Protocol, r.To.Paths = policy.HTTP, []policy.Path{{}} }},
		{"originate-not-http", rule + ".originateTLS", func(p P, s S, r R) { r.To.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS} }},
		{"originate-not-http", rule + ".originateTLS", func(p P, s S, r R) {
			r.To = addresses("10.0.0.0/8")
			r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
		}},
		{"originate-in-deny", `policy "p".spec.sources[0].deny[0].originateTLS`, func(p P, s S, r R) {
			r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
			s.Deny, s.Allow = s.Allow, nil
		}},
		{"originate-port", rule + ".originateTLS.port", func(p P, s S, r R) {
			r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Mode: policy.SimpleTLS}
		}},
		{"originate-mode", rule + ".originateTLS.mode", func(p P, s S, r R) { r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443} }},
		{"originate-credential", rule + ".originateTLS.credentialName", func(p P, s S, r R) {
			r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443, Mode: policy.MutualTLS}
		}},
		{"originate-credential", rule + ".originateTLS.credentialName", func(p P, s S, r R) {
			r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS, CredentialName: "c"}
		}},
	} {
		_, err := policy.Compile([]*policy.Policy{with(c.change)})
		var found policy.Diagnostics
		if !errors.As(err, &found) || len(found) != 1 {
			t.Errorf("%s: want one diagnostic, got %v", c.code, err)
			continue
		}
		if d := found[0]; d.Code != c.code || d.Position.Field != c.field || d.Severity != policy.Error || d.Message == "" {
			t.Errorf("want %s at %s, got %v", c.code, c.field, d)
		}
	}
}

// What is as long as it may be compiles.
func TestCompileTakesTheLongest(t *testing.T) {
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		p.Name, s.Name, r.Name = strings.Repeat("p", 253), strings.Repeat("s", 63), strings.Repeat("r", 63)
		r.To = r.To.HTTP().OriginatingMutual(65535, strings.Repeat("c", 253))
		r.To.Methods, r.To.Paths = slices.Repeat([]string{strings.Repeat("M", 63)}, policy.MaxListed), slices.Repeat([]policy.Path{policy.MustParsePath("/" + strings.Repeat("a", 1023))}, policy.MaxListed)
		for i := range uint16(policy.MaxListed) {
			r.To.Ports = r.To.Ports.Union(match.NewPorts(match.PortRange{First: 65535 - 3*i - 1, Last: 65535 - 3*i}))
		}
	})
	compile(t, []*policy.Policy{p})
}

func TestCompileReportsAllMistakesInOrder(t *testing.T) {
	at := func(line int) policy.Position { return policy.Position{File: "f.yaml", Line: line, Field: "spec.x"} }
	a := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		p.At, r.At, r.To.Hosts = at(1), at(9), nil
		s.Allow = append(s.Allow, policy.Rule{At: at(8), To: policy.Destination{Hosts: r.To.Hosts}})
	})
	b := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) { p.At = at(20) })
	for _, ps := range [][]*policy.Policy{{a, b, nil}, {nil, b, a}} {
		_, err := policy.Compile(ps)
		var found policy.Diagnostics
		errors.As(err, &found)
		var got []string
		for _, d := range found {
			got = append(got, d.Code)
		}
		want := []string{"nil-policy", "no-destination", "missing-protocol", "no-destination", "duplicate-policy"}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v\n%v", got, want, err)
		}
		if !strings.Contains(err.Error(), `f.yaml:20: spec.x.metadata.name: error duplicate-policy: there is another policy named "p" at f.yaml:1: spec.x`) {
			t.Errorf("duplicates are reported elsewhere:\n%v", err)
		}
	}
}

// Rules are in order of ID although names of policies begin with each other, or are those of namespaces.
func TestRulesAreInOrderOfID(t *testing.T) {
	of := func(namespace, name string, rules ...string) *policy.Policy {
		p := &policy.Policy{Namespace: namespace, Name: name, Sources: []policy.Source{{Name: "s", From: account("a", "x")}}}
		for _, r := range rules {
			p.Sources[0].Deny = append(p.Sources[0].Deny, policy.Rule{Name: r, To: hosts("a.com")})
		}
		return p
	}
	e := compile(t, []*policy.Policy{of("a", "m", "r"), of("", "a.b", "r"), of("", "a", "z", "b"), of("", "a-b", "r"), of("", "ab", "r")})
	var got []policy.RuleID
	for r := range e.Rules() {
		got = append(got, r.ID)
	}
	if want := []policy.RuleID{"a-b/r", "a.b/r", "a/b", "a/m/r", "a/z", "ab/r"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Of rules with one name, all but the first in the document are reported, whatever their order in memory.
func TestDuplicatesAreToldFromTheFirst(t *testing.T) {
	rule := func(line int, host string) policy.Rule {
		return policy.Rule{Name: "r", To: hosts(host), At: policy.Position{File: "f.yaml", Line: line}}
	}
	rules := []policy.Rule{rule(3, "b.com"), rule(1, "a.com"), rule(9, "c.com"), rule(7, "a.com")}
	for range len(rules) {
		rules = append(rules[1:], rules[0])
		_, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: rules}}})
		var found policy.Diagnostics
		errors.As(err, &found)
		var lines []int
		for _, d := range found {
			lines = append(lines, d.Position.Line)
			if !strings.Contains(d.Message, "at f.yaml:1") {
				t.Errorf("not told from the first: %v", d)
			}
		}
		if !slices.Equal(lines, []int{3, 9}) {
			t.Errorf("lines %v are reported", lines)
		}
	}
}

func TestCompileKeepsNoReferences(t *testing.T) {
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		r.To.Protocol, r.To.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
		r.To.Methods, r.To.Paths = []string{"GET"}, []policy.Path{policy.MustParsePath("/a")}
	})
	e := compile(t, []*policy.Policy{p})
	before := texts(e)
	to := &p.Sources[0].Allow[0].To
	to.Hosts[0], to.Methods[0], to.Paths[0], to.OriginateTLS.Port = match.MustParsePattern("evil.com"), "PUT", policy.MustParsePath("/b"), 1
	p.Sources[0].Name = "other"
	if after := texts(e); !slices.Equal(before, after) {
		t.Errorf("rules became %q", after)
	}
}

func TestDerivedNames(t *testing.T) {
	ids := func(change func(p *policy.Policy, s *policy.Source, r *policy.Rule)) []string {
		var out []string
		for r := range compile(t, []*policy.Policy{with(change)}).Rules() {
			out = append(out, string(r.ID))
		}
		return out
	}
	unnamed := func(more ...policy.Rule) []string {
		return ids(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
			r.Name = ""
			s.Allow = append(s.Allow, more...)
		})
	}
	base := unnamed()
	if len(base) != 1 || !strings.HasPrefix(base[0], "p/allow-www.foo.com-") {
		t.Fatalf("derived %q", base)
	}
	same := policy.Rule{To: hosts("www.foo.com", "www.foo.com")}
	same.To.Ports = match.PortsOf(443)
	if got := unnamed(same); !slices.Equal(got, base) {
		t.Errorf("a rule that says the same does not collapse: %q", got)
	}
	if got := unnamed(policy.Rule{To: hosts("b.com")}); len(got) != 2 || !slices.Contains(got, base[0]) {
		t.Errorf("another rule changes the name: %q", got)
	}
	for _, other := range []policy.Rule{{Reason: "why"}, {Owner: "who"}, {Expires: gen.Now.AddDate(1, 0, 0)}} {
		other.To = hosts("www.foo.com")
		if got := unnamed(other); len(got) != 2 {
			t.Errorf("rules of which one has a reason, an owner or an end: %q", got)
		}
	}
	noted := ids(func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.Name, r.Reason = "", "why" })
	if !slices.Equal(noted, base) {
		t.Errorf("a reason changes the name from %q to %q", base, noted)
	}
	moved := ids(func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.Name, s.Name = "", "other" })
	if slices.Equal(moved, base) {
		t.Errorf("another source has the same name %q", moved)
	}
	if got := ids(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		s.Name, r.Name, r.To = "", "", hosts(strings.Repeat("a", 63)+"."+strings.Repeat("b", 63)+".com")
		s.Within = []policy.Rule{{To: r.To}}
	}); len(got) != 2 || len(got[0]) > 65 || !strings.HasPrefix(got[1], "p/shop-a-") || !strings.HasSuffix(got[1], "-within") {
		t.Errorf("long and unnamed source: %q", got)
	}
}

func TestExpiry(t *testing.T) {
	day := time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		now  time.Time
		want policy.Reason
	}{
		{day.Add(-time.Nanosecond), policy.Allowed},
		{day, policy.NoRule},
		{day.AddDate(1, 0, 0), policy.NoRule},
		{time.Date(2027, 6, 30, 1, 0, 0, 0, time.FixedZone("east", 7200)), policy.Allowed}, // still the 29th in UTC
	} {
		p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.Expires = day.Add(13 * time.Hour) })
		e, err := policy.Compile([]*policy.Policy{p}, policy.At(c.now))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Decide(request("shop", "a", "www.foo.com")); got.Reason != c.want {
			t.Errorf("at %v: %v", c.now, got)
		}
	}
	// The day is that of UTC, wherever the time was taken.
	early := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		r.Expires = time.Date(2027, 6, 30, 1, 0, 0, 0, time.FixedZone("east", 7200))
	})
	e, err := policy.Compile([]*policy.Policy{early}, policy.At(day.Add(-24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Explain(request("shop", "a", "www.foo.com")); got.Decision.Reason != policy.NoRule || !strings.Contains(got.String(), "it expired on 2027-06-29") {
		t.Errorf("on the 29th: %v", got)
	}
	// A boundary whose destinations have all expired has nothing inside.
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		s.Within = []policy.Rule{{To: hosts("*.foo.com"), Expires: gen.Now}}
	})
	if got := compile(t, []*policy.Policy{p}).Decide(request("shop", "a", "www.foo.com")); got.Reason != policy.OutsideBoundary || got.Rule != "p/s-within" {
		t.Errorf("empty boundary: %+v", got)
	}
}

func TestTrustDomains(t *testing.T) {
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {})
	trust, err := identity.NewTrustDomains("new.example", "old.example")
	if err != nil {
		t.Fatal(err)
	}
	e, err := policy.Compile([]*policy.Policy{p}, policy.TrustDomains(trust))
	if err != nil {
		t.Fatal(err)
	}
	for td, want := range map[string]bool{"new.example": true, "old.example": true, "": false, "evil.example": false} {
		r := request("shop", "a", "www.foo.com")
		r.Source.TrustDomain = td
		if got := e.Decide(r); got.Allowed != want {
			t.Errorf("from %q: %+v", td, got)
		}
		if x := e.Explain(r); !want && (len(x.Nearest) != 1 || x.Nearest[0].Misses[0].Field != "trust domain") {
			t.Errorf("from %q: %v", td, x)
		}
	}
}

func request(namespace, serviceAccount, host string) policy.Request {
	return policy.Request{
		Source: identity.Workload{Namespace: namespace, ServiceAccount: serviceAccount},
		Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)},
	}
}
