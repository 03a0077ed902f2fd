package identity_test

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
)

func ExampleNewSelector() {
	payments, err := identity.NewSelector(
		identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout", "refund-*"}},
		identity.Term{NamespaceLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "payments"}}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(payments)
	fmt.Println(payments.Matches(identity.Workload{Namespace: "shop", ServiceAccount: "refund-eu"}))
	fmt.Println(payments.Matches(identity.Workload{Namespace: "shop", ServiceAccount: "cart"}))
	// Output:
	// namespaceLabels=team=payments or namespaces=shop serviceAccounts=checkout,refund-*
	// true
	// false
}

func ExampleSelector_Covers() {
	team := identity.MustSelector(identity.Term{Namespaces: []string{"team-*"}})
	one := identity.MustSelector(identity.Term{Namespaces: []string{"team-a"}, ServiceAccounts: []string{"web"}})
	web := identity.MustSelector(identity.Term{ServiceAccounts: []string{"web"}})
	fmt.Println(team.Covers(one), team.Covers(web), team.Overlaps(web))
	// Output: true false true
}

func ExampleInventory_PodSelectors() {
	inv, err := identity.NewInventory(nil, nil, []identity.Pod{
		{Namespace: "shop", Name: "checkout-1", ServiceAccount: "checkout", Labels: map[string]string{"app": "checkout"}},
		{Namespace: "shop", Name: "cart-1", ServiceAccount: "default", Labels: map[string]string{"app": "cart"}},
		{Namespace: "shop", Name: "debug", ServiceAccount: "default"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, account := range []string{"checkout", "default"} {
		pods, why, ok := inv.PodSelectors(identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{account}}))
		if !ok {
			fmt.Println(why)
			continue
		}
		fmt.Println(pods)
	}
	// Output:
	// [shop/app=checkout]
	// no labels tell the pods of service account shop/default: they have no lasting label in common
}

func ExampleInventory_Accounts() {
	inv, err := identity.NewInventory(nil, nil, []identity.Pod{
		{Namespace: "shop", Name: "checkout-1", ServiceAccount: "checkout", Labels: map[string]string{"tier": "backend"}},
		{Namespace: "shop", Name: "cart-1", ServiceAccount: "cart", Labels: map[string]string{"tier": "frontend"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	backend := identity.MustSelector(identity.Term{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "backend"}}})
	fmt.Println(inv.Accounts(backend))
	// Output: [shop/checkout]  true
}

func ExampleNewTrustDomains() {
	mesh, err := identity.NewTrustDomains("prod.example.org", "cluster.local")
	if err != nil {
		fmt.Println(err)
		return
	}
	old, err := identity.ParseSPIFFEID("spiffe://cluster.local/ns/shop/sa/checkout")
	if err != nil {
		fmt.Println(err)
		return
	}
	now, known := mesh.Canonical(old)
	fmt.Println(now, known)
	// Output: spiffe://prod.example.org/ns/shop/sa/checkout true
}
