package networkpolicy_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/render"
)

// A pod as a packet filter knows it.
type pod struct {
	namespace string
	labels    map[string]string
}

// A packet on its way out of a pod: to an address outside the cluster, or to another pod.
type packet struct {
	from    pod
	to      *pod // nil: to address
	address netip.Addr
	over    corev1.Protocol // "": TCP
	port    uint16
}

func (p packet) String() string {
	to := fmt.Sprint(p.address)
	if p.to != nil {
		to = fmt.Sprint(*p.to)
	}
	return fmt.Sprintf("%v to %s %s port %d", p.from, to, cmp.Or(p.over, corev1.ProtocolTCP), p.port)
}

// fataler is what tests and properties have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// passes reads NetworkPolicies as their API says, one sentence a line: a slow reading of its own, which shares nothing with the renderer. Labels of namespaces
// are only their names here.
func passes(t fataler, objects []render.Object, p packet) bool {
	t.Helper()
	isolated, allowed := false, false
	for _, o := range objects {
		spec, ok := o.Spec.(*netv1.NetworkPolicySpec)
		if !ok || o.Kind != "NetworkPolicy" {
			continue
		}
		if o.Namespace != p.from.namespace || !chosen(t, &spec.PodSelector, p.from.labels) || !slices.Contains(spec.PolicyTypes, netv1.PolicyTypeEgress) {
			continue
		}
		isolated = true
		for _, rule := range spec.Egress {
			if leadsTo(t, rule.To, o.Namespace, p) && takes(rule.Ports, p) {
				allowed = true
			}
		}
	}
	return allowed || !isolated
}

func chosen(t fataler, s *metav1.LabelSelector, of map[string]string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return selector.Matches(labels.Set(of))
}

func leadsTo(t fataler, peers []netv1.NetworkPolicyPeer, namespace string, p packet) bool {
	t.Helper()
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(peer netv1.NetworkPolicyPeer) bool {
		if b := peer.IPBlock; b != nil {
			in := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(p.address) }
			return p.to == nil && in(b.CIDR) && !slices.ContainsFunc(b.Except, in)
		}
		if p.to == nil {
			return false
		}
		if peer.NamespaceSelector == nil {
			if p.to.namespace != namespace {
				return false
			}
		} else if !chosen(t, peer.NamespaceSelector, map[string]string{identity.NamespaceNameLabel: p.to.namespace}) {
			return false
		}
		return peer.PodSelector == nil || chosen(t, peer.PodSelector, p.to.labels)
	})
}

func takes(ports []netv1.NetworkPolicyPort, p packet) bool {
	if len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(port netv1.NetworkPolicyPort) bool {
		over := corev1.ProtocolTCP
		if port.Protocol != nil {
			over = *port.Protocol
		}
		switch {
		case over != cmp.Or(p.over, corev1.ProtocolTCP):
			return false
		case port.Port == nil:
			return true
		case port.EndPort == nil:
			return port.Port.IntVal == int32(p.port)
		}
		return port.Port.IntVal <= int32(p.port) && int32(p.port) <= *port.EndPort
	})
}
