package kube

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/egresskit/egress/internal/attacks"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// inAmbient is the quickstart's cluster in ambient mode: the way out is a waypoint, and a tenant has one of its own. Every pod has the label that
// gateways are told by, since cyclonus reads NotIn wrongly where it is missing.
func inAmbient() *World {
	w := lockedDown()
	ambient := map[string]string{"istio.io/dataplane-mode": "ambient"}
	w.Namespaces = []Namespace{{"shop", ambient}, {"news", ambient}, {"tenant", ambient}, {"test-egress", nil}, {"kube-system", nil}, {"istio-system", nil}, {"istio-egress", nil}}
	w.Pods = slices.DeleteFunc(w.Pods, func(p Pod) bool { return p.Name == "gateway" })
	waypoint := func(namespace, name, gateway string, last byte) Pod {
		return Pod{namespace, name, name, map[string]string{"gateway.networking.k8s.io/gateway-name": gateway}, netip.AddrFrom4([4]byte{10, 244, 0, last})}
	}
	w.Pods = append(w.Pods, waypoint("istio-egress", "gateway", "egress", 7), waypoint("tenant", "tenants-waypoint", "tenant", 8))
	for i := range w.Pods {
		if labels := w.Pods[i].Labels; labels["gateway.networking.k8s.io/gateway-name"] == "" {
			labels["gateway.networking.k8s.io/gateway-name"] = "none"
		}
	}
	return w
}

// An attempt is what the pods of one cluster try.
type attempt struct {
	world    *World
	policies []*networkingv1.NetworkPolicy
	doors    []uint16 // of the gateway's pods
	gateway  *Pod
}

// outside returns flows of a pod to addresses outside.
func outside(from *Pod, protocol corev1.Protocol, port uint16, addresses ...netip.Addr) []Flow {
	var flows []Flow
	for _, a := range addresses {
		flows = append(flows, Flow{From: from, Address: a, Protocol: protocol, Port: port})
	}
	return flows
}

// atGateway returns flows of a pod to ports of the gateway's pods.
func (a attempt) atGateway(from *Pod, protocol corev1.Protocol, ports ...uint16) []Flow {
	var flows []Flow
	for _, port := range ports {
		flows = append(flows, Flow{From: from, To: a.gateway, Protocol: protocol, Port: port})
	}
	return flows
}

// inMesh reports whether a pod takes part in the mesh.
func inMesh(p *Pod) bool { return p.Namespace != "test-egress" }

// packets are the flows of each attack, as a packet filter sees them, by a pod that was taken over; none where it is no attack by this pod. Bytes for the
// gateway are for the mesh to judge, so that these have to get there: internal/conformance/istio has what becomes of them.
var packets = map[string]func(attempt, *Pod) []Flow{
	"forged SNI":                 toDoors,
	"forged Host":                toDoors,
	"forged identity":            toDoors,
	"another pod's rule by name": toDoors,
	"another namespace's rule at the waypoint": toDoors,
	"another pod's rule by address": func(_ attempt, from *Pod) []Flow {
		if from.Name == "b" {
			return slices.Concat(outside(from, corev1.ProtocolTCP, 5433, database), outside(from, corev1.ProtocolUDP, 5432, database)) // its own is for one port
		}
		return outside(from, corev1.ProtocolTCP, 5432, database)
	},
	"direct IP": func(a attempt, from *Pod) []Flow {
		return slices.Concat(outside(from, corev1.ProtocolTCP, 443, a.world.Outside...), outside(from, corev1.ProtocolTCP, 80, a.world.Outside...))
	},
	"QUIC": func(a attempt, from *Pod) []Flow {
		return slices.Concat(outside(from, corev1.ProtocolUDP, 443, a.world.Outside...), a.atGateway(from, corev1.ProtocolUDP, append(a.doors, 443)...))
	},
	"SCTP": func(a attempt, from *Pod) []Flow {
		return slices.Concat(outside(from, corev1.ProtocolSCTP, 443, a.world.Outside...), outside(from, corev1.ProtocolSCTP, 5432, database),
			a.atGateway(from, corev1.ProtocolSCTP, append(a.doors, 443)...))
	},
	"DNS to an outside resolver": func(_ attempt, from *Pod) []Flow {
		return slices.Concat(outside(from, corev1.ProtocolUDP, 53, resolver), outside(from, corev1.ProtocolTCP, 53, resolver), outside(from, corev1.ProtocolTCP, 853, resolver))
	},
	"metadata service": func(_ attempt, from *Pod) []Flow {
		return slices.Concat(outside(from, corev1.ProtocolTCP, 80, metadata), outside(from, corev1.ProtocolTCP, 6443, apiServer))
	},
	"gateway admin port": func(a attempt, from *Pod) []Flow {
		return a.atGateway(from, corev1.ProtocolTCP, 15000, 15001, 15004, 15006, 15020, 15021, 15090, 22, 443, 80)
	},
	"gateway without a mesh": func(a attempt, from *Pod) []Flow {
		if inMesh(from) {
			return nil
		}
		return a.atGateway(from, corev1.ProtocolTCP, a.doors...)
	},
	"another namespace's waypoint": func(a attempt, _ *Pod) []Flow {
		i := slices.IndexFunc(a.world.Pods, func(p Pod) bool { return p.Name == "tenants-waypoint" })
		if i < 0 {
			return nil
		}
		waypoint := &a.world.Pods[i] // which a pod may tunnel to, as to any other
		return slices.Concat(outside(waypoint, corev1.ProtocolTCP, 443, a.world.Outside...), outside(waypoint, corev1.ProtocolTCP, 80, a.world.Outside...),
			a.atGateway(waypoint, corev1.ProtocolTCP, 443, 80, 15000))
	},
}

func toDoors(a attempt, from *Pod) []Flow {
	if !inMesh(from) {
		return nil
	}
	return a.atGateway(from, corev1.ProtocolTCP, a.doors...)
}

// TestAttacks takes over every pod of the quickstart's cluster, one after the other, with sidecars and in ambient mode, and tries the attacks that the README
// lists. What it says the packet filter stops gets nowhere; what it says the mesh stops gets to the mesh, or the list would be wrong about the layer.
func TestAttacks(t *testing.T) {
	sidecars, ambient := lockedDown(), inAmbient()
	meshInAmbient, filterOfAmbient := istio.DefaultProfile(), networkpolicy.DefaultProfile()
	meshInAmbient.DataPlane, filterOfAmbient.Mesh.DataPlane = istio.Ambient, networkpolicy.Ambient
	attempts := map[attacks.Layer]attempt{
		attacks.Gateway:  {sidecars, behindMesh(t, sidecars, istio.DefaultProfile(), networkpolicy.DefaultProfile()), []uint16{8080, 8443}, sidecars.pod(t, "gateway")},
		attacks.Waypoint: {ambient, behindMesh(t, ambient, meshInAmbient, filterOfAmbient), []uint16{15008}, ambient.pod(t, "gateway")},
	}
	tried := map[string]int{}
	for _, layer := range []attacks.Layer{attacks.Gateway, attacks.Waypoint} {
		a := attempts[layer]
		for _, j := range judges(t, a.world, a.policies) {
			for _, attack := range attacks.List() {
				flows := packets[attack.Name]
				if flows == nil {
					t.Errorf("%s: nothing is tried", attack.Name)
					continue
				}
				if attack.StoppedBy != attacks.PacketFilter && attack.StoppedBy != layer {
					continue // of the other mode
				}
				for i := range a.world.Pods {
					from := &a.world.Pods[i]
					if !slices.Contains([]string{"shop", "news", "test-egress"}, from.Namespace) {
						continue // the platform's own
					}
					for _, f := range flows(a, from) {
						got, err := j.Egress(f)
						if err != nil {
							t.Fatal(err)
						}
						if want := attack.StoppedBy != attacks.PacketFilter; got != want {
							t.Errorf("%s, %s: %s/%s by %s to %v port %d: let out %t", attack.Name, j.Name(), f.From.Namespace, f.From.Name, f.Protocol, f.Address, f.Port, got)
						}
						tried[attack.Name]++
					}
				}
			}
		}
	}
	for _, attack := range attacks.List() {
		if tried[attack.Name] == 0 {
			t.Errorf("%s: no flow was tried", attack.Name)
		}
	}
	if len(packets) != len(attacks.List()) {
		t.Errorf("%d attacks have flows, and %d are listed", len(packets), len(attacks.List()))
	}
	t.Log(tried)
}
