package networkpolicy

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/packets"
)

// traffic is protocols and ports as a packet filter knows them. The zero traffic is none.
type traffic struct {
	all            bool // of every protocol, whatever the ports
	tcp, udp, sctp match.Ports
}

// trafficOf returns what a protocol and ports look like to a packet filter, for which TLS and HTTP are TCP.
func trafficOf(protocol policy.Protocol, ports match.Ports) traffic {
	switch protocol {
	case policy.AnyProtocol:
		return traffic{all: true}
	case policy.UDP:
		return traffic{udp: ports}
	case policy.SCTP:
		return traffic{sctp: ports}
	}
	return traffic{tcp: ports}
}

func (t traffic) union(u traffic) traffic {
	if t.all || u.all {
		return traffic{all: true}
	}
	return traffic{tcp: t.tcp.Union(u.tcp), udp: t.udp.Union(u.udp), sctp: t.sctp.Union(u.sctp)}
}

func (t traffic) covers(u traffic) bool {
	return t.all || !u.all && t.tcp.Covers(u.tcp) && t.udp.Covers(u.udp) && t.sctp.Covers(u.sctp)
}

// compare orders by ports, all traffic last.
func (t traffic) compare(u traffic) int {
	switch {
	case t.all && !u.all:
		return 1
	case u.all && !t.all:
		return -1
	}
	return cmp.Or(t.tcp.Compare(u.tcp), t.udp.Compare(u.udp), t.sctp.Compare(u.sctp))
}

func (t traffic) key() string {
	return fmt.Sprintf("%t tcp %s udp %s sctp %s", t.all, t.tcp, t.udp, t.sctp)
}

// ports says t; none stands for everything.
func (t traffic) ports() []netv1.NetworkPolicyPort {
	if t.all {
		return nil
	}
	var out []netv1.NetworkPolicyPort
	for _, p := range []struct {
		protocol corev1.Protocol
		ports    match.Ports
	}{{corev1.ProtocolTCP, t.tcp}, {corev1.ProtocolUDP, t.udp}, {corev1.ProtocolSCTP, t.sctp}} {
		if p.ports.Equal(match.AllPorts()) {
			out = append(out, netv1.NetworkPolicyPort{Protocol: &p.protocol})
			continue
		}
		for _, r := range p.ports.Ranges() {
			port := intstr.FromInt32(int32(r.First))
			np := netv1.NetworkPolicyPort{Protocol: &p.protocol, Port: &port}
			if r.Last > r.First {
				last := int32(r.Last)
				np.EndPort = &last
			}
			out = append(out, np)
		}
	}
	return out
}

// ruleSet collects what a group of pods may reach. The order of additions does not matter.
type ruleSet struct {
	anything  traffic
	addresses map[string]addressRule // by addresses
	pods      map[string]podRule     // by peers
}

type addressRule struct {
	to match.Prefixes
	traffic
}

type podRule struct {
	to []netv1.NetworkPolicyPeer
	traffic
}

func (s *ruleSet) addAddresses(to match.Prefixes, t traffic) {
	if s.addresses == nil {
		s.addresses = map[string]addressRule{}
	}
	key := to.String()
	s.addresses[key] = addressRule{to, t.union(s.addresses[key].traffic)}
}

func (s *ruleSet) addPods(to []netv1.NetworkPolicyPeer, key string, t traffic) {
	if s.pods == nil {
		s.pods = map[string]podRule{}
	}
	s.pods[key] = podRule{to, t.union(s.pods[key].traffic)}
}

// byFamily returns the rules by address in order, those of IPv4 apart from those of IPv6.
func (s *ruleSet) byFamily() (families [2][]addressRule) {
	v4 := match.NewPrefixes([]netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}, nil)
	for _, key := range slices.Sorted(maps.Keys(s.addresses)) {
		rule := s.addresses[key]
		for i, to := range [...]match.Prefixes{rule.to.Intersect(v4), rule.to.Subtract(v4)} {
			if !to.IsEmpty() {
				families[i] = append(families[i], addressRule{to, rule.traffic})
			}
		}
	}
	return families
}

// addPeer adds an exemption's peer.
func (s *ruleSet) addPeer(p *render.Peer) error {
	ports := p.Ports
	if ports.IsEmpty() {
		ports = match.AllPorts()
	}
	t := trafficOf(p.Protocol, ports)
	switch {
	case p.Anything:
		s.anything = s.anything.union(t)
	case !p.Addresses.IsEmpty():
		s.addAddresses(p.Addresses, t)
	default:
		to, key, err := podPeers(p)
		if err != nil {
			return err
		}
		s.addPods(to, key, t)
	}
	return nil
}

// podPeers says the pods of a peer, and a canonical text for them. Peers of any namespace come first, those that exceptions are about after.
func podPeers(p *render.Peer) ([]netv1.NetworkPolicyPeer, string, error) {
	namespaces := []string{p.Namespace}
	var peers []netv1.NetworkPolicyPeer
	var key strings.Builder
	add := func(namespaces metav1.LabelSelector, text string, pods identity.PodSelector) {
		peer := netv1.NetworkPolicyPeer{NamespaceSelector: &namespaces}
		if len(pods.Labels) > 0 {
			peer.PodSelector = pods.LabelSelector()
		}
		peers = append(peers, peer)
		fmt.Fprintf(&key, "%s %s;", text, pods)
	}
	if p.Namespace == "" {
		namespaces = nil
		for _, e := range p.Except {
			namespaces = append(namespaces, e.Namespace)
		}
		slices.Sort(namespaces)
		namespaces = slices.Compact(namespaces)
		add(namespacesExcept(namespaces), "not "+strings.Join(namespaces, ","), labelled("", p.PodLabels))
	}
	for _, namespace := range namespaces {
		sets, ok := minus(labelled(namespace, p.PodLabels), p.Except)
		if !ok {
			return nil, "", fmt.Errorf("%s: leaving out the exceptions takes more than %d selectors", p.Name, maxSelectors)
		}
		for _, set := range sets {
			add(metav1.LabelSelector{MatchLabels: map[string]string{identity.NamespaceNameLabel: namespace}}, "is", set)
		}
	}
	return peers, key.String(), nil
}

func namespacesExcept(names []string) metav1.LabelSelector {
	if len(names) == 0 {
		return metav1.LabelSelector{}
	}
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: identity.NamespaceNameLabel, Operator: metav1.LabelSelectorOpNotIn, Values: names},
	}}
}

// maxSimplified bounds the work of comparing rules with each other.
const maxSimplified = 256

// simplify lets rules by address say more than they have to where that takes fewer CIDRs: what the same pods may reach anyway, by other rules of
// the set or by those of others, which select the same pods too. Then it drops rules that another one holds. Together the sets say the same as before.
//
// This closes the holes that networks have where someone else may reach a part of them too.
func (s *ruleSet) simplify(others []*ruleSet) {
	if len(s.addresses) > maxSimplified {
		return
	}
	families, around := s.byFamily(), s.byFamily()
	for _, o := range others {
		for i, rules := range o.byFamily() {
			around[i] = append(around[i], rules...)
		}
	}
	s.addresses = nil
	for i := range families {
		var wider ruleSet
		for _, rule := range families[i] {
			anyway := reach(around[i], rule.traffic, false).Union(rule.to)
			if packets.Size(packets.Blocks(anyway)) < packets.Size(packets.Blocks(rule.to)) {
				rule.to = anyway
			}
			wider.addAddresses(rule.to, rule.traffic)
		}
		rules := wider.byFamily()[i]
		for _, rule := range rules {
			if !reach(rules, rule.traffic, true).Covers(rule.to) {
				s.addAddresses(rule.to, rule.traffic)
			}
		}
	}
}

// reach returns the addresses that rules open to all of some traffic; to more than that, if beyond.
func reach(rules []addressRule, t traffic, beyond bool) match.Prefixes {
	var all match.Prefixes
	for _, r := range rules {
		if r.covers(t) && !(beyond && t.covers(r.traffic)) {
			all = all.Union(r.to)
		}
	}
	return all
}

// blockRule is addresses that share their ports.
type blockRule struct {
	traffic
	blocks []packets.Block
}

// fixed says the rules that are not about addresses. One that opens everything makes all others superfluous.
func (s *ruleSet) fixed() []netv1.NetworkPolicyEgressRule {
	if s.anything.all {
		return []netv1.NetworkPolicyEgressRule{{}}
	}
	var out []netv1.NetworkPolicyEgressRule
	for _, key := range slices.Sorted(maps.Keys(s.pods)) {
		if rule := s.pods[key]; len(rule.to) > 0 {
			out = append(out, netv1.NetworkPolicyEgressRule{To: rule.to, Ports: rule.ports()})
		}
	}
	if ports := s.anything.ports(); len(ports) > 0 {
		out = append(out, netv1.NetworkPolicyEgressRule{Ports: ports})
	}
	return out
}

// blockRules gives addresses of equal ports one rule. Addresses have been merged by equal addresses before: neither step pairs an address with a port
// that was not added with it.
func (s *ruleSet) blockRules() []blockRule {
	if s.anything.all {
		return nil
	}
	byPorts := map[string]addressRule{}
	for _, key := range slices.Sorted(maps.Keys(s.addresses)) {
		rule := s.addresses[key]
		k := rule.key()
		byPorts[k] = addressRule{rule.to.Union(byPorts[k].to), rule.traffic}
	}
	var out []blockRule
	for _, key := range slices.Sorted(maps.Keys(byPorts)) {
		rule := byPorts[key]
		if blocks := packets.Blocks(rule.to); len(blocks) > 0 {
			out = append(out, blockRule{rule.traffic, blocks})
		}
	}
	slices.SortFunc(out, func(a, b blockRule) int { return a.compare(b.traffic) })
	return out
}

func egressOf(rules []blockRule) []netv1.NetworkPolicyEgressRule {
	var out []netv1.NetworkPolicyEgressRule
	for _, r := range rules {
		rule := netv1.NetworkPolicyEgressRule{Ports: r.ports()}
		for _, b := range r.blocks {
			block := &netv1.IPBlock{CIDR: b.Prefix.String()}
			for _, e := range b.Except {
				block.Except = append(block.Except, e.String())
			}
			rule.To = append(rule.To, netv1.NetworkPolicyPeer{IPBlock: block})
		}
		out = append(out, rule)
	}
	return out
}

// part is a share of rules that fits an object, with a name that says which: "" for all of them.
type part struct {
	name  string
	rules []blockRule
}

// parts splits rules that have more than limit CIDRs. Each block goes where the bits of its hash lead, as deep as needed, so that an edit
// moves no block but those of a part that grows too large or small.
func parts(rules []blockRule, limit int) []part { return split("", rules, limit) }

func split(name string, rules []blockRule, limit int) []part {
	n, blocks := 0, 0
	for _, r := range rules {
		n += packets.Size(r.blocks)
		blocks += len(r.blocks)
	}
	if n <= limit || blocks < 2 || len(name) == 32 {
		return []part{{name, rules}}
	}
	var halves [2][]blockRule
	for _, r := range rules {
		var blocks [2][]packets.Block
		for _, b := range r.blocks {
			hash := sha256.Sum256([]byte(b.Prefix.String() + " " + r.key()))
			bit := hash[len(name)/8] >> (7 - len(name)%8) & 1
			blocks[bit] = append(blocks[bit], b)
		}
		for bit, bs := range blocks {
			if len(bs) > 0 {
				halves[bit] = append(halves[bit], blockRule{r.traffic, bs})
			}
		}
	}
	return append(split(name+"0", halves[0], limit), split(name+"1", halves[1], limit)...)
}
