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

// Of thousands of selectors an index asks those alone that may select a workload.
func ExampleNewIndex() {
	x := identity.NewIndex([]identity.Selector{
		identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout"}}),
		identity.MustSelector(identity.Term{Namespaces: []string{"team-*"}}),
		identity.MustSelector(identity.Term{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}}}),
		identity.Everything(),
	})
	fmt.Println(x.Matching(identity.Workload{Namespace: "shop", ServiceAccount: "checkout"}, nil))
	fmt.Println(x.Matching(identity.Workload{Namespace: "team-a", Labels: map[string]string{"app": "checkout"}}, nil))
	// Output:
	// [0 3]
	// [1 2 3]
}

// A certificate's identity becomes the workload that policies are asked about; what names no workload of Kubernetes is an error.
func ExampleParseSPIFFEID() {
	for _, uri := range []string{"spiffe://cluster.local/ns/shop/sa/checkout", "spiffe://cluster.local/checkout", "https://cluster.local/ns/shop/sa/checkout", "spiffe://cluster.local/ns/Shop/sa/checkout"} {
		id, err := identity.ParseSPIFFEID(uri)
		if err != nil {
			fmt.Println(err)
			continue
		}
		w := identity.Workload{TrustDomain: id.TrustDomain, Namespace: id.Namespace, ServiceAccount: id.ServiceAccount}
		fmt.Println(w.Namespace, w.ServiceAccount, id.Principal())
	}
	// Output:
	// shop checkout cluster.local/ns/shop/sa/checkout
	// "spiffe://cluster.local/checkout" is not a Kubernetes SPIFFE ID; write spiffe://<trust domain>/ns/<namespace>/sa/<service account>
	// "https://cluster.local/ns/shop/sa/checkout" is not a Kubernetes SPIFFE ID; write spiffe://<trust domain>/ns/<namespace>/sa/<service account>
	// "Shop" is not a Kubernetes name: use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit
}

// Two selectors overlap unless no workload could be selected by both, whatever runs in the cluster now.
func ExampleSelector_Overlaps() {
	checkout := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout"}})
	for _, t := range []identity.Term{
		{Namespaces: []string{"news"}},
		{Namespaces: []string{"sh*"}},
		{ServiceAccounts: []string{"cart", "refunds"}},
		{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cart"}}}, // a pod of account checkout may have any label
	} {
		s := identity.MustSelector(t)
		fmt.Println(s, checkout.Overlaps(s))
	}
	// Output:
	// namespaces=news false
	// namespaces=sh* true
	// serviceAccounts=cart,refunds false
	// podLabels=app=cart true
}

// Whoever may write policies for one namespace alone speaks for no other, whatever the selector says.
func ExampleSelector_InNamespace() {
	web := identity.MustSelector(identity.Term{ServiceAccounts: []string{"web"}}, identity.Term{Namespaces: []string{"news"}})
	shop := web.InNamespace("shop")
	fmt.Println(shop)
	fmt.Println(shop.Matches(identity.Workload{Namespace: "shop", ServiceAccount: "web"}), shop.Matches(identity.Workload{Namespace: "news", ServiceAccount: "web"}))
	// Output:
	// namespaces=shop serviceAccounts=web
	// true false
}
