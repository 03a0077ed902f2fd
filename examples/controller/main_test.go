package main

import "os"

func Example() {
	if err := run(os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// tenant careless refused: spec.egress.sources[0].allow[0].hosts[0]: Invalid value: "*gravatar.com": would also match other names, such as "evilgravatar.com"; write "gravatar.com" and "*.gravatar.com" as two patterns, or "?*gravatar.com" if names that only end in it are meant
	// shop to api.stripe.com: denied: no rule allows it
	// blog to api.stripe.com: denied: no rule allows it
	// tenants: 2, some objects to apply: true, to delete: false
	// shop to api.stripe.com: allowed by shop/shop/allow-api.stripe.com-rv3coldhpm
	// blog to api.stripe.com: denied: no rule allows it
	// tenants: 1, some objects to apply: true, to delete: true
	// shop to api.stripe.com: denied: no rule allows it
	// blog to api.stripe.com: denied: no rule allows it
}
