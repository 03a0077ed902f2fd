package kube

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	ciliumtarget "github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

var nodeLocal = netip.MustParseAddr("169.254.20.10")

// closedCluster is pods of one namespace beside those that openings lead to.
func closedCluster() *World {
	w := lockedDown()
	w.Outside = append(w.Outside, nodeLocal)
	return w
}

// An opened target is one with a single opening, and what that opens.
type opened struct {
	target render.Renderer
	peer   string   // of the exemption; empty: nothing is open
	opens  []string // of the flows that are tried
}

// openings returns each packet filter with nothing open, and with each of its openings alone.
func openings(t *testing.T) []opened {
	t.Helper()
	var out []opened
	add := func(r render.Renderer, err error) func(peer string, opens ...string) {
		if err != nil {
			t.Fatal(err)
		}
		return func(peer string, opens ...string) {
			out = append(out, opened{target: r, peer: peer, opens: opens})
		}
	}
	one := func(a netip.Addr) []netip.Prefix { return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())} }
	port := func(n int) []intstr.IntOrString { return []intstr.IntOrString{intstr.FromInt(n)} }
	dns := []string{"DNS over UDP", "DNS over TCP"}
	pods := append([]string{"another pod", "another pod by SCTP", "control plane"}, dns...)

	type np = networkpolicy.Profile
	add(networkpolicy.New(np{}))("")
	add(networkpolicy.New(np{DNS: networkpolicy.DNS{Namespace: "kube-system", PodLabels: networkpolicy.Labels{"k8s-app": "kube-dns"}, Ports: port(53)}}))("cluster DNS", dns...)
	add(networkpolicy.New(np{DNS: networkpolicy.DNS{NodeLocal: nodeLocal}}))("node-local DNS", "node-local DNS over UDP", "node-local DNS over TCP")
	add(networkpolicy.New(np{APIServer: &networkpolicy.Endpoint{Addresses: one(apiServer), Ports: port(6443)}}))("API server", "API server")
	add(networkpolicy.New(np{Metadata: &networkpolicy.Endpoint{Addresses: one(metadata), Ports: port(80)}}))("metadata service", "metadata service")
	add(networkpolicy.New(np{InCluster: networkpolicy.Open}))("pods of the cluster", pods...)
	add(networkpolicy.New(np{Mesh: networkpolicy.Mesh{DataPlane: networkpolicy.Sidecar,
		ControlPlane: &networkpolicy.ControlPlane{Namespace: "istio-system", PodLabels: networkpolicy.Labels{"app": "istiod"}, Ports: port(15012)}}}))("control plane", "control plane")

	shared := map[string]struct {
		ciliumtarget.Openings
		opens []string
	}{
		"":            {ciliumtarget.Openings{}, nil},
		"cluster DNS": {ciliumtarget.Openings{DNS: &ciliumtarget.DNS{Namespace: "kube-system", PodLabels: ciliumtarget.Labels{"k8s-app": "kube-dns"}, Ports: []uint16{53}}}, dns},
		"cluster DNS, node-local DNS": {ciliumtarget.Openings{DNS: &ciliumtarget.DNS{Namespace: "kube-system", PodLabels: ciliumtarget.Labels{"k8s-app": "kube-dns"}, Ports: []uint16{53}, NodeLocal: nodeLocal}},
			append([]string{"node-local DNS over UDP", "node-local DNS over TCP"}, dns...)},
		"API server":          {ciliumtarget.Openings{APIServer: &ciliumtarget.Endpoint{Addresses: one(apiServer), Ports: []uint16{6443}}}, []string{"API server"}},
		"metadata service":    {ciliumtarget.Openings{Metadata: &ciliumtarget.Endpoint{Addresses: one(metadata), Ports: []uint16{80}}}, []string{"metadata service"}},
		"pods of the cluster": {ciliumtarget.Openings{InCluster: ciliumtarget.Open}, pods},
	}
	for _, peer := range []string{"", "cluster DNS", "cluster DNS, node-local DNS", "API server", "metadata service", "pods of the cluster"} {
		s := shared[peer]
		add(ciliumtarget.New(ciliumtarget.Profile{Version: "1.20", Openings: s.Openings}))(peer, s.opens...)
		for _, tier := range []clusternetworkpolicy.Profile{clusternetworkpolicy.DefaultProfile(), {Tier: "Baseline", Priority: 10}} {
			tier.Openings = s.Openings
			add(clusternetworkpolicy.New(tier))(peer, s.opens...)
		}
	}
	return out
}

// TestNothingIsOpenBut renders a policy that allows nothing for each packet filter with nothing open, and with each of its options alone. The engines let out
// what the option names and nothing else, and the option is a grant that the result shows.
func TestNothingIsOpenBut(t *testing.T) {
	w := closedCluster()
	a, other := w.pod(t, "a"), w.pod(t, "reader")
	const tcp, udp, sctp = corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP
	flows := map[string]Flow{
		"DNS over UDP":            {From: a, To: w.pod(t, "dns"), Protocol: udp, Port: 53},
		"DNS over TCP":            {From: a, To: w.pod(t, "dns"), Protocol: tcp, Port: 53},
		"node-local DNS over UDP": {From: a, Address: nodeLocal, Protocol: udp, Port: 53},
		"node-local DNS over TCP": {From: a, Address: nodeLocal, Protocol: tcp, Port: 53},
		"API server":              {From: a, Address: apiServer, Protocol: tcp, Port: 6443},
		"metadata service":        {From: a, Address: metadata, Protocol: tcp, Port: 80},
		"control plane":           {From: a, To: w.pod(t, "istiod"), Protocol: tcp, Port: 15012},
		"another pod":             {From: a, To: other, Protocol: tcp, Port: 8000},
		"another pod by SCTP":     {From: a, To: other, Protocol: sctp, Port: 8000},
		"outside":                 {From: a, Address: cnn, Protocol: tcp, Port: 443},
		"outside by SCTP":         {From: a, Address: cnn, Protocol: sctp, Port: 443},
		"another resolver":        {From: a, Address: resolver, Protocol: udp, Port: 53},
		"API server's other port": {From: a, Address: apiServer, Protocol: tcp, Port: 443},
		"metadata by UDP":         {From: a, Address: metadata, Protocol: udp, Port: 80},
	}
	engine, err := policy.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range openings(t) {
		result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(w.inventory(t))), render.Stack{o.target})
		if err != nil {
			t.Fatal(err)
		}
		what := o.target.Target() + " with " + o.peer
		var peers []string
		for _, g := range result.Layers[0].Exempts {
			peers = append(peers, g.Peer.Name)
		}
		slices.Sort(peers)
		if peers = slices.Compact(peers); strings.Join(peers, ", ") != o.peer {
			t.Errorf("%s: the result shows %v", what, peers)
		}
		for _, j := range judgesOf(t, w, result) {
			for name, f := range flows {
				got, err := j.Egress(f)
				if err != nil {
					t.Fatal(err)
				}
				if want := slices.Contains(o.opens, name); got != want {
					t.Errorf("%s, %s: %s: let out %t, want %t", what, j.Name(), name, got, want)
				}
			}
		}
	}
}

// TestNodeLocalDNSIsWatched: where names are allowed, Cilium's proxy looks at what the resolver on the node answers, which Cilium takes as a policy.
func TestNodeLocalDNSIsWatched(t *testing.T) {
	profile := ciliumtarget.DefaultProfile()
	profile.DNS.NodeLocal = nodeLocal
	target, err := ciliumtarget.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	w := closedCluster()
	result, err := render.Render(render.NewPlan(compiled(t, policy.MustHosts("edition.cnn.com").TLS()), "", render.WithInventory(w.inventory(t))), render.Stack{target})
	if err != nil || len(result.Losses) > 0 {
		t.Fatal(err, result.Losses)
	}
	watched := 0
	for _, o := range result.Objects {
		for _, e := range o.Spec.(*ciliumtarget.Rule).Egress {
			for _, p := range e.ToPorts {
				if p.Rules != nil && len(p.Rules.DNS) > 0 {
					watched++
				}
			}
		}
	}
	if watched != 6 { // cluster DNS, and the address on the node by entity and by CIDR, over UDP and TCP
		t.Errorf("%d rules have DNS watched", watched)
	}
	for _, j := range judgesOf(t, w, result) {
		for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
			if got, err := j.Egress(Flow{From: w.pod(t, "a"), Address: nodeLocal, Protocol: protocol, Port: 53}); err != nil || !got {
				t.Errorf("%s: %t, %v", protocol, got, err)
			}
		}
	}
}

// judgesOf returns the engines that can judge a result: both for NetworkPolicies alone.
func judgesOf(t testing.TB, w *World, result *render.Result) []Judge {
	t.Helper()
	if !slices.ContainsFunc(result.Objects, func(o render.Object) bool { return o.Kind != "NetworkPolicy" }) {
		return judges(t, w, networkPolicies(t, "", result))
	}
	j, err := NewCiliumOf(w, manifests(t, result.Objects))
	if err != nil {
		t.Fatal(err)
	}
	return []Judge{j}
}

// TestDocumentedLockDownFromAPolicy: what Istio documents for its egress gateway, DNS and istio-system alone, comes out of a policy of one rule. DNS works over
// UDP and, which the documented one forgets, over TCP.
func TestDocumentedLockDownFromAPolicy(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.Path("../../../render/networkpolicy/testdata/documented/policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	profile := networkpolicy.DefaultProfile()
	profile.InCluster = networkpolicy.Closed
	filter, err := networkpolicy.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	mesh, err := istio.New(istio.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{mesh, filter})
	if err != nil || len(result.Losses) > 0 {
		t.Fatalf("%v %v", err, result.Losses)
	}
	result.Objects = slices.DeleteFunc(result.Objects, func(o render.Object) bool { return o.Kind != "NetworkPolicy" })
	w := lockedDown()
	sleep := w.pod(t, "sleep")
	const tcp, udp = corev1.ProtocolTCP, corev1.ProtocolUDP
	for _, j := range judgesOf(t, w, result) {
		for _, c := range []struct {
			flow Flow
			want bool
		}{
			{Flow{From: sleep, To: w.pod(t, "dns"), Protocol: udp, Port: 53}, true},
			{Flow{From: sleep, To: w.pod(t, "dns"), Protocol: tcp, Port: 53}, true},
			{Flow{From: sleep, To: w.pod(t, "dns"), Protocol: tcp, Port: 8080}, false},
			{Flow{From: sleep, To: w.pod(t, "gateway"), Protocol: tcp, Port: 8443}, true},
			{Flow{From: sleep, To: w.pod(t, "istiod"), Protocol: tcp, Port: 15012}, true},
			{Flow{From: sleep, To: w.pod(t, "istiod"), Protocol: tcp, Port: 8080}, false},
			{Flow{From: sleep, To: w.pod(t, "a"), Protocol: tcp, Port: 80}, false},
			{Flow{From: sleep, Address: cnn, Protocol: tcp, Port: 443}, false},
			{Flow{From: sleep, Address: resolver, Protocol: udp, Port: 53}, false},
			{Flow{From: w.pod(t, "a"), Address: cnn, Protocol: tcp, Port: 443}, true}, // of a namespace that the policy is not for
		} {
			if got, err := j.Egress(c.flow); err != nil || got != c.want {
				t.Errorf("%s: %+v: %t, want %t (%v)", j.Name(), c.flow, got, c.want, err)
			}
		}
	}
}
