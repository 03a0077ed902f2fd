package clusternetworkpolicy

import (
	"fmt"
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/packets"
)

// limit is how many rules a policy has, peers and protocols a rule, and names or networks a peer.
const limit = 25

// writer writes drafts as objects.
type writer struct {
	profile *Profile
	out     *render.Emitter
}

// rule is one rule of the API; a type alias keeps lines readable.
type rule = v1alpha2.ClusterNetworkPolicyEgressRule

// exempt emits what exemptions leave open. Traffic between pods, and that of pods which are not filtered, is for the pods' own policies to judge.
func (w *writer) exempt(d packets.Draft) {
	var rules []rule
	at, pass := stepExempt, v1alpha2.ClusterNetworkPolicyRuleActionPass
	if w.profile.Tier == v1alpha2.BaselineTier {
		pass = v1alpha2.ClusterNetworkPolicyRuleActionAccept // there is no tier to pass on to
	}
	for _, p := range d.Peers {
		switch {
		case p.Anything:
			at = stepUnfiltered
			rules = append(rules, rule{Action: pass, To: everything()})
		case !p.Addresses.IsEmpty():
			rules = append(rules, rulesFor(v1alpha2.ClusterNetworkPolicyRuleActionAccept, networks(p.Addresses), protocols(p.Protocol, p.Ports))...)
		case p.Namespace == "":
			rules = append(rules, rule{Action: pass, To: []v1alpha2.ClusterNetworkPolicyEgressPeer{{Namespaces: &metav1.LabelSelector{}}}})
		default:
			pods := namespacedPod(packets.Labelled(p.Namespace, p.PodLabels))
			rules = append(rules, rulesFor(v1alpha2.ClusterNetworkPolicyRuleActionAccept, []v1alpha2.ClusterNetworkPolicyEgressPeer{{Pods: pods}}, protocols(p.Protocol, p.Ports))...)
		}
	}
	w.emit("exempt", at, d, render.Same, rules)
}

// write emits what pods may reach, or may not.
func (w *writer) write(role string, at step, action v1alpha2.ClusterNetworkPolicyRuleAction, d packets.Draft) {
	var rules []rule
	for _, r := range d.Rules {
		rules = append(rules, rulesFor(action, slices.Concat(names(r.Hosts), networks(r.Addresses)), protocols(r.Protocol, r.Ports))...)
	}
	fidelity := render.Same
	if d.Admit {
		fidelity = render.Wider
	}
	w.emit(role, at, d, fidelity, rules)
}

// baseline denies what nothing before it has decided.
func (w *writer) baseline(covers []*render.Grant) {
	w.emit("baseline", stepBaseline, packets.Draft{Grants: covers}, render.Same, []rule{{Action: v1alpha2.ClusterNetworkPolicyRuleActionDeny, To: everything()}})
}

// emit hands over rules of one priority and action, as many objects as they take. A first object keeps its name when there come to be more.
func (w *writer) emit(role string, at step, d packets.Draft, fidelity render.Fidelity, rules []rule) {
	part := 0
	for some := range slices.Chunk(rules, limit) {
		var name []string
		if len(d.Pods.Labels) > 0 {
			name = append(name, packets.Title(d.Pods))
		}
		if part++; part > 1 {
			name = append(name, fmt.Sprintf("part %d", part))
		}
		w.out.Emit(render.Object{
			APIVersion: v1alpha2.GroupVersion.String(), Kind: "ClusterNetworkPolicy", Name: w.out.Name(role, name...),
			Spec: &v1alpha2.ClusterNetworkPolicySpec{Tier: w.profile.Tier, Priority: w.profile.Priority + int32(at), Subject: subject(d.Pods), Egress: some},
		}, fidelity, d.Grants...)
	}
}

// rulesFor pairs all peers with all protocols, within the limits. No protocols stand for all traffic, and no peers for nothing.
func rulesFor(action v1alpha2.ClusterNetworkPolicyRuleAction, peers []v1alpha2.ClusterNetworkPolicyEgressPeer, protocols []v1alpha2.ClusterNetworkPolicyProtocol) []rule {
	var out []rule
	for to := range slices.Chunk(peers, limit) {
		if len(protocols) == 0 {
			out = append(out, rule{Action: action, To: to})
		}
		for some := range slices.Chunk(protocols, limit) {
			out = append(out, rule{Action: action, To: to, Protocols: some})
		}
	}
	return out
}

func names(hosts []match.Pattern) (out []v1alpha2.ClusterNetworkPolicyEgressPeer) {
	for some := range slices.Chunk(hosts, limit) {
		var peer v1alpha2.ClusterNetworkPolicyEgressPeer
		for _, h := range some {
			peer.DomainNames = append(peer.DomainNames, v1alpha2.DomainName(h.String()))
		}
		out = append(out, peer)
	}
	return out
}

func networks(addresses match.Prefixes) (out []v1alpha2.ClusterNetworkPolicyEgressPeer) {
	for some := range slices.Chunk(addresses.Prefixes(), limit) {
		var peer v1alpha2.ClusterNetworkPolicyEgressPeer
		for _, p := range some {
			peer.Networks = append(peer.Networks, v1alpha2.CIDR(p.String()))
		}
		out = append(out, peer)
	}
	return out
}

// everything is all addresses, and all pods as well, since network plugins differ on whether pods are addresses.
func everything() []v1alpha2.ClusterNetworkPolicyEgressPeer {
	all := match.NewPrefixes([]netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, nil)
	return append(networks(all), v1alpha2.ClusterNetworkPolicyEgressPeer{Namespaces: &metav1.LabelSelector{}})
}

// protocols says ports of a protocol; none stand for all traffic.
func protocols(protocol policy.Protocol, ports match.Ports) (out []v1alpha2.ClusterNetworkPolicyProtocol) {
	if ports.IsEmpty() || protocol == policy.AnyProtocol && ports.Equal(match.AllPorts()) {
		return nil
	}
	for _, r := range ports.Ranges() {
		port := &v1alpha2.Port{Number: int32(r.First)}
		if r.Last > r.First {
			port = &v1alpha2.Port{Range: &v1alpha2.PortRange{Start: int32(r.First), End: int32(r.Last)}}
		}
		transport := protocol.Transport()
		if transport == policy.TCP || transport == policy.AnyProtocol {
			out = append(out, v1alpha2.ClusterNetworkPolicyProtocol{TCP: &v1alpha2.ClusterNetworkPolicyProtocolTCP{DestinationPort: port}})
		}
		if transport == policy.UDP || transport == policy.AnyProtocol {
			out = append(out, v1alpha2.ClusterNetworkPolicyProtocol{UDP: &v1alpha2.ClusterNetworkPolicyProtocolUDP{DestinationPort: port}})
		}
		if transport == policy.SCTP || transport == policy.AnyProtocol {
			out = append(out, v1alpha2.ClusterNetworkPolicyProtocol{SCTP: &v1alpha2.ClusterNetworkPolicyProtocolSCTP{DestinationPort: port}})
		}
	}
	return out
}

func subject(p packets.Pods) v1alpha2.ClusterNetworkPolicySubject {
	pods := namespacedPod(p)
	if len(pods.PodSelector.MatchLabels)+len(pods.PodSelector.MatchExpressions) == 0 {
		return v1alpha2.ClusterNetworkPolicySubject{Namespaces: &pods.NamespaceSelector}
	}
	return v1alpha2.ClusterNetworkPolicySubject{Pods: pods}
}

func namespacedPod(p packets.Pods) *v1alpha2.NamespacedPod {
	namespace, _, labels := packets.Split(p)
	return &v1alpha2.NamespacedPod{
		NamespaceSelector: *identity.PodSelector{Labels: namespace}.LabelSelector(),
		PodSelector:       *identity.PodSelector{Labels: labels}.LabelSelector(),
	}
}
