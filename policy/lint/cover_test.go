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
		for range 8 {
			r := gen.Request(policies).Draw(t, "request")
			if was, is := reference.DecideRules(all, r), reference.DecideRules(rest, r); was.Allowed != is.Allowed {
				t.Fatalf("%+v: %+v with and %+v without %v", r, was, is, gone)
			}
		}
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
