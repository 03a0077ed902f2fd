package networkpolicy_test

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// pods of the scenario.
var (
	appA       = pod{"shop", map[string]string{"app": "a"}}
	appB       = pod{"shop", map[string]string{"app": "b"}}
	newcomer   = pod{"shop", map[string]string{"app": "new"}}
	reader     = pod{"news", map[string]string{"app": "reader"}}
	sleep      = pod{"test-egress", map[string]string{"app": "sleep"}}
	dns        = pod{"kube-system", map[string]string{"k8s-app": "kube-dns"}}
	istiod     = pod{"istio-system", map[string]string{"app": "istiod"}}
	gateway    = pod{"istio-system", map[string]string{"app": "istio-egressgateway", "istio": "egressgateway"}}
	cnn        = netip.MustParseAddr("151.101.65.67")
	cnn6       = netip.MustParseAddr("2a04:4e42::323")
	resolver   = netip.MustParseAddr("8.8.8.8")
	database   = netip.MustParseAddr("203.0.113.9")
	metadata   = netip.MustParseAddr("169.254.169.254")
	nodeLocal  = netip.MustParseAddr("169.254.20.10")
	apiServer  = netip.MustParseAddr("192.0.2.10")
	tcp, udp   = corev1.ProtocolTCP, corev1.ProtocolUDP
	open, shut = true, false
)

type expectation struct {
	what   string
	packet packet
	want   bool
}

func (e expectation) check(t *testing.T, c string) {
	t.Helper()
	result := renderCase(t, "testdata/"+c)
	if got := passes(t, result.Objects, e.packet); got != e.want {
		t.Errorf("%s: %s: %v: %t, want %t", c, e.what, e.packet, got, e.want)
	}
}

// TestLockDown is what a pod that ignores its sidecar can and cannot do in the scenario, whatever it says about itself.
func TestLockDown(t *testing.T) {
	for _, e := range []expectation{
		{"DNS over UDP", packet{from: appA, to: &dns, over: udp, port: 53}, open},
		{"DNS over TCP", packet{from: appA, to: &dns, over: tcp, port: 53}, open},
		{"DNS over UDP without a sidecar", packet{from: sleep, to: &dns, over: udp, port: 53}, open},
		{"DNS to a resolver outside", packet{from: appA, address: resolver, over: udp, port: 53}, shut},
		{"control plane", packet{from: appA, to: &istiod, port: 15012}, open},
		{"gateway, TLS", packet{from: appA, to: &gateway, port: 8443}, open},
		{"gateway, HTTP", packet{from: reader, to: &gateway, port: 8080}, open},
		{"gateway, for a pod that no rule names but those for everyone", packet{from: newcomer, to: &gateway, port: 8443}, open},
		{"gateway, without a sidecar", packet{from: sleep, to: &gateway, port: 8443}, shut},
		{"gateway, administration", packet{from: appA, to: &gateway, port: 15000}, shut},
		{"gateway, metrics", packet{from: appA, to: &gateway, port: 15090}, shut},
		{"gateway by UDP", packet{from: appA, to: &gateway, over: udp, port: 8443}, shut},
		{"direct", packet{from: reader, address: cnn, port: 443}, shut},
		{"direct by IPv6", packet{from: reader, address: cnn6, port: 443}, shut},
		{"direct by QUIC", packet{from: reader, address: cnn, over: udp, port: 443}, shut},
		{"direct, without a sidecar", packet{from: sleep, address: cnn, port: 443}, shut},
		{"metadata service", packet{from: appA, address: metadata, port: 80}, shut},
		{"database", packet{from: appB, address: database, port: 5432}, open},
		{"database, another port", packet{from: appB, address: database, port: 5433}, shut},
		{"database by UDP", packet{from: appB, address: database, over: udp, port: 5432}, shut},
		{"database, another pod", packet{from: appA, address: database, port: 5432}, shut},
		{"another pod", packet{from: appA, to: &appB, port: 8000}, open},
		{"what policies do not isolate is not isolated", packet{from: dns, address: resolver, over: udp, port: 53}, open},
		{"control plane to the API server", packet{from: istiod, address: apiServer, port: 6443}, open},
		{"gateway to the outside", packet{from: gateway, address: cnn, port: 443}, open},
		{"gateway to the outside by IPv6", packet{from: gateway, address: cnn6, port: 443}, open},
		{"gateway to the outside, a port that no rule by name has", packet{from: gateway, address: cnn, port: 22}, shut},
		{"gateway to the outside, the port that TLS is originated from", packet{from: gateway, address: cnn, port: 80}, shut},
		{"gateway to the outside by QUIC", packet{from: gateway, address: cnn, over: udp, port: 443}, shut},
		{"gateway to the metadata service", packet{from: gateway, address: metadata, port: 443}, shut},
		{"gateway to a pod", packet{from: gateway, to: &appA, port: 443}, shut},
		{"gateway to the control plane", packet{from: gateway, to: &istiod, port: 15012}, open},
		{"gateway to DNS", packet{from: gateway, to: &dns, over: udp, port: 53}, open},
	} {
		e.check(t, "scenario")
	}
}

// TestOtherProfiles does the same where something else than the default is open.
func TestOtherProfiles(t *testing.T) {
	mirror, crawler := pod{"jobs", map[string]string{"app": "mirror"}}, pod{"web", map[string]string{"app": "crawler"}}
	other := pod{"jobs", map[string]string{"app": "other"}}
	for _, e := range []expectation{
		{"documented: DNS by UDP", packet{from: sleep, to: &dns, over: udp, port: 53}, open},
		{"documented: DNS by TCP", packet{from: sleep, to: &dns, port: 53}, open},
		{"documented: gateway", packet{from: sleep, to: &gateway, port: 8443}, open},
		{"documented: control plane", packet{from: sleep, to: &istiod, port: 15012}, open},
		{"documented: control plane, another port", packet{from: sleep, to: &istiod, port: 8080}, shut},
		{"documented: another pod", packet{from: sleep, to: &appA, port: 80}, shut},
		{"documented: its own namespace", packet{from: sleep, to: &pod{"test-egress", nil}, port: 80}, shut},
		{"documented: direct", packet{from: sleep, address: cnn, port: 443}, shut},
	} {
		e.check(t, "documented")
	}
	for _, e := range []expectation{
		{"pods are closed", packet{from: mirror, to: &other, port: 80}, shut},
		{"node-local DNS", packet{from: other, address: nodeLocal, over: udp, port: 53}, open},
		{"node-local DNS over TCP", packet{from: other, address: nodeLocal, port: 53}, open},
		{"API server", packet{from: other, address: apiServer, port: 6443}, open},
		{"API server, another port", packet{from: other, address: apiServer, port: 443}, shut},
		{"metadata service", packet{from: other, address: metadata, port: 80}, open},
		{"gateway, with a rule", packet{from: mirror, to: &gateway, port: 8443}, open},
		{"gateway, of another pod's rule", packet{from: other, to: &gateway, port: 8443}, shut},
		{"gateway, a service account that no label tells", packet{from: crawler, to: &gateway, port: 8443}, open},
		{"address, a service account that no label tells", packet{from: crawler, address: netip.MustParseAddr("198.51.100.1"), port: 443}, shut},
		{"control plane pods are filtered too", packet{from: istiod, address: apiServer, port: 443}, shut},
	} {
		e.check(t, "closed")
	}
	waypoint := pod{"egress", map[string]string{"gateway.networking.k8s.io/gateway-name": "egress"}}
	joined, alone := pod{"mixed", map[string]string{"istio.io/dataplane-mode": "ambient"}}, pod{"mixed", nil}
	for _, e := range []expectation{
		{"waypoint by HBONE", packet{from: reader, to: &waypoint, port: 15008}, open},
		{"waypoint, another port", packet{from: reader, to: &waypoint, port: 443}, shut},
		{"waypoint, a pod that asks for itself", packet{from: joined, to: &waypoint, port: 15008}, open},
		{"waypoint, a pod that does not", packet{from: alone, to: &waypoint, port: 15008}, shut},
		{"waypoint, a namespace that does not", packet{from: pod{"legacy", nil}, to: &waypoint, port: 15008}, shut},
		{"HBONE to another pod", packet{from: reader, to: &joined, port: 15008}, open},
		{"waypoint to the outside", packet{from: waypoint, address: cnn, port: 443}, open},
		{"waypoint to what is denied to everyone", packet{from: waypoint, address: database, port: 443}, shut},
		{"waypoint to the network of services", packet{from: waypoint, address: netip.MustParseAddr("10.96.0.1"), port: 443}, shut},
	} {
		e.check(t, "ambient")
	}
}
