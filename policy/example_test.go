package policy_test

import (
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

// A view answers for one workload, at the price of a lookup each.
func ExampleEngine_For() {
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
