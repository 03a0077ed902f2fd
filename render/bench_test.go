package render

import (
	"fmt"
	"slices"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// manyNames returns a plan of n names in groups of sources, each with a wildcard, some denied names and a boundary of its own.
func manyNames(n, groups int) *Plan {
	var rules []*policy.EffectiveRule
	add := func(effect policy.Effect, source identity.Selector, to ...policy.Destination) {
		rules = append(rules, &policy.EffectiveRule{ID: policy.RuleID(fmt.Sprintf("p/r%05d", len(rules))), Effect: effect, Sources: source, To: to})
	}
	tls := func(pattern string) policy.Destination {
		return policy.Destination{Hosts: []match.Pattern{match.MustParsePattern(pattern)}, Protocol: policy.TLS, Ports: match.PortsOf(443)}
	}
	for g := range groups {
		source := identity.MustSelector(identity.Term{Namespaces: []string{fmt.Sprintf("team-%d", g)}, ServiceAccounts: []string{"a", "b"}})
		add(policy.Allow, source, tls(fmt.Sprintf("*.group-%d.example.com", g)))
		add(policy.Deny, source, tls(fmt.Sprintf("bad.group-%d.example.com", g)))
		add(policy.Within, source, tls("*.com"))
		for i := g; i < n; i += groups {
			add(policy.Allow, source, tls(fmt.Sprintf("www.host-%d.com", i)))
		}
	}
	return newPlan(slices.Values(rules), "")
}

// manyAddresses returns a plan of n networks in groups of sources, with one that is denied in each.
func manyAddresses(n, groups int) *Plan {
	var rules []*policy.EffectiveRule
	add := func(effect policy.Effect, group int, prefix string) {
		rules = append(rules, &policy.EffectiveRule{ID: policy.RuleID(fmt.Sprintf("p/r%05d", len(rules))), Effect: effect,
			Sources: identity.MustSelector(identity.Term{Namespaces: []string{fmt.Sprintf("team-%d", group)}}),
			To:      []policy.Destination{{Addresses: addresses(prefix), Protocol: policy.TCP, Ports: match.PortsOf(443)}}})
	}
	for i := range n {
		add(policy.Allow, i%groups, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
		add(policy.Deny, i%groups, fmt.Sprintf("10.%d.%d.7/32", i/256, i%256))
	}
	return newPlan(slices.Values(rules), "")
}

func BenchmarkRender(b *testing.B) {
	for _, kind := range []struct {
		name string
		plan func(n, groups int) *Plan
	}{{"names", manyNames}, {"addresses", manyAddresses}} {
		for _, n := range []int{100, 1000, 5000} {
			for _, groups := range []int{1, 50} {
				b.Run(fmt.Sprintf("of=%s/n=%d/groups=%d", kind.name, n, groups), func(b *testing.B) {
					p := kind.plan(n, groups)
					stack := Stack{&fake{target: "a", features: everyFeature()}, &fake{target: "b", features: wider(TLSByName)}}
					for b.Loop() {
						if _, err := Render(p, stack); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
