package lint_test

import (
	"fmt"
	"log"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/lint"
)

// Findings compile, and may not be what their author meant.
func ExampleCheck() {
	p := &policy.Policy{Name: "shop", Sources: []policy.Source{{
		Name: "checkout", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"chekout"}}),
		Section: policy.Section{
			Allow: []policy.Rule{
				{Name: "pages", To: policy.MustHosts("*.github.io").TLS()},
				{Name: "one-page", To: policy.MustHosts("foo.github.io").TLS()},
				{Name: "trial", To: policy.MustHosts("api.vendor.example").TLS(), Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC)},
				{Name: "dns", To: policy.MustHosts("dns.google").TLS()},
				{Name: "files", To: policy.MustHosts("files.foo.com").TLS()},
			},
			Deny: []policy.Rule{{Name: "no-files", To: policy.MustHosts("files.foo.com")}},
		},
	}}}
	inventory, err := identity.NewInventory(nil, nil, []identity.Pod{{Namespace: "shop", Name: "checkout-1", ServiceAccount: "checkout"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range lint.Check([]*policy.Policy{p},
		lint.At(time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)),
		lint.Soon(60*24*time.Hour),
		lint.Inventory(inventory, "prod"),
		lint.Names("dns-over-https", "it resolves names behind the back of the cluster", match.MustParsePattern("dns.google"), match.MustParsePattern("cloudflare-dns.com")),
	) {
		fmt.Printf("%s %s: %s\n\t%s\n", d.Severity, d.Code, d.Message, d.Advice)
	}
	// Output:
	// warning public-suffix: *.github.io matches names that anybody can get: github.io is a public suffix
	// 	name the domains that are meant
	// warning shadowed: shop/one-page never decides: shop/pages allows the same and more
	// 	remove it, or the wider rule
	// info expires-soon: the allow rule "trial" expires on 2027-06-30
	// 	review it, and extend or remove it
	// warning dns-over-https: dns.google: it resolves names behind the back of the cluster
	// 	leave it out unless it is meant
	// warning always-denied: shop/files allows nothing: shop/no-files denies all of it
	// 	remove it, or narrow the deny
	// warning no-source: source "checkout" selects nothing of the inventory: namespaces=shop serviceAccounts=chekout
	// 	check the names and labels
}
