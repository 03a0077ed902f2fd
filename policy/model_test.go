package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func TestProtocols(t *testing.T) {
	all := []policy.Protocol{policy.AnyProtocol, policy.TLS, policy.HTTP, policy.TCP, policy.UDP, policy.SCTP}
	for _, c := range []struct {
		p         policy.Protocol
		text      string
		transport policy.Protocol
		contains  []policy.Protocol
	}{
		{policy.AnyProtocol, "any", policy.AnyProtocol, all},
		{policy.TLS, "TLS", policy.TCP, []policy.Protocol{policy.TLS}},
		{policy.HTTP, "HTTP", policy.TCP, []policy.Protocol{policy.HTTP}},
		{policy.TCP, "TCP", policy.TCP, []policy.Protocol{policy.TLS, policy.HTTP, policy.TCP}},
		{policy.UDP, "UDP", policy.UDP, []policy.Protocol{policy.UDP}},
		{policy.SCTP, "SCTP", policy.SCTP, []policy.Protocol{policy.SCTP}},
	} {
		if c.p.String() != c.text || c.p.Transport() != c.transport {
			t.Errorf("%v on %v", c.p, c.p.Transport())
		}
		for _, q := range all {
			if got := c.p.Contains(q); got != slices.Contains(c.contains, q) {
				t.Errorf("%v contains %v: %v", c.p, q, got)
			}
		}
		parsed, err := policy.ParseProtocol(c.text)
		if parsed != c.p || (err != nil) != (c.p == policy.AnyProtocol) {
			t.Errorf("%q is %v, %v", c.text, parsed, err)
		}
	}
	for _, s := range []string{"", "tls", "QUIC", "invalid", "TLS "} {
		if p, err := policy.ParseProtocol(s); err == nil || p != policy.AnyProtocol {
			t.Errorf("%q is %v", s, p)
		}
	}
}

// What constants are called is stable, and what is none of them is invalid.
func TestWords(t *testing.T) {
	for want, s := range map[string]fmt.Stringer{
		"invalid/protocol": policy.SCTP + 1, "invalid/effect": policy.Effect(0), "invalid/mode": policy.TLSMode(0), "invalid/severity": policy.Severity(0), "invalid/reason": policy.InvalidRequest + 1,
		"allow": policy.Allow, "deny": policy.Deny, "within": policy.Within, "Simple": policy.SimpleTLS, "Mutual": policy.MutualTLS,
		"no rule": policy.NoRule, "allowed": policy.Allowed, "denied": policy.Denied, "outside boundary": policy.OutsideBoundary, "invalid request": policy.InvalidRequest,
	} {
		if want, _, _ := strings.Cut(want, "/"); s.String() != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
}

// Rules are shown with lists in order and without what is said twice, and lists of theirs can be appended to.
func TestRulesAreCanonical(t *testing.T) {
	d := hosts("b.com", "a.com", "b.com").HTTP()
	d.Methods, d.Paths = []string{"PUT", "GET", "PUT"}, []policy.Path{policy.MustParsePath("/b"), policy.MustParsePath("/a"), policy.MustParsePath("/b")}
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		r.To = d
		s.Allow = append(s.Allow, policy.Rule{Name: "z", To: policy.Destination{Hosts: hosts("z.com").Hosts, Protocol: policy.HTTP, Methods: []string{}, Paths: []policy.Path{}}})
		s.Within = policy.Rules(hosts("c.com"), d, hosts("c.com"), d)
	})
	e := compile(t, []*policy.Policy{p})
	const to = "HTTP a.com,b.com port 80 methods GET,PUT paths /a,/b"
	for range 2 {
		rules := slices.Collect(e.Rules())
		if len(rules) != 3 || len(rules[2].To) != 1 || rules[2].To[0].Hosts[0].String() != "z.com" || rules[2].To[0].Methods != nil || rules[2].To[0].Paths != nil {
			t.Fatalf("rules %v", texts(e))
		}
		got := rules[0].To[0]
		if got.String() != to || len(got.Hosts) != 2 || !slices.Equal(got.Methods, []string{"GET", "PUT"}) || len(got.Paths) != 2 || got.Paths[0].String() != "/a" {
			t.Errorf("%v", got)
		}
		if within := rules[1].To; len(within) != 2 || within[0].String() != strings.Replace(to, " port 80", "", 1) || within[1].String() != "TLS c.com" {
			t.Errorf("within %v", within)
		}
		_ = append(got.Hosts, match.MustParsePattern("evil.com"))
	}
	for range e.Rules() {
		break // and a loop may end early
	}
	for range (*policy.Engine)(nil).Rules() {
		t.Error("a nil engine has rules")
	}
}

// Names that are derived are names that could be given, readable, and different for what differs.
func TestDerivedNamesCanBeGiven(t *testing.T) {
	for _, namespaces := range [][]string{{"shop"}, {"?"}, {"?a"}, {"*-x"}, {"a?"}, {strings.Repeat("a", 60), strings.Repeat("b", 60)}, {strings.Repeat("a", 51) + ".b"}} {
		for _, pattern := range []string{"a.com", "*.a.com", "a?.com", strings.Repeat("a", 44) + ".bcd.com", strings.Repeat("a", 45) + ".bcd.com", strings.Repeat("a", 63) + ".com"} {
			unnamed := policy.Source{From: identity.MustSelector(identity.Term{Namespaces: namespaces}), Section: policy.Section{Deny: policy.Rules(policy.MustHosts(pattern)), Within: policy.Rules(hosts(pattern))}}
			derived := texts(compile(t, []*policy.Policy{{Name: "p", Sources: []policy.Source{unnamed}}}))
			named := unnamed
			for _, text := range derived {
				id, _, _ := strings.Cut(text, " ")
				name := strings.TrimPrefix(id, "p/")
				if source, ok := strings.CutSuffix(name, "-within"); ok {
					named.Name, name = source, source
				} else {
					named.Deny = []policy.Rule{{Name: name, To: unnamed.Deny[0].To}}
				}
				if len(name) > 63 || len(name) < 12 || strings.Contains(name, "--") || strings.Contains(name, ".-") {
					t.Errorf("%q", name)
				}
			}
			given := texts(compile(t, []*policy.Policy{{Name: "p", Sources: []policy.Source{named}}}))
			if !slices.Equal(derived, given) {
				t.Errorf("derived %q, given %q", derived, given)
			}
			// A source that has the name of another one is not that one: what it says without a name is its own.
			other := policy.Source{Name: named.Name, From: account("other", "x"), Section: policy.Section{Deny: unnamed.Deny}}
			unnamed.Within = nil
			if both := texts(compile(t, []*policy.Policy{{Name: "p", Sources: []policy.Source{unnamed, other}}})); len(both) != 2 {
				t.Errorf("two sources have %q", both)
			}
		}
	}
}

// However many selectors select a workload, each has its say: with its boundary, its deny and its allow.
func TestEachOfManySelectorsCounts(t *testing.T) {
	for n := 1; n <= 8; n++ {
		for odd := range n {
			for _, effect := range []policy.Effect{policy.Allow, policy.Deny, policy.Within} {
				p := &policy.Policy{Name: "p"}
				if effect != policy.Allow {
					p.Cluster.Allow = policy.Rules(hosts("a.com"))
				}
				for i := range n {
					names := []string{"shop"}
					for j := range i {
						names = append(names, fmt.Sprint("other-", j))
					}
					s := policy.Source{From: identity.MustSelector(identity.Term{Namespaces: names})}
					rules := policy.Rules(hosts("b.com"))
					if (i == odd) != (effect == policy.Within) {
						rules = policy.Rules(hosts("a.com"))
					}
					switch effect {
					case policy.Allow:
						s.Allow = rules
					case policy.Deny:
						s.Deny = rules
					case policy.Within:
						s.Within = rules
					}
					p.Sources = append(p.Sources, s)
				}
				want := map[policy.Effect]policy.Reason{policy.Allow: policy.Allowed, policy.Deny: policy.Denied, policy.Within: policy.OutsideBoundary}[effect]
				if d := compile(t, []*policy.Policy{p}).Decide(request("shop", "x", "a.com")); d.Reason != want {
					t.Errorf("of %d selectors the one with number %d has the %v: %v", n, odd, effect, d)
				}
			}
		}
	}
}

// A protocol without ports leaves the ports as they are.
func TestConstructorsKeepPorts(t *testing.T) {
	for _, d := range []policy.Destination{hosts("a.com").TLS(8443).HTTP(), hosts("a.com").HTTP(1, 2).TCP(8443), hosts("a.com").UDP(8443)} {
		if !d.Ports.Equal(match.PortsOf(8443)) {
			t.Errorf("%s", d)
		}
	}
}
