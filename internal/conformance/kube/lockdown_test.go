package kube

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// lockedDown is the cluster of the quickstart. Every pod has the label istio, since cyclonus reads NotIn wrongly where it is missing.
func lockedDown() *World {
	address := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 244, 0, last}) }
	injected := map[string]string{"istio-injection": "enabled"}
	return &World{
		Namespaces: []Namespace{{"shop", injected}, {"news", injected}, {"test-egress", nil}, {"kube-system", nil}, {"istio-system", nil}},
		Pods: []Pod{
			{"shop", "a", "a", map[string]string{"app": "a", "istio": "none"}, address(1)},
			{"shop", "b", "b", map[string]string{"app": "b", "istio": "none"}, address(2)},
			{"news", "reader", "reader", map[string]string{"app": "reader", "istio": "none"}, address(3)},
			{"test-egress", "sleep", "sleep", map[string]string{"app": "sleep", "istio": "none"}, address(4)},
			{"kube-system", "dns", "coredns", map[string]string{"k8s-app": "kube-dns", "istio": "none"}, address(5)},
			{"istio-system", "istiod", "istiod", map[string]string{"app": "istiod", "istio": "pilot"}, address(6)},
			{"istio-system", "gateway", "gateway", map[string]string{"app": "istio-egressgateway", "istio": "egressgateway"}, address(7)},
		},
		Outside: []netip.Addr{cnn, cnn6, resolver, database, metadata, apiServer},
	}
}

var (
	cnn       = netip.MustParseAddr("151.101.65.67")
	cnn6      = netip.MustParseAddr("2a04:4e42::323")
	resolver  = netip.MustParseAddr("8.8.8.8")
	database  = netip.MustParseAddr("203.0.113.9")
	metadata  = netip.MustParseAddr("169.254.169.254")
	apiServer = netip.MustParseAddr("192.0.2.10")
)

// pod returns the pod of a name.
func (w *World) pod(t testing.TB, name string) *Pod {
	t.Helper()
	for i := range w.Pods {
		if w.Pods[i].Name == name {
			return &w.Pods[i]
		}
	}
	t.Fatalf("no pod %s", name)
	return nil
}

// behindMesh renders the quickstart's policy for Istio and a packet filter, and returns what the packet filter is told. Nothing is lost.
func behindMesh(t testing.TB, w *World, inMesh istio.Profile, profile networkpolicy.Profile) []*networkingv1.NetworkPolicy {
	t.Helper()
	mesh, err := istio.New(inMesh)
	if err != nil {
		t.Fatal(err)
	}
	filter, err := networkpolicy.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(loadQuickstart(t), "", render.WithInventory(w.inventory(t))), render.Stack{mesh, filter})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Losses) > 0 {
		t.Errorf("losses: %v", result.Losses)
	}
	return packetFilter(t, "quickstart", result)
}

// packetFilter returns what a stack tells the packet filter.
func packetFilter(t testing.TB, name string, result *render.Result) []*networkingv1.NetworkPolicy {
	t.Helper()
	var packets render.Result
	for _, o := range result.Objects {
		if o.Kind == "NetworkPolicy" {
			packets.Objects = append(packets.Objects, o)
		}
	}
	return networkPolicies(t, name, &packets)
}

// TestLockDownHolds renders the quickstart's policy for Istio and a packet filter, and asks the engines what pods can do that ignore their
// sidecars: reach the gateway's doors, DNS, the control plane, other pods and the addresses that are theirs, and nothing else.
func TestLockDownHolds(t *testing.T) {
	w := lockedDown()
	policies := behindMesh(t, w, istio.DefaultProfile(), networkpolicy.DefaultProfile())
	const tcp, udp = corev1.ProtocolTCP, corev1.ProtocolUDP
	const open, shut = true, false
	for _, j := range judges(t, w, policies) {
		for _, c := range []struct {
			what     string
			from, to string
			address  netip.Addr
			protocol corev1.Protocol
			port     uint16
			want     bool
		}{
			{"DNS over UDP", "a", "dns", netip.Addr{}, udp, 53, open},
			{"DNS over TCP", "a", "dns", netip.Addr{}, tcp, 53, open},
			{"DNS without a sidecar", "sleep", "dns", netip.Addr{}, udp, 53, open},
			{"DNS to a resolver outside", "a", "", resolver, udp, 53, shut},
			{"control plane", "a", "istiod", netip.Addr{}, tcp, 15012, open},
			{"gateway, TLS", "a", "gateway", netip.Addr{}, tcp, 8443, open},
			{"gateway, HTTP", "reader", "gateway", netip.Addr{}, tcp, 8080, open},
			{"gateway without a sidecar", "sleep", "gateway", netip.Addr{}, tcp, 8443, shut},
			{"gateway, administration", "a", "gateway", netip.Addr{}, tcp, 15000, shut},
			{"gateway by UDP", "a", "gateway", netip.Addr{}, udp, 8443, shut},
			{"direct", "reader", "", cnn, tcp, 443, shut},
			{"direct by IPv6", "reader", "", cnn6, tcp, 443, shut},
			{"direct by QUIC", "reader", "", cnn, udp, 443, shut},
			{"direct without a sidecar", "sleep", "", cnn, tcp, 443, shut},
			{"metadata service", "a", "", metadata, tcp, 80, shut},
			{"database", "b", "", database, tcp, 5432, open},
			{"database, another port", "b", "", database, tcp, 5433, shut},
			{"database by UDP", "b", "", database, udp, 5432, shut},
			{"database of another pod", "a", "", database, tcp, 5432, shut},
			{"another pod", "a", "b", netip.Addr{}, tcp, 8000, open},
			{"DNS of the cluster to its resolver", "dns", "", resolver, udp, 53, open},
			{"control plane to the API server", "istiod", "", apiServer, tcp, 6443, open},
			{"gateway to the outside", "gateway", "", cnn, tcp, 443, open},
			{"gateway to the outside by IPv6", "gateway", "", cnn6, tcp, 443, open},
			{"gateway to another port", "gateway", "", cnn, tcp, 22, shut},
			{"gateway to the metadata service", "gateway", "", metadata, tcp, 443, shut},
			{"gateway to a pod", "gateway", "a", netip.Addr{}, tcp, 443, shut},
			{"gateway to the control plane", "gateway", "istiod", netip.Addr{}, tcp, 15012, open},
		} {
			flow := Flow{From: w.pod(t, c.from), Address: c.address, Protocol: c.protocol, Port: c.port}
			if c.to != "" {
				flow.To = w.pod(t, c.to)
			}
			if got, err := j.Egress(flow); err != nil || got != c.want {
				t.Errorf("%s: %s: %t, want %t (%v)", j.Name(), c.what, got, c.want, err)
			}
		}
	}
}
