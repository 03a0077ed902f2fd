package kube

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
	"github.com/egresskit/egress/render/networkpolicy"
)

// TestTiers: in the tier Admin the rendered policies come before what a namespace says for itself, and in the tier Baseline after it: there a NetworkPolicy
// opens what it likes, which is why nothing holds there.
func TestTiers(t *testing.T) {
	w := lockedDown()
	a, sleep := w.pod(t, "a"), w.pod(t, "sleep") // shop has a NetworkPolicy of its own, test-egress has none
	engine := compiled(t, policy.MustAddresses("203.0.113.0/24").TCP(5432), policy.MustAddresses("203.0.113.0/24").SCTP(3868))
	const tcp, sctp = corev1.ProtocolTCP, corev1.ProtocolSCTP
	allowed, other, bySCTP := Flow{Address: database, Protocol: tcp, Port: 5432}, Flow{Address: cnn, Protocol: tcp, Port: 443}, Flow{Address: database, Protocol: sctp, Port: 3868}
	for _, c := range []struct {
		tier      v1alpha2.Tier
		spec      string // of shop's own NetworkPolicy
		from      *Pod
		flow      Flow
		want      bool
		otherwise string // why
	}{
		{"Admin", `egress: [{}]`, a, other, false, "a namespace can't open more"},
		{"Admin", `egress: []`, a, allowed, true, "what is accepted is"},
		{"Admin", `egress: []`, a, bySCTP, true, "by any protocol"},
		{"Admin", `egress: []`, sleep, other, false, "nothing else is open"},
		{"Baseline", `egress: [{}]`, a, other, true, "a NetworkPolicy comes first"},
		{"Baseline", `egress: []`, a, allowed, true, "Cilium goes on to the tier Baseline where a NetworkPolicy has no rule; by the API it would close"},
		{"Baseline", `egress: []`, sleep, allowed, true, "where there is none, the baseline holds"},
		{"Baseline", `egress: []`, sleep, bySCTP, true, "by any protocol"},
		{"Baseline", `egress: []`, sleep, other, false, "and denies the rest"},
	} {
		profile := clusternetworkpolicy.DefaultProfile()
		profile.Tier = c.tier
		target, err := clusternetworkpolicy.New(profile)
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(w.inventory(t))), render.Stack{target})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range result.Assurances {
			if g.Holds == render.Holds == (c.tier == "Baseline") {
				t.Errorf("tier %s: %v", c.tier, g)
			}
		}
		theirs, err := yaml.YAMLToJSON([]byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: own, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Egress], " + c.spec + "}"))
		if err != nil {
			t.Fatal(err)
		}
		j, err := NewCiliumOf(w, append(manifests(t, result.Objects), theirs))
		if err != nil {
			t.Fatal(err)
		}
		c.flow.From = c.from
		if got, err := j.Egress(c.flow); err != nil || got != c.want {
			t.Errorf("tier %s, %s, %s to %v: let out %t, want %t: %s (%v)", c.tier, c.spec, c.from.Name, c.flow.Address, got, c.want, c.otherwise, err)
		}
	}
}

// compiled returns an engine that allows everyone some destinations.
func compiled(t testing.TB, to ...policy.Destination) *policy.Engine {
	t.Helper()
	engine, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: policy.Rules(to...)}}})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// TestStackOfPacketFilters: NetworkPolicies and ClusterNetworkPolicies together let out what the model allows, and nothing else.
func TestStackOfPacketFilters(t *testing.T) {
	order := clusternetworkpolicy.DefaultProfile()
	order.Unfiltered = nil
	after := order
	after.Tier = v1alpha2.BaselineTier
	for _, profile := range []clusternetworkpolicy.Profile{order, after} {
		target, err := clusternetworkpolicy.New(profile)
		if err != nil {
			t.Fatal(err)
		}
		plain := networkpolicy.DefaultProfile()
		plain.Gateways, plain.Mesh, plain.Unfiltered = nil, networkpolicy.Mesh{}, nil
		filter, err := networkpolicy.New(plain)
		if err != nil {
			t.Fatal(err)
		}
		worlds := worldsInShortRun / 2
		if os.Getenv(longRun) != "" {
			worlds = worldsInLongRun
		}
		var count tally
		for seed := range worlds {
			count.worlds++
			s := generated(seed)
			engine, err := policy.Compile(s.policies, policy.At(gen.Now))
			if err != nil {
				t.Fatal(err)
			}
			result, err := render.Render(render.NewPlan(engine, cluster, render.WithInventory(s.world.inventory(t))), render.Stack{filter, target})
			if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
				count.widening++
				continue
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			count.rendered++
			j, err := NewCiliumOf(s.world, manifests(t, result.Objects))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprintf("seed %d, tier %s", seed, profile.Tier), s, engine, result, j, &count)
			if t.Failed() {
				break
			}
		}
		t.Logf("tier %s: %v", profile.Tier, count)
		if count.rendered < worlds/2 || count.allowed < worlds/4 || count.denied < worlds {
			t.Errorf("tier %s: too little was judged: %v", profile.Tier, count)
		}
	}
}

// TestCiliumDoesNotLearnNamesOfOthers keeps what the assumption "learned" of clusternetworkpolicy says of Cilium. It has its proxy look at DNS where a rule with
// names is what lets DNS pass. Here an exemption does, of an earlier priority.
func TestCiliumDoesNotLearnNamesOfOthers(t *testing.T) {
	profile := clusternetworkpolicy.DefaultProfile()
	profile.DomainNames, profile.TrustLearnedAddresses = true, true
	target, err := clusternetworkpolicy.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	w := lockedDown()
	engine := compiled(t, policy.MustHosts("edition.cnn.com").TLS())
	result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(w.inventory(t))), render.Stack{target})
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewCiliumOf(w, manifests(t, result.Objects))
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		_, rules, err := j.(*cilium).lookup(Flow{From: w.pod(t, "a"), To: w.pod(t, "dns"), Protocol: protocol, Port: 53}, map[string]uint16{"dns": 53, "dns-tcp": 53})
		if err != nil || strings.Contains(rules, "name=allow-") || !strings.Contains(rules, "name=exempt-") {
			t.Errorf("DNS over %s: decided by %s (%v)", protocol, rules, err)
		}
	}
}
