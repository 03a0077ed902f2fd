package clusternetworkpolicy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/rendertest"
)

// documented reads rendered policies as their API says, in a reading of its own that shares nothing with the renderer: of the policies for a pod, the least
// priority decides first, and in a policy the first rule.
type documented struct{}

func (documented) Interpret(objects []render.Object) (rendertest.Evaluator, error) {
	var policies []*v1alpha2.ClusterNetworkPolicySpec
	for _, o := range objects {
		spec := o.Spec.(*v1alpha2.ClusterNetworkPolicySpec)
		if err := fits(spec); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
		policies = append(policies, spec)
	}
	return func(r policy.Request) bool {
		first := map[int32]v1alpha2.ClusterNetworkPolicyRuleAction{}
		for _, spec := range policies {
			if !isSubject(spec.Subject, r.Source) {
				continue
			}
			i := slices.IndexFunc(spec.Egress, func(rule v1alpha2.ClusterNetworkPolicyEgressRule) bool {
				return leads(rule.To, r.Access) && speaks(rule.Protocols, r.Access)
			})
			if i < 0 {
				continue
			}
			if other, ok := first[spec.Priority]; ok && other != spec.Egress[i].Action { // nobody knows what happens
				panic(fmt.Sprintf("%s and %s at priority %d for %+v", other, spec.Egress[i].Action, spec.Priority, r))
			}
			first[spec.Priority] = spec.Egress[i].Action
		}
		least := int32(1001)
		for priority := range first {
			least = min(least, priority)
		}
		return first[least] != v1alpha2.ClusterNetworkPolicyRuleActionDeny // where nothing decides, all passes
	}, nil
}

// fits holds a policy against what the API's schema and rules of validation ask.
func fits(spec *v1alpha2.ClusterNetworkPolicySpec) error {
	if len(spec.Egress) == 0 || len(spec.Egress) > 25 || spec.Priority < 0 || spec.Priority > 1000 {
		return fmt.Errorf("%d rules, priority %d", len(spec.Egress), spec.Priority)
	}
	if (spec.Subject.Namespaces == nil) == (spec.Subject.Pods == nil) {
		return fmt.Errorf("subject %v", spec.Subject)
	}
	selectors := []*metav1.LabelSelector{spec.Subject.Namespaces}
	if pods := spec.Subject.Pods; pods != nil {
		selectors = []*metav1.LabelSelector{&pods.NamespaceSelector, &pods.PodSelector}
	}
	for _, s := range selectors {
		if _, err := metav1.LabelSelectorAsSelector(s); err != nil {
			return err
		}
	}
	for _, r := range spec.Egress {
		if len(r.To) == 0 || len(r.To) > 25 || len(r.Protocols) > 25 {
			return fmt.Errorf("a rule of %d peers and %d protocols", len(r.To), len(r.Protocols))
		}
		for _, p := range r.To {
			if len(p.Networks) > 25 || len(p.DomainNames) > 25 || len(p.DomainNames) > 0 && r.Action != v1alpha2.ClusterNetworkPolicyRuleActionAccept {
				return fmt.Errorf("%s to %v", r.Action, p)
			}
		}
	}
	return nil
}

func isSubject(s v1alpha2.ClusterNetworkPolicySubject, from identity.Workload) bool {
	namespace := labels.Set{identity.NamespaceNameLabel: from.Namespace}
	for k, v := range from.NamespaceLabels {
		namespace[k] = v
	}
	if s.Namespaces != nil {
		return chosen(s.Namespaces, namespace)
	}
	return chosen(&s.Pods.NamespaceSelector, namespace) && chosen(&s.Pods.PodSelector, from.Labels)
}

func chosen(s *metav1.LabelSelector, of labels.Set) bool {
	selector, _ := metav1.LabelSelectorAsSelector(s) // fits has seen that it can
	return selector.Matches(of)
}

// leads reports whether peers hold where an access goes. Where nobody knows, that is an address outside which no rule of a policy is about.
func leads(to []v1alpha2.ClusterNetworkPolicyEgressPeer, a policy.Access) bool {
	pods := slices.ContainsFunc(to, func(p v1alpha2.ClusterNetworkPolicyEgressPeer) bool { return p.Namespaces != nil })
	return slices.ContainsFunc(to, func(p v1alpha2.ClusterNetworkPolicyEgressPeer) bool {
		return slices.ContainsFunc(p.Networks, func(n v1alpha2.CIDR) bool {
			if !a.Address.IsValid() {
				return pods && n == "0.0.0.0/0" // anything at all, which the target says and no policy
			}
			return netip.MustParsePrefix(string(n)).Contains(a.Address.Unmap())
		}) || slices.ContainsFunc(p.DomainNames, func(n v1alpha2.DomainName) bool {
			rest, deep := strings.CutPrefix(string(n), "*")
			return a.Host.String() == string(n) || deep && strings.HasSuffix(a.Host.String(), rest)
		})
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
