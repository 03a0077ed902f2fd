package lint_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/lint"
)

// A scoped rule is one with its sources.
type scoped struct {
	from identity.Selector
	rule policy.Rule
}

func (r scoped) String() string {
	return fmt.Sprintf("%s for %s until %s", r.rule.To, r.from, r.rule.Expires.Format(time.DateOnly))
}

// section returns a source with the rule, under a name.
func (r scoped) section(effect policy.Effect, name string) policy.Source {
	r.rule.Name = name
	s := policy.Source{Name: "of-" + name, From: r.from}
	switch effect {
	case policy.Allow:
		s.Allow = []policy.Rule{r.rule}
	case policy.Deny:
		s.Deny = []policy.Rule{r.rule}
	case policy.Within:
		s.Within = []policy.Rule{r.rule}
	}
	return s
}

// about returns the rules of the sources that have a finding of a code.
func about(t *testing.T, code string, sources ...policy.Source) string {
	t.Helper()
	var ids []string
	for _, d := range lint.Check([]*policy.Policy{{Name: "p", Sources: sources}}, lint.At(now)) {
		if d.Severity == policy.Error {
			t.Fatalf("does not compile: %v", d)
		}
		if d.Code == code {
			id, _, _ := strings.Cut(d.Message, " ")
			ids = append(ids, strings.TrimPrefix(id, "p/"))
		}
	}
	return strings.Join(ids, " ")
}

// One dimension at a time: what is wider covers what is narrower, whichever has the lesser ID, and never the other way round; neither covers
// what is beside it; and of two that say the same the one with the lesser ID stays.
func TestWhatCoversWhat(t *testing.T) {
	const host = "www.foo.com"
	to := func(d policy.Destination) scoped { return scoped{identity.Everything(), policy.Rule{To: d}} }
	of := func(from identity.Selector) scoped { return scoped{from, policy.Rule{To: hosts(host)}} }
	names := func(patterns ...string) scoped { return to(hosts(patterns...)) }
	ports := func(ports ...uint16) scoped { return to(hosts(host).TLS(ports...)) }
	block := func(prefixes ...string) scoped { return to(addresses(prefixes...)) }
	call := func(methods string, paths ...string) scoped {
		d := over(policy.HTTP, 80, host)
		if methods != "" {
			d.Methods = strings.Split(methods, ",")
		}
		for _, p := range paths {
			d.Paths = append(d.Paths, policy.MustParsePath(p))
		}
		return to(d)
	}
	until := func(days int, patterns ...string) scoped {
		s := names(patterns...)
		s.rule.Expires = now.AddDate(0, 0, days)
		return s
	}
	anyway := policy.MustHosts(host)
	plain := over(policy.HTTP, 80, host)
	w, ok := match.MustParsePattern("*.foo.com").Witness(match.Pattern{})
	if !ok {
		t.Fatal("no witness")
	}

	both, allows, denies := []policy.Effect{policy.Allow, policy.Deny}, []policy.Effect{policy.Allow}, []policy.Effect{policy.Deny}
	const wider, same, beside = "wider", "same", "beside"
	for _, c := range []struct {
		kind    string // how a is to b
		a, b    scoped
		effects []policy.Effect
	}{
		{wider, names("*.foo.com"), names(host), both}, {wider, names("w*.foo.com"), names(host), both}, {wider, names("*.foo.com"), names("w*.foo.com"), both},
		{wider, names("*.foo.com", "*.bar.com"), names(host, "a.bar.com"), both},
		{wider, ports(443, 8443), ports(443), both}, {wider, to(over(policy.TCP, 443, host)), ports(443), both},
		{wider, call(""), call("GET"), both}, {wider, call("GET,PUT"), call("PUT"), both}, {wider, call("GET"), call("GET", "/a"), both},
		{wider, call("", "/a/*"), call("", "/a/b"), both}, {wider, call("", "/a/*", "/b"), call("", "/a/b/*", "/b"), both}, {wider, call("GET,PUT", "/a/*"), call("GET", "/a/b"), both},
		{wider, block("10.0.0.0/8"), block("10.0.0.0/9"), both}, {wider, block("0.0.0.0/0"), block("10.1.2.3/32"), both},
		{wider, block("0.0.0.0/0", "::/0"), block("0.0.0.0/0"), both}, {wider, block("::/0"), block("2001:db8::1/128"), both},
		{wider, until(30, host), until(29, host), both}, {wider, names(host), until(300, host), both},
		{wider, of(identity.Everything()), of(in("shop")), both}, {wider, of(in("sh*")), of(in("shop")), both},
		{wider, to(anyway), ports(443), denies}, {wider, to(anyway), to(anyway.TCP()), denies}, {wider, to(anyway.TLS()), ports(443), denies}, {wider, to(anyway.TCP()), to(anyway.TLS()), denies},

		{same, names("b.com", "a.com"), names("a.com", "b.com"), both}, {same, names("a?*.foo.com"), names("a*?.foo.com"), both},
		{same, call("GET,PUT", "/a", "/b"), call("PUT,GET", "/b", "/a"), both}, {same, until(30, host), until(30, host), both},
		{same, block("10.0.0.0/8"), block("10.0.0.0/9", "10.128.0.0/9"), both}, {same, of(in("shop")), of(in("shop")), both},
		{same, to(plain.Originating(443)), to(plain.Originating(443)), allows},

		{beside, names("a.com"), names("b.com"), both}, {beside, names("*.foo.com"), names("foo.com"), both}, {beside, names("w*.foo.com"), names("?ww.foo.com"), both},
		{beside, names(host, "a.com"), names(host, "b.com"), both},
		{beside, names("*.foo.com"), ports(444), allows}, {beside, to(hosts("*.foo.com").TLS(444)), to(hosts(w.String()).TLS(443, 444)), both},
		{beside, ports(443, 444), ports(444, 445), both}, {beside, to(over(policy.HTTP, 443, host)), ports(443), both}, {beside, to(over(policy.UDP, 443, host)), to(over(policy.TCP, 443, host)), both},
		{beside, call("GET"), call("PUT"), both}, {beside, call("GET,PUT"), call("PUT,POST"), both}, {beside, call("", "/a"), call("", "/b"), both},
		{beside, call("GET"), call("", "/a"), both}, {beside, call("", "/a/*"), call("", "/a"), both},
		{beside, block("10.0.0.0/8"), block("11.0.0.0/8"), both}, {beside, block("10.0.0.0/8", "12.0.0.0/8"), block("12.0.0.0/7"), both}, {beside, block("0.0.0.0/0"), block("::/0"), both},
		{beside, until(3, "*.foo.com"), names(host), both}, {beside, until(3, "*.foo.com"), until(4, host), both}, {beside, of(in("shop")), of(in("news")), both},
		{beside, to(plain.Originating(443)), to(plain), allows}, {beside, to(plain.Originating(443)), to(plain.OriginatingMutual(443, "c")), allows},
		{beside, to(anyway.TLS()), to(over(policy.TCP, 443, host)), denies},
	} {
		for _, effect := range c.effects {
			for _, order := range [][2]string{{"r1", "r2"}, {"r2", "r1"}} {
				want := map[string]string{wider: order[1], same: "r2", beside: ""}[c.kind]
				if got := about(t, lint.Shadowed, c.a.section(effect, order[0]), c.b.section(effect, order[1])); got != want {
					t.Errorf("%s %s, %s, is %s than %s %s: shadowed is %q, want %q", effect, order[0], c.a, c.kind, order[1], c.b, got, want)
				}
			}
		}
		if len(c.effects) == 1 {
			continue
		}
		// A deny takes all of an allow when it has all of it, for as long as it is there; a boundary has some of it inside when they have some in common.
		lasting := c.a.rule.Expires.IsZero() && c.b.rule.Expires.IsZero()
		if got := about(t, lint.AlwaysDenied, c.a.section(policy.Allow, "allow"), c.b.section(policy.Deny, "deny")); lasting && (got != "") != (c.kind == same) {
			t.Errorf("allow %s, deny %s: always denied is %q", c.a, c.b, got)
		}
		if got := about(t, lint.AlwaysDenied, c.b.section(policy.Allow, "allow"), c.a.section(policy.Deny, "deny")); lasting && (got != "") != (c.kind != beside) {
			t.Errorf("allow %s, deny %s: always denied is %q", c.b, c.a, got)
		}
		if c.kind != beside {
			for _, pair := range [][2]scoped{{c.a, c.b}, {c.b, c.a}} {
				if got := about(t, lint.OutsideBounds, pair[0].section(policy.Allow, "allow"), pair[1].section(policy.Within, "within")); strings.Contains(got, "allow") {
					t.Errorf("allow %s, within %s: outside is %q", pair[0], pair[1], got)
				}
			}
		}
	}
}

// Two protocols on a port are mixed where somebody may use both.
func TestMixedForTheSameSources(t *testing.T) {
	for _, c := range []struct {
		a, b identity.Selector
		want string
	}{{in("shop"), in("news"), ""}, {in("s*"), in("shop"), "b"}, {in("shop"), identity.Everything(), "b"}, {in("shop"), in("shop"), "b"}} {
		a, b := scoped{c.a, policy.Rule{To: hosts("www.foo.com")}}, scoped{c.b, policy.Rule{To: over(policy.HTTP, 443, "www.foo.com").Originating(443)}}
		if got := about(t, lint.MixedProtocols, a.section(policy.Allow, "a"), b.section(policy.Allow, "b")); got != c.want {
			t.Errorf("for %s and %s: %q", c.a, c.b, got)
		}
	}
}

// Rules about the same few places, whose findings are many: without those that are said never to decide the same is allowed, now and, but
// for denies and boundaries that may end, later.
func TestCrowdedUselessRulesAreUseless(t *testing.T) {
	useless := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		patterns := []string{"a.com", "*.com", "*.a.com", "a?.com", "a*.com"}
		p := &policy.Policy{Name: "p"}
		for i := range rapid.IntRange(2, 6).Draw(t, "rules") {
			effect := rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Allow, policy.Deny, policy.Within}).Draw(t, "effect")
			r := scoped{from: rapid.SampledFrom([]identity.Selector{identity.Everything(), in("a"), in("a"), in("a*")}).Draw(t, "from")}
			r.rule.To = gen.Destination(effect).Draw(t, "to")
			if len(r.rule.To.Hosts) > 0 {
				r.rule.To.Hosts = hosts(rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 1, 2, rapid.ID).Draw(t, "patterns")...).Hosts
			}
			if days := rapid.IntRange(0, 3).Draw(t, "days"); days > 0 {
				r.rule.Expires = gen.Now.AddDate(0, 0, days)
			}
			p.Sources = append(p.Sources, r.section(effect, fmt.Sprint("r", i)))
		}
		policies := []*policy.Policy{p}
		gone, shadowed := map[policy.RuleID]bool{}, map[policy.RuleID]bool{}
		for _, d := range lint.Check(policies, lint.At(gen.Now)) {
			if d.Code == lint.Shadowed || d.Code == lint.AlwaysDenied || d.Code == lint.OutsideBounds {
				id, _, _ := strings.Cut(d.Message, " ")
				gone[policy.RuleID(id)] = true
				shadowed[policy.RuleID(id)] = d.Code == lint.Shadowed
				useless[d.Code]++
			}
		}
		for days := range 4 {
			e, err := policy.Compile(policies, policy.At(gen.Now.AddDate(0, 0, days)))
			if err != nil {
				t.Fatal(err)
			}
			all := slices.Collect(e.Rules())
			rest := slices.DeleteFunc(slices.Clone(all), func(r *policy.EffectiveRule) bool { return shadowed[r.ID] || days == 0 && gone[r.ID] })
			for range 4 {
				r := gen.Request(policies).Draw(t, "request")
				if was, is := reference.DecideRules(all, r), reference.DecideRules(rest, r); was.Allowed != is.Allowed {
					t.Fatalf("after %d days, %+v: %+v with and %+v without %v", days, r, was, is, gone)
				}
			}
		}
	})
	if len(useless) < 3 {
		t.Errorf("%v were useless: the test says little", useless)
	}
}

// Sources are looked for where they are: in the cluster of the inventory, and in the namespace of their policy.
func TestSourcesOfTheInventory(t *testing.T) {
	inv, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "shop", Name: "cart", Labels: map[string]string{"app": "cart"}}, {Namespace: "news", Name: "web", Labels: map[string]string{"app": "web"}}})
	if err != nil {
		t.Fatal(err)
	}
	app := func(name string) identity.Selector {
		return identity.MustSelector(identity.Term{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}})
	}
	for _, c := range []struct {
		namespace string
		clusters  []string
		from      identity.Selector
		found     bool
	}{
		{"", nil, app("web"), false}, {"", nil, app("other"), true}, {"shop", nil, app("cart"), false}, {"shop", nil, app("web"), true},
		{"", []string{"prod"}, app("web"), false}, {"", []string{"pr*"}, app("other"), true}, {"", []string{"dev"}, app("other"), false},
		{"", nil, identity.MustSelector(identity.Term{Clusters: []string{"dev"}, Namespaces: []string{"gone"}}), false},
	} {
		p := &policy.Policy{Name: "p", Namespace: c.namespace, Clusters: c.clusters, Sources: []policy.Source{{Name: "s", From: c.from}}}
		found := lint.Check([]*policy.Policy{p}, lint.At(now), lint.Inventory(inv, "prod"))
		if got := len(found) == 1 && found[0].Code == lint.NoSource; got != c.found || !c.found && len(found) > 0 {
			t.Errorf("%+v: %v", c, found)
		}
	}
}

// Rules that take all of another only together cover it; of such as cover each other in a circle, enough are left.
func TestCoveredTogether(t *testing.T) {
	call := func(methods, path string, ports ...uint16) policy.Destination {
		d := policy.MustHosts("a.com").HTTP(ports...)
		if methods != "" {
			d.Methods = strings.Split(methods, ",")
		}
		if path != "" {
			d.Paths = []policy.Path{policy.MustParsePath(path)}
		}
		return d
	}
	tls := func(ports ...uint16) policy.Destination { return hosts("a.com").TLS(ports...) }
	tcp := func(prefixes ...string) policy.Destination { return policy.MustAddresses(prefixes...).TCP(1) }
	onTwo := func(prefixes ...string) policy.Destination { return policy.MustAddresses(prefixes...).TCP(2) }
	two, any := policy.MustAddresses("10.0.0.0/8").TCP(1, 2), policy.MustAddresses("10.0.0.0/8", "11.0.0.0/8")
	ports := func(first, last uint16) policy.Destination {
		d := tls()
		d.Ports = match.NewPorts(match.PortRange{First: first, Last: last})
		return d
	}
	w, _ := match.MustParsePattern("*.foo.com").Witness(match.Pattern{})
	low, high, middle := ports(1, 1000), ports(900, 65535), ports(500, 60000)
	twoPaths := call("", "/a", 80)
	twoPaths.Paths = append(twoPaths.Paths, policy.MustParsePath("/b/c"))
	for _, c := range []struct {
		effect policy.Effect
		rules  []policy.Destination
		want   string // never decide
	}{
		{policy.Allow, []policy.Destination{tls(1, 8), tls(2, 9), tls(1, 2)}, "r2"},
		{policy.Allow, []policy.Destination{tls(1, 2), tls(1, 8), tls(2, 9)}, "r0"},
		{policy.Allow, []policy.Destination{tls(1, 8), tls(3, 9), tls(1, 2, 3)}, ""},
		{policy.Allow, []policy.Destination{tls(1, 2), tls(2, 3), tls(1, 3)}, "r2"},
		{policy.Allow, []policy.Destination{tls(1, 2), tls(2, 3), tls(3, 4), tls(1, 4)}, "r1 r3"},
		{policy.Allow, []policy.Destination{low, high, middle}, "r2"},
		{policy.Allow, []policy.Destination{tls(1), hosts("*.com").TLS(2), tls(1, 2)}, "r0"},
		{policy.Allow, []policy.Destination{tls(1, 8), hosts("*.com").TLS(2), tls(1, 2)}, "r2"},
		{policy.Allow, []policy.Destination{tls(1, 8), hosts("b.com").TLS(2, 8), hosts("a.com", "b.com").TLS(1, 2)}, ""},
		{policy.Allow, []policy.Destination{tls(1, 8), hosts("a.com", "b.com").TLS(2, 8), hosts("b.com").TLS(1, 8), hosts("a.com", "b.com").TLS(1, 2)}, "r3"},
		{policy.Allow, []policy.Destination{tls(1, 8), hosts("a.com").TCP(2), tls(1, 2)}, "r2"},
		{policy.Allow, []policy.Destination{tls(1, 8), hosts("a.com").UDP(2), tls(1, 2)}, ""},
		{policy.Allow, []policy.Destination{hosts(w.String()).TLS(1, 8), hosts("*.foo.com").TLS(2, 9), hosts("*.foo.com").TLS(1, 2)}, ""},
		{policy.Allow, []policy.Destination{call("", "", 80, 81).Originating(443), call("", "", 82, 83), call("", "", 80, 82).Originating(443)}, ""},
		{policy.Allow, []policy.Destination{call("", "", 80, 81).Originating(443), call("", "", 82, 83).Originating(443), call("", "", 80, 82).Originating(443)}, "r2"},
		{policy.Allow, []policy.Destination{call("GET", "", 80, 81), call("PUT", "", 80, 82), call("GET,PUT", "", 80)}, "r2"},
		{policy.Allow, []policy.Destination{call("GET", "", 80, 81), call("PUT", "", 80, 82), call("", "", 80)}, ""},
		{policy.Allow, []policy.Destination{call("GET", "/a", 80, 81), call("PUT", "", 80), call("GET,PUT", "/a", 80)}, "r2"},
		{policy.Allow, []policy.Destination{call("GET", "/a", 80, 81), call("PUT", "/b", 80, 81), call("GET,PUT", "/a", 80)}, ""},
		{policy.Allow, []policy.Destination{call("GET", "", 80, 83), call("PUT", "", 80, 83), call("GET", "", 81, 84), call("GET,PUT", "", 80, 81)}, ""},
		{policy.Allow, []policy.Destination{call("GET", "", 80, 83), call("PUT", "", 80, 81), call("GET", "", 81, 84), call("GET,PUT", "/a", 80, 81)}, "r3"},
		{policy.Allow, []policy.Destination{call("", "/a", 80, 81), call("", "/b/*", 80, 82), twoPaths}, "r2"},
		{policy.Allow, []policy.Destination{tcp("10.0.0.0/9", "11.0.0.0/8"), tcp("10.128.0.0/9", "12.0.0.0/8"), tcp("10.0.0.0/8")}, "r2"},
		{policy.Allow, []policy.Destination{tcp("10.0.0.0/9", "11.0.0.0/8"), tcp("10.128.0.0/10", "12.0.0.0/8"), tcp("10.0.0.0/8")}, ""},
		{policy.Allow, []policy.Destination{tcp("10.0.0.0/8"), tcp("12.0.0.0/8"), tcp("10.1.0.0/16", "12.1.0.0/16")}, "r2"},
		{policy.Allow, []policy.Destination{tcp("10.0.0.0/8", "13.0.0.0/8"), onTwo("10.0.0.0/9", "12.0.0.0/8"), onTwo("10.128.0.0/9", "14.0.0.0/8"), two}, "r3"},
		{policy.Allow, []policy.Destination{tcp("10.0.0.0/8", "13.0.0.0/8"), onTwo("10.0.0.0/9", "12.0.0.0/8"), tcp("10.128.0.0/9", "14.0.0.0/8"), two}, ""},
		{policy.Allow, []policy.Destination{tcp("0.0.0.0/0"), tcp("2001:db8::/32"), tcp("10.0.0.0/8", "2001:db8::/33")}, "r2"},
		{policy.Deny, []policy.Destination{any.TCP(), any.UDP(), any.SCTP(), policy.MustAddresses("10.0.0.0/8")}, "r3"},
		{policy.Deny, []policy.Destination{any.TCP(), any.UDP(), policy.MustAddresses("10.0.0.0/8")}, ""},
		{policy.Deny, []policy.Destination{any.TCP(), any.UDP(), any.SCTP(1), policy.MustAddresses("10.0.0.0/8")}, ""},
		{policy.Deny, []policy.Destination{policy.MustHosts("a.com", "b.com").TCP(), policy.MustHosts("a.com", "c.com").UDP(), policy.MustHosts("a.com")}, ""},
	} {
		var sources []policy.Source
		for i, d := range c.rules {
			sources = append(sources, scoped{identity.Everything(), policy.Rule{To: d}}.section(c.effect, fmt.Sprint("r", i)))
		}
		if got := about(t, lint.Shadowed, sources...); got != c.want {
			t.Errorf("%s of %s: shadowed is %q, want %q", c.effect, c.rules, got, c.want)
		}
	}
	// Denies take an allow together as well.
	for _, c := range []struct {
		denied []policy.Destination
		want   string
	}{{[]policy.Destination{tls(1, 8), tls(2)}, "r"}, {[]policy.Destination{tls(1), tls(3)}, ""}} {
		sources := []policy.Source{scoped{in("shop"), policy.Rule{To: tls(1, 2)}}.section(policy.Allow, "r")}
		for i, d := range c.denied {
			sources = append(sources, scoped{in("s*"), policy.Rule{To: d}}.section(policy.Deny, fmt.Sprint("d", i)))
		}
		if got := about(t, lint.AlwaysDenied, sources...); got != c.want {
			t.Errorf("denied %s: %q, want %q", c.denied, got, c.want)
		}
	}
	// Only rules that last as long, and for all of the sources, count.
	first, second, both := scoped{in("s*"), policy.Rule{To: tls(1, 8)}}, scoped{in("shop"), policy.Rule{To: tls(2, 9)}}, scoped{in("shop"), policy.Rule{To: tls(1, 2)}}
	short, narrow, lasting := first, first, both
	short.rule.Expires, narrow.from, lasting.rule.Expires = now.AddDate(1, 0, 0), in("news"), now.AddDate(1, 0, 0)
	for _, c := range []struct {
		first, both scoped
		want        string
	}{{first, both, "r3"}, {short, both, ""}, {narrow, both, ""}, {short, lasting, "r3"}} {
		if got := about(t, lint.Shadowed, c.first.section(policy.Allow, "r1"), second.section(policy.Allow, "r2"), c.both.section(policy.Allow, "r3")); got != c.want {
			t.Errorf("%s, %s and %s: shadowed is %q", c.first, second, c.both, got)
		}
	}
}

// What is left of rules for one host, or for addresses, takes all that there was, and none of it is taken by the others.
func TestShadowedIsExact(t *testing.T) {
	together := 0
	rapid.Check(t, func(t *rapid.T) {
		byHost := rapid.Bool().Draw(t, "by host")
		p := &policy.Policy{Name: "p"}
		var rules []policy.Destination
		for i := range rapid.IntRange(2, 6).Draw(t, "rules") {
			ports := rapid.SliceOfNDistinct(rapid.SampledFrom([]uint16{1, 2, 4, 5}), 1, 3, rapid.ID).Draw(t, "ports")
			d := policy.MustHosts("a.com").HTTP(ports...)
			if !byHost {
				blocks := rapid.SampledFrom([]string{"10.0.0.0/32", "10.0.0.1/32", "10.0.0.0/31", "10.0.0.2/31", "10.0.0.3/32", "10.0.0.0/30"})
				d = policy.MustAddresses(rapid.SliceOfNDistinct(blocks, 1, 3, rapid.ID).Draw(t, "addresses")...).HTTP(ports...)
			}
			d.Methods = rapid.SampledFrom([][]string{nil, {"GET"}, {"PUT"}, {"GET", "PUT"}}).Draw(t, "methods")
			rules = append(rules, d)
			p.Sources = append(p.Sources, scoped{identity.Everything(), policy.Rule{To: d}}.section(policy.Allow, fmt.Sprint("r", i)))
		}
		shadowed := map[int]bool{}
		for _, d := range lint.Check([]*policy.Policy{p}, lint.At(now)) {
			var n int
			if d.Code == lint.Shadowed {
				if _, err := fmt.Sscanf(d.Message, "p/r%d", &n); err != nil {
					t.Fatal(err)
				}
				shadowed[n] = true
				if strings.Contains(d.Message, " allow the same") {
					together++
				}
			}
		}
		// Of each request that there is, the rules that are left and take it.
		only := map[int]bool{}
		for _, method := range []string{"GET", "PUT", "POST"} {
			for port := range uint16(6) {
				for last := range byte(4) {
					given, left := 0, []int{}
					for i, d := range rules {
						takes := d.Ports.Contains(port) && (byHost || d.Addresses.Contains(netip.AddrFrom4([4]byte{10, 0, 0, last}))) &&
							(d.Methods == nil || slices.Contains(d.Methods, method))
						if takes {
							given++
						}
						if takes && !shadowed[i] {
							left = append(left, i)
						}
					}
					if given > 0 && len(left) == 0 {
						t.Fatalf("nobody takes %s on %d at %d: %v of %s", method, port, last, shadowed, rules)
					}
					if len(left) == 1 {
						only[left[0]] = true
					}
				}
			}
		}
		for i := range rules {
			if !shadowed[i] && !only[i] {
				t.Fatalf("rule %d is taken by others: %v of %s", i, shadowed, rules)
			}
		}
	})
	if together == 0 {
		t.Error("no rule was covered by several: the test says little")
	}
}

// Of two boundaries, each may leave out a part; what all hosts are outside of is told once.
func TestOutsideOfSeveralBoundaries(t *testing.T) {
	within := func(patterns ...string) []policy.Rule { return policy.Rules(policy.MustHosts(patterns...)) }
	p := &policy.Policy{Name: "p", Namespace: "shop", Sources: []policy.Source{
		{Name: "all", From: in("shop"), Section: policy.Section{Allow: []policy.Rule{{Name: "r", To: hosts("a.com", "b.com")}}, Within: within("a.com", "c.com")}},
		{Name: "some", From: in("sh*"), Section: policy.Section{Within: within("b.com", "c.com")}},
	}}
	const want = `policy "shop/p".spec.sources[0].allow[0]: warning outside-bounds: shop/p/r allows nothing: it is outside the boundaries shop/p/all-within and shop/p/some-within; remove it, or extend the boundary`
	if found := lint.Check([]*policy.Policy{p}, lint.At(now)); found.Error() != want {
		t.Errorf("found %v", found)
	}
}

// A host that is said to be outside is: without it, the rule allows the same.
func TestHostsOutsideAreUseless(t *testing.T) {
	outside := 0
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SampledFrom([]string{"a.com", "*.com", "*.a.com", "a?.com", "a*.com", "b.org"})
		some := func(label string) []match.Pattern {
			return hosts(rapid.SliceOfNDistinct(patterns, 1, 4, rapid.ID).Draw(t, label)...).Hosts
		}
		r := policy.Rule{Name: "r", To: gen.Destination(policy.Allow).Draw(t, "allow")}
		if len(r.To.Hosts) > 0 {
			r.To.Hosts = some("hosts")
		}
		p := &policy.Policy{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{r}}}
		for range rapid.IntRange(1, 3).Draw(t, "inside") {
			d := gen.Destination(policy.Within).Draw(t, "within")
			if len(d.Hosts) > 0 {
				d.Hosts = some("inside")
			}
			p.Cluster.Within = append(p.Cluster.Within, policy.Rule{To: d})
		}
		policies := []*policy.Policy{p}
		e, err := policy.Compile(policies, policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Collect(e.Rules())
		var rest []*policy.EffectiveRule
		gone := map[string]bool{}
		for _, d := range lint.Check(policies, lint.At(gen.Now)) {
			if what, _, of := strings.Cut(d.Message, " is outside the boundary"); d.Code == lint.OutsideBounds && of {
				gone[what] = true
				outside++
			}
		}
		for _, r := range all {
			r := *r
			if r.Effect == policy.Allow {
				r.To = slices.Clone(r.To)
				r.To[0].Hosts = slices.DeleteFunc(slices.Clone(r.To[0].Hosts), func(p match.Pattern) bool { return gone[p.String()] })
				for what := range gone {
					for text := range strings.SplitSeq(what, ",") {
						if prefix, err := netip.ParsePrefix(text); err == nil {
							r.To[0].Addresses = r.To[0].Addresses.Subtract(match.NewPrefixes([]netip.Prefix{prefix}, nil))
						}
					}
				}
			}
			rest = append(rest, &r)
		}
		checkSame(t, policies, all, rest)
	})
	if outside == 0 {
		t.Error("no host was outside: the test says nothing")
	}
}

// A rule that has a finding has the first reason for it alone.
func TestOneReasonIsEnough(t *testing.T) {
	p := document(nil, policy.Section{
		Allow:  []policy.Rule{{To: hosts("www.foo.com")}, {To: hosts("www.foo.com")}, {To: over(policy.HTTP, 443, "www.foo.com").Originating(443)}},
		Deny:   []policy.Rule{{To: policy.MustHosts("www.foo.com")}},
		Within: []policy.Rule{{To: hosts("bar.com")}},
	})
	var got []string
	for _, d := range lint.Check([]*policy.Policy{p}, lint.At(now)) {
		id, _, _ := strings.Cut(d.Message, " ")
		got = append(got, d.Code+" "+id)
	}
	if want := []string{"always-denied p/a0", "shadowed p/a1", "always-denied p/a2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Without a time, that of the clock counts.
func TestExpiredByTheClock(t *testing.T) {
	p := document(nil, policy.Section{Allow: []policy.Rule{{To: hosts("a.com"), Expires: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}, {To: hosts("b.com"), Expires: time.Now().AddDate(5, 0, 0)}}})
	if found := lint.Check([]*policy.Policy{p}); len(found) != 1 || found[0].Code != lint.Expired {
		t.Errorf("found %v", found)
	}
}
