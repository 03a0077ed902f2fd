package istio

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"pgregory.net/rapid"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// inventory draws a cluster of a pod or two for most service accounts that the generated selectors name.
func inventory() *rapid.Generator[*identity.Inventory] {
	return rapid.Custom(func(t *rapid.T) *identity.Inventory {
		var namespaces []identity.Namespace
		var pods []identity.Pod
		for _, ns := range []string{"a", "b", "ab"} {
			w := gen.Workload().Draw(t, "namespace")
			namespaces = append(namespaces, identity.Namespace{Name: ns, Labels: w.NamespaceLabels})
			for _, sa := range []string{"x", "y"} {
				for i := range rapid.IntRange(0, 2).Draw(t, "pods") {
					pods = append(pods, identity.Pod{Namespace: ns, Name: fmt.Sprintf("%s-%d", sa, i), ServiceAccount: sa, Labels: gen.Workload().Draw(t, "pod").Labels})
				}
			}
		}
		if len(pods) == 0 {
			pods = append(pods, identity.Pod{Namespace: "a", Name: "x-0", ServiceAccount: "x"})
		}
		inv, err := identity.NewInventory(namespaces, nil, pods)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	})
}

// generate draws policies: one time in four anything that compiles, and else what Istio can mostly say.
func generate(seed int) []*policy.Policy {
	if seed%4 == 0 {
		return gen.Policies().Example(seed)
	}
	return sayable(rand.New(rand.NewPCG(uint64(seed), 1)))
}

func choose[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// sayable draws policies that Istio can say for the most part: names that lie below and beside each other, few ports, sources by service
// account and namespace.
func sayable(r *rand.Rand) []*policy.Policy {
	var out []*policy.Policy
	for i := range 1 + r.IntN(2) {
		p := &policy.Policy{Name: fmt.Sprintf("p%d", i)}
		from := sayableSources
		switch r.IntN(8) {
		case 0, 1, 2:
			p.Cluster = sayableSection(r)
		case 3:
			p.Namespace, from = "a", namespacedSources
		}
		for j := range 1 + r.IntN(3) {
			p.Sources = append(p.Sources, policy.Source{Name: fmt.Sprintf("s%d", j), From: identity.MustSelector(choose(r, from)), Section: sayableSection(r)})
		}
		out = append(out, p)
	}
	return out
}

var sayableSources = []identity.Term{
	{Namespaces: []string{"a"}},
	{Namespaces: []string{"b"}},
	{Namespaces: []string{"a"}, ServiceAccounts: []string{"x"}},
	{Namespaces: []string{"b"}, ServiceAccounts: []string{"x"}},
	{Namespaces: []string{"a", "ab"}, ServiceAccounts: []string{"y"}},
	{ServiceAccounts: []string{"x"}},
	{Namespaces: []string{"a*"}},
	{Namespaces: []string{"a*"}, ServiceAccounts: []string{"x*"}},
	{Namespaces: []string{"a"}, PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "1"}}},
	{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "1"}}},
	{NamespaceLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "2"}}},
}

// namespacedSources are those of a policy for namespace a.
var namespacedSources = []identity.Term{
	{Namespaces: []string{"a"}},
	{ServiceAccounts: []string{"x"}},
	{Namespaces: []string{"a"}, ServiceAccounts: []string{"y"}},
	{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "1"}}},
}

func sayableSection(r *rand.Rand) policy.Section {
	var s policy.Section
	for range 1 + r.IntN(4) {
		s.Allow = append(s.Allow, policy.Rule{To: sayableDestination(r, policy.Allow)})
	}
	if r.IntN(3) == 0 {
		s.Deny = append(s.Deny, policy.Rule{To: sayableDestination(r, policy.Deny)})
	}
	for range r.IntN(3) {
		s.Deny = append(s.Deny, policy.Rule{To: partOf(r, choose(r, s.Allow).To)})
	}
	if r.IntN(6) == 0 {
		for range 2 + r.IntN(4) { // with few, hardly anything would pass
			s.Within = append(s.Within, policy.Rule{To: sayableDestination(r, policy.Within)})
		}
		if r.IntN(2) == 0 { // one that lets some of it pass
			s.Within = append(s.Within, policy.Rule{To: partOf(r, choose(r, s.Allow).To)})
		}
	}
	return s
}

// partOf returns a destination that holds some of what d allows, to be denied, or to be within a boundary.
func partOf(r *rand.Rand, d policy.Destination) policy.Destination {
	part := policy.Destination{Protocol: d.Protocol, Ports: d.Ports}
	if len(d.Hosts) > 0 {
		name := choose(r, d.Hosts).String()
		if rest, ok := strings.CutPrefix(name, "*."); ok {
			name = choose(r, []string{"a.", "b.", "*.b.", "b.b."}) + rest
		}
		part.Hosts = []match.Pattern{match.MustParsePattern(name)}
	} else {
		p := choose(r, d.Addresses.Prefixes())
		part.Addresses = match.NewPrefixes([]netip.Prefix{netip.PrefixFrom(p.Addr(), min(p.Bits()+r.IntN(3), p.Addr().BitLen()))}, nil)
	}
	if r.IntN(3) == 0 {
		part.Ports = match.Ports{}
	}
	if d.Protocol == policy.HTTP && r.IntN(2) == 0 { // which a target has to deny by itself; drawn at large, it seldom meets what is allowed
		if r.IntN(2) == 0 {
			part.Methods = someMethods(r)
		} else {
			part.Paths = somePaths(r)
		}
	}
	return part
}

func someMethods(r *rand.Rand) []string { return []string{choose(r, []string{"GET", "POST"})} }

func somePaths(r *rand.Rand) []policy.Path {
	return []policy.Path{policy.MustParsePath(choose(r, []string{"/a", "/a/*", "/"}))}
}

func sayableDestination(r *rand.Rand, effect policy.Effect) policy.Destination {
	var d policy.Destination
	names := func(from ...string) {
		for range 1 + r.IntN(3) {
			d.Hosts = append(d.Hosts, match.MustParsePattern(choose(r, from)))
		}
	}
	ports := func(from ...uint16) {
		for range 1 + r.IntN(2) {
			d.Ports = match.NewPorts(append(d.Ports.Ranges(), match.PortsOf(choose(r, from)).Ranges()...)...)
		}
	}
	switch n := r.IntN(10); {
	case n < 5:
		d.Protocol = policy.TLS
		names("a.com", "*.a.com", "b.a.com", "*.b.a.com", "a.b.a.com", "b.com", "*.b.com", "a-b.com")
		ports(443, 443, 443, 8443, 8443, 80)
	case n < 8:
		d.Protocol = policy.HTTP
		names("*.a.com", "*.a.com", "a.com", "b.a.com", "*.b.a.com", "b.com")
		ports(80, 80, 80, 80, 8080, 443)
		if effect == policy.Allow && r.IntN(4) == 0 {
			d.Hosts = []match.Pattern{match.MustParsePattern(choose(r, []string{"o.com", "p.com"}))}
			d.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
			if r.IntN(2) == 0 {
				d.OriginateTLS = &policy.TLSOrigination{Port: 8443, Mode: policy.MutualTLS, CredentialName: "client"}
			}
		}
		if r.IntN(5) == 0 {
			d.Methods = someMethods(r)
		}
		if r.IntN(5) == 0 {
			d.Paths = somePaths(r)
		}
	default:
		d.Protocol = policy.TCP
		ports(5432, 443, 1)
		for range 1 + r.IntN(2) {
			add := netip.MustParsePrefix(choose(r, []string{"203.0.113.0/24", "203.0.113.8/29", "203.0.113.9/32", "198.51.100.0/24", "198.51.100.7/32"}))
			d.Addresses = match.NewPrefixes(append(d.Addresses.Prefixes(), add), nil)
		}
	}
	if effect != policy.Allow && r.IntN(2) == 0 {
		d.Ports = match.Ports{}
		if len(d.Methods)+len(d.Paths) == 0 && r.IntN(2) == 0 {
			d.Protocol = policy.AnyProtocol
		}
	}
	return d
}
