package policy_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

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
  nearest  storefront/everyone (policy.yaml:9:7): allow TLS *.bar.com,service1.foo.com port 443; but the host is x.y.foo.com, not *.bar.com,service1.foo.com
  change   a rule must allow it to shop/b, as storefront/foo (policy.yaml:15:7) nearly does
           storefront/b-within (policy.yaml:36:7) must have it inside
`},
		{request("shop", "b", "service1.foo.com"), `
denied: outside the boundary storefront/b-within
  request  shop/b to TLS service1.foo.com port 443
  matches  storefront/everyone (policy.yaml:9:7): allow TLS *.bar.com,service1.foo.com port 443
  outside  storefront/b-within (policy.yaml:36:7): within TCP 203.0.113.0/24 port 5432 or TLS *.baz.com; but the host is service1.foo.com, not *.baz.com
  change   storefront/b-within (policy.yaml:36:7) must have it inside
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
  change   a rule must allow it to shop/b, as storefront/database (policy.yaml:32:7) nearly does
           storefront/b-within (policy.yaml:36:7) must have it inside
`},
		{request("news", "", "old.cnn.com"), `
denied: no rule allows it
  request  news to TLS old.cnn.com port 443
  nearest  storefront/old (policy.yaml:46:7): allow TLS old.cnn.com port 443; but it expired on 2026-06-15
  nearest  storefront/cnn (policy.yaml:42:7): allow TLS edition.cnn.com port 443; but the host is old.cnn.com, not edition.cnn.com
  nearest  storefront/cnn-plain (policy.yaml:44:7): allow HTTP edition.cnn.com port 80 originating Simple TLS to port 443; but the host is old.cnn.com, not edition.cnn.com, and the protocol is TLS, not HTTP, and the port is 443, not 80
  change   a rule must allow it to news, as storefront/old (policy.yaml:46:7) nearly does
`},
		{plain, `
denied: no rule allows it
  request  shop/a to HTTP edition.cnn.com port 80
  outside  storefront/a-within (policy.yaml:21:7): within TLS *.bar.com,*.baz.com,*.foo.com; but the host is edition.cnn.com, not *.bar.com,*.baz.com,*.foo.com, and the protocol is HTTP, not TLS
  nearest  storefront/cnn-plain (policy.yaml:44:7): allow HTTP edition.cnn.com port 80 originating Simple TLS to port 443; but the namespace is shop, not news
  nearest  storefront/cnn (policy.yaml:42:7): allow TLS edition.cnn.com port 443; but the protocol is HTTP, not TLS, and the port is 80, not 443, and the namespace is shop, not news
  change   a rule must allow it to shop/a, as storefront/cnn-plain (policy.yaml:44:7) nearly does
           storefront/a-within (policy.yaml:21:7) must have it inside
`},
		{request("elsewhere", "x", "evilfoo.com"), `
denied: no rule allows it
  request  elsewhere/x to TLS evilfoo.com port 443
  change   a rule must allow it to elsewhere/x
`},
		{nameless, `
denied: not a valid request
  request  shop/a to TLS port 443
  change   a valid request: a host or an address must be known
`},
	} {
		if got := e.Explain(c.r).String(); got != c.want[1:] {
			t.Errorf("got\n%s\nwant%s", got, c.want)
		}
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
  change   a rule must allow it to shop/a, as p/r nearly does
           p/s-within must have it inside
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
