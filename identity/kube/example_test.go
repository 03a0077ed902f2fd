package kube_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/identity/kube"
)

// A controller gives the objects of its cache. With what is known of the cluster, a source is said in whichever terms a target knows.
func ExampleFromObjects() {
	pod := func(name, account string, labels map[string]string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}, Spec: corev1.PodSpec{ServiceAccountName: account}}
	}
	inv, summary, err := kube.FromObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "payments"}}},
		pod("checkout-1", "checkout", map[string]string{"app": "checkout"}),
		pod("cart-1", "", map[string]string{"app": "cart"}),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings"}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary)
	payments := identity.MustSelector(identity.Term{
		NamespaceLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "payments"}}, ServiceAccounts: []string{"checkout"},
	})
	accounts, _, _ := inv.Accounts(payments)
	pods, _, _ := inv.PodSelectors(payments)
	fmt.Println(payments, "is account", accounts, "and pods", pods)

	_, _, err = kube.FromObjects(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "lost"}})
	fmt.Println(err)
	// Output:
	// 1 namespace, 0 service accounts, 2 pods; ignored: 1 *v1.ConfigMap
	// serviceAccounts=checkout namespaceLabels=team=payments is account [shop/checkout] and pods [shop/app=checkout]
	// object 1: Pod "lost" without metadata.namespace; a dump of the cluster has it
}
