package cilium

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/packets"
)

const (
	maxPorts   = 40   // of a PortRule, by Cilium's schema
	maxEntries = 500  // of a rule: names or CIDRs
	maxObject  = 2000 // of an object: some 100 kB, below what the API server and kubectl apply take
)

// Labels by which Cilium knows pods.
const (
	source          = "k8s:"
	namespaceLabel  = source + "io.kubernetes.pod.namespace"
	namespaceLabels = source + "io.cilium.k8s.namespace.labels."
	accountLabel    = source + "io.cilium.k8s.policy.serviceaccount"
)

// writer writes drafts as objects.
type writer struct {
	out   *render.Emitter
	names bool // something is allowed by name, so that DNS must be watched
	deep  bool
}

// exempt emits what exemptions leave open, as an object that denies everything else.
func (w *writer) exempt(role string, d packets.Draft) {
	rule := Rule{EnableDefaultDeny: &DefaultDeny{Egress: true}}
	for _, p := range d.Peers {
		rule.Egress = append(rule.Egress, w.peer(p)...)
	}
	if len(rule.Egress) == 0 {
		rule.Egress = []Egress{{}} // without a rule nothing is selected for egress
	}
	w.emit(role, "", d, rule)
}

// peer says where an exemption leads.
func (w *writer) peer(p *render.Peer) []Egress {
	ports := w.ports(p.Protocol, p.Ports)
	if w.names && (p.Name == packets.ClusterDNS || p.Name == packets.NodeLocalDNS) {
		for i := range ports {
			ports[i].Rules = &L7Rules{DNS: []FQDN{{MatchPattern: "*"}}}
		}
	}
	switch {
	case p.Anything:
		return []Egress{{ToEntities: []string{"all"}}}
	case p.Name == packets.APIServer: // an entity of its own where Cilium knows it
		return []Egress{{ToEntities: []string{"kube-apiserver"}, ToPorts: ports}, {ToCIDRSet: cidrs(p.Addresses), ToPorts: ports}}
	case p.Name == packets.NodeLocalDNS: // an address of the node, where Cilium knows it
		return []Egress{{ToEntities: []string{"host"}, ToPorts: ports}, {ToCIDRSet: cidrs(p.Addresses), ToPorts: ports}}
	case !p.Addresses.IsEmpty():
		return []Egress{{ToCIDRSet: cidrs(p.Addresses), ToPorts: ports}}
	}
	pods := selector(packets.Labelled(p.Namespace, p.PodLabels))
	if p.Namespace == "" {
		pods.MatchExpressions = append(pods.MatchExpressions, metav1.LabelSelectorRequirement{Key: namespaceLabel, Operator: metav1.LabelSelectorOpExists})
	}
	return []Egress{{ToEndpoints: []*metav1.LabelSelector{pods}, ToPorts: ports}}
}

// allow emits what pods may reach or, in the role of denies, may not.
func (w *writer) allow(role string, d packets.Draft) {
	var rules []Egress
	var sizes []int
	for _, r := range d.Rules {
		ports := w.ports(r.Protocol, r.Ports)
		for hosts := range slices.Chunk(r.Hosts, maxEntries) {
			e := Egress{ToPorts: slices.Clone(ports)}
			var names []string
			for _, h := range hosts {
				name, _ := fqdn(h, w.deep) // Refine has seen that it can
				e.ToFQDNs = append(e.ToFQDNs, name)
				names = append(names, name.text())
			}
			if r.Protocol == policy.TLS {
				for i := range e.ToPorts {
					e.ToPorts[i].ServerNames = names
				}
			}
			rules, sizes = append(rules, e), append(sizes, len(hosts))
		}
		for some := range slices.Chunk(cidrs(r.Addresses), maxEntries) {
			n := 0
			for _, c := range some {
				n += 1 + len(c.Except)
			}
			rules, sizes = append(rules, Egress{ToCIDRSet: some, ToPorts: ports}), append(sizes, n)
		}
	}
	for part, first := 1, 0; first < len(rules); part++ {
		last, n := first+1, sizes[first]
		for last < len(rules) && n+sizes[last] <= maxObject {
			n += sizes[last]
			last++
		}
		name := ""
		if part > 1 {
			name = fmt.Sprintf("part %d", part)
		}
		rule := Rule{Egress: rules[first:last]}
		if role == roleDeny {
			rule = Rule{EgressDeny: rules[first:last]}
		}
		w.emit(role, name, d, rule)
		first = last
	}
}

// emit hands over an object: of the namespace, where pods are of one.
func (w *writer) emit(role, part string, d packets.Draft, rule Rule) {
	o := render.Object{APIVersion: "cilium.io/v2", Kind: "CiliumClusterwideNetworkPolicy"}
	var name []string
	if len(d.Pods.Labels) > 0 {
		name = append(name, packets.Title(d.Pods))
	}
	pods := d.Pods
	if namespace, rest, ok := packets.NamespaceOf(d.Pods); ok {
		o.Kind, o.Namespace, pods = "CiliumNetworkPolicy", namespace, rest
	}
	if part != "" {
		name = append(name, part)
	}
	rule.EndpointSelector = selector(pods)
	o.Name, o.Spec = w.out.Name(role, name...), &rule
	fidelity := render.Same
	if role == roleAdmit {
		fidelity = render.Wider
	}
	w.out.Emit(o, fidelity, d.Grants...)
}

// ports says ports of a protocol, at most maxPorts a rule; none for all traffic.
func (w *writer) ports(protocol policy.Protocol, ports match.Ports) []PortRule {
	if ports.IsEmpty() || protocol == policy.AnyProtocol && ports.Equal(match.AllPorts()) {
		return nil
	}
	name := protocol.Transport().String()
	if protocol == policy.AnyProtocol {
		name = "ANY"
	}
	var list []Port
	for _, r := range ports.Ranges() {
		p := Port{Port: strconv.Itoa(int(r.First)), Protocol: name}
		if r.Last > r.First {
			p.EndPort = int32(r.Last)
		}
		list = append(list, p)
	}
	var out []PortRule
	for some := range slices.Chunk(list, maxPorts) {
		out = append(out, PortRule{Ports: some})
	}
	return out
}

func cidrs(addresses match.Prefixes) []CIDRRule {
	var out []CIDRRule
	for _, b := range packets.Blocks(addresses) {
		r := CIDRRule{CIDR: b.Prefix.String()}
		for _, e := range b.Except {
			r.Except = append(r.Except, e.String())
		}
		out = append(out, r)
	}
	return out
}

// selector says pods by Cilium's labels.
func selector(p packets.Pods) *metav1.LabelSelector {
	namespace, account, labels := packets.Split(p)
	var out identity.PodSelector
	add := func(rs []identity.LabelRequirement, key func(string) string) {
		for _, r := range rs {
			r.Key = key(r.Key)
			out.Labels = append(out.Labels, r)
		}
	}
	add(namespace, func(key string) string {
		if key == identity.NamespaceNameLabel {
			return namespaceLabel
		}
		return namespaceLabels + key
	})
	add(account, func(string) string { return accountLabel })
	add(labels, func(key string) string { return source + key })
	slices.SortFunc(out.Labels, func(a, b identity.LabelRequirement) int { return cmp.Compare(a.Key, b.Key) })
	return out.LabelSelector()
}
