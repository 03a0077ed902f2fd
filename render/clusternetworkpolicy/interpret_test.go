package clusternetworkpolicy_test

import (
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// passes reads rendered policies as their API says, in a reading of its own that shares nothing with the renderer: of the policies for a pod, the least priority
// decides first, and in a policy the first rule. Where policies of one priority disagree, nobody knows what happens.
func passes(t interface{ Fatalf(string, ...any) }, objects []render.Object, from identity.Workload, a policy.Access) bool {
	first := map[int32]v1alpha2.ClusterNetworkPolicyRuleAction{}
	for _, o := range objects {
		spec := o.Spec.(*v1alpha2.ClusterNetworkPolicySpec)
		if len(spec.Egress) == 0 || len(spec.Egress) > 25 || spec.Priority < 0 || spec.Priority > 1000 {
			t.Fatalf("%s: %d rules, priority %d", o.Name, len(spec.Egress), spec.Priority)
		}
		if !isSubject(t, spec.Subject, from) {
			continue
		}
		i := slices.IndexFunc(spec.Egress, func(r v1alpha2.ClusterNetworkPolicyEgressRule) bool {
			if len(r.To) == 0 || len(r.To) > 25 || len(r.Protocols) > 25 {
				t.Fatalf("%s: a rule of %d peers and %d protocols", o.Name, len(r.To), len(r.Protocols))
			}
			return slices.ContainsFunc(r.To, func(p v1alpha2.ClusterNetworkPolicyEgressPeer) bool { return leads(t, r.Action, p, a) }) && speaks(r.Protocols, a)
		})
		if i < 0 {
			continue
		}
		if other, ok := first[spec.Priority]; ok && other != spec.Egress[i].Action {
			t.Fatalf("%s: %s and %s at priority %d", o.Name, other, spec.Egress[i].Action, spec.Priority)
		}
		first[spec.Priority] = spec.Egress[i].Action
	}
	least := int32(1001)
	for priority := range first {
		least = min(least, priority)
	}
	return first[least] != v1alpha2.ClusterNetworkPolicyRuleActionDeny // where nothing decides, all passes
}

func isSubject(t interface{ Fatalf(string, ...any) }, s v1alpha2.ClusterNetworkPolicySubject, from identity.Workload) bool {
	namespace := labels.Set{identity.NamespaceNameLabel: from.Namespace}
	for k, v := range from.NamespaceLabels {
		namespace[k] = v
	}
	chosen := func(s *metav1.LabelSelector, of labels.Set) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatalf("%v", err)
		}
		return selector.Matches(of)
	}
	if (s.Namespaces == nil) == (s.Pods == nil) {
		t.Fatalf("subject %v", s)
	}
	if s.Namespaces != nil {
		return chosen(s.Namespaces, namespace)
	}
	return chosen(&s.Pods.NamespaceSelector, namespace) && chosen(&s.Pods.PodSelector, from.Labels)
}

func leads(t interface{ Fatalf(string, ...any) }, action v1alpha2.ClusterNetworkPolicyRuleAction, p v1alpha2.ClusterNetworkPolicyEgressPeer, a policy.Access) bool {
	if len(p.Networks) > 25 || len(p.DomainNames) > 25 || len(p.DomainNames) > 0 && action != v1alpha2.ClusterNetworkPolicyRuleActionAccept {
		t.Fatalf("%s to %v", action, p)
	}
	return slices.ContainsFunc(p.Networks, func(n v1alpha2.CIDR) bool { return netip.MustParsePrefix(string(n)).Contains(a.Address.Unmap()) }) ||
		slices.ContainsFunc(p.DomainNames, func(n v1alpha2.DomainName) bool {
			rest, deep := strings.CutPrefix(string(n), "*")
			return a.Host.String() == string(n) || deep && strings.HasSuffix(a.Host.String(), rest)
		})
}

func speaks(protocols []v1alpha2.ClusterNetworkPolicyProtocol, a policy.Access) bool {
	return len(protocols) == 0 || slices.ContainsFunc(protocols, func(p v1alpha2.ClusterNetworkPolicyProtocol) bool {
		var port *v1alpha2.Port
		switch over := a.Protocol.Transport(); {
		case p.TCP != nil && over == policy.TCP:
			port = p.TCP.DestinationPort
		case p.UDP != nil && over == policy.UDP:
			port = p.UDP.DestinationPort
		case p.SCTP != nil && over == policy.SCTP:
			port = p.SCTP.DestinationPort
		default:
			return false
		}
		if port.Range != nil {
			return port.Range.Start <= int32(a.Port) && int32(a.Port) <= port.Range.End
		}
		return port.Number == int32(a.Port)
	})
}
