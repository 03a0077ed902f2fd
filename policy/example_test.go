package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// storefront lets everyone reach *.bar.com, and checkout the payment API besides.
func storefront() *policy.Policy {
	return &policy.Policy{
		Name:    "storefront",
		Cluster: policy.Section{Allow: policy.Rules(policy.MustHosts("*.bar.com").TLS())},
		Sources: []policy.Source{{
			Name: "checkout",
			From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout"}}),
			Section: policy.Section{
				Allow: []policy.Rule{{Name: "card-payments", To: policy.MustHosts("api.stripe.com").TLS(), Owner: "team-payments"}},
				Deny:  []policy.Rule{{Name: "no-uploads", To: policy.MustHosts("files.bar.com")}},
			},
		}},
	}
}

func ExampleCompile() {
	e, err := policy.Compile([]*policy.Policy{storefront()})
	if err != nil {
		log.Fatal(err) // a policy.Diagnostics: all mistakes, with positions and what to write instead
	}
	fmt.Println(e.Decide(policy.Request{
		Source: identity.Workload{Namespace: "shop", ServiceAccount: "checkout"},
		Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.stripe.com")},
	}))

	_, err = policy.Compile([]*policy.Policy{{Name: "broken", Cluster: policy.Section{Allow: policy.Rules(policy.MustAddresses("203.0.113.0/24").TCP())}}})
	fmt.Println(err)
	// Output:
	// allowed by storefront/card-payments
	// policy "broken".spec.cluster.allow[0].ports: error missing-ports: TCP has no default port; write the ports that are allowed
}

func ExampleEngine_Explain() {
	e, err := policy.Compile([]*policy.Policy{storefront()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(e.Explain(policy.Request{
		Source: identity.Workload{Namespace: "shop", ServiceAccount: "cart"},
		Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.stripe.com")},
	}))
	// Output:
	// denied: no rule allows it
	//   request  shop/cart to TLS api.stripe.com port 443
	//   nearest  storefront/card-payments: allow TLS api.stripe.com port 443 (team-payments); but the service account is cart, not checkout
	//   change   a rule must allow it to shop/cart: a new one, or storefront/card-payments extended to it
}

// A proxy decides by whatever policies are in force, and denies until there are any.
func ExampleLive() {
	var live policy.Live
	request := policy.Request{
		Source: identity.Workload{Namespace: "shop"},
		Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("www.bar.com")},
	}
	fmt.Println(live.Decide(request).Allowed)
	e, err := policy.Compile([]*policy.Policy{storefront()}, policy.At(time.Now()))
	if err != nil {
		log.Fatal(err) // and go on with the engine in use
	}
	live.Store(e)
	fmt.Println(live.Decide(request).Allowed)
	// Output:
	// false
	// true
}

// Renaming and reordering change no fingerprint; opening a host does.
func ExampleEngine_Fingerprint() {
	compile := func(p *policy.Policy) *policy.Engine {
		e, err := policy.Compile([]*policy.Policy{p})
		if err != nil {
			log.Fatal(err)
		}
		return e
	}
	before, renamed, wider := storefront(), storefront(), storefront()
	renamed.Name, renamed.Sources[0].Allow[0].Reason = "shop", "cards"
	wider.Cluster.Allow = append(wider.Cluster.Allow, policy.Rules(policy.MustHosts("*.baz.com").TLS())...)
	fmt.Println(compile(before).Equal(compile(renamed)), compile(before).Fingerprint() == compile(wider).Fingerprint())
	// Output: true false
}

// An engine answers for any source, and a denial says whether a rule is missing or one is in the way.
func ExampleEngine_Decide() {
	e, err := policy.Compile([]*policy.Policy{storefront()})
	if err != nil {
		log.Fatal(err)
	}
	checkout := identity.Workload{Namespace: "shop", ServiceAccount: "checkout"}
	cart := identity.Workload{Namespace: "shop", ServiceAccount: "cart"}
	for _, r := range []policy.Request{
		{Source: checkout, Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.stripe.com")}},
		{Source: cart, Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.stripe.com")}},
		{Source: checkout, Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("files.bar.com")}},
		{Source: checkout, Access: policy.Access{Protocol: policy.TLS, Port: 443}}, // no server name
	} {
		fmt.Printf("%s to %s: %s\n", r.Source.ServiceAccount, r.Access, e.Decide(r))
	}
	var none *policy.Engine // before any policies
	fmt.Println(none.Decide(policy.Request{Source: checkout, Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("www.bar.com")}}))
	// Output:
	// checkout to TLS api.stripe.com port 443: allowed by storefront/card-payments
	// cart to TLS api.stripe.com port 443: denied: no rule allows it
	// checkout to TLS files.bar.com port 443: denied by storefront/no-uploads
	// checkout to TLS port 443: denied: not a valid request: no protocol, port or destination, or an ambiguous path
	// denied: no rule allows it
}

// A view is a workload resolved once: it answers each connection at the price of a lookup, and allocates nothing.
func ExampleView_Decide() {
	e, err := policy.Compile([]*policy.Policy{storefront()})
	if err != nil {
		log.Fatal(err)
	}
	checkout := e.For(identity.Workload{Namespace: "shop", ServiceAccount: "checkout"})
	for _, host := range []string{"api.stripe.com", "www.bar.com", "files.bar.com", "bar.com"} {
		a := policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}
		fmt.Printf("%-15s %s\n", host, checkout.Decide(a))
	}
	fmt.Println(checkout.Decide(policy.Access{Protocol: policy.TCP, Port: 5432, Address: netip.MustParseAddr("203.0.113.9")}))
	// Output:
	// api.stripe.com  allowed by storefront/card-payments
	// www.bar.com     allowed by storefront/allow-any.bar.com-2a0p5sa4ie
	// files.bar.com   denied by storefront/no-uploads
	// bar.com         denied: no rule allows it
	// denied: no rule allows it
}

// A boundary is what may be allowed at most, by any policy. What it leaves out is denied although a rule allows it.
func ExampleSection() {
	platform := &policy.Policy{Name: "platform", Cluster: policy.Section{Within: policy.Rules(policy.MustHosts("*.bar.com", "*.stripe.com"))}}
	team := &policy.Policy{Name: "reports", Namespace: "shop", Sources: []policy.Source{{
		From:    identity.MustSelector(identity.Term{ServiceAccounts: []string{"reports"}}),
		Section: policy.Section{Allow: policy.Rules(policy.MustHosts("*.bar.com").TLS(), policy.MustHosts("upload.example").TLS())},
	}}}
	e, err := policy.Compile([]*policy.Policy{platform, team})
	if err != nil {
		log.Fatal(err)
	}
	reports := e.For(identity.Workload{Namespace: "shop", ServiceAccount: "reports"})
	for _, host := range []string{"www.bar.com", "upload.example"} {
		fmt.Println(host, reports.Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}))
	}
	// The policy of namespace shop speaks for that namespace alone.
	other := e.For(identity.Workload{Namespace: "news", ServiceAccount: "reports"})
	fmt.Println("from news:", other.Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("www.bar.com")}))
	// Output:
	// www.bar.com allowed by shop/reports/allow-any.bar.com-2o5k5hcgbb
	// upload.example denied: outside the boundary platform/cluster-within
	// from news: denied: no rule allows it
}

// Destinations read as what they say; what is left out is any in a deny, and the protocol's default port in an allow.
func ExampleDestination() {
	for _, d := range []policy.Destination{
		policy.MustHosts("files.bar.com"),
		policy.MustHosts("*.foo.com", "foo.com").TLS(),
		policy.MustHosts("api-*.foo.com").TLS(443, 8443),
		policy.MustHosts("edition.cnn.com").HTTP().Originating(443),
		policy.MustHosts("partner.example").HTTP(8080).OriginatingMutual(443, "partner-client-cert"),
		policy.MustAddresses("203.0.113.0/24", "2001:db8::/32").TCP(5432),
		policy.MustAddresses("198.51.100.7/32").UDP(123),
	} {
		fmt.Println(d)
	}
	// Output:
	// any files.bar.com
	// TLS *.foo.com,foo.com
	// TLS api-*.foo.com port 443,8443
	// HTTP edition.cnn.com originating Simple TLS to port 443
	// HTTP partner.example port 8080 originating Mutual TLS to port 443 with credential partner-client-cert
	// TCP 203.0.113.0/24,2001:db8::/32 port 5432
	// UDP 198.51.100.7/32 port 123
}

// Limits on methods and paths are fields of the destination.
func ExampleDestination_HTTP() {
	read := policy.MustHosts("api.foo.com").HTTP()
	read.Methods, read.Paths = []string{"GET", "HEAD"}, []policy.Path{policy.MustParsePath("/v1/*")}
	e, err := policy.Compile([]*policy.Policy{{Name: "api", Cluster: policy.Section{Allow: []policy.Rule{{Name: "read", To: read}}}}})
	if err != nil {
		log.Fatal(err)
	}
	view := e.For(identity.Workload{Namespace: "shop"})
	for _, r := range [][2]string{{"GET", "/v1/users"}, {"POST", "/v1/users"}, {"GET", "/v2/users"}, {"GET", "/v1/../admin"}, {"", ""}} {
		a := policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("api.foo.com"), Method: r[0], Path: r[1]}
		fmt.Printf("%s: %s\n", a, view.Decide(a))
	}
	// Output:
	// HTTP api.foo.com port 80 GET /v1/users: allowed by api/read
	// HTTP api.foo.com port 80 POST /v1/users: denied: no rule allows it
	// HTTP api.foo.com port 80 GET /v2/users: denied: no rule allows it
	// HTTP api.foo.com port 80 GET /v1/../admin: denied: not a valid request: no protocol, port or destination, or an ambiguous path
	// HTTP api.foo.com port 80: denied: no rule allows it
}

func ExampleParsePath() {
	for _, text := range []string{"/v1/charges", "/v1/*", "/v1*", "v1", "/a/../b", "/caf%C3%A9", "/v1?limit=1"} {
		p, err := policy.ParsePath(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s matches %t %t %t\n", p, p.Matches("/v1"), p.Matches("/v1/charges"), p.Matches("/v1/charges/7"))
	}
	// Output:
	// /v1/charges matches false true false
	// /v1/* matches false true true
	// "/v1*": '*' without a '/' before it; write "/v1", and "/v1/*" for what is below it
	// "v1": not a normalised path; begin with one '/', and leave out empty, '.' and '..' segments
	// "/a/../b": not a normalised path; begin with one '/', and leave out empty, '.' and '..' segments
	// "/caf%C3%A9": '%' is not allowed here; write the path without query and percent-encoding; '*' stands only at the end
	// "/v1?limit=1": '?' is not allowed here; write the path without query and percent-encoding; '*' stands only at the end
}

// All mistakes come back together, each with a stable code, where it is and what to write instead.
func ExampleDiagnostics() {
	_, err := policy.Compile([]*policy.Policy{{Name: "shop", Cluster: policy.Section{
		Allow: []policy.Rule{
			{Name: "db", To: policy.MustAddresses("203.0.113.0/24").TCP()},
			{Name: "any", To: policy.MustHosts("www.foo.com")},
			{Name: "any", To: policy.MustHosts("edition.cnn.com").TLS().Originating(443)},
		},
		Within: []policy.Rule{},
	}}})
	var found policy.Diagnostics
	if errors.As(err, &found) {
		for _, d := range found {
			fmt.Printf("%s: %s\n\t%s\n", d.Code, d.Message, d.Advice)
		}
	}
	// Output:
	// missing-ports: TCP has no default port
	// 	write the ports that are allowed
	// missing-protocol: the rule allows no protocol in particular
	// 	write TLS, HTTP, TCP, UDP or SCTP; only denies and boundaries can leave it out
	// duplicate-rule: there is another rule named "any"
	// 	give each rule of a policy a name of its own
	// originate-not-http: TLS is originated for HTTP by host alone
	// 	write hosts and protocol: HTTP
	// empty-within: the boundary is empty: nothing could be allowed
	// 	leave within out, or name what is inside
}

// Teams keep their part of one policy in files of their own. What fits is put together, and what does not is named.
func ExampleMerge() {
	base := storefront()
	more := &policy.Policy{Name: "storefront", Sources: []policy.Source{{
		Name: "checkout", From: base.Sources[0].From,
		Section: policy.Section{Allow: []policy.Rule{{Name: "refunds", To: policy.MustHosts("refunds.stripe.com").TLS()}}},
	}}}
	merged, err := policy.Merge(base, more)
	if err != nil {
		log.Fatal(err)
	}
	e, err := policy.Compile([]*policy.Policy{merged})
	if err != nil {
		log.Fatal(err)
	}
	for r := range e.Rules() {
		fmt.Println(r.ID, r.Effect, r.To[0])
	}
	more.Sources[0].From = identity.MustSelector(identity.Term{Namespaces: []string{"shop"}})
	_, err = policy.Merge(base, more)
	fmt.Println(err)
	// Output:
	// storefront/allow-any.bar.com-2a0p5sa4ie allow TLS *.bar.com port 443
	// storefront/card-payments allow TLS api.stripe.com port 443
	// storefront/no-uploads deny any files.bar.com
	// storefront/refunds allow TLS refunds.stripe.com port 443
	// policy "storefront".spec.sources[0].from: error merge-conflict: source "checkout" selects something else in another part; give each source a name of its own, or one selector
}

// An explanation is data as well as text, for tools that show it their own way.
func ExampleExplanation() {
	e, err := policy.Compile([]*policy.Policy{storefront()})
	if err != nil {
		log.Fatal(err)
	}
	x := e.Explain(policy.Request{
		Source: identity.Workload{Namespace: "shop", ServiceAccount: "checkout"},
		Access: policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("api.stripe.com")},
	})
	fmt.Println(x.Decision.Reason)
	for _, near := range x.Nearest {
		for _, m := range near.Misses {
			fmt.Printf("%s: the %s is %s where %s is wanted\n", near.Rule.ID, m.Field, m.Got, m.Want)
		}
	}
	data, err := json.MarshalIndent(x.Nearest, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(data))
	// Output:
	// no rule
	// storefront/card-payments: the protocol is HTTP where TLS is wanted
	// storefront/card-payments: the port is 80 where 443 is wanted
	// [
	//   {
	//     "rule": "storefront/card-payments",
	//     "effect": "allow",
	//     "sources": "namespaces=shop serviceAccounts=checkout",
	//     "to": [
	//       "TLS api.stripe.com port 443"
	//     ],
	//     "owner": "team-payments",
	//     "misses": [
	//       {
	//         "field": "protocol",
	//         "want": "TLS",
	//         "got": "HTTP"
	//       },
	//       {
	//         "field": "port",
	//         "want": "443",
	//         "got": "80"
	//       }
	//     ]
	//   }
	// ]
}

// A rule is inert from the start of its day of expiry, at the time given to Compile, and an explanation still knows it.
func ExampleAt() {
	p := &policy.Policy{Name: "trial", Cluster: policy.Section{Allow: []policy.Rule{{
		Name: "vendor", To: policy.MustHosts("api.vendor.example").TLS(), Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC),
	}}}}
	request := policy.Request{
		Source: identity.Workload{Namespace: "shop"},
		Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.vendor.example")},
	}
	for _, day := range []int{29, 30} {
		e, err := policy.Compile([]*policy.Policy{p}, policy.At(time.Date(2027, 6, day, 12, 0, 0, 0, time.UTC)))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(e.Explain(request))
	}
	// Output:
	// allowed by trial/vendor
	//   request  shop to TLS api.vendor.example port 443
	//   matches  trial/vendor: allow TLS api.vendor.example port 443 (expires 2027-06-30)
	//   change   trial/vendor must not allow it
	//            or a rule must deny it, or a boundary leave it out
	// denied: no rule allows it
	//   request  shop to TLS api.vendor.example port 443
	//   nearest  trial/vendor: allow TLS api.vendor.example port 443; but it expired on 2027-06-30
	//   change   a rule must allow it to shop: a new one, or trial/vendor with a later day of expiry
}
