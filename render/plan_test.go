package render

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func TestNewPlan(t *testing.T) {
	policies := []*policy.Policy{{
		Name: "store", Clusters: []string{"prod-*"},
		Cluster: policy.Section{Allow: []policy.Rule{{Name: "common", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("*.bar.com"), match.MustParsePattern("a.foo.com")}, Protocol: policy.TLS}, Reason: "all need it", Owner: "platform"}}},
		Sources: []policy.Source{{
			Name: "shop", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop", "team-*"}}),
			Section: policy.Section{
				Allow:  []policy.Rule{{Name: "db", To: policy.Destination{Addresses: addresses("203.0.113.0/24", "198.51.100.0/24"), Protocol: policy.TCP, Ports: match.PortsOf(5432)}}},
				Deny:   []policy.Rule{{Name: "evil", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("*.evil.com")}}}},
				Within: []policy.Rule{{To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("*.com")}}}, {To: policy.Destination{Addresses: addresses("203.0.113.0/24")}}},
			},
		}},
	}, {
		Name: "elsewhere", Sources: []policy.Source{{Name: "s", From: identity.MustSelector(identity.Term{Clusters: []string{"test"}, Namespaces: []string{"lab"}}),
			Section: policy.Section{Allow: []policy.Rule{{Name: "x", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("x.com")}, Protocol: policy.TLS}}}}}},
	}}
	e, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	inventory, err := identity.NewInventory([]identity.Namespace{{Name: "team-a"}, {Name: "shop"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlan(e, "prod-1", WithInventory(inventory))
	var got []string
	for g := range p.Grants() {
		got = append(got, strings.Join([]string{string(g.ID), g.Source.Selector.String()}, " from "))
	}
	want := []string{
		"#baseline from everything",
		"store/common#TLS *.bar.com port 443 from everything",
		"store/common#TLS a.foo.com port 443 from everything",
		"store/db#TCP 198.51.100.0/24,203.0.113.0/24 port 5432 from namespaces=shop,team-*",
		"store/evil#any *.evil.com from namespaces=shop,team-*",
		"store/shop-within#within from namespaces=shop,team-*",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	g := p.grants[1]
	if g.Kind != AllowGrant || g.Rule != "store/common" || g.Reason != "all need it" || g.Owner != "platform" || len(g.To.Hosts) != 1 || !g.Source.AccountsOK || !g.Source.PodsOK {
		t.Errorf("%+v", g)
	}
	if b := p.grants[5]; b.Kind != BoundaryGrant || len(b.Within) != 2 {
		t.Errorf("%+v", b)
	}
	if pods := p.grants[3].Source.Pods; len(pods) != 2 || pods[0].Namespace != "shop" || pods[1].Namespace != "team-a" {
		t.Errorf("pods %v", pods)
	}
	if diff := cmp.Diff([]string{"shop", "team-a"}, p.Namespaces()); diff != "" {
		t.Error(diff)
	}
	p.Namespaces()[0] = "changed"
	if diff := cmp.Diff([]string{"shop", "team-a"}, p.Namespaces()); diff != "" {
		t.Error(diff)
	}
	if p.Cluster() != "prod-1" || p.Inventory() != inventory {
		t.Error("a plan forgets its cluster")
	}
	if n := planOf(t, "allow shop,news TLS foo.com 443", "deny lab,team-* any foo.com", "within news any foo.com").Namespaces(); !slices.Equal(n, []string{"lab", "news", "shop"}) {
		t.Errorf("namespaces %v", n)
	}
	if n := NewPlan(e, "test").Namespaces(); !slices.Equal(n, []string{"lab"}) {
		t.Errorf("namespaces of another cluster: %v", n)
	}
}

func addresses(prefixes ...string) match.Prefixes {
	var out match.Prefixes
	for _, p := range prefixes {
		s, err := parsePrefix(p)
		if err != nil {
			panic(err)
		}
		out = out.Union(s)
	}
	return out
}

func TestNilEngineDeniesEverything(t *testing.T) {
	p := NewPlan(nil, "")
	if grants := slices.Collect(p.Grants()); len(grants) != 1 || grants[0].Kind != BaselineGrant || len(p.NameClasses(policy.TLS)) > 0 || len(p.AddressClasses()) > 0 {
		t.Errorf("grants %v", grants)
	}
}

// The order of policies, sources and rules changes no byte of what is rendered, of losses or of errors.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		stack := Stack{&fake{target: "a", features: drawFeatures(t)}, &fake{target: "b", features: drawFeatures(t)}}
		text := func() string {
			e, err := policy.Compile(policies, policy.At(gen.Now))
			if err != nil {
				t.Fatal(err)
			}
			p := NewPlan(e, "c1")
			res, err := Render(p, stack)
			if err != nil {
				return err.Error()
			}
			b := bytes.NewBufferString(describe(p) + lossLines(res.Losses))
			if err := WriteYAML(b, res.Objects); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		before := text()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffle(r, policies)
		shuffle(r, stack)
		for _, p := range policies {
			shuffle(r, p.Sources)
			sections := []*policy.Section{&p.Cluster}
			for i := range p.Sources {
				sections = append(sections, &p.Sources[i].Section)
			}
			for _, s := range sections {
				shuffle(r, s.Allow)
				shuffle(r, s.Deny)
				shuffle(r, s.Within)
			}
		}
		if diff := cmp.Diff(before, text()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// Classes in the shapes that renderers rely on.
func TestClasses(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []string
		want  []string
	}{
		{"a union by most specific name", []string{"allow shop/a TLS *.foo.com 443", "allow shop/b TLS www.foo.com 443"}, []string{
			"TLS 443 *.foo.com from namespaces=shop serviceAccounts=a [p/r1]",
			"TLS 443 www.foo.com from namespaces=shop serviceAccounts=a or namespaces=shop serviceAccounts=b [p/r1 p/r2]",
		}},
		{"patterns of the same sources are one class", []string{"allow shop TLS *.foo.com bar.com 443"}, []string{"TLS 443 *.foo.com bar.com from namespaces=shop [p/r1 p/r1]"}},
		{"a redundant pattern is carried by the one above", []string{"allow shop TLS *.foo.com 443", "allow shop/a TLS www.foo.com 443"}, []string{"TLS 443 *.foo.com from namespaces=shop [p/r1 p/r2]"}},
		{"the widest sources", []string{"allow shop TLS foo.com 443", "allow shop,team TLS foo.com 443", "allow shop/a TLS foo.com 443"}, []string{"TLS 443 foo.com from namespaces=shop,team [p/r1 p/r2 p/r3]"}},
		{"sources that are the same in other words", []string{"allow team-* TLS foo.com 443", "allow team-*,team-x TLS foo.com 443"}, []string{"TLS 443 foo.com from namespaces=team-* [p/r1 p/r2]"}},
		{"denied to each of the sources", []string{"allow shop,news TLS foo.com 443", "deny shop any foo.com", "deny news any foo.com"}, nil},
		{"a carve-out", []string{"allow shop TLS *.foo.com 443", "deny * any bad.foo.com", "deny * any bad.bar.com"}, []string{"TLS 443 *.foo.com from namespaces=shop [p/r1]", "TLS 443 bad.foo.com from nobody []"}},
		{"an allow below a carve-out", []string{"allow shop TLS *.foo.com 443", "deny shop any *.bad.foo.com", "allow news TLS x.bad.foo.com 443"}, []string{
			"TLS 443 x.bad.foo.com from namespaces=news [p/r3]", "TLS 443 *.foo.com from namespaces=shop [p/r1]", "TLS 443 *.bad.foo.com from nobody []"}},
		{"a part denied to who is out", []string{"allow shop TLS *.foo.com 443", "deny shop/a any *.foo.com", "deny shop/a any api-*.foo.com"}, []string{
			"TLS 443 *.foo.com from namespaces=shop except namespaces=shop serviceAccounts=a [p/r1]"}},
		{"denied to some", []string{"allow shop TLS foo.com 443", "deny shop/a any foo.com"}, []string{"TLS 443 foo.com from namespaces=shop except namespaces=shop serviceAccounts=a [p/r1]"}},
		{"a boundary", []string{"allow shop TLS *.foo.com bar.com 443", "within shop/a any www.foo.com bar.com"}, []string{
			"TLS 443 bar.com www.foo.com from namespaces=shop [p/r1 p/r1]",
			"TLS 443 *.foo.com from namespaces=shop except namespaces=shop serviceAccounts=a [p/r1]",
		}},
		{"ports", []string{"allow shop TLS foo.com 443 8443", "deny * any foo.com 8443"}, []string{"TLS 443 foo.com from namespaces=shop [p/r1]"}},
		{"TCP holds TLS and HTTP", []string{"allow shop TCP foo.com 443", "deny * HTTP foo.com"}, []string{"TLS 443 foo.com from namespaces=shop [p/r1]", "TCP 443 foo.com from namespaces=shop [p/r1]"}},
		{"more ports than are listed", []string{"allow shop UDP foo.com 1000-2000"}, []string{"UDP 1000-2000 foo.com from namespaces=shop [p/r1]"}},
		{"the last port", []string{"allow shop TLS foo.com 65534-65535", "deny * any foo.com 65535"}, []string{"TLS 65534 foo.com from namespaces=shop [p/r1]"}},
		{"the first and the last port", []string{"allow shop TLS foo.com 1 65535", "deny * any foo.com 2-65534"}, []string{"TLS 1 foo.com from namespaces=shop [p/r1]", "TLS 65535 foo.com from namespaces=shop [p/r1]"}},
		{"the least of several originations", []string{"allow shop HTTP foo.com 80 originate:Simple", "allow news HTTP foo.com 80 originate:Mutual", "allow lab HTTP *.com 80"}, []string{
			"HTTP 80 *.com from namespaces=lab [p/r3]", "HTTP 80 foo.com from namespaces=news by Mutual TLS to port 443 [p/r2]"}},
		{"the least of several originations, which comes first", []string{"allow shop HTTP foo.com 80 originate:Mutual", "allow news HTTP foo.com 80 originate:Simple"}, []string{
			"HTTP 80 foo.com from namespaces=shop by Mutual TLS to port 443 [p/r1]"}},
		{"origination after none", []string{"allow shop HTTP foo.com 80", "allow news HTTP foo.com 80 originate:Simple"}, []string{"HTTP 80 foo.com from namespaces=news by Simple TLS to port 443 [p/r2]"}},
		{"origination of the most specific", []string{"allow shop HTTP foo.com 80", "allow shop HTTP *.com 80 originate:Simple"}, []string{
			"HTTP 80 foo.com from namespaces=shop [p/r1 p/r2]", "HTTP 80 *.com from namespaces=shop by Simple TLS to port 443 [p/r2]"}},
		{"a glob of nobody", []string{"allow shop TLS api-*.foo.com 443", "deny * any *.foo.com"}, nil},
		{"a boundary of a glob, all of it", []string{"allow shop TLS api-1.foo.com 443", "within * any api-*.foo.com"}, []string{"TLS 443 api-1.foo.com from namespaces=shop [p/r1]"}},
		{"origination", []string{"allow shop HTTP foo.com 80 originate:Simple", "allow news HTTP foo.com 80"}, []string{"HTTP 80 foo.com from namespaces=shop by Simple TLS to port 443 [p/r1]"}},
		{"calls", []string{"allow shop HTTP foo.com 80 GET", "allow news HTTP foo.com 80", "allow news/a HTTP foo.com 80 PUT"}, []string{
			"HTTP 80 foo.com from namespaces=news and any methods GET from namespaces=shop [p/r1 p/r2 p/r3]"}},
		{"a glob", []string{"allow shop TLS api-*.foo.com 443", "allow news TLS api-1.foo.com 443", "deny * any *.foo.com 80"}, []string{
			"TLS 443 api-1.foo.com from namespaces=news or namespaces=shop [p/r1 p/r2]",
			"TLS 443 api-*.foo.com from namespaces=shop [p/r1]",
		}},
		{"denies for the target", []string{"allow shop HTTP *.foo.com 80", "deny * any api-*.foo.com", "deny shop/a any 203.0.113.7", "deny * HTTP *.foo.com POST", "deny news any 203.0.113.8"}, []string{
			"HTTP 80 *.foo.com from namespaces=shop [p/r1 not p/r2 not p/r3 not p/r4]"}},

		{"addresses", []string{"allow shop TCP 203.0.113.0/24 5432", "allow news TCP 203.0.113.128/25 5432", "deny * any 203.0.113.7 5432"}, []string{
			"TCP 5432 203.0.113.128/25 from namespaces=news or namespaces=shop [p/r1 p/r2]",
			"TCP 5432 203.0.113.0/30,203.0.113.4/31,203.0.113.6/32,203.0.113.8/29,203.0.113.16/28,203.0.113.32/27,203.0.113.64/26 from namespaces=shop [p/r1]"}},
		{"calls by address", []string{"allow shop HTTP 203.0.113.7 80 GET"}, nil},
		{"calls denied by address", []string{"allow shop HTTP 203.0.113.6/31 80", "deny * HTTP 203.0.113.7 POST"}, []string{
			"HTTP 80 203.0.113.6/32 from namespaces=shop [p/r1]", "HTTP 80 203.0.113.7/32 from namespaces=shop [p/r1 not p/r2]"}},
		{"everything but an address", []string{"allow shop TCP 0.0.0.0/0 443", "deny * any 0.0.0.0/1 128.0.0.0/2 192.0.0.0/3 224.0.0.0/3"}, nil},
		{"addresses by port", []string{"allow shop TCP 203.0.113.0/24 5432-5434", "deny * any 203.0.113.0/24 5433"}, []string{"TCP 5432,5434 203.0.113.0/24 from namespaces=shop [p/r1]"}},
		{"addresses within", []string{"allow shop TCP 203.0.113.0/24 5432", "within shop/a any 203.0.113.0/25"}, []string{
			"TCP 5432 203.0.113.0/25 from namespaces=shop [p/r1]", "TCP 5432 203.0.113.128/25 from namespaces=shop except namespaces=shop serviceAccounts=a [p/r1]"}},
		{"both families", []string{"allow shop UDP 2001:db8::/32 203.0.113.0/24 443", "deny shop UDP ::/0"}, []string{"UDP 443 203.0.113.0/24 from namespaces=shop [p/r1]"}},
		{"addresses by the ports of several rules", []string{"allow shop TCP 203.0.113.0/24 5433-5434", "allow shop TCP 203.0.113.0/24 5432-5433"}, []string{"TCP 5432-5434 203.0.113.0/24 from namespaces=shop [p/r1 p/r2]"}},
		{"addresses in order of ports", []string{"allow shop TCP 203.0.113.0/24 1", "allow news TCP 203.0.113.0/24 2"}, []string{
			"TCP 1 203.0.113.0/24 from namespaces=shop [p/r1]", "TCP 2 203.0.113.0/24 from namespaces=news [p/r2]"}},
		{"several denies for the target", []string{"allow shop HTTP 203.0.113.6/31 80", "deny * HTTP evil.com", "deny * HTTP 203.0.113.7 POST"}, []string{
			"HTTP 80 203.0.113.6/32 from namespaces=shop [p/r1 not p/r2]", "HTTP 80 203.0.113.7/32 from namespaces=shop [p/r1 not p/r2 not p/r3]"}},
		{"names and addresses of a protocol", []string{"allow shop TCP foo.com 443", "allow shop TCP 203.0.113.6/31 443", "deny * any 203.0.113.7 443", "deny * any foo.com 80"}, []string{
			"TLS 443 foo.com from namespaces=shop [p/r1 not p/r3]", "HTTP 443 foo.com from namespaces=shop [p/r1 not p/r3]", "TCP 443 foo.com from namespaces=shop [p/r1 not p/r3]",
			"TCP 443 203.0.113.6/32 from namespaces=shop [p/r2]"}},
		{"a wildcard below a wildcard", []string{"allow shop TLS *.foo.com 443", "allow news TLS *.a.foo.com 443"}, []string{
			"TLS 443 *.a.foo.com from namespaces=news or namespaces=shop [p/r1 p/r2]", "TLS 443 *.foo.com from namespaces=shop [p/r1]"}},
		{"names in order of ports", []string{"allow shop TLS foo.com 1 3", "allow news TLS bar.com 2"}, []string{
			"TLS 1 foo.com from namespaces=shop [p/r1]", "TLS 2 bar.com from namespaces=news [p/r2]", "TLS 3 foo.com from namespaces=shop [p/r1]"}},
		{"globs in order of ports", []string{"allow shop TLS a-*.foo.com 1 3", "allow news TLS b-*.foo.com 2"}, []string{
			"TLS 1 a-*.foo.com from namespaces=shop [p/r1]", "TLS 2 b-*.foo.com from namespaces=news [p/r2]", "TLS 3 a-*.foo.com from namespaces=shop [p/r1]"}},
		{"calls to a glob alone", []string{"allow shop HTTP api-*.foo.com 80 GET"}, []string{"HTTP 80 api-*.foo.com from nobody and any methods GET from namespaces=shop [p/r1]"}},
		{"calls beside other sources", []string{"allow shop HTTP a.com 80", "allow news HTTP b.com 80", "allow lab HTTP a.com b.com 80 GET"}, []string{
			"HTTP 80 b.com from namespaces=news and any methods GET from namespaces=lab [p/r2 p/r3]", "HTTP 80 a.com from namespaces=shop and any methods GET from namespaces=lab [p/r1 p/r3]"}},
		{"calls denied to one of several names", []string{"allow shop HTTP a.com b.com 80", "deny * HTTP a.com POST"}, []string{
			"HTTP 80 b.com from namespaces=shop [p/r1]", "HTTP 80 a.com from namespaces=shop [p/r1 not p/r2]"}},
		{"a part of a glob is denied", []string{"allow shop TLS api-*.foo.com 443", "deny * any *-1.foo.com", "deny news any *-2.foo.com", "deny * any *-3.bar.com"}, []string{
			"TLS 443 api-*.foo.com from namespaces=shop [p/r1 not p/r2]"}},
		{"several boundaries of names", []string{"allow shop TLS a.com b.com c.com 443", "within * any a.com b.com", "within shop any b.com c.com"}, []string{"TLS 443 b.com from namespaces=shop [p/r1]"}},
		{"several boundaries of addresses", []string{"allow shop TCP 203.0.113.0/24 443", "within * any 203.0.113.0/25", "within shop any 203.0.113.64/26 203.0.113.128/25"}, []string{
			"TCP 443 203.0.113.64/26 from namespaces=shop [p/r1]"}},
		{"ports that are denied by turns", []string{"allow shop TLS foo.com 1-4", "deny * any foo.com 2 4"}, []string{"TLS 1 foo.com from namespaces=shop [p/r1]", "TLS 3 foo.com from namespaces=shop [p/r1]"}},
		{"globs one below the other", []string{"allow shop TLS api-*.foo.com 443", "allow news TLS api-?.foo.com 443", "allow lab TLS *.foo.com 443"}, []string{
			"TLS 443 *.foo.com from namespaces=lab [p/r3]", "TLS 443 api-*.foo.com from namespaces=shop [p/r1]", "TLS 443 api-?.foo.com from namespaces=news [p/r2]"}},
		{"sources that are taken, the widest", []string{"allow * TLS foo.com 443", "deny shop/a any foo.com", "deny shop any foo.com", "deny news any foo.com"}, []string{
			"TLS 443 foo.com from everything except namespaces=news or namespaces=shop [p/r1]"}},
		{"a call by method and path is denied", []string{"allow shop HTTP foo.com 80", "deny * HTTP foo.com GET /a/*"}, []string{"HTTP 80 foo.com from namespaces=shop [p/r1 not p/r2]"}},
		{"names denied on addresses", []string{"allow shop TCP 203.0.113.0/24 443", "deny * TLS evil.com"}, []string{"TCP 443 203.0.113.0/24 from namespaces=shop [p/r1 not p/r2]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := planOf(t, test.rules...)
			var got []string
			for _, protocol := range requestProtocols {
				for _, c := range slices.Concat(p.NameClasses(protocol), p.GlobClasses(protocol)) {
					got = append(got, c.describe())
				}
			}
			for _, c := range p.AddressClasses() {
				got = append(got, c.describe())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestListsOfClassesAreTheirOwn: patterns, grants and denies are in order, and who appends to one list changes no other.
func TestListsOfClassesAreTheirOwn(t *testing.T) {
	p := planOf(t, "allow shop HTTP z.com aa.com b.com 80 81 GET", "allow shop HTTP z.com aa.com b.com 80 81 PUT", "deny * any 203.0.113.7", "deny * any 203.0.113.8", "deny * any 203.0.113.9")
	classes := p.NameClasses(policy.HTTP)
	if len(classes) != 2 {
		t.Fatalf("%d classes", len(classes))
	}
	order := func(a, b *Grant) int { return strings.Compare(string(a.ID), string(b.ID)) }
	for _, c := range classes {
		if len(c.Patterns) != 3 || !slices.IsSortedFunc(c.Patterns, match.Pattern.Compare) {
			t.Errorf("patterns %v", c.Patterns)
		}
		if len(c.Grants) != 6 || !slices.IsSortedFunc(c.Grants, order) || len(c.Calls) != 2 {
			t.Errorf("%v, %d calls", c.Grants, len(c.Calls))
		}
		for _, list := range [][]*Grant{c.Calls[0].Grants, c.Calls[1].Grants, c.Denies} {
			if len(list) != 3 || !slices.IsSortedFunc(list, order) {
				t.Errorf("%v", list)
			}
		}
	}
	first, second := classes[0], classes[1]
	a, b := &Grant{ID: "a"}, &Grant{ID: "b"}
	grants, denies, patterns := append(first.Grants, a), append(first.Denies, a), append(first.Patterns, match.MustParsePattern("a.com"))
	_, _, _ = append(second.Grants, b), append(second.Denies, b), append(second.Patterns, match.MustParsePattern("b.com"))
	if grants[6] != a || denies[3] != a || patterns[3].String() != "a.com" {
		t.Error("classes of two ports share what is appended")
	}
}

// TestPortsAreListedUpToTheLimit: and one more is a range.
func TestPortsAreListedUpToTheLimit(t *testing.T) {
	for _, test := range []struct {
		rules   []string
		classes int
	}{
		{[]string{"allow shop UDP foo.com 1000-1063"}, 64}, {[]string{"allow shop UDP foo.com 1000-1064"}, 1},
		{[]string{"allow shop UDP foo.com 1000-1031", "allow news UDP bar.com 2000-2031"}, 64}, {[]string{"allow shop UDP foo.com 1000-1031", "allow news UDP bar.com 2000-2032"}, 2},
	} {
		classes := planOf(t, test.rules...).NameClasses(policy.UDP)
		if len(classes) != test.classes {
			t.Errorf("%q: %d classes, want %d", test.rules, len(classes), test.classes)
		}
		for _, c := range classes {
			if (c.LastPort == c.Port) != (test.classes == 64) {
				t.Errorf("%q: a class of ports %d to %d", test.rules, c.Port, c.LastPort)
			}
		}
	}
}

// TestLongDestinations: what a rule lists is as long as it likes, and IDs are not; two that begin alike are told apart.
func TestLongDestinations(t *testing.T) {
	var prefixes []netip.Prefix
	for i := range 1000 {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{11, 0, byte(i >> 7), byte(i << 1)}), 32))
	}
	e, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{
		{Name: "one", To: policy.Addresses(match.NewPrefixes(prefixes, nil)).TCP(443)},
	}, Deny: policy.Rules(policy.Addresses(match.NewPrefixes(prefixes[:999], nil)))}}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[GrantID]bool{}
	for g := range NewPlan(e, "").Grants() {
		if len(g.ID) > 400 || seen[g.ID] {
			t.Errorf("ID of %d bytes: %.100s", len(g.ID), g.ID)
		}
		seen[g.ID] = true
	}
	a, b := strings.Repeat("x", maxBrief)+"a", strings.Repeat("x", maxBrief)+"b"
	if brief(a) == brief(b) || brief(a[:maxBrief]) != a[:maxBrief] {
		t.Error("brief does not tell what begins alike apart, or changes what is short")
	}
}
