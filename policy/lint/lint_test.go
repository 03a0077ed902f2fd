package lint_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/lint"
)

func hosts(patterns ...string) policy.Destination {
	d := policy.Destination{Protocol: policy.TLS}
	for _, p := range patterns {
		d.Hosts = append(d.Hosts, match.MustParsePattern(p))
	}
	return d
}

func over(p policy.Protocol, port uint16, patterns ...string) policy.Destination {
	d := hosts(patterns...)
	d.Protocol, d.Ports = p, match.PortsOf(port)
	return d
}

func addresses(prefixes ...string) policy.Destination {
	var ps []netip.Prefix
	for _, p := range prefixes {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return policy.Destination{Addresses: match.NewPrefixes(ps, nil), Protocol: policy.TCP, Ports: match.PortsOf(5432)}
}

func in(namespace string) identity.Selector {
	return identity.MustSelector(identity.Term{Namespaces: []string{namespace}})
}

// document returns a policy with a cluster section of allows, and one source in namespace shop.
func document(cluster []policy.Rule, shop policy.Section) *policy.Policy {
	name := func(prefix string, rules []policy.Rule) {
		for i := range rules {
			if rules[i].Name == "" {
				rules[i].Name = fmt.Sprint(prefix, i)
			}
		}
	}
	name("c", cluster)
	name("a", shop.Allow)
	name("d", shop.Deny)
	name("w", shop.Within)
	return &policy.Policy{Name: "p", Cluster: policy.Section{Allow: cluster}, Sources: []policy.Source{{Name: "shop", From: in("shop"), Section: shop}}}
}

var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func TestFindings(t *testing.T) {
	day := func(days int) time.Time { return now.AddDate(0, 0, days) }
	allow := func(ds ...policy.Destination) policy.Section {
		var s policy.Section
		for _, d := range ds {
			s.Allow = append(s.Allow, policy.Rule{To: d})
		}
		return s
	}
	deny := func(s policy.Section, ds ...policy.Destination) policy.Section {
		for _, d := range ds {
			s.Deny = append(s.Deny, policy.Rule{To: d})
		}
		return s
	}
	within := func(s policy.Section, ds ...policy.Destination) policy.Section {
		for _, d := range ds {
			s.Within = append(s.Within, policy.Rule{To: d})
		}
		return s
	}
	http := over(policy.HTTP, 80, "www.foo.com")
	originated := http
	originated.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
	anyway := hosts("www.foo.com")
	anyway.Protocol = policy.AnyProtocol
	read := originated
	read.Methods = []string{"GET"}
	shop, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "shop", Name: "pod"}})
	if err != nil {
		t.Fatal(err)
	}
	news, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "news", Name: "pod"}})
	if err != nil {
		t.Fatal(err)
	}
	resolvers := lint.Names("dns-over-https", "names can be resolved past the cluster's DNS", match.MustParsePattern("dns.google"), match.MustParsePattern("*.dns.example"))

	for _, c := range []struct {
		code    string
		cluster []policy.Rule
		shop    policy.Section
		opts    []lint.Option
		want    string // part of the finding; empty: none
	}{
		{code: lint.Shadowed, cluster: []policy.Rule{{To: hosts("*.foo.com")}}, shop: allow(hosts("www.foo.com")), want: "p/a0 never decides: p/c0 allows the same and more"},
		{code: lint.Shadowed, cluster: []policy.Rule{{To: hosts("*.foo.com")}}, shop: allow(hosts("www.foo.com", "foo.com"))},
		{code: lint.Shadowed, cluster: []policy.Rule{{To: hosts("*.foo.com")}, {To: hosts("bar.com")}}, shop: allow(hosts("www.foo.com", "bar.com")), want: "p/a0 never decides: p/c0 and p/c1 allow the same and more"},
		{code: lint.Shadowed, shop: allow(hosts("foo.com"), hosts("foo.com")), want: "p/a1 never decides: p/a0"},
		{code: lint.Shadowed, shop: allow(hosts("foo.com"), over(policy.TLS, 8443, "foo.com"))},
		{code: lint.Shadowed, shop: allow(over(policy.TCP, 443, "foo.com"), hosts("foo.com")), want: "p/a1 never decides: p/a0"},
		{code: lint.Shadowed, shop: allow(addresses("10.0.0.0/8"), addresses("10.1.0.0/16")), want: "p/a1 never decides: p/a0"},
		{code: lint.Shadowed, shop: allow(addresses("10.0.0.0/8"), addresses("10.1.0.0/16", "11.0.0.0/8"))},
		{code: lint.Shadowed, shop: allow(originated, read), want: "p/a1 never decides: p/a0"},
		{code: lint.Shadowed, shop: allow(http, originated)},
		{code: lint.Shadowed, cluster: []policy.Rule{{To: hosts("*.foo.com"), Expires: day(90)}}, shop: allow(hosts("www.foo.com"))},
		{code: lint.Shadowed, shop: deny(policy.Section{}, anyway, hosts("www.foo.com")), want: "p/d1 never decides: p/d0"},

		{code: lint.AlwaysDenied, shop: deny(allow(hosts("www.foo.com")), anyway), want: "p/a0 allows nothing: p/d0 denies all of it"},
		{code: lint.AlwaysDenied, shop: deny(allow(hosts("*.foo.com")), anyway)},
		{code: lint.AlwaysDenied, cluster: []policy.Rule{{To: hosts("www.foo.com")}}, shop: deny(policy.Section{}, anyway)},

		{code: lint.OutsideBounds, shop: within(allow(hosts("www.foo.com")), hosts("*.bar.com")), want: "p/a0 allows nothing: it is outside the boundary p/shop-within"},
		{code: lint.OutsideBounds, shop: within(allow(hosts("*.foo.com")), hosts("www.foo.com"))},
		{code: lint.OutsideBounds, shop: within(allow(hosts("www.foo.com")), over(policy.UDP, 443, "www.foo.com")), want: "p/shop-within"},
		{code: lint.OutsideBounds, shop: within(allow(addresses("10.0.0.0/8")), addresses("11.0.0.0/8")), want: "p/shop-within"},
		{code: lint.OutsideBounds, shop: within(allow(addresses("10.0.0.0/8")), addresses("10.0.0.0/30"))},
		{code: lint.OutsideBounds, cluster: []policy.Rule{{To: hosts("www.foo.com")}}, shop: within(policy.Section{}, hosts("*.bar.com"))},
		{code: lint.OutsideBounds, shop: within(allow(hosts("x.bar.com", "www.foo.com", "bar.com")), hosts("*.bar.com", "bar.com")),
			want: `policy "p".spec.sources[0].allow[0].hosts[1]: warning outside-bounds: www.foo.com is outside the boundary p/shop-within, and p/a0 allows nothing of it`},
		{code: lint.OutsideBounds, shop: within(allow(hosts("z.foo.com", "*.x.foo.com", "a.com")), hosts("a.com", "z.foo.com")), want: "hosts[1]: warning outside-bounds: *.x.foo.com is outside"},
		{code: lint.OutsideBounds, shop: within(allow(hosts("a.com", "b.com")), over(policy.TLS, 8443, "a.com"), hosts("b.com")), want: "hosts[0]: warning outside-bounds: a.com is outside"},
		{code: lint.OutsideBounds, shop: within(allow(hosts("a.com", "b.com")), hosts("b.com"), policy.MustAddresses("10.0.0.0/8"))},
		{code: lint.OutsideBounds, shop: within(allow(hosts("a.com", "b.com")), hosts("c.com")), want: "p/a0 allows nothing: it is outside the boundary p/shop-within"},
		{code: lint.OutsideBounds, shop: within(allow(addresses("10.0.0.0/8", "12.0.0.0/8", "14.0.0.0/8")), addresses("12.1.0.0/16")),
			want: `policy "p".spec.sources[0].allow[0].cidrs: warning outside-bounds: 10.0.0.0/8,14.0.0.0/8 is outside the boundary p/shop-within, and p/a0 allows nothing of it`},
		{code: lint.OutsideBounds, shop: within(allow(addresses("10.0.0.0/8")), addresses("10.0.0.0/9"))},

		{code: lint.PublicSuffix, shop: allow(hosts("*.com")), want: "com is a public suffix"},
		{code: lint.PublicSuffix, shop: allow(hosts("*.co.uk")), want: "co.uk is a public suffix"},
		{code: lint.PublicSuffix, shop: allow(hosts("*.s3.amazonaws.com")), want: "s3.amazonaws.com is a public suffix"},
		{code: lint.PublicSuffix, shop: allow(hosts("*.github.io")), want: "github.io is a public suffix"},
		{code: lint.PublicSuffix, shop: allow(hosts("a*.com")), want: "com is a public suffix"},
		{code: lint.PublicSuffix, shop: allow(hosts("*.compute.amazonaws.com")), want: "all names below compute.amazonaws.com"},
		{code: lint.PublicSuffix, shop: allow(hosts("*.amazonaws.com")), want: "amazonaws.com holds public suffixes"},
		{code: lint.PublicSuffix, shop: within(policy.Section{}, hosts("*.com")), want: "com is a public suffix"},
		{code: lint.PublicSuffix, shop: deny(policy.Section{}, hosts("*.com"))},
		{code: lint.PublicSuffix, shop: allow(hosts("github.io", "co.uk", "compute.amazonaws.com"))},
		{code: lint.PublicSuffix, shop: allow(hosts("?*.x?")), want: "it names no domain"},
		{code: lint.PublicSuffix, shop: allow(hosts("*.foo.com", "*.foo.co.uk", "bucket.s3.amazonaws.com", "*.bucket.s3.amazonaws.com"))},

		{code: lint.MixedProtocols, shop: allow(hosts("*.foo.com"), over(policy.HTTP, 443, "www.foo.com")), want: "p/a1 allows HTTP www.foo.com port 443, and p/a0 allows TLS"},
		{code: lint.MixedProtocols, shop: allow(hosts("www.foo.com"), over(policy.HTTP, 443, "www.foo.com")), want: "p/a1 allows HTTP"},
		{code: lint.MixedProtocols, shop: allow(hosts("www.foo.com"), over(policy.UDP, 443, "www.foo.com"), over(policy.HTTP, 80, "www.foo.com"))},

		{code: lint.MixedProtocols, shop: allow(over(policy.UDP, 443, "*.foo.com"), hosts("www.foo.com"))},
		{code: lint.MixedProtocols, shop: allow(over(policy.HTTP, 8080, "*.foo.com"), over(policy.HTTP, 443, "*.foo.com"), hosts("www.foo.com")), want: "and p/a1 allows HTTP"},
		{code: lint.MixedProtocols, shop: deny(allow(hosts("www.foo.com")), over(policy.HTTP, 443, "*.foo.com"))},
		{code: lint.Shadowed, shop: allow(over(policy.TLS, 8443, "*.foo.com"), hosts("*.foo.com"), hosts("www.foo.com")), want: "p/a2 never decides: p/a1 allows"},
		{code: lint.Shadowed, shop: allow(hosts("www.foo.com", "*.foo.com"), hosts("*.foo.com").TLS(443, 8443)), want: "p/a0 never decides: p/a1 allows"},
		{code: lint.Shadowed, cluster: []policy.Rule{{To: hosts("*.foo.com")}}, shop: allow(hosts("www.foo.com", "a.foo.com")), want: "p/a0 never decides: p/c0 allows"},
		{code: lint.OutsideBounds, shop: within(allow(hosts("www.foo.com")), policy.MustAddresses("10.0.0.0/8"))},
		{code: lint.OutsideBounds, shop: within(allow(over(policy.TCP, 1, "www.foo.com")), over(policy.TLS, 1, "www.foo.com"))},
		{code: lint.OutsideBounds, shop: within(allow(hosts("www.foo.com").TLS(1, 2)), hosts("www.foo.com").TLS(2, 3))},
		{code: lint.OutsideBounds, shop: within(allow(hosts("www.foo.com").TLS(1, 2)), hosts("www.foo.com").TLS(3)), want: "p/a0"},
		{code: lint.OutsideBounds, shop: within(allow(hosts("www.foo.com").TLS(1, 2)), hosts("*.com").TLS()), want: ""},

		{code: lint.Expired, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(0)}}}, want: `the allow rule "a0" expired on 2026-06-15`},
		{code: lint.Expired, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(1)}}}},
		{code: lint.ExpiresSoon, shop: policy.Section{Within: []policy.Rule{{To: hosts("foo.com"), Expires: day(1)}}}, want: `the within rule "w0" expires on 2026-06-16`},
		{code: lint.ExpiresSoon, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(31)}}}},
		{code: lint.ExpiresSoon, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(31)}}}, opts: []lint.Option{lint.Soon(40 * 24 * time.Hour)}, want: "2026-07-16"},

		{code: lint.ExpiresSoon, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(2)}}}, opts: []lint.Option{lint.Soon(36 * time.Hour)}, want: "2026-06-17"},
		{code: lint.ExpiresSoon, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(2)}}}, opts: []lint.Option{lint.Soon(36*time.Hour - 1)}},
		{code: lint.Expired, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(0)}}}, opts: []lint.Option{lint.At(now.Add(-12 * time.Hour))}, want: "expired on 2026-06-15"},
		{code: lint.Expired, shop: policy.Section{Allow: []policy.Rule{{To: hosts("foo.com"), Expires: day(0)}}}, opts: []lint.Option{lint.At(now.Add(-12*time.Hour - 1))}},

		{code: lint.PlainHTTP, shop: allow(http), want: `the allow rule "a0" lets plain text leave`},
		{code: lint.PlainHTTP, shop: deny(allow(originated), http)},

		{code: lint.NoSource, opts: []lint.Option{lint.Inventory(news, "")}, want: `source "shop" selects nothing`},
		{code: lint.NoSource, opts: []lint.Option{lint.Inventory(shop, "")}},
		{code: lint.NoSource},

		{code: lint.DuplicateHost, shop: allow(hosts("foo.com", "bar.com", "foo.com")), want: "hosts[2]: info duplicate-host: foo.com is in the rule already, by foo.com"},
		{code: lint.DuplicateHost, shop: allow(hosts("a.foo.com", "*.foo.com")), want: "hosts[0]: info duplicate-host: a.foo.com is in the rule already, by *.foo.com"},
		{code: lint.DuplicateHost, shop: allow(hosts("foo.com", "*.foo.com"))},
		{code: lint.DuplicateHost, shop: allow(hosts("a?*.foo.com", "a*?.foo.com")), want: "hosts[1]: info duplicate-host: a?*.foo.com is in the rule already, by a?*.foo.com"},

		{code: lint.ClusterHost, shop: allow(hosts("*.shop.svc.cluster.local")), want: "is in the cluster's domain cluster.local"},
		{code: lint.ClusterHost, shop: allow(hosts("cart.shop.svc")), want: "is the short name of a service"},
		{code: lint.ClusterHost, shop: allow(hosts("cart")), want: "has one label"},
		{code: lint.ClusterHost, shop: allow(hosts("a.corp.example")), opts: []lint.Option{lint.ClusterDomain("corp.example")}, want: "corp.example"},
		{code: lint.ClusterHost, shop: allow(hosts("notcluster.local", "cluster.local.example"))},
		{code: lint.ClusterHost, shop: allow(hosts("a.cluster.local")), opts: []lint.Option{lint.ClusterDomain("")}},

		{code: "dns-over-https", shop: allow(hosts("*.dns.example")), opts: []lint.Option{resolvers}, want: "*.dns.example: names can be resolved"},
		{code: "dns-over-https", shop: allow(hosts("dns.google")), opts: []lint.Option{resolvers}, want: "dns.google"},
		{code: "dns-over-https", shop: allow(hosts("*.google")), opts: []lint.Option{resolvers}, want: "*.google takes in dns.google"},
		{code: "dns-over-https", shop: within(deny(policy.Section{}, hosts("dns.google")), hosts("dns.google")), opts: []lint.Option{resolvers}},
		{code: "dns-over-https", shop: allow(hosts("www.google")), opts: []lint.Option{resolvers}},
		{code: "dns-over-https", shop: allow(hosts("dns.google"))},
	} {
		found := lint.Check([]*policy.Policy{document(c.cluster, c.shop)}, append([]lint.Option{lint.At(now)}, c.opts...)...)
		var got []string
		for _, d := range found {
			if d.Code == c.code {
				got = append(got, d.String())
			}
		}
		switch {
		case c.want == "" && got != nil:
			t.Errorf("%s is found where there is none: %q", c.code, got)
		case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s: want one finding with %q, got %q", c.code, c.want, found)
		}
	}
}

// Where a finding is, how grave it is, and what it says, for policies with positions and for such as are built in Go.
func TestFindingsReadAtOnce(t *testing.T) {
	line := 0
	rule := func(to policy.Destination, change ...func(r *policy.Rule)) policy.Rule {
		line++
		r := policy.Rule{Name: fmt.Sprint("r", line), To: to, At: policy.Position{File: "a.yaml", Line: line, Column: 7, Field: "spec.x"}}
		for _, c := range change {
			c(&r)
		}
		return r
	}
	until := func(days int) func(r *policy.Rule) {
		return func(r *policy.Rule) { r.Expires = now.AddDate(0, 0, days).Add(5 * time.Hour) }
	}
	unnamed := func(r *policy.Rule) { r.Name = "" }
	nowhere := func(r *policy.Rule) { r.At = policy.Position{} }
	anyway := func(patterns ...string) policy.Destination { return policy.MustHosts(patterns...) }
	// The rules of the first policy are in lines of their own, in the order in which they stand here; those of the second are nowhere.
	loaded := &policy.Policy{
		Name: "a", At: policy.Position{File: "a.yaml", Line: 100, Column: 1},
		Cluster: policy.Section{
			Allow: []policy.Rule{
				rule(hosts("*.example.com")),
				rule(hosts("*.co.uk", "cart.shop.svc"), until(0)),
				rule(over(policy.HTTP, 8080, "plain.example.com"), unnamed, until(30)),
			},
			Deny:   []policy.Rule{rule(anyway("evil.com", "*.evil.com", "x.evil.com"), until(29)), rule(anyway("x.evil.com"), nowhere)},
			Within: []policy.Rule{rule(anyway("*.example.com", "*.co.uk", "*.evil.com", "cart.shop.svc", "tunnel.io"))},
		},
		Sources: []policy.Source{
			{Name: "shop", From: in("shop"), At: policy.Position{File: "a.yaml", Line: 200, Column: 3, Field: "spec.sources[0]"}, Section: policy.Section{
				Allow: []policy.Rule{
					rule(hosts("www.example.com")),
					rule(hosts("x.evil.com")),
					rule(hosts("other.org")),
					rule(over(policy.HTTP, 443, "b.example.com")),
					rule(hosts("cluster.local"), nowhere),
					rule(hosts("tunnel.io")),
				},
			}},
		},
	}
	built := &policy.Policy{Name: "b", Cluster: policy.Section{Allow: []policy.Rule{{Name: "older", To: hosts("b.org"), Expires: now}}}, Sources: []policy.Source{
		{From: in("gone"), Section: policy.Section{Deny: []policy.Rule{{Name: "old", To: hosts("b.org"), Expires: now}}}},
		{Name: "s", From: in("shop"), Section: policy.Section{Within: []policy.Rule{{To: anyway("*.com", "tunnel.io")}, {To: anyway("a.com")}}}},
	}}
	shop, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "shop", Name: "pod"}})
	if err != nil {
		t.Fatal(err)
	}
	found := lint.Check([]*policy.Policy{built, loaded}, lint.At(now), lint.Inventory(shop, "prod"),
		lint.Names("tunnel", "a way out", match.MustParsePattern("tunnel.io"), match.MustParsePattern("*.io"), match.MustParsePattern("tun*.io")))
	const want = `
policy "b".spec.cluster.allow[0].expires: warning expired: the allow rule "older" expired on 2026-06-15; remove it, or extend it after a review
policy "b".spec.sources[0].deny[0].expires: warning expired: the deny rule "old" expired on 2026-06-15; remove it, or extend it after a review
policy "b".spec.sources[0].from: warning no-source: source "" selects nothing of the inventory: namespaces=gone; check the names and labels
policy "b".spec.sources[1].within[0].hosts[0]: warning public-suffix: *.com matches names that anybody can get: com is a public suffix; name the domains that are meant
a.yaml:2:7: spec.x.expires: warning expired: the allow rule "r2" expired on 2026-06-15; remove it, or extend it after a review
a.yaml:2:7: spec.x.hosts[0]: warning public-suffix: *.co.uk matches names that anybody can get: co.uk is a public suffix; name the domains that are meant
a.yaml:2:7: spec.x.hosts[1]: warning cluster-host: cart.shop.svc is the short name of a service; egress rules do not decide about it; leave it out; traffic inside the cluster has policies of its own
a.yaml:3:7: spec.x.expires: info expires-soon: the allow rule for HTTP plain.example.com port 8080 expires on 2026-07-15; review it, and extend or remove it
a.yaml:3:7: spec.x.protocol: warning plain-http: the allow rule for HTTP plain.example.com port 8080 lets plain text leave the cluster; write originateTLS, or protocol: TLS where the application speaks it
a.yaml:4:7: spec.x.expires: info expires-soon: the deny rule "r4" expires on 2026-07-14; review it, and extend or remove it
a.yaml:4:7: spec.x.hosts[2]: info duplicate-host: x.evil.com is in the rule already, by *.evil.com; leave it out
a.yaml:6:7: spec.x.hosts[1]: warning public-suffix: *.co.uk matches names that anybody can get: co.uk is a public suffix; name the domains that are meant
a.yaml:6:7: spec.x.hosts[3]: warning cluster-host: cart.shop.svc is the short name of a service; egress rules do not decide about it; leave it out; traffic inside the cluster has policies of its own
a.yaml:7:7: spec.x: warning shadowed: a/r7 never decides: a/r1 allows the same and more; remove it, or the wider rule
a.yaml:8:7: spec.x: warning always-denied: a/r8 allows nothing: a/r4 denies all of it; remove it, or narrow the deny
a.yaml:9:7: spec.x: warning outside-bounds: a/r9 allows nothing: it is outside the boundary a/cluster-within; remove it, or extend the boundary
a.yaml:10:7: spec.x: warning mixed-protocols: a/r10 allows HTTP b.example.com port 443, and a/r1 allows TLS *.example.com port 443: one host, one port and two protocols; use one protocol on a port; most enforcement points can't tell two apart
a.yaml:10:7: spec.x.protocol: warning plain-http: the allow rule "r10" lets plain text leave the cluster; write originateTLS, or protocol: TLS where the application speaks it
a.yaml:12:7: spec.x.hosts[0]: warning tunnel: tunnel.io: a way out; leave it out unless it is meant
a.yaml:200:3: spec.sources[0].allow[4]: warning outside-bounds: a/r11 allows nothing: it is outside the boundary a/cluster-within; remove it, or extend the boundary
a.yaml:200:3: spec.sources[0].allow[4].hosts[0]: warning cluster-host: cluster.local is in the cluster's domain cluster.local; egress rules do not decide about it; leave it out; traffic inside the cluster has policies of its own
`
	if got := "\n" + found.Error() + "\n"; got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

func TestNoFindingInAGoodDocument(t *testing.T) {
	http := over(policy.HTTP, 80, "edition.cnn.com")
	http.OriginateTLS = &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
	p := document([]policy.Rule{{To: hosts("service1.foo.com", "*.bar.com")}}, policy.Section{
		Allow:  []policy.Rule{{To: hosts("api.stripe.com"), Expires: now.AddDate(1, 0, 0)}, {To: http}, {To: hosts("edition.cnn.com")}, {To: addresses("203.0.113.0/24")}},
		Deny:   []policy.Rule{{To: hosts("*.evil.example")}},
		Within: []policy.Rule{{To: hosts("*.stripe.com", "edition.cnn.com", "*.bar.com", "*.foo.com")}, {To: http}, {To: addresses("203.0.113.0/24")}},
	})
	p.Cluster.Within = nil
	p.Sources[0].Within[1].To.OriginateTLS = nil
	if found := lint.Check([]*policy.Policy{p}, lint.At(now)); len(found) > 0 {
		t.Errorf("found\n%v", found)
	}
}

func TestMistakesAreReportedInstead(t *testing.T) {
	p := document(nil, policy.Section{Allow: []policy.Rule{{To: policy.Destination{Protocol: policy.TLS}}}})
	if found := lint.Check([]*policy.Policy{p}); len(found) != 1 || found[0].Code != "no-destination" || found.Err() == nil {
		t.Errorf("found %v", found)
	}
}

// Each domain that is said to hold public suffixes does.
func TestSharedDomains(t *testing.T) {
	for domain, suffix := range map[string]string{
		"amazonaws.com": "s3.amazonaws.com", "windows.net": "servicebus.windows.net", "core.windows.net": "blob.core.windows.net", "fastly.net": "global.ssl.fastly.net",
	} {
		for _, name := range []string{domain, suffix} {
			found := lint.Check([]*policy.Policy{document(nil, policy.Section{Allow: []policy.Rule{{To: hosts("*." + name)}}})})
			if len(found) != 1 || found[0].Code != lint.PublicSuffix {
				t.Errorf("*.%s: %v", name, found)
			}
		}
		if public, _ := publicsuffix.PublicSuffix(suffix); public != suffix || !strings.HasSuffix(suffix, "."+domain) {
			t.Errorf("%s is no public suffix below %s", suffix, domain)
		}
	}
}

// checkSame fails if requests near the policies are not allowed alike by all rules and by the rest of them.
func checkSame(t *rapid.T, policies []*policy.Policy, all, rest []*policy.EffectiveRule) {
	t.Helper()
	for range 8 {
		r := gen.Request(policies).Draw(t, "request")
		if was, is := reference.DecideRules(all, r), reference.DecideRules(rest, r); was.Allowed != is.Allowed {
			t.Fatalf("%+v: %+v with all rules and %+v with %v", r, was, is, rest)
		}
	}
}

// Rules that are said never to decide never do: without all of them, the same is allowed.
func TestUselessRulesAreUseless(t *testing.T) {
	useless := 0
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		e, err := policy.Compile(policies, policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		gone := map[policy.RuleID]bool{}
		for _, d := range lint.Check(policies, lint.At(gen.Now)) {
			if d.Code == lint.Shadowed || d.Code == lint.AlwaysDenied || d.Code == lint.OutsideBounds {
				id, _, _ := strings.Cut(d.Message, " ")
				gone[policy.RuleID(id)] = true
			}
		}
		useless += len(gone)
		all := slices.Collect(e.Rules())
		rest := slices.DeleteFunc(slices.Clone(all), func(r *policy.EffectiveRule) bool { return gone[r.ID] })
		checkSame(t, policies, all, rest)
	})
	if useless == 0 {
		t.Error("no rule was useless: the test says nothing")
	}
}

func TestOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		a := lint.Check(policies, lint.At(gen.Now))
		slices.Reverse(policies)
		if b := lint.Check(policies, lint.At(gen.Now)); !slices.Equal(a, b) {
			t.Fatalf("found\n%v\nthen\n%v", a, b)
		}
	})
}

// The time for a list does not grow with its square. 100,000 rules take a second or two.
func BenchmarkCheck(b *testing.B) {
	for _, sources := range []int{20, 200} {
		b.Run(fmt.Sprintf("rules=%d", sources*500), func(b *testing.B) {
			policies := many(sources, 500)
			for b.Loop() {
				lint.Check(policies, lint.At(now))
			}
		})
	}
}

// many returns a policy of sources with rules each, most of them different.
func many(sources, each int) []*policy.Policy {
	p := &policy.Policy{Name: "p"}
	for i := range sources {
		s := policy.Source{Name: fmt.Sprint("s", i), From: in(fmt.Sprint("ns", i))}
		for j := range each {
			d := hosts(fmt.Sprintf("h%d.s%d.example.com", j, i))
			switch {
			case j%10 == 9:
				d = hosts("shared.example.com", fmt.Sprintf("*.h%d.example.com", j))
			case j%10 == 8:
				d = addresses(fmt.Sprintf("10.%d.%d.0/24", i, j%256))
			}
			s.Allow = append(s.Allow, policy.Rule{To: d})
		}
		s.Within = []policy.Rule{{To: hosts("*.example.com")}, {To: addresses("10.0.0.0/8")}}
		p.Sources = append(p.Sources, s)
	}
	return []*policy.Policy{p}
}

func TestManyRules(t *testing.T) {
	policies := many(20, 500)
	allocs := testing.AllocsPerRun(1, func() {
		if found := lint.Check(policies, lint.At(now)); len(found) > 0 {
			t.Errorf("%d findings", len(found))
		}
	})
	if allocs > 200*10_000 {
		t.Errorf("%.0f allocations for 10,000 rules", allocs)
	}
}
