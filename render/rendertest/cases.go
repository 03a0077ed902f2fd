package rendertest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A testCase is a small policy that targets get wrong in known ways. It is asked about every combination of the sources, hosts,
// addresses, ports and protocols below.
type testCase struct {
	name   string
	policy policy.Policy
}

// cases returns the cases; each call makes its own.
func cases() []testCase {
	shop := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}})
	a := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"a"}})
	b := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"b"}})
	news := identity.MustSelector(identity.Term{Namespaces: []string{"news"}})
	everyone := identity.Everything()
	allow := func(from identity.Selector, to ...policy.Destination) policy.Source {
		return policy.Source{From: from, Section: policy.Section{Allow: policy.Rules(to...)}}
	}
	deny := func(from identity.Selector, to ...policy.Destination) policy.Source {
		return policy.Source{From: from, Section: policy.Section{Deny: policy.Rules(to...)}}
	}
	within := func(from identity.Selector, to ...policy.Destination) policy.Source {
		return policy.Source{From: from, Section: policy.Section{Within: policy.Rules(to...)}}
	}
	hosts, nets := policy.MustHosts, policy.MustAddresses
	of := func(name string, sources ...policy.Source) testCase {
		return testCase{name, policy.Policy{Name: "p", Sources: sources}}
	}
	var alike []policy.Source
	for i, t := range gen.TermsAlike("a") {
		alike = append(alike, allow(identity.MustSelector(t), nets(fmt.Sprintf("203.0.113.%d/32", i)).TCP(443)))
	}
	return []testCase{
		of("nothing is allowed"),
		of("subdomains are not the domain", allow(shop, hosts("*.foo.com").TLS())),
		of("the domain is not its subdomains", allow(shop, hosts("foo.com").TLS())),
		of("a wildcard of one source over a name of another", allow(a, hosts("*.foo.com").TLS()), allow(b, hosts("www.foo.com").TLS())),
		of("nested wildcards", allow(a, hosts("*.foo.com").TLS()), allow(b, hosts("*.www.foo.com").TLS())),
		of("a name denied below a wildcard", allow(shop, hosts("*.foo.com").TLS()), deny(everyone, hosts("www.foo.com"))),
		of("a name denied to some", allow(shop, hosts("*.foo.com").TLS()), deny(a, hosts("www.foo.com"))),
		of("allowed again below what is denied to others", allow(shop, hosts("*.foo.com").TLS()), deny(a, hosts("*.www.foo.com")), allow(news, hosts("x.www.foo.com").TLS())),
		of("a boundary", allow(everyone, hosts("*.foo.com", "bar.com").TLS()), within(a, hosts("www.foo.com"), hosts("bar.com").TLS(443))),
		of("a boundary without effect", allow(a, hosts("bar.com").TLS()), within(a, hosts("bar.com", "*.foo.com"))),
		of("two ports with different sources", allow(a, hosts("bar.com").TLS(443)), allow(b, hosts("bar.com").TLS(8443))),
		of("two protocols with different sources", allow(a, hosts("bar.com").TLS(443)), allow(b, hosts("bar.com").HTTP(80))),
		of("both protocols on a port", allow(a, hosts("bar.com").TLS(443)), allow(b, hosts("www.foo.com").HTTP(443))),
		of("TCP by name", allow(a, hosts("bar.com").TCP(443))),
		of("UDP by name", allow(a, hosts("bar.com").UDP(443))),
		of("UDP by name denied below a wildcard", allow(shop, hosts("*.foo.com").UDP(443)), deny(a, hosts("www.foo.com"))),
		of("a glob", allow(a, hosts("w*.foo.com").TLS())),
		of("a glob denied", allow(a, hosts("*.foo.com").TLS()), deny(a, hosts("w*.foo.com"))),
		of("TLS originated", allow(a, hosts("bar.com").HTTP(80).Originating(443))),
		of("addresses", allow(shop, nets("203.0.113.0/24", "2001:db8::/32").TCP(443))),
		of("an address denied", allow(shop, nets("203.0.113.0/24").TCP(443, 8443)), deny(everyone, nets("203.0.113.7/32").TCP(443))),
		of("an address denied to some", allow(shop, nets("203.0.113.0/24").TCP(443)), deny(a, nets("203.0.113.7/32"))),
		of("addresses within", allow(everyone, nets("203.0.113.0/24").TCP(443)), within(a, nets("203.0.113.7/32"))),
		of("an address denied to a name", allow(shop, hosts("bar.com").TLS()), deny(everyone, nets("203.0.113.7/32"))),
		of("a name denied to addresses", allow(shop, nets("203.0.113.0/24").TLS(443)), deny(a, hosts("bar.com"))),
		of("a name within addresses", allow(shop, hosts("bar.com").TLS()), within(a, nets("203.0.113.0/24"))),
		of("TLS and UDP by address", allow(a, nets("203.0.113.0/24").TLS(443)), allow(b, nets("203.0.113.0/24").UDP(443))),
		of("TCP, UDP and SCTP by address", allow(a, nets("203.0.113.0/24").SCTP(443)), allow(b, nets("203.0.113.0/24").TCP(443)), allow(news, nets("203.0.113.0/24").UDP(443))),
		of("SCTP denied by all protocols", allow(shop, nets("203.0.113.0/24").SCTP(443)), deny(a, nets("203.0.113.7/32"))),
		of("SCTP denied by a name", allow(shop, nets("203.0.113.0/24").SCTP(443)), deny(a, hosts("bar.com"))),
		of("SCTP left by a deny of TCP", allow(shop, nets("203.0.113.0/24").SCTP(443), nets("203.0.113.0/24").TCP(443)), deny(a, nets("203.0.113.7/32").TCP())),
		of("sources that read alike", alike...),
		of("everyone but one", allow(everyone, hosts("bar.com").TLS()), deny(a, hosts("bar.com"))),
	}
}

// accesses returns every combination of what the cases are about.
func accesses() []policy.Access {
	var out []policy.Access
	hosts := []match.Host{{}}
	for _, h := range []string{"foo.com", "www.foo.com", "x.www.foo.com", "evilfoo.com", "bar.com"} {
		hosts = append(hosts, match.MustParseHost(h))
	}
	addresses := []netip.Addr{{}}
	for _, a := range []string{"203.0.113.7", "203.0.113.8", "198.51.100.1", "2001:db8::1"} {
		addresses = append(addresses, netip.MustParseAddr(a))
	}
	for _, protocol := range []policy.Protocol{policy.TLS, policy.HTTP, policy.TCP, policy.UDP, policy.SCTP} {
		for _, port := range []uint16{80, 443, 8443} {
			for _, host := range hosts {
				for _, address := range addresses {
					out = append(out, policy.Access{Protocol: protocol, Port: port, Host: host, Address: address})
				}
			}
		}
	}
	return out
}

// checkCases judges every request of every case.
func (s *suite) checkCases(t rapid.TB) {
	t.Helper()
	sources := []identity.Workload{
		{Cluster: cluster, Namespace: "shop", ServiceAccount: "a", Labels: map[string]string{"app": "a"}},
		{Cluster: cluster, Namespace: "shop", ServiceAccount: "b", Labels: map[string]string{"app": "b"}},
		{Cluster: cluster, Namespace: "news", ServiceAccount: "default", Labels: map[string]string{"app": "news"}},
	}
	var pods []identity.Pod
	for _, w := range sources {
		pods = append(pods, identity.Pod{Namespace: w.Namespace, Name: w.ServiceAccount, ServiceAccount: w.ServiceAccount, Labels: w.Labels})
	}
	inventory, err := identity.NewInventory(nil, nil, pods)
	if err != nil {
		t.Fatalf("%v", err)
	}
	requests := accesses()
	for _, c := range cases() {
		e, err := policy.Compile([]*policy.Policy{&c.policy})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		w := s.world(named{t, c.name}, e, render.NewPlan(e, cluster, render.WithInventory(inventory)))
		for _, source := range sources {
			for _, access := range requests {
				if r := (policy.Request{Source: source, Access: access}); s.about(r) {
					w.judge(named{t, c.name}, r)
				}
			}
		}
	}
}

// named says what case a failure is of.
type named struct {
	rapid.TB
	name string
}

func (n named) Errorf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Errorf("case %q: "+format, slices.Concat([]any{n.name}, args)...)
}

func (n named) Fatalf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Fatalf("case %q: "+format, slices.Concat([]any{n.name}, args)...)
}
