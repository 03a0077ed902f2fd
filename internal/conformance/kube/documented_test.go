package kube

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// documented is the policy of Istio's egress gateway task: DNS by UDP, and istio-system.
const documented = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-egress-to-istio-system-and-kube-dns
  namespace: test-egress
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kube-system: "true"}}
    ports: [{protocol: UDP, port: 53}]
  - to:
    - namespaceSelector: {matchLabels: {istio: system}}
`

// judges returns every engine's judgement of the policies.
func judges(t testing.TB, w *World, policies []*networkingv1.NetworkPolicy) []Judge {
	t.Helper()
	c, err := NewCilium(w, policies)
	if err != nil {
		t.Fatal(err)
	}
	return []Judge{NewCyclonus(w, policies), c}
}

// TestDocumentedLockDown: the engines read the documented example alike, and as it is known to work: no DNS over TCP.
func TestDocumentedLockDown(t *testing.T) {
	np, err := DecodeNetworkPolicy([]byte(documented))
	if err != nil {
		t.Fatal(err)
	}
	w := &World{
		Namespaces: []Namespace{
			{"test-egress", nil}, {"kube-system", map[string]string{"kube-system": "true"}}, {"istio-system", map[string]string{"istio": "system"}}, {"other", nil},
		},
		Pods: []Pod{
			{Namespace: "test-egress", Name: "sleep", ServiceAccount: "sleep", Labels: map[string]string{"app": "sleep"}, Address: netip.MustParseAddr("10.244.0.1")},
			{Namespace: "kube-system", Name: "dns", ServiceAccount: "dns", Labels: map[string]string{"k8s-app": "kube-dns"}, Address: netip.MustParseAddr("10.244.0.2")},
			{Namespace: "istio-system", Name: "gateway", ServiceAccount: "gateway", Labels: map[string]string{"istio": "egressgateway"}, Address: netip.MustParseAddr("10.244.0.3")},
			{Namespace: "other", Name: "web", ServiceAccount: "web", Labels: map[string]string{"app": "web"}, Address: netip.MustParseAddr("10.244.0.4")},
		},
		Outside: []netip.Addr{netip.MustParseAddr("151.101.65.67")},
	}
	sleep, dns, gateway, web := &w.Pods[0], &w.Pods[1], &w.Pods[2], &w.Pods[3]
	for _, j := range judges(t, w, []*networkingv1.NetworkPolicy{np}) {
		for _, c := range []struct {
			flow Flow
			want bool
		}{
			{Flow{From: sleep, To: dns, Protocol: corev1.ProtocolUDP, Port: 53}, true},
			{Flow{From: sleep, To: dns, Protocol: corev1.ProtocolTCP, Port: 53}, false},
			{Flow{From: sleep, To: gateway, Protocol: corev1.ProtocolTCP, Port: 8443}, true},
			{Flow{From: sleep, To: web, Protocol: corev1.ProtocolTCP, Port: 80}, false},
			{Flow{From: sleep, Address: w.Outside[0], Protocol: corev1.ProtocolTCP, Port: 443}, false},
			{Flow{From: web, Address: w.Outside[0], Protocol: corev1.ProtocolTCP, Port: 443}, true},
		} {
			got, err := j.Egress(c.flow)
			if err != nil || got != c.want {
				t.Errorf("%s: %v: %v, %v; want %v", j.Name(), c.flow, got, err, c.want)
			}
		}
	}
}

// TestBadNetworkPolicies: what the API server refuses is refused here.
func TestBadNetworkPolicies(t *testing.T) {
	for name, spec := range map[string]string{
		"host bits":         `egress: [{to: [{ipBlock: {cidr: 10.1.2.3/8}}]}]`,
		"except not inside": `egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]`,
		"except the same":   `egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]`,
		"range reversed":    `egress: [{ports: [{protocol: TCP, port: 443, endPort: 400}]}]`,
		"unknown field":     `egres: []`,
		"bad label":         `podSelector: {matchLabels: {"a b": c}}`,
	} {
		if _, err := DecodeNetworkPolicy([]byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x, namespace: x}\nspec: {policyTypes: [Egress], " + spec + "}")); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
