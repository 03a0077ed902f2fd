// Package gen generates hosts, patterns, selectors, workloads, policies and requests for property tests.
//
// Alphabets are small, so that near-misses and collisions are common; requests are made from what the rules at hand name, a label more or
// less, a port beside. All policies generated are ones that compile.
package gen

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Now is the time that the generated expiries lie around: pass it to policy.At.
var Now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

// chance draws true once in n times, and shrinks to false.
func chance(t *rapid.T, label string, n int) bool {
	return rapid.IntRange(0, n-1).Draw(t, label) == n-1
}

func some[T any](t *rapid.T, label string, g *rapid.Generator[T], least, most int) []T {
	return rapid.SliceOfN(g, least, most).Draw(t, label)
}

// Host generates hosts of one to four labels.
func Host() *rapid.Generator[match.Host] {
	return rapid.Custom(func(t *rapid.T) match.Host { return match.MustParseHost(strings.Join(hostLabels(t, 1, 4), ".")) })
}

func hostLabels(t *rapid.T, least, most int) []string {
	labels := some(t, "labels", rapid.SampledFrom([]string{"a", "b", "ab", "a-b", "aab"}), least, most)
	return append(labels, pick(t, "top", "com", "io"))
}

// Pattern generates patterns of all kinds.
func Pattern() *rapid.Generator[match.Pattern] {
	return rapid.Custom(func(t *rapid.T) match.Pattern {
		labels := hostLabels(t, 1, 3)
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 2, 3:
			labels = append([]string{"*"}, labels...)
		case 4:
			at := rapid.IntRange(0, len(labels)-2).Draw(t, "at")
			labels[at] = pick(t, "wild", "a*", "?*b", "a?", "?*", "a*b", "?") // never "*b": patterns do not begin so
			if chance(t, "inner", 3) {
				labels = append([]string{"b", "*"}, labels...)
			}
			if chance(t, "deep", 3) {
				labels = append([]string{"*"}, labels...)
			}
		}
		p, err := match.ParsePattern(strings.Join(labels, "."))
		if err != nil {
			t.Fatalf("gen: %v", err)
		}
		return p
	})
}

// Prefix generates prefixes of both families, nested in each other more often than not.
func Prefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		return netip.MustParsePrefix(pick(t, "prefix", "203.0.113.0/24", "203.0.113.0/25", "203.0.113.7/32", "203.0.113.8/31", "198.51.100.0/24",
			"0.0.0.0/0", "2001:db8::/32", "2001:db8::7/128", "2001:db8::/126", "::/0"))
	})
}

// Prefixes generates sets of addresses that are not empty.
func Prefixes() *rapid.Generator[match.Prefixes] {
	return rapid.Custom(func(t *rapid.T) match.Prefixes {
		include := some(t, "include", Prefix(), 1, 3)
		s := match.NewPrefixes(include, some(t, "except", Prefix(), 0, 2))
		if s.IsEmpty() {
			return match.NewPrefixes(include, nil)
		}
		return s
	})
}

// NearPrefixes generates sets of addresses, also none, in a corner of the address space, so that what is drawn touches and overlaps, of both
// families.
func NearPrefixes() *rapid.Generator[match.Prefixes] {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "byte")})
		bits := rapid.IntRange(24, 32).Draw(t, "bits")
		if rapid.Bool().Draw(t, "IPv6") {
			b := a.AsSlice()
			a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: b[3]})
			bits += 96
		}
		if rapid.IntRange(0, 9).Draw(t, "everything") == 0 {
			bits = 0
		}
		return netip.PrefixFrom(a, bits)
	})
	return rapid.Custom(func(t *rapid.T) match.Prefixes {
		return match.NewPrefixes(rapid.SliceOfN(prefix, 0, 6).Draw(t, "include"), rapid.SliceOfN(prefix, 0, 6).Draw(t, "except"))
	})
}

// Ports generates sets of ports that are not empty.
func Ports() *rapid.Generator[match.Ports] {
	return rapid.Custom(func(t *rapid.T) match.Ports {
		return match.NewPorts(some(t, "ranges", rapid.SampledFrom([]match.PortRange{
			{First: 443, Last: 443}, {First: 80, Last: 80}, {First: 444, Last: 444}, {First: 1, Last: 1}, {First: 80, Last: 443}, {First: 65535, Last: 65535}, {First: 1, Last: 65535},
		}), 1, 3)...)
	})
}

var (
	clusters   = []string{"c1", "c2", "d1"}
	namespaces = []string{"a", "b", "ab"}
	accounts   = []string{"x", "y", "xy"}
)

func labelSet(t *rapid.T, label string) map[string]string {
	set := map[string]string{}
	for _, k := range some(t, label, rapid.SampledFrom([]string{"app", "tier"}), 0, 2) {
		set[k] = pick(t, k, "1", "2")
	}
	return set
}

// Workload generates workloads; what may be unknown sometimes is.
func Workload() *rapid.Generator[identity.Workload] {
	return rapid.Custom(func(t *rapid.T) identity.Workload {
		return identity.Workload{
			Cluster: pick(t, "cluster", append(clusters, "")...), Namespace: pick(t, "namespace", namespaces...),
			ServiceAccount: pick(t, "account", append(accounts, "")...), TrustDomain: pick(t, "trust domain", "", identity.DefaultTrustDomain, "old.example"),
			Labels: labelSet(t, "labels"), NamespaceLabels: labelSet(t, "namespace labels"),
		}
	})
}

// TermsAlike returns terms whose texts are alike but for what they are about: names of namespaces and of service accounts, and labels of
// namespaces and of pods that are called the same.
func TermsAlike(value string) []identity.Term {
	label := func(key string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
	}
	return []identity.Term{
		{Namespaces: []string{value}}, {NamespaceLabels: label("namespace")}, {PodLabels: label("namespace")}, {PodLabels: label(identity.NamespaceNameLabel)},
		{ServiceAccounts: []string{value}}, {NamespaceLabels: label("account")}, {PodLabels: label("account")},
	}
}

func labelSelector(t *rapid.T, label string, keys ...string) *metav1.LabelSelector {
	if !chance(t, label, 4) {
		return nil
	}
	s := &metav1.LabelSelector{MatchLabels: labelSet(t, "match labels")}
	for range rapid.IntRange(0, 1).Draw(t, "expressions") {
		e := metav1.LabelSelectorRequirement{Key: pick(t, "key", keys...),
			Operator: pick(t, "operator", metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = some(t, "values", rapid.SampledFrom([]string{"1", "2", "a"}), 1, 2)
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return nil
	}
	return s
}

// Selector generates selectors that are not zero, by name, glob and label.
func Selector() *rapid.Generator[identity.Selector] { return selector("", true) }

// selector generates selectors; those for a namespaced policy name no other namespace.
func selector(namespace string, clusterNames bool) *rapid.Generator[identity.Selector] {
	return rapid.Custom(func(t *rapid.T) identity.Selector {
		if chance(t, "everything", 10) {
			return identity.Everything()
		}
		var terms []identity.Term
		for range rapid.IntRange(1, 2).Draw(t, "terms") {
			var term identity.Term
			if clusterNames && chance(t, "clusters", 5) {
				term.Clusters = []string{pick(t, "cluster", "c1", "c*", "?2")}
			}
			switch {
			case namespace == "":
				term.Namespaces = some(t, "namespaces", rapid.SampledFrom([]string{"a", "b", "a*", "?b", "*"}), 0, 2)
			case chance(t, "namespace", 2):
				term.Namespaces = []string{pick(t, "own namespace", namespace, "*")}
			}
			term.ServiceAccounts = some(t, "accounts", rapid.SampledFrom([]string{"x", "y", "x*", "?"}), 0, 2)
			keys := []string{"app", "tier"}
			term.PodLabels = labelSelector(t, "pod labels", keys...)
			if namespace == "" {
				keys = append(keys, identity.NamespaceNameLabel)
			}
			term.NamespaceLabels = labelSelector(t, "namespace labels", keys...)
			if _, err := identity.NewSelector(term); err != nil { // conditions that contradict each other, or none at all
				term.NamespaceLabels, term.PodLabels, term.ServiceAccounts = nil, nil, []string{"x"}
			}
			terms = append(terms, term)
		}
		s, err := identity.NewSelector(terms...)
		if err != nil {
			t.Fatalf("gen: %v", err)
		}
		return s
	})
}

// Destination generates destinations that are valid in rules of the effect.
func Destination(effect policy.Effect) *rapid.Generator[policy.Destination] {
	return rapid.Custom(func(t *rapid.T) policy.Destination {
		var d policy.Destination
		if chance(t, "addresses", 3) {
			d.Addresses = Prefixes().Draw(t, "addresses")
		} else {
			d.Hosts = some(t, "hosts", Pattern(), 1, 3)
		}
		d.Protocol = pick(t, "protocol", policy.TLS, policy.HTTP, policy.TCP, policy.UDP)
		if len(d.Hosts) == 0 && chance(t, "SCTP", 6) {
			d.Protocol = policy.SCTP
		}
		if effect != policy.Allow && chance(t, "any protocol", 2) {
			d.Protocol = policy.AnyProtocol
		}
		optional := effect != policy.Allow || d.Protocol == policy.TLS || d.Protocol == policy.HTTP
		if !optional || chance(t, "ports", 2) {
			d.Ports = Ports().Draw(t, "ports")
		}
		if d.Protocol == policy.HTTP {
			if chance(t, "methods", 4) {
				d.Methods = some(t, "methods", rapid.SampledFrom([]string{"GET", "POST"}), 1, 2)
			}
			if chance(t, "paths", 3) {
				d.Paths = some(t, "paths", Path(), 1, 2)
			}
			if effect == policy.Allow && len(d.Hosts) > 0 && chance(t, "originate", 4) {
				d.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
				if chance(t, "mutual", 2) {
					d.OriginateTLS = &policy.TLSOrigination{Port: 8443, Mode: policy.MutualTLS, CredentialName: "client"}
				}
			}
		}
		return d
	})
}

// Path generates paths of rules.
func Path() *rapid.Generator[policy.Path] {
	return rapid.Custom(func(t *rapid.T) policy.Path {
		return policy.MustParsePath(pick(t, "path", "/", "/*", "/a", "/a/", "/a/*", "/a/b", "/ab"))
	})
}

func rules(t *rapid.T, effect policy.Effect, label string, least, most int, name func(*rapid.T) string) []policy.Rule {
	var out []policy.Rule
	for range rapid.IntRange(least, most).Draw(t, label) {
		r := policy.Rule{Name: name(t), To: Destination(effect).Draw(t, "to"), Reason: pick(t, "reason", "", "because"), Owner: pick(t, "owner", "", "us")}
		if chance(t, "expires", 4) {
			r.Expires = Now.AddDate(0, 0, pick(t, "days", -1, 0, 1)).Truncate(24 * time.Hour)
		}
		out = append(out, r)
	}
	return out
}

func section(t *rapid.T, name func(*rapid.T) string) policy.Section {
	s := policy.Section{
		Allow: rules(t, policy.Allow, "allow", 0, 3, name),
		Deny:  rules(t, policy.Deny, "deny", 0, 1, name),
	}
	if chance(t, "within", 5) {
		s.Within = rules(t, policy.Within, "within", 1, 3, name)
	}
	return s
}

// Policies generates up to three policies of different names that compile together.
func Policies() *rapid.Generator[[]*policy.Policy] {
	return rapid.Custom(func(t *rapid.T) []*policy.Policy {
		out := make([]*policy.Policy, rapid.IntRange(1, 3).Draw(t, "policies"))
		for i := range out {
			out[i] = generatePolicy(t, fmt.Sprintf("p%d", i))
		}
		return out
	})
}

// Policy generates a policy that compiles.
func Policy() *rapid.Generator[*policy.Policy] {
	return rapid.Custom(func(t *rapid.T) *policy.Policy { return generatePolicy(t, "p") })
}

func generatePolicy(t *rapid.T, name string) *policy.Policy {
	p := &policy.Policy{Name: name}
	count := 0
	ruleName := func(t *rapid.T) string {
		if chance(t, "unnamed", 3) {
			return ""
		}
		count++
		return fmt.Sprintf("r%d", count)
	}
	if chance(t, "clusters", 5) {
		p.Clusters = []string{pick(t, "clusters", "c1", "c?", "*1")}
	}
	if chance(t, "namespaced", 3) {
		p.Namespace = pick(t, "namespace", namespaces...)
	} else if chance(t, "cluster section", 2) {
		p.Cluster = section(t, ruleName)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "sources") {
		p.Sources = append(p.Sources, policy.Source{Name: fmt.Sprintf("s%d", i), From: selector(p.Namespace, len(p.Clusters) == 0).Draw(t, "from"), Section: section(t, ruleName)})
	}
	return p
}
