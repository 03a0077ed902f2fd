package kube

import (
	"github.com/mattfenwick/cyclonus/pkg/matcher"
	networkingv1 "k8s.io/api/networking/v1"
)

type cyclonus struct {
	world  *World
	policy *matcher.Policy
}

// NewCyclonus returns cyclonus' judgement of the policies. It has known mistakes: a NotIn on a label that a pod does not have, and a
// label with the empty value, are matched wrongly. Worlds give every label a value and every pod the labels that policies exclude by.
func NewCyclonus(w *World, policies []*networkingv1.NetworkPolicy) Judge {
	return &cyclonus{w, matcher.BuildNetworkPolicies(false, policies)}
}

func (c *cyclonus) Name() string { return "cyclonus" }

func (c *cyclonus) Egress(f Flow) (bool, error) {
	traffic := &matcher.Traffic{Source: c.pod(f.From), ResolvedPort: int(f.Port), Protocol: f.Protocol}
	if f.To != nil {
		traffic.Destination = c.pod(f.To)
	} else {
		traffic.Destination = &matcher.TrafficPeer{IP: f.Address.String()}
	}
	return c.policy.IsTrafficAllowed(traffic).Egress.IsAllowed(), nil
}

func (c *cyclonus) pod(p *Pod) *matcher.TrafficPeer {
	return &matcher.TrafficPeer{IP: p.Address.String(), Internal: &matcher.InternalPeer{Namespace: p.Namespace, NamespaceLabels: c.world.namespace(p.Namespace), PodLabels: p.Labels}}
}
