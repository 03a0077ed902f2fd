package istio

import (
	"encoding/json"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// A packetFilter is what NetworkPolicies let pods open TCP connections to, by the definition of their API. Other engines than this one judge
// NetworkPolicies in full; here they stand beside the mesh.
type packetFilter struct {
	policies []*networkingv1.NetworkPolicy
	world    *world.World
	pods     map[netip.Addr]filteredPod
}

type filteredPod struct {
	namespace       string
	labels          labels.Set
	namespaceLabels labels.Set
}

func newPacketFilter(w *world.World, inv *identity.Inventory, objs []*objects.Object) (*packetFilter, error) {
	f := &packetFilter{world: w, pods: map[netip.Addr]filteredPod{}}
	for _, o := range objs {
		if o.GetKind() != "NetworkPolicy" {
			continue
		}
		js, err := o.MarshalJSON()
		if err != nil {
			return nil, err
		}
		p := &networkingv1.NetworkPolicy{}
		if err := json.Unmarshal(js, p); err != nil {
			return nil, err
		}
		f.policies = append(f.policies, p)
	}
	add := func(addr netip.Addr, namespace string, podLabels map[string]string) {
		ns := labels.Set{identity.NamespaceNameLabel: namespace}
		for _, n := range inv.Namespaces() {
			if n.Name == namespace {
				ns = labels.Merge(n.Labels, ns)
			}
		}
		f.pods[addr] = filteredPod{namespace, podLabels, ns}
	}
	for i, p := range w.Workloads {
		add(w.WorkloadIP(i), p.Namespace, p.Labels)
	}
	for i, g := range w.Gateways {
		add(w.GatewayIP(i), g.Namespace, g.Labels)
	}
	for i, p := range w.Waypoints {
		add(w.WaypointIP(i), p.Namespace, p.Labels())
	}
	return f, nil
}

// permits reports whether the i-th workload may open a connection to an address. Without policies nothing is filtered.
func (f *packetFilter) permits(i int, to netip.AddrPort) (bool, error) {
	from := f.pods[f.world.WorkloadIP(i)]
	selected := false
	for _, p := range f.policies {
		ok, err := selects(&p.Spec.PodSelector, from.labels)
		if err != nil {
			return false, err
		}
		if p.Namespace != from.namespace || !ok || !concernsEgress(p) {
			continue
		}
		selected = true
		for _, r := range p.Spec.Egress {
			if ok, err := f.rule(p.Namespace, r, to); err != nil || ok {
				return ok, err
			}
		}
	}
	return !selected, nil
}

func concernsEgress(p *networkingv1.NetworkPolicy) bool {
	for _, t := range p.Spec.PolicyTypes {
		if t == networkingv1.PolicyTypeEgress {
			return true
		}
	}
	return len(p.Spec.PolicyTypes) == 0 && len(p.Spec.Egress) > 0
}

func (f *packetFilter) rule(namespace string, r networkingv1.NetworkPolicyEgressRule, to netip.AddrPort) (bool, error) {
	ports := len(r.Ports) == 0
	for _, p := range r.Ports {
		switch {
		case p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP:
		case p.Port == nil:
			ports = true
		case p.Port.Type == intstr.String:
			return false, fmt.Errorf("named port %s", p.Port.StrVal)
		case p.EndPort != nil:
			ports = ports || int(p.Port.IntVal) <= int(to.Port()) && int(to.Port()) <= int(*p.EndPort)
		default:
			ports = ports || int(p.Port.IntVal) == int(to.Port())
		}
	}
	if !ports {
		return false, nil
	}
	if len(r.To) == 0 {
		return true, nil
	}
	for _, peer := range r.To {
		if ok, err := f.peer(namespace, peer, to.Addr()); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func (f *packetFilter) peer(namespace string, peer networkingv1.NetworkPolicyPeer, to netip.Addr) (bool, error) {
	if b := peer.IPBlock; b != nil {
		in, err := netip.ParsePrefix(b.CIDR)
		if err != nil {
			return false, err
		}
		for _, text := range b.Except {
			except, err := netip.ParsePrefix(text)
			if err != nil || except.Contains(to) {
				return false, err
			}
		}
		return in.Contains(to), nil
	}
	pod, ok := f.pods[to]
	if !ok {
		return false, nil
	}
	if peer.NamespaceSelector == nil && pod.namespace != namespace {
		return false, nil
	}
	if peer.NamespaceSelector != nil {
		if ok, err := selects(peer.NamespaceSelector, pod.namespaceLabels); err != nil || !ok {
			return false, err
		}
	}
	return selects(peer.PodSelector, pod.labels)
}

// selects asks a selector about labels; none at all selects everything.
func selects(s *metav1.LabelSelector, set labels.Set) (bool, error) {
	if s == nil {
		return true, nil
	}
	sel, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && sel.Matches(set), err
}
