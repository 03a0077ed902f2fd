package policy_test

import (
	"encoding/json"
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
)

// scenario is the storefront of the documentation: everyone to service1.foo.com and *.bar.com, a also to *.foo.com, b also to *.baz.com
// and a database, and namespace news to edition.cnn.com.
func scenario() []*policy.Policy {
	at := func(line int) policy.Position {
		return policy.Position{File: "policy.yaml", Line: line, Column: 7, Field: "spec.x"}
	}
	plain := hosts("edition.cnn.com")
	plain.Protocol, plain.OriginateTLS = policy.HTTP, &policy.TLSOrigination{Port: 443, Mode: policy.SimpleTLS}
	return []*policy.Policy{{
		Name:    "storefront",
		Cluster: policy.Section{Allow: []policy.Rule{{Name: "everyone", To: hosts("service1.foo.com", "*.bar.com"), At: at(9)}}},
		Sources: []policy.Source{
			{Name: "a", From: account("shop", "a"), Section: policy.Section{
				Allow:  []policy.Rule{{Name: "foo", To: hosts("*.foo.com"), Reason: "the foo API", Owner: "team-a", At: at(15)}},
				Deny:   []policy.Rule{{Name: "no-admin", To: policy.Destination{Hosts: hosts("admin.foo.com").Hosts}, At: at(18)}},
				Within: []policy.Rule{{To: hosts("*.foo.com", "*.bar.com", "*.baz.com"), At: at(21)}},
			}},
			{Name: "b", From: account("shop", "b"), Section: policy.Section{Allow: []policy.Rule{
				{Name: "baz", To: hosts("*.baz.com"), At: at(30)},
				{Name: "database", To: addresses("203.0.113.0/24"), At: at(32)},
			}, Within: []policy.Rule{{To: hosts("*.baz.com"), At: at(36)}, {To: addresses("203.0.113.0/24"), At: at(37)}}}},
			{Name: "news", From: identity.MustSelector(identity.Term{Namespaces: []string{"news"}}), Section: policy.Section{Allow: []policy.Rule{
				{Name: "cnn", To: hosts("edition.cnn.com"), At: at(42)}, {Name: "cnn-plain", To: plain, At: at(44)},
				{Name: "old", To: hosts("old.cnn.com"), Expires: gen.Now, At: at(46)},
			}}},
		},
	}}
}

func TestExplainReadsAtOnce(t *testing.T) {
	e := compile(t, scenario())
	plain := request("shop", "a", "edition.cnn.com")
	plain.Protocol, plain.Port = policy.HTTP, 80
	database := policy.Request{Source: identity.Workload{Namespace: "shop", ServiceAccount: "b"},
		Access: policy.Access{Protocol: policy.TCP, Port: 5433, Address: netip.MustParseAddr("203.0.113.9")}}
	nowhere := policy.Request{Source: identity.Workload{Namespace: "news"}, Access: policy.Access{Protocol: policy.UDP, Port: 53, Address: netip.MustParseAddr("198.51.100.1")}}
	nameless := request("shop", "a", "www.foo.com")
	nameless.Host = match.Host{}
	for _, c := range []struct {
		r    policy.Request
		want string
	}{
		{request("shop", "a", "x.y.foo.com"), `
allowed by storefront/foo
  request  shop/a to TLS x.y.foo.com port 443
  matches  storefront/foo (policy.yaml:15:7): allow TLS *.foo.com port 443 (the foo API, team-a)
  inside   storefront/a-within (policy.yaml:21:7): within TLS *.bar.com,*.baz.com,*.foo.com
  change   storefront/foo (policy.yaml:15:7) must not allow it
           or a rule must deny it, or a boundary leave it out
`},
		{request("shop", "b", "x.y.foo.com"), `
denied: no rule allows it
  request  shop/b to TLS x.y.foo.com port 443
  outside  storefront/b-within (policy.yaml:36:7): within TCP 203.0.113.0/24 port 5432 or TLS *.baz.com; but the host is x.y.foo.com, not *.baz.com
  nearest  storefront/foo (policy.yaml:15:7): allow TLS *.foo.com port 443 (the foo API, team-a); but the service account is b, not a
  change   a rule must allow it to shop/b: a new one, or storefront/foo (policy.yaml:15:7) extended to it
           the boundary storefront/b-within (policy.yaml:36:7) must have it inside
`},
		{request("shop", "b", "service1.foo.com"), `
denied: outside the boundary storefront/b-within
  request  shop/b to TLS service1.foo.com port 443
  matches  storefront/everyone (policy.yaml:9:7): allow TLS *.bar.com,service1.foo.com port 443
  outside  storefront/b-within (policy.yaml:36:7): within TCP 203.0.113.0/24 port 5432 or TLS *.baz.com; but the host is service1.foo.com, not *.baz.com
  change   the boundary storefront/b-within (policy.yaml:36:7) must have it inside
`},
		{request("shop", "a", "admin.foo.com"), `
denied by storefront/no-admin
  request  shop/a to TLS admin.foo.com port 443
  matches  storefront/foo (policy.yaml:15:7): allow TLS *.foo.com port 443 (the foo API, team-a)
  matches  storefront/no-admin (policy.yaml:18:7): deny any admin.foo.com
  inside   storefront/a-within (policy.yaml:21:7): within TLS *.bar.com,*.baz.com,*.foo.com
  change   storefront/no-admin (policy.yaml:18:7) must not deny it
`},
		{database, `
denied: no rule allows it
  request  shop/b to TCP 203.0.113.9 port 5433
  outside  storefront/b-within (policy.yaml:36:7): within TCP 203.0.113.0/24 port 5432 or TLS *.baz.com; but the port is 5433, not 5432
  nearest  storefront/database (policy.yaml:32:7): allow TCP 203.0.113.0/24 port 5432; but the port is 5433, not 5432
  change   a rule must allow it to shop/b: a new one, or storefront/database (policy.yaml:32:7) extended to it
           the boundary storefront/b-within (policy.yaml:36:7) must have it inside
`},
		{request("news", "", "old.cnn.com"), `
denied: no rule allows it
  request  news to TLS old.cnn.com port 443
  nearest  storefront/old (policy.yaml:46:7): allow TLS old.cnn.com port 443; but it expired on 2026-06-15
  change   a rule must allow it to news: a new one, or storefront/old (policy.yaml:46:7) with a later day of expiry
`},
		{plain, `
denied: no rule allows it
  request  shop/a to HTTP edition.cnn.com port 80
  outside  storefront/a-within (policy.yaml:21:7): within TLS *.bar.com,*.baz.com,*.foo.com; but the host is edition.cnn.com, not *.bar.com,*.baz.com,*.foo.com, and the protocol is HTTP, not TLS
  nearest  storefront/cnn-plain (policy.yaml:44:7): allow HTTP edition.cnn.com port 80 originating Simple TLS to port 443; but the namespace is shop, not news
  nearest  storefront/cnn (policy.yaml:42:7): allow TLS edition.cnn.com port 443; but the protocol is HTTP, not TLS, and the port is 80, not 443, and the namespace is shop, not news
  change   a rule must allow it to shop/a: a new one, or storefront/cnn-plain (policy.yaml:44:7) extended to it
           the boundary storefront/a-within (policy.yaml:21:7) must have it inside
`},
		{request("elsewhere", "x", "evilfoo.com"), `
denied: no rule allows it
  request  elsewhere/x to TLS evilfoo.com port 443
  nearest  none: no rule allows anybody this host or one much like it
  change   a rule must allow it to elsewhere/x
`},
		{request("shop", "b", "baz.com"), `
denied: no rule allows it
  request  shop/b to TLS baz.com port 443
  outside  storefront/b-within (policy.yaml:36:7): within TCP 203.0.113.0/24 port 5432 or TLS *.baz.com; but the host is baz.com, not *.baz.com (*.baz.com is the names below baz.com, without baz.com itself)
  nearest  storefront/baz (policy.yaml:30:7): allow TLS *.baz.com port 443; but the host is baz.com, not *.baz.com (*.baz.com is the names below baz.com, without baz.com itself)
  change   a rule must allow it to shop/b: a new one, or storefront/baz (policy.yaml:30:7) extended to it
           the boundary storefront/b-within (policy.yaml:36:7) must have it inside
`},
		{nowhere, `
denied: no rule allows it
  request  news to UDP 198.51.100.1 port 53
  nearest  none: no rule allows anybody this address
  change   a rule must allow it to news
`},
		{nameless, `
denied: not a valid request: no protocol, port or destination, or an ambiguous path
  request  shop/a to TLS port 443
  change   a valid request: a host or an address must be known
`},
	} {
		if got := e.Explain(c.r).String(); got != c.want[1:] {
			t.Errorf("got\n%s\nwant%s", got, c.want)
		}
	}
}

// A finding says until when its rule is in force, and a path can't write lines of its own.
func TestExplainNotes(t *testing.T) {
	rule := policy.Rule{Name: "trial", To: policy.MustHosts("www.foo.com").HTTP(), Reason: "trial", Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC)}
	e, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{rule}}}}, policy.At(gen.Now))
	if err != nil {
		t.Fatal(err)
	}
	r := policy.Request{Access: policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("www.foo.com"), Path: "/a", Method: "GET"}}
	if text := e.Explain(r).String(); !strings.Contains(text, "port 80 (trial, expires 2027-06-30)\n") {
		t.Errorf("%s", text)
	}
	r.Path = "/a\x1b[2J\nallowed"
	if text := e.Explain(r).String(); strings.Contains(text, "\nallowed") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}

// What is often taken for something else is said as it is meant.
func TestExplainMisses(t *testing.T) {
	labelled := func(key, value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
	}
	for _, c := range []struct {
		from identity.Term
		to   policy.Destination
		want string
	}{
		{identity.Term{Namespaces: []string{"shop"}, PodLabels: labelled("app", "a")}, policy.MustHosts("api.foo.com").TLS(), "the labels are app=x, not app=a"},
		{identity.Term{NamespaceLabels: labelled("team", "a")}, policy.MustHosts("api.foo.com").TLS(), "no namespace labels are known, and they must be team=a"},
		{identity.Term{Namespaces: []string{"shop"}}, policy.MustHosts("a*.api.foo.com", "api-*.foo.com", "b?.foo.com").TLS(),
			"the host is api.foo.com, not a*.api.foo.com,api-*.foo.com,b?.foo.com"},
		{identity.Term{Namespaces: []string{"shop"}}, policy.MustHosts("a?i.*.foo.com").TLS(),
			"the host is api.foo.com, not a?i.*.foo.com (the wildcards of a?i.*.foo.com stay inside their label)"},
		{identity.Term{Namespaces: []string{"shop"}, Clusters: []string{"prod-*"}}, policy.MustHosts("api.foo.com").TLS(), "no cluster is known, and it must be prod-*"},
	} {
		p := &policy.Policy{Name: "p", Sources: []policy.Source{{From: identity.MustSelector(c.from), Section: policy.Section{Allow: policy.Rules(c.to)}}}}
		r := request("shop", "x", "api.foo.com")
		r.Source.Labels = map[string]string{"app": "x"}
		x := compile(t, []*policy.Policy{p}).Explain(r)
		if len(x.Nearest) != 1 || len(x.Nearest[0].Misses) != 1 || x.Nearest[0].Misses[0].String() != c.want {
			t.Errorf("got %s, want %s", x, c.want)
		}
	}
}

// Of the terms of a source the nearest is told, and what is unknown is said to be.
func TestExplainSources(t *testing.T) {
	far := identity.Term{Namespaces: []string{"a"}, ServiceAccounts: []string{"a"}, Clusters: []string{"a"}}
	near := identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"z"}}
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		s.From, r.At = identity.MustSelector(far, near), policy.Position{File: "f.yaml", Line: 1, Field: "spec.x"}
	})
	r := request("shop", "x", "www.foo.com")
	r.Source.Cluster, r.Address = "prod", netip.MustParseAddr("192.0.2.1")
	got := compile(t, []*policy.Policy{p}).Explain(r).String()
	want := `
denied: no rule allows it
  request  shop/x in cluster prod to TLS www.foo.com 192.0.2.1 port 443
  nearest  p/r (f.yaml:1): allow TLS www.foo.com port 443; but the service account is x, not z
  change   a rule must allow it to shop/x in cluster prod: a new one, or p/r (f.yaml:1) extended to it
`
	if got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
}

// Where there is nothing, or no request, the explanation says so.
func TestExplainNothing(t *testing.T) {
	both := request("shop", "", "www.foo.com")
	both.Address = netip.MustParseAddr("192.0.2.1")
	call := request("", "", "www.foo.com")
	call.Protocol, call.Method, call.Path = policy.HTTP, "GET", "/a"
	for _, c := range []struct {
		r    policy.Request
		want string
	}{
		{request("shop", "a", "www.foo.com"), "none: no rule allows anybody this host or one much like it\n"},
		{both, "none: no rule allows anybody this host or one much like it, or this address\n"},
		{call, "an unknown workload to HTTP www.foo.com port 443 GET /a\n"},
		{policy.Request{Access: policy.Access{Port: 1, Host: both.Host}}, "a valid request: the protocol must be TLS, HTTP, TCP, UDP or SCTP\n"},
		{policy.Request{Access: policy.Access{Protocol: policy.SCTP + 1, Port: 1, Host: both.Host}}, "a valid request: the protocol must be"},
		{policy.Request{Access: policy.Access{Protocol: policy.TLS, Host: both.Host}}, "a valid request: the port must be 1 to 65535\n"},
		{policy.Request{Access: policy.Access{Protocol: policy.TLS, Port: 65535}}, "a valid request: a host or an address must be known\n"},
		{policy.Request{}, "to no protocol, port 0\n"},
	} {
		for _, e := range []*policy.Engine{nil, {}, compile(t, nil)} {
			if x := e.Explain(c.r); x.Decision != e.Decide(c.r) || !strings.Contains(x.String(), c.want) {
				t.Errorf("got\n%s\nwant %s", x, c.want)
			}
		}
	}
}

// Near misses come by fewest fields, then by most labels in common, then by ID, whether or not they are in force; those with too many
// fields do not come.
func TestExplainOrdersTheNearest(t *testing.T) {
	rule := func(name, host string, port uint16, expired bool) policy.Rule {
		r := policy.Rule{Name: name, To: hosts(host).TLS(port)}
		if expired {
			r.Expires = gen.Now
		}
		return r
	}
	for _, c := range []struct {
		rules []policy.Rule
		want  string
	}{
		{[]policy.Rule{rule("b", "x.foo.com", 443, false), rule("c", "z.api.foo.com", 443, false), rule("a", "z.api.foo.com", 80, false)}, "c b a"}, // fields before labels, labels before ID
		{[]policy.Rule{rule("a", "x.foo.com", 443, true), rule("b", "x.foo.com", 80, false), rule("c", "x.foo.com", 443, true)}, "a b c"},
		{[]policy.Rule{rule("a", "x.foo.com", 80, true), rule("b", "com", 443, false), rule("c", "foo.org", 443, false)}, "a"},                // three fields are not too many
		{[]policy.Rule{rule("a", "x.foo.com", 443, false), rule("b", "*.foo.com", 444, true), rule("c", "y.api.foo.com", 444, false)}, "c b"}, // of the place alone
		{[]policy.Rule{rule("a", "a.foo.com", 443, false), rule("b", "b.foo.com", 443, false), rule("c", "c.foo.com", 443, false), rule("d", "d.foo.com", 443, false)}, "a b c"},
		{[]policy.Rule{{Name: "a", To: hosts("x.foo.com").UDP(80), Expires: gen.Now}}, ""}, // four are
	} {
		x := compile(t, []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: c.rules}}}).Explain(request("shop", "a", "y.api.foo.com"))
		var got []string
		for _, f := range x.Nearest {
			got = append(got, strings.TrimPrefix(string(f.Rule.ID), "p/"))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
}

// Of few hosts all are listed, of more the nearest.
func TestExplainListsTheNearestHosts(t *testing.T) {
	list := []string{"a.com", "b.com", "c.com", "d.com", "e.com", "f.y.foo.com"}
	for n, want := range map[int]string{
		5: "the host is x.y.foo.com, not a.com,b.com,c.com,d.com,foo.com",
		6: "the host is x.y.foo.com, not a.com,b.com,c.com,f.y.foo.com,foo.com or 1 other",
	} {
		patterns := append([]string{"foo.com"}, list[:4]...)
		if n == 6 {
			patterns = append(patterns, list[5])
		}
		x := compile(t, []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: policy.Rules(hosts(patterns...))}}}).Explain(request("shop", "a", "x.y.foo.com"))
		if got := x.Nearest[0].Misses[0].String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Rules of the host asked for are near, however much else they miss, and others are not.
func TestExplainPrefersTheHost(t *testing.T) {
	p := &policy.Policy{Name: "p"}
	for _, host := range []string{"api.foo.com", "other.foo.com"} {
		from := identity.MustSelector(identity.Term{Namespaces: []string{"news"}, ServiceAccounts: []string{"n"}})
		if host == "other.foo.com" {
			from = account("shop", "x")
		}
		p.Sources = append(p.Sources, policy.Source{From: from, Section: policy.Section{Allow: []policy.Rule{{Name: host[:3], To: policy.MustHosts(host).HTTP(8080)}}}})
	}
	x := compile(t, []*policy.Policy{p}).Explain(request("shop", "x", "api.foo.com"))
	if len(x.Nearest) != 1 || x.Nearest[0].Rule.ID != "p/api" || len(x.Nearest[0].Misses) != 4 {
		t.Errorf("got %s", x)
	}
}

// Long rules are cut to what comes nearest.
func TestExplainLongRules(t *testing.T) {
	long := policy.MustHosts().TLS()
	for i := range 1000 {
		long.Hosts = append(long.Hosts, match.MustParsePattern(fmt.Sprintf("h%d.d%d.com", i, i/2)))
	}
	var prefixes []string
	for i := range 100 {
		prefixes = append(prefixes, fmt.Sprintf("10.%d.0.0/24", i))
	}
	p := with(func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
		r.To = long
		s.Within = policy.Rules(policy.MustAddresses(prefixes...), policy.MustHosts("*.com").UDP())
	})
	got := compile(t, []*policy.Policy{p}).Explain(request("shop", "a", "x.d7.com")).String()
	want := `
denied: no rule allows it
  request  shop/a to TLS x.d7.com port 443
  outside  p/s-within: within UDP *.com or any 10.0.0.0/24,10.1.0.0/24,10.2.0.0/24,10.3.0.0/24,10.4.0.0/24 or 95 others; but the protocol is TLS, not UDP
  nearest  p/r: allow TLS h0.d0.com,h1.d0.com,h10.d5.com,h14.d7.com,h15.d7.com port 443 or 995 others; but the host is x.d7.com, not h0.d0.com,h1.d0.com,h10.d5.com,h14.d7.com,h15.d7.com or 995 others
  change   a rule must allow it to shop/a: a new one, or p/r extended to it
           the boundary p/s-within must have it inside
`
	if got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
}

func TestExplainAsData(t *testing.T) {
	data, err := json.Marshal(compile(t, scenario()).Explain(request("shop", "b", "x.foo.com")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"decision":{"allowed":false,"reason":"no rule"},"source":"shop/b","access":"TLS x.foo.com port 443"`,
		`"nearest":[{"rule":"storefront/foo","effect":"allow","sources":"namespaces=shop serviceAccounts=a","to":["TLS *.foo.com port 443"],"reason":"the foo API","owner":"team-a","at":{"file":"policy.yaml","line":15,"column":7,"field":"spec.x"},"misses":[{"field":"service account","want":"a","got":"b"}]}`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
}

// What an explanation says can be checked: it names exactly the rules that matter, and carrying out the change gives the opposite answer.
func TestExplainIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		e := compile(t, policies)
		r := gen.Request(policies).Draw(t, "request")
		x := e.Explain(r)
		if x.Decision != e.Decide(r) {
			t.Fatalf("explains %+v and decides %+v", x.Decision, e.Decide(r))
		}
		if x.String() == "" || len(x.Change) == 0 {
			t.Fatalf("nothing said")
		}
		if x.Decision.Reason == policy.InvalidRequest {
			return
		}
		rules := slices.Collect(e.Rules())
		matched := map[policy.RuleID]bool{}
		for _, f := range slices.Concat(x.Matched, x.Boundaries) {
			matched[f.Rule.ID] = len(f.Misses) == 0
		}
		for _, rule := range rules {
			// Alone, and with its effect turned into that of an allow, a rule that contains the request allows it.
			alone := *rule
			alone.Effect = policy.Allow
			want := reference.DecideRules([]*policy.EffectiveRule{&alone}, r).Allowed
			if matched[rule.ID] != want {
				t.Fatalf("rule %s: matched %v, want %v", rule.ID, matched[rule.ID], want)
			}
		}
		for _, f := range x.Nearest {
			if len(f.Misses) == 0 || f.Rule.Effect != policy.Allow {
				t.Fatalf("%s is near and misses nothing", f.Rule.ID)
			}
		}
	})
}
