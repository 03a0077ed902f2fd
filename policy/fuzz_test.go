package policy_test

import (
	"flag"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// requestsPerCheck is how many requests [agrees] asks of one set of policies.
const requestsPerCheck = 8

// longRun is how many pairs of policies and requests the long run compares.
const longRun = 2_000_000

// The long run, of a few minutes: EGRESS_LONG=1 go test -run ManyPairs -timeout 0 -v ./policy
func TestEngineAgreesWithReferenceOnManyPairs(t *testing.T) {
	if os.Getenv("EGRESS_LONG") == "" {
		t.Skipf("EGRESS_LONG=1 compares %d pairs of policies and requests; TestEngineAgreesWithReference compares some hundreds always", longRun)
	}
	checks := flag.Lookup("rapid.checks")
	was := checks.Value.String()
	t.Cleanup(func() { checks.Value.Set(was) })
	if err := checks.Value.Set(strconv.Itoa(longRun / requestsPerCheck)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, agrees)
	t.Logf("compared %d pairs", longRun)
}

// FuzzPolicies lets the fuzzer draw policies and requests.
func FuzzPolicies(f *testing.F) { f.Fuzz(rapid.MakeFuzz(agrees)) }

// fuzzed are policies with something to say about everything that a request holds.
func fuzzed() []*policy.Policy {
	rest := policy.MustHosts("api.foo.com", "api-*.foo.com", "eu.*.foo.com").HTTP(80, 8080)
	rest.Methods = []string{"GET", "POST"}
	rest.Paths = []policy.Path{policy.MustParsePath("/v1/*"), policy.MustParsePath("/health")}
	admin := policy.MustHosts("*.foo.com").HTTP()
	admin.Paths = []policy.Path{policy.MustParsePath("/v1/admin/*"), policy.MustParsePath("/v1/admin")}
	return append(scenario(), &policy.Policy{Name: "rest", Cluster: policy.Section{
		Allow: policy.Rules(rest, policy.MustAddresses("203.0.113.0/25", "2001:db8::/32").TCP(443), policy.MustAddresses("0.0.0.0/0").UDP(53), policy.MustAddresses("198.51.100.0/24").SCTP(3868)),
		Deny:  policy.Rules(admin, policy.MustAddresses("203.0.113.7/32")),
	}})
}

// FuzzDecide gives requests of any form: decisions are those of the reference, and explanations hold.
func FuzzDecide(f *testing.F) {
	policies := fuzzed()
	e := compile(f, policies)
	rules := slices.Collect(e.Rules())
	f.Add("shop", "a", uint8(1), uint16(443), "X.Y.foo.com.", []byte{203, 0, 113, 9}, "", "")
	f.Add("shop", "b", uint8(3), uint16(5432), "", []byte{203, 0, 113, 9}, "", "")
	f.Add("news", "", uint8(2), uint16(80), "edition.cnn.com", []byte(nil), "GET", "/")
	f.Add("x", "y", uint8(2), uint16(80), "api-1.foo.com", []byte(nil), "GET", "/v1/charges")
	f.Add("x", "y", uint8(2), uint16(80), "api.foo.com", []byte(nil), "POST", "/v1/x/../admin/%2e%2E//a%2Fb\\c")
	f.Add("x", "y", uint8(2), uint16(8080), "eu.b.foo.com", netip.MustParseAddr("::ffff:203.0.113.7").AsSlice(), "GET", "/health")
	f.Add("x", "y", uint8(4), uint16(53), "", netip.MustParseAddr("2001:db8::1").AsSlice(), "", "")
	f.Fuzz(func(t *testing.T, namespace, account string, protocol uint8, port uint16, host string, address []byte, method, path string) {
		h, err := match.ParseHost(host)
		if err != nil {
			h = match.Host{}
		}
		addr, _ := netip.AddrFromSlice(address)
		r := policy.Request{Source: identity.Workload{Namespace: namespace, ServiceAccount: account},
			Access: policy.Access{Protocol: policy.Protocol(protocol), Port: port, Host: h, Address: addr, Method: method, Path: path}}
		got := e.Decide(r)
		if want := reference.DecideRules(rules, r); got != want {
			t.Fatalf("%+v: decided %+v; by its rules the answer is %+v", r, got, want)
		}
		want := reference.Decide(policies, gen.Now, r)
		if want.Rule = got.Rule; got != want {
			t.Fatalf("%+v: decided %+v; by the documents the answer is %+v", r, got, want)
		}
		x := e.Explain(r)
		if x.Decision != got || x.String() == "" {
			t.Fatalf("%+v: explained as %+v", r, x.Decision)
		}
		if _, err := x.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzParsePath takes any text: what is a path stays one, and matches what it says.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/*", "/v1/*", "/v1/charges", "/a/", "v1", "//", "/./a", "/a/..", "/a*", "/%61", "/a?b", "/\x00", "/ä", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := policy.ParsePath(s)
		if err != nil {
			if p != (policy.Path{}) || err.Error() == "" {
				t.Fatalf("%q: %v with %v", s, p, err)
			}
			return
		}
		if q, err := policy.ParsePath(p.String()); err != nil || q != p || !p.Covers(p) {
			t.Fatalf("%q: %v, then %v: %v", s, p, q, err)
		}
		if p.IsPrefix() == p.Matches(s) && p.IsPrefix() != p.Matches(s[:len(s)-1]+"x") {
			t.Fatalf("%q matches itself: %v", s, p.Matches(s))
		}
	})
}
