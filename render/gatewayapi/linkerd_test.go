package gatewayapi_test

import (
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// namespaceRules returns a policy that lets each namespace, or "" for everybody, reach a name by TLS, but for what it denies.
func namespaceRules(allow, deny [][2]string) []*policy.Policy {
	p := &policy.Policy{Name: "p"}
	section := func(namespace string) *policy.Section {
		if namespace == "" {
			return &p.Cluster
		}
		p.Sources = append(p.Sources, policy.Source{From: identity.MustSelector(identity.Term{Namespaces: []string{namespace}})})
		return &p.Sources[len(p.Sources)-1].Section
	}
	for _, r := range allow {
		s := section(r[0])
		s.Allow = append(s.Allow, policy.Rules(policy.MustHosts(r[1]).TLS())...)
	}
	for _, r := range deny {
		s := section(r[0])
		s.Deny = append(s.Deny, policy.Rules(policy.MustHosts(r[1]))...)
	}
	return []*policy.Policy{p}
}

// TestLinkerdNamespaces: what a namespace's own network and the one for all let pass, and what is lost by name.
func TestLinkerdNamespaces(t *testing.T) {
	for name, c := range map[string]struct {
		allow, deny [][2]string // of a namespace, a pattern
		pass, stop  [][2]string // from a namespace, a name
		lost        int         // grants
	}{
		"a namespace": {
			allow: [][2]string{{"a", "a.com"}},
			pass:  [][2]string{{"a", "a.com"}}, stop: [][2]string{{"b", "a.com"}, {"a", "b.com"}},
		},
		"a namespace and everybody": {
			allow: [][2]string{{"a", "a.com"}, {"", "b.com"}},
			pass:  [][2]string{{"a", "a.com"}, {"a", "b.com"}, {"c", "b.com"}}, stop: [][2]string{{"c", "a.com"}},
		},
		"a namespace's rule that everybody's covers": {
			allow: [][2]string{{"a", "a.com"}, {"", "a.com"}},
			pass:  [][2]string{{"a", "a.com"}, {"c", "a.com"}},
		},
		"everybody but a namespace": {
			allow: [][2]string{{"", "*.a.com"}}, deny: [][2]string{{"a", "*.a.com"}},
			pass: [][2]string{{"c", "x.a.com"}}, stop: [][2]string{{"a", "x.a.com"}},
		},
		// One class of the grant is said, the other is not: the name below is closed to a part of namespace a.
		"a wildcard with a name below that is taken from some": {
			allow: [][2]string{{"a", "*.a.com"}, {"b", "*.a.com"}}, deny: [][2]string{{"b", "x.a.com"}},
			pass: [][2]string{{"a", "y.a.com"}, {"a", "x.a.com"}}, stop: [][2]string{{"b", "y.a.com"}, {"b", "x.a.com"}},
			lost: 1,
		},
		// *.com is the next wildcard above *.a.com, which can't be said to a.
		"a name two wildcards below": {
			allow: [][2]string{{"a", "*.com"}, {"a", "*.a.com"}, {"b", "*.a.com"}, {"b", "b.a.com"}}, deny: [][2]string{{"a", "b.a.com"}},
			pass: [][2]string{{"b", "x.a.com"}, {"b", "b.a.com"}}, stop: [][2]string{{"a", "b.a.com"}, {"a", "x.com"}},
			lost: 2,
		},
		// Linkerd takes the networks of this namespace for those of all.
		"the namespace of the networks for all": {
			allow: [][2]string{{"linkerd-egress", "a.com"}},
			stop:  [][2]string{{"linkerd-egress", "a.com"}, {"c", "a.com"}},
			lost:  1,
		},
		"everybody but the namespace of the networks for all": {
			allow: [][2]string{{"", "a.com"}}, deny: [][2]string{{"linkerd-egress", "a.com"}},
			stop: [][2]string{{"linkerd-egress", "a.com"}, {"c", "a.com"}},
			lost: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, namespaceRules(c.allow, c.deny))
			result, err := render.Render(p, render.Stack{newRenderer(t, linkerdProfile())})
			if err != nil {
				t.Fatal(err)
			}
			ask := func(from, host string) bool {
				return passes(result.Objects, from, policy.Request{Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}})
			}
			for _, r := range c.pass {
				if !ask(r[0], r[1]) {
					t.Errorf("namespace %s does not get to %s", r[0], r[1])
				}
			}
			for _, r := range c.stop {
				if ask(r[0], r[1]) {
					t.Errorf("namespace %s gets to %s", r[0], r[1])
				}
			}
			lost := map[render.GrantID]bool{}
			for _, l := range result.Losses {
				lost[l.Grant.ID] = true
			}
			if len(lost) != c.lost {
				t.Errorf("%d grants are lost, want %d: %v", len(lost), c.lost, result.Losses)
			}
		})
	}
}

// TestLinkerdHalfLost: of a rule's two classes one is emitted, and the other is not, since an account is kept from it. The loss says so, and
// says nothing about names that are no part of it.
func TestLinkerdHalfLost(t *testing.T) {
	policies := namespaceRules([][2]string{{"", "*.b.com"}, {"", "a.com"}}, nil)
	policies[0].Sources = []policy.Source{{
		From:    identity.MustSelector(identity.Term{ServiceAccounts: []string{"x"}}),
		Section: policy.Section{Within: policy.Rules(policy.MustHosts("a.b.com", "a.com").TLS())},
	}}
	result, err := render.Render(plan(t, policies), render.Stack{newRenderer(t, linkerdProfile())})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"a.com": true, "a.b.com": true, "x.b.com": false} {
		access := policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}
		if got := passes(result.Objects, "a", policy.Request{Access: access}); got != want {
			t.Errorf("%s passes: %v, want %v", host, got, want)
		}
	}
	lost := map[string]bool{}
	for _, l := range result.Losses {
		lost[l.Grant.To.Hosts[0].String()] = true
	}
	if !lost["*.b.com"] || lost["a.com"] {
		t.Errorf("losses: %v", result.Losses)
	}
}

// TestLinkerdPartOfNamespace: everybody may reach a name but an account of namespace a. The rest of the namespace is a loss, the others are not.
func TestLinkerdPartOfNamespace(t *testing.T) {
	policies := namespaceRules([][2]string{{"", "a.com"}}, nil)
	policies[0].Sources = []policy.Source{{
		From:    identity.MustSelector(identity.Term{Namespaces: []string{"a"}, ServiceAccounts: []string{"x"}}),
		Section: policy.Section{Deny: policy.Rules(policy.MustHosts("a.com"))},
	}}
	result, err := render.Render(plan(t, policies), render.Stack{newRenderer(t, linkerdProfile())})
	if err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]bool{"a": false, "b": true} {
		access := policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("a.com")}
		if got := passes(result.Objects, namespace, policy.Request{Access: access}); got != want {
			t.Errorf("from namespace %s it passes: %v, want %v", namespace, got, want)
		}
	}
	if len(result.Losses) != 1 || result.Losses[0].Feature != render.SourceAccounts {
		t.Errorf("losses: %v", result.Losses)
	}
}
