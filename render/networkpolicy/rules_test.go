package networkpolicy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/packets"
)

var portSets = rapid.Custom(func(t *rapid.T) match.Ports {
	if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
		return match.AllPorts()
	}
	var ports match.Ports
	for range rapid.IntRange(1, 3).Draw(t, "ranges") {
		first := rapid.Uint16Range(1, 12).Draw(t, "first")
		ports = ports.Union(match.NewPorts(match.PortRange{First: first, Last: first + rapid.Uint16Range(0, 3).Draw(t, "more")}))
	}
	return ports
})

// added is a rule by address.
type added struct {
	to       match.Prefixes
	protocol policy.Protocol
	ports    match.Ports
}

var additions = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) added {
	return added{gen.NearPrefixes().Draw(t, "to"), rapid.SampledFrom([]policy.Protocol{policy.TCP, policy.UDP, policy.SCTP, policy.TLS}).Draw(t, "protocol"), portSets.Draw(t, "ports")}
}), 0, 4)

func setOf(rules []added) *ruleSet {
	var set ruleSet
	for _, r := range rules {
		set.addAddresses(r.to, trafficOf(r.protocol, r.ports))
	}
	return &set
}

// TestAddressRulesAddUpExactly: merging rules pairs no address with a port that was not added with it, loses none, and does not depend on order, whatever
// the number of parts.
func TestAddressRulesAddUpExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := additions.Draw(t, "rules")
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		text := func(rules []added) (string, []netv1.NetworkPolicyEgressRule) {
			var all []netv1.NetworkPolicyEgressRule
			out := ""
			for _, p := range parts(setOf(rules).blockRules(), limit) {
				egress := egressOf(p.rules)
				all = append(all, egress...)
				data, err := yaml.Marshal(egress)
				if err != nil {
					t.Fatal(err)
				}
				out += p.name + ":\n" + string(data)
			}
			return out, all
		}
		got, egress := text(rules)
		for range 60 {
			address, port, over := drawPacket(t)
			want := slices.ContainsFunc(rules, func(a added) bool {
				return a.to.Contains(address) && a.ports.Contains(port) && string(over) == a.protocol.Transport().String()
			})
			if reached := reaches(t, egress, address, port, over); reached != want {
				t.Fatalf("%v port %d, %s: %t, want %t by\n%s", address, port, over, reached, want, got)
			}
		}
		slices.Reverse(rules)
		if again, _ := text(rules); again != got {
			t.Fatalf("order matters:\n%s", cmp.Diff(got, again))
		}
	})
}

// TestSimplifyKeepsTheUnion: two sets that select the same pods say the same together as before, and the one that is simplified takes no more CIDRs.
func TestSimplifyKeepsTheUnion(t *testing.T) {
	smaller := false
	rapid.Check(t, func(t *rapid.T) {
		mine, others := additions.Draw(t, "mine"), additions.Draw(t, "others")
		set, other := setOf(mine), setOf(others)
		before := set.blockRules()
		set.simplify([]*ruleSet{other})
		after := set.blockRules()
		if countRules(after) > countRules(before) {
			t.Fatalf("%d CIDRs, %d before:\n%v\n%v", countRules(after), countRules(before), before, after)
		}
		smaller = smaller || countRules(after) < countRules(before)
		rest := egressOf(other.blockRules())
		for range 60 {
			address, port, over := drawPacket(t)
			want := reaches(t, append(egressOf(before), rest...), address, port, over)
			if got := reaches(t, append(egressOf(after), rest...), address, port, over); got != want {
				t.Fatalf("%v port %d, %s: %t, was %t:\n%v\n%v", address, port, over, got, want, before, after)
			}
		}
	})
	if !smaller {
		t.Error("nothing became smaller")
	}
}

func countRules(rules []blockRule) int {
	n := 0
	for _, r := range rules {
		n += packets.Size(r.blocks)
	}
	return n
}

// drawPacket draws an address and port near those that prefixes and portSets draw.
func drawPacket(t *rapid.T) (netip.Addr, uint16, corev1.Protocol) {
	last := rapid.Byte().Draw(t, "byte")
	address := netip.AddrFrom4([4]byte{10, 0, 0, last})
	if rapid.IntRange(0, 3).Draw(t, "IPv6") == 0 {
		address = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: last})
	}
	return address, rapid.Uint16Range(1, 20).Draw(t, "port"), rapid.SampledFrom([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}).Draw(t, "over")
}

// reaches reads rules to addresses as the API says.
func reaches(t *rapid.T, egress []netv1.NetworkPolicyEgressRule, a netip.Addr, port uint16, over corev1.Protocol) bool {
	in := func(cidr string) bool {
		p, err := netip.ParsePrefix(cidr)
		if err != nil || p != p.Masked() || p.String() != cidr {
			t.Fatalf("CIDR %q is not canonical: %v", cidr, err)
		}
		return p.Contains(a)
	}
	return slices.ContainsFunc(egress, func(r netv1.NetworkPolicyEgressRule) bool {
		return slices.ContainsFunc(r.To, func(p netv1.NetworkPolicyPeer) bool {
			return in(p.IPBlock.CIDR) && !slices.ContainsFunc(p.IPBlock.Except, in)
		}) && slices.ContainsFunc(r.Ports, func(p netv1.NetworkPolicyPort) bool {
			if *p.Protocol != over {
				return false
			}
			if p.Port == nil {
				return true
			}
			last := p.Port.IntVal
			if p.EndPort != nil {
				last = *p.EndPort
			}
			return p.Port.IntVal <= int32(port) && int32(port) <= last
		})
	})
}

// TestPartsMoveLittle: adding a network moves no other one to another part, unless its part grows too large.
func TestPartsMoveLittle(t *testing.T) {
	rules := func(n int) []blockRule {
		r := blockRule{traffic: traffic{tcp: match.PortsOf(443)}}
		for i := range n {
			r.blocks = append(r.blocks, packets.Block{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24)})
		}
		return []blockRule{r}
	}
	places := func(n int) (map[string]string, int) {
		where := map[string]string{}
		largest := 0
		for _, p := range parts(rules(n), 100) {
			for _, r := range p.rules {
				largest = max(largest, len(r.blocks))
				for _, b := range r.blocks {
					where[b.Prefix.String()] = p.name
				}
			}
		}
		return where, largest
	}
	before, largest := places(1000)
	if len(before) != 1000 || largest > 100 {
		t.Fatalf("%d networks, up to %d in a part", len(before), largest)
	}
	after, _ := places(1001)
	moved := 0
	for cidr, part := range before {
		if after[cidr] != part {
			moved++
		}
	}
	if moved > 100 {
		t.Errorf("one more network moves %d others", moved)
	}
}

func TestPodPeers(t *testing.T) {
	gateway := labelled("istio-system", map[string]string{"app": "gateway", "istio": "egress"})
	for _, c := range []struct {
		name string
		peer render.Peer
		want string
	}{
		{"any pod", render.Peer{}, "- namespaceSelector: {}\n"},
		{"a namespace", render.Peer{Namespace: "kube-system"}, "- namespaceSelector:\n    matchLabels:\n      kubernetes.io/metadata.name: kube-system\n"},
		{"any pod but some", render.Peer{Except: []identity.PodSelector{gateway}}, `
- namespaceSelector:
    matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values:
      - istio-system
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: istio-system
  podSelector:
    matchExpressions:
    - key: app
      operator: NotIn
      values:
      - gateway
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: istio-system
  podSelector:
    matchExpressions:
    - key: istio
      operator: NotIn
      values:
      - egress
    matchLabels:
      app: gateway
`},
		{"nobody is left", render.Peer{Namespace: "istio-system", PodLabels: map[string]string{"app": "gateway", "istio": "egress"}, Except: []identity.PodSelector{gateway}}, "[]\n"},
	} {
		peers, _, err := podPeers(&c.peer)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if peers == nil {
			peers = []netv1.NetworkPolicyPeer{}
		}
		data, err := yaml.Marshal(peers)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), string(data)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestNobodyIsNotEverybody: a rule whose peers are none is left out, since a rule without peers opens everything.
func TestNobodyIsNotEverybody(t *testing.T) {
	var set ruleSet
	pods := labelled("istio-system", map[string]string{"app": "gateway"})
	if err := set.addPeer(&render.Peer{Namespace: "istio-system", PodLabels: map[string]string{"app": "gateway"}, Except: []identity.PodSelector{pods}}); err != nil {
		t.Fatal(err)
	}
	set.addAddresses(match.Prefixes{}, traffic{all: true})
	if rules := append(set.fixed(), egressOf(set.blockRules())...); len(rules) > 0 {
		t.Errorf("rules for nobody: %v", rules)
	}
}
