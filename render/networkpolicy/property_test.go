package networkpolicy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/golden"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/networkpolicy"
)

const cluster = "c1"

// allowers returns the rules that allow a request, denies and boundaries aside.
func allowers(e *policy.Engine, r policy.Request) []policy.RuleID {
	var ids []policy.RuleID
	for rule := range e.Rules() {
		if rule.Effect == policy.Allow && reference.DecideRules([]*policy.EffectiveRule{rule}, r).Allowed {
			ids = append(ids, rule.ID)
		}
	}
	return ids
}

func toPacket(w identity.Workload, a policy.Access) packet {
	return packet{from: pod{w.Namespace, w.Labels}, address: a.Address.Unmap(), over: corev1.Protocol(a.Protocol.Transport().String()), port: a.Port}
}

// byAddress makes a world's rules rules by address, so that they overlap as often as not, and compiles them.
func byAddress(t *rapid.T, w gen.World) gen.World {
	for _, p := range w.Policies {
		for _, section := range append([]policy.Section{p.Cluster}, sections(p.Sources)...) {
			for _, rules := range [][]policy.Rule{section.Allow, section.Deny, section.Within} {
				for i := range rules {
					rules[i].To = policy.Destination{
						Addresses: gen.Prefixes().Draw(t, "addresses"),
						Protocol:  rapid.SampledFrom([]policy.Protocol{policy.TCP, policy.TCP, policy.UDP, policy.SCTP}).Draw(t, "protocol"),
						Ports:     rapid.SampledFrom([]match.Ports{match.PortsOf(443), match.PortsOf(80, 443), match.AllPorts()}).Draw(t, "ports"),
					}
					rules[i].Name, rules[i].Expires = "", time.Time{}
				}
			}
		}
	}
	var err error
	if w.Engine, err = policy.Compile(w.Policies, policy.At(gen.Now)); err != nil {
		t.Fatalf("%v", err)
	}
	return w
}

// TestAlone: what a packet filter alone lets out of a pod, the model allows, whatever the packet turns out to speak and by whatever name its address was found.
// What the model allows by address it lets out, but for the losses.
func TestAlone(t *testing.T) {
	filter, err := networkpolicy.New(networkpolicy.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds(cluster, 6).Draw(t, "world")
		if rapid.Bool().Draw(t, "by address") {
			w = byAddress(t, w)
		}
		var options []render.PlanOption
		if rapid.IntRange(0, 3).Draw(t, "told") > 0 {
			options = append(options, render.WithInventory(w.Inventory))
		}
		plan := render.NewPlan(w.Engine, cluster, options...)
		result, err := render.Render(plan, render.Stack{filter})
		if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
			count["refused"]++
			return
		} else if err != nil {
			t.Fatalf("render: %v", err)
		}
		checkStructure(t, result.Objects)
		lost := map[policy.RuleID]bool{}
		for _, l := range result.Losses {
			lost[l.Grant.Rule] = true
		}
		for range 40 {
			source, access := drawByAddress(t, w)
			request := policy.Request{Source: source, Access: access}
			decision := w.Engine.Decide(request)
			if decision.Reason == policy.InvalidRequest || !access.Address.IsValid() || !slices.Contains(plan.Namespaces(), source.Namespace) {
				continue
			}
			passed := passes(t, result.Objects, toPacket(source, access))
			switch {
			case passed && !decision.Allowed:
				t.Fatalf("%v passes and is denied: %+v\n%s", toPacket(source, access), decision, golden.YAML(result.Objects))
			case passed:
				count["passed"]++
			case decision.Allowed && !slices.ContainsFunc(allowers(w.Engine, request), func(id policy.RuleID) bool { return !lost[id] }):
				count["lost"]++
			case decision.Allowed:
				t.Fatalf("%v is allowed by %s, does not pass, and is no loss: %v\n%s", toPacket(source, access), decision.Rule, result.Losses, golden.YAML(result.Objects))
			default:
				count["denied"]++
			}
		}
	})
	for _, kind := range []string{"passed", "lost", "denied"} {
		if count[kind] == 0 {
			t.Errorf("nothing %s: %v", kind, count)
		}
	}
	t.Logf("%v", count)
}

// TestBehindGateways: in a stack with a layer that knows names, a pod that goes round that layer gets to the gateway if some pod of its namespace has a name
// to reach, and to nothing outside but the addresses that the model allows it. Pods with a name to reach get to the gateway.
func TestBehindGateways(t *testing.T) {
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds(cluster, 6).Draw(t, "world")
		var options []render.PlanOption
		if rapid.Bool().Draw(t, "told") {
			options = append(options, render.WithInventory(w.Inventory))
		}
		plan := render.NewPlan(w.Engine, cluster, options...)
		result, err := render.Render(plan, render.Stack{filter, mesh{}})
		if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
			count["refused"]++
			return
		} else if err != nil {
			t.Fatalf("render: %v", err)
		}
		objects := slices.DeleteFunc(result.Objects, func(o render.Object) bool { return o.Kind != "NetworkPolicy" })
		checkStructure(t, objects)
		var named []*render.Grant // in the stack
		for _, layer := range result.Layers {
			if layer.Target != networkpolicy.Target {
				continue
			}
			for g := range plan.Grants() {
				if len(g.To.Hosts) > 0 && slices.Contains(layer.Admits, g.ID) {
					named = append(named, g)
				}
			}
		}
		for _, source := range w.Pods {
			if !slices.Contains(plan.Namespaces(), source.Namespace) {
				continue
			}
			from := pod{source.Namespace, source.Labels}
			may := slices.ContainsFunc(named, func(g *render.Grant) bool { return g.Source.Selector.Matches(source) })
			maybe := slices.ContainsFunc(named, func(g *render.Grant) bool { return !g.Source.Selector.InNamespace(source.Namespace).IsZero() })
			passed := passes(t, objects, packet{from: from, to: &gateway, port: 8443})
			switch {
			case may && !passed:
				t.Fatalf("%v has a name to reach and does not get to the gateway\n%s", from, golden.YAML(objects))
			case passed && !maybe:
				t.Fatalf("%v gets to the gateway, and no pod of its namespace has a name to reach\n%s", from, golden.YAML(objects))
			case passed:
				count["admitted"]++
			default:
				count["shut"]++
			}
			if passes(t, objects, packet{from: from, to: &gateway, port: 15000}) {
				t.Fatalf("%v gets to the gateway's administration", from)
			}
		}
		for range 20 {
			source, access := drawByAddress(t, w)
			if !access.Address.IsValid() || access.Port == 0 || !slices.Contains(plan.Namespaces(), source.Namespace) {
				continue
			}
			if p := toPacket(source, access); passes(t, objects, p) && !allowsPacket(w.Engine, source, p) {
				t.Fatalf("%v passes and is denied\n%s", p, golden.YAML(objects))
			}
			p := packet{from: gateway, address: metadata, over: corev1.Protocol(access.Protocol.Transport().String()), port: access.Port}
			if itself := (identity.Workload{Cluster: cluster, Namespace: gateway.namespace, Labels: gateway.labels}); passes(t, objects, p) && !allowsPacket(w.Engine, itself, p) {
				t.Fatalf("%v passes\n%s", p, golden.YAML(objects))
			}
		}
	})
	for _, kind := range []string{"admitted", "shut"} {
		if count[kind] == 0 {
			t.Errorf("nobody was %s: %v", kind, count)
		}
	}
	t.Logf("%v", count)
}

// allowsPacket reports whether the model allows something that a packet may turn out to be, in the eyes of a layer that looks into it.
func allowsPacket(e *policy.Engine, source identity.Workload, p packet) bool {
	protocols := []policy.Protocol{policy.TCP, policy.TLS, policy.HTTP}
	if over, err := policy.ParseProtocol(string(p.over)); err == nil && over != policy.TCP {
		protocols = []policy.Protocol{over}
	}
	return slices.ContainsFunc(protocols, func(protocol policy.Protocol) bool {
		return e.Decide(policy.Request{Source: source, Access: policy.Access{Protocol: protocol, Port: p.port, Address: p.address}}).Allowed
	})
}

// TestWards: beside names, a deny of addresses is the gateways' packet filter's where it is for everyone and for all ports, and an error elsewhere.
func TestWards(t *testing.T) {
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	network := match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, nil)
	for _, c := range []struct {
		what   string
		to     policy.Destination
		some   bool // not everyone
		warded bool
	}{
		{"everyone", policy.Destination{Addresses: network}, false, true},
		{"everyone, TCP", policy.Destination{Addresses: network, Protocol: policy.TCP}, false, true},
		{"everyone, TLS", policy.Destination{Addresses: network, Protocol: policy.TLS}, false, false},
		{"everyone, a port", policy.Destination{Addresses: network, Ports: match.PortsOf(443)}, false, false},
		{"some", policy.Destination{Addresses: network}, true, false},
	} {
		deny := policy.Section{Deny: []policy.Rule{{Name: "deny", To: c.to}}}
		p := &policy.Policy{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{
			{Name: "name", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("www.foo.com")}, Protocol: policy.TLS}},
		}}}
		if c.some {
			p.Sources = []policy.Source{{Name: "some", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}), Section: deny}}
		} else {
			p.Cluster.Deny = deny.Deny
			p.Sources = []policy.Source{{Name: "some", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}})}}
		}
		engine, err := policy.Compile([]*policy.Policy{p})
		if err != nil {
			t.Fatal(err)
		}
		inventory, err := identity.NewInventory([]identity.Namespace{{Name: "shop"}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, cluster, render.WithInventory(inventory)), render.Stack{filter, mesh{}})
		if wide := (*render.WideningError)(nil); errors.As(err, &wide) == c.warded || !c.warded && wide == nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if !c.warded {
			continue
		}
		for _, to := range []struct {
			address string
			want    bool
		}{{"203.0.113.9", shut}, {"203.0.114.9", open}} {
			if got := passes(t, result.Objects, packet{from: gateway, address: netip.MustParseAddr(to.address), port: 443}); got != to.want {
				t.Errorf("%s: the gateway reaches %s: %t", c.what, to.address, got)
			}
		}
	}
}

// TestNoNamespace: where no namespace is known there is no baseline, and nobody is told that there is.
func TestNoNamespace(t *testing.T) {
	engine, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{
		{Name: "name", To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("www.foo.com")}, Protocol: policy.TLS}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	plan := render.NewPlan(engine, cluster)
	_, err = render.Render(plan, render.Stack{filter})
	if wide := (*render.WideningError)(nil); !errors.As(err, &wide) || !strings.Contains(err.Error(), "inventory") {
		t.Errorf("alone: %v", err)
	}
	result, err := render.Render(plan, render.Stack{filter, mesh{}})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Losses) != 1 || result.Losses[0].Grant.Rule != "p/name" {
		t.Errorf("losses: %v", result.Losses)
	}
	for _, a := range result.Assurances {
		if a.Holds == render.Holds {
			t.Errorf("%s is said to hold", a.Grant.ID)
		}
	}
}

// drawByAddress draws who asks for what: mostly something that a rule by address says, for a pod that it selects.
func drawByAddress(t *rapid.T, w gen.World) (identity.Workload, policy.Access) {
	pods := w.Pods
	var named []policy.Destination
	rules := slices.DeleteFunc(slices.Collect(w.Engine.Rules()), func(r *policy.EffectiveRule) bool { return len(r.To) == 0 || r.To[0].Addresses.IsEmpty() })
	if len(rules) > 0 {
		rule := rapid.SampledFrom(rules).Draw(t, "rule")
		named = rule.To
		selected := slices.DeleteFunc(slices.Clone(pods), func(w identity.Workload) bool { return !rule.Sources.Matches(w) })
		if len(selected) > 0 && rapid.IntRange(0, 3).Draw(t, "another source") > 0 {
			pods = selected
		}
	}
	return rapid.SampledFrom(pods).Draw(t, "source"), gen.Access(named).Draw(t, "access")
}

// TestOrderDoesNotMatter: policies and rules in another order give the same bytes, and so does rendering twice.
func TestOrderDoesNotMatter(t *testing.T) {
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds(cluster, 6).Draw(t, "world")
		text := func() string {
			engine, err := policy.Compile(w.Policies, policy.At(gen.Now))
			if err != nil {
				t.Fatalf("%v", err)
			}
			result, err := render.Render(render.NewPlan(engine, cluster, render.WithInventory(w.Inventory)), render.Stack{filter, mesh{}})
			if err != nil {
				return err.Error()
			}
			return golden.YAML(result.Objects) + fmt.Sprint(result.Losses, result.Assumptions)
		}
		first := text()
		slices.Reverse(w.Policies)
		for _, p := range w.Policies {
			slices.Reverse(p.Sources)
			for _, section := range append([]policy.Section{p.Cluster}, sections(p.Sources)...) {
				slices.Reverse(section.Allow)
				slices.Reverse(section.Deny)
				slices.Reverse(section.Within)
			}
		}
		if again := text(); again != first {
			t.Fatalf("another order changes what is rendered: %s", cmp.Diff(first, again))
		}
	})
}

func sections(sources []policy.Source) []policy.Section {
	var out []policy.Section
	for _, s := range sources {
		out = append(out, s.Section)
	}
	return out
}

// checkStructure fails unless the objects are what the API server takes and mean what they seem to.
func checkStructure(t *rapid.T, objects []render.Object) {
	seen := map[string]bool{}
	for _, o := range objects {
		spec := o.Spec.(*netv1.NetworkPolicySpec)
		name := o.Namespace + "/" + o.Name
		if o.APIVersion != "networking.k8s.io/v1" || o.Kind != "NetworkPolicy" || o.Namespace == "" || seen[name] || len(o.Name) > 63 {
			t.Fatalf("object %s %s %s", o.APIVersion, o.Kind, name)
		}
		seen[name] = true
		if !slices.Equal(spec.PolicyTypes, []netv1.PolicyType{netv1.PolicyTypeEgress}) || spec.Ingress != nil {
			t.Fatalf("%s is not about egress alone: %v", name, spec.PolicyTypes)
		}
		for _, rule := range spec.Egress {
			for _, p := range rule.Ports {
				if p.Protocol == nil || p.EndPort != nil && (p.Port == nil || p.Port.IntVal >= *p.EndPort || *p.EndPort > 65535) || p.Port != nil && p.Port.IntVal < 1 {
					t.Fatalf("%s: port %v", name, p)
				}
			}
			for _, peer := range rule.To {
				if b := peer.IPBlock; b != nil {
					block := netip.MustParsePrefix(b.CIDR)
					if block != block.Masked() || peer.PodSelector != nil || peer.NamespaceSelector != nil {
						t.Fatalf("%s: block %v", name, b)
					}
					for _, e := range b.Except {
						if hole := netip.MustParsePrefix(e); hole != hole.Masked() || hole.Bits() <= block.Bits() || !block.Contains(hole.Addr()) {
							t.Fatalf("%s: %s is not a strict part of %s", name, e, b.CIDR)
						}
					}
				}
			}
		}
	}
}
