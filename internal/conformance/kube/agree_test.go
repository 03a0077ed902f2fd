package kube

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/networkpolicy"
)

// worldsInShortRun and worldsInLongRun are how many generated worlds are judged, with flowsPerWorld flows each.
const (
	worldsInShortRun = 100
	worldsInLongRun  = 1000
	flowsPerWorld    = 50
	maxDrawn         = 10 * flowsPerWorld // of which those that have an address and a port are flows
)

// longRun asks for the long run.
const longRun = "EGRESS_LONG"

// cluster is the cluster of the generated worlds.
const cluster = "c1"

// TestEnginesAgreeWithTheModel renders generated policies for generated clusters, and asks both engines about flows to the outside. Nothing is
// let out that the model denies, and nothing is kept in that the model allows, but for what the losses name.
func TestEnginesAgreeWithTheModel(t *testing.T) {
	worlds := worldsInShortRun
	if os.Getenv(longRun) != "" {
		worlds = worldsInLongRun
	}
	var count tally
	for seed := range worlds {
		// A generator's example is a function of its seed.
		s := generated(seed)
		count.worlds++
		judge(t, fmt.Sprintf("seed %d", seed), s, &count)
		if t.Failed() {
			break
		}
	}
	t.Log(count)
	if count.rendered < worlds*3/4 || count.allowed < 4*worlds || count.denied < worlds || count.cyclonus < worlds/2 {
		t.Errorf("too little was judged: %v", count)
	}
}

// A tally counts what was judged.
type tally struct{ worlds, rendered, widening, flows, allowed, denied, lost, cyclonus int }

func (c tally) String() string {
	return fmt.Sprintf("%d worlds: %d rendered, %d refused as widening; %d flows: %d allowed, %d denied, %d lost; cyclonus judged %d worlds",
		c.worlds, c.rendered, c.widening, c.flows, c.allowed, c.denied, c.lost, c.cyclonus)
}

// A situation is policies, a world for them, and accesses to try.
type situation struct {
	policies []*policy.Policy
	world    *World
	accesses []policy.Access
	pods     []int // the source of each access
}

func generated(seed int) situation {
	return rapid.Custom(func(t *rapid.T) situation {
		s := situation{policies: gen.Policies().Draw(t, "policies"), world: &World{}}
		label := rapid.SampledFrom([]string{"1", "2"})
		for _, name := range []string{"a", "b", "ab"} {
			s.world.Namespaces = append(s.world.Namespaces, Namespace{name, map[string]string{"app": label.Draw(t, "namespace label"), "tier": label.Draw(t, "namespace label")}})
		}
		for i := range 6 {
			labels := map[string]string{"app": label.Draw(t, "label")}
			if rapid.Bool().Draw(t, "second label") {
				labels["tier"] = label.Draw(t, "label")
			}
			s.world.Pods = append(s.world.Pods, Pod{
				Namespace: s.world.Namespaces[i%3].Name, Name: "pod-" + strconv.Itoa(i),
				ServiceAccount: rapid.SampledFrom([]string{"x", "y", "xy"}).Draw(t, "account"),
				Labels:         labels, Address: netip.AddrFrom4([4]byte{172, 31, 0, byte(i + 1)}),
			})
		}
		engine, err := policy.Compile(s.policies, policy.At(gen.Now))
		if err != nil {
			t.Fatalf("%v", err)
		}
		access := gen.Access(destinations(s.policies))
		for n := range maxDrawn {
			if len(s.accesses) == flowsPerWorld {
				break
			}
			a := access.Draw(t, "access")
			if !a.Address.IsValid() || a.Port == 0 {
				continue
			}
			// A packet filter sees addresses, ports, and TCP, UDP or SCTP.
			a = policy.Access{Protocol: packetProtocol(a.Protocol), Port: a.Port, Address: a.Address.Unmap()}
			may := func(i int) bool {
				return engine.Decide(policy.Request{Source: s.world.workload(&s.world.Pods[i]), Access: a}).Allowed
			}
			pod, ok := source(t, len(s.world.Pods), may)
			if !ok && early(n, len(s.accesses)) {
				continue
			}
			s.accesses, s.pods = append(s.accesses, a), append(s.pods, pod)
			if !slices.Contains(s.world.Outside, a.Address) {
				s.world.Outside = append(s.world.Outside, a.Address)
			}
		}
		return s
	}).Example(seed)
}

// source draws which of n pods makes an access: three times in four one that may, if there is any. It reports whether there is.
func source(t *rapid.T, n int, may func(int) bool) (pod int, ok bool) {
	first := rapid.IntRange(0, n-1).Draw(t, "pod")
	for i := range n {
		if at := (first + i) % n; may(at) {
			if rapid.IntRange(0, 3).Draw(t, "that may") > 0 {
				return at, true
			}
			return first, true
		}
	}
	return first, false
}

// early reports whether it is too early, after some draws of which so many are flows, for flows that nobody may open: half of them are to be
// others, as far as these are found in half of the draws.
func early(draws, flows int) bool { return draws < maxDrawn/2 && flows < flowsPerWorld/2 }

// packetProtocol returns what packets of a request show; for what is no request's protocol, TCP.
func packetProtocol(p policy.Protocol) policy.Protocol {
	if p == policy.AnyProtocol || p > policy.SCTP {
		return policy.TCP
	}
	return p.Transport()
}

// destinations returns the destinations by address that the policies name: what a packet filter can hold.
func destinations(policies []*policy.Policy) []policy.Destination {
	var out []policy.Destination
	for _, p := range policies {
		sections := []policy.Section{p.Cluster}
		for _, s := range p.Sources {
			sections = append(sections, s.Section)
		}
		for _, s := range sections {
			for _, r := range slices.Concat(s.Allow, s.Deny, s.Within) {
				if !r.To.Addresses.IsEmpty() {
					out = append(out, r.To)
				}
			}
		}
	}
	return out
}

// inventory returns what a dump of the world would say.
func (w *World) inventory(t testing.TB) *identity.Inventory {
	t.Helper()
	var namespaces []identity.Namespace
	for _, n := range w.Namespaces {
		namespaces = append(namespaces, identity.Namespace{Name: n.Name, Labels: n.Labels})
	}
	var pods []identity.Pod
	for _, p := range w.Pods {
		pods = append(pods, identity.Pod{Namespace: p.Namespace, Name: p.Name, ServiceAccount: p.ServiceAccount, Labels: p.Labels})
	}
	inv, err := identity.NewInventory(namespaces, nil, pods)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// workload returns a pod as the model sees it.
func (w *World) workload(p *Pod) identity.Workload {
	return identity.Workload{Cluster: cluster, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, Labels: p.Labels, NamespaceLabels: w.namespace(p.Namespace)}
}

// filterAlone is a packet filter without a mesh: what it lets out to the outside is the policies' alone.
func filterAlone(t testing.TB) render.Renderer {
	t.Helper()
	profile := networkpolicy.DefaultProfile()
	profile.Gateways, profile.Mesh, profile.Unfiltered = nil, networkpolicy.Mesh{}, nil
	r, err := networkpolicy.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// judge renders the situation and compares what the engines make of it with the model.
func judge(t testing.TB, name string, s situation, count *tally) {
	t.Helper()
	engine, err := policy.Compile(s.policies, policy.At(gen.Now))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	result, err := render.Render(render.NewPlan(engine, cluster, render.WithInventory(s.world.inventory(t))), render.Stack{filterAlone(t)})
	if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
		count.widening++
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	count.rendered++
	policies := networkPolicies(t, name, result)
	for _, j := range s.judges(t, policies) {
		if j.Name() == "cyclonus" {
			count.cyclonus++
		}
		compare(t, name, s, engine, result, j, count)
	}
}

// compare compares what an engine makes of a result with the model, flow by flow.
func compare(t testing.TB, name string, s situation, engine *policy.Engine, result *render.Result, j Judge, count *tally) {
	t.Helper()
	for i, a := range s.accesses {
		pod := &s.world.Pods[s.pods[i]]
		flow := Flow{From: pod, Address: a.Address, Protocol: corev1.Protocol(a.Protocol.String()), Port: a.Port}
		got, err := j.Egress(flow)
		if err != nil {
			t.Fatalf("%s: %s: %v", name, j.Name(), err)
		}
		request := policy.Request{Source: s.world.workload(pod), Access: a}
		want := engine.Decide(request)
		count.flows++
		switch {
		case got == want.Allowed && got:
			count.allowed++
		case got == want.Allowed:
			count.denied++
		case got:
			t.Errorf("%s: %s lets %s/%s (%v) out to %s, which the model denies: %v", name, j.Name(), pod.Namespace, pod.Name, pod.Labels, a, want)
		case lost(engine, result, request):
			count.lost++
		default:
			t.Errorf("%s: %s keeps %s/%s (%v) from %s, which the model allows, and no loss says so: %v", name, j.Name(), pod.Namespace, pod.Name, pod.Labels, a, want)
		}
	}
	if t.Failed() {
		var b bytes.Buffer
		_ = render.WriteYAML(&b, result.Objects)
		t.Logf("%s\n%v", &b, result.Losses)
	}
}

// lost reports whether losses name every rule that allows the request.
func lost(engine *policy.Engine, result *render.Result, r policy.Request) bool {
	for _, f := range engine.Explain(r).Matched {
		if f.Rule.Effect == policy.Allow && !slices.ContainsFunc(result.Losses, func(l render.Loss) bool { return l.Grant.Rule == f.Rule.ID }) {
			return false
		}
	}
	return true
}

// networkPolicies returns the rendered objects as the API server would store them.
func networkPolicies(t testing.TB, name string, result *render.Result) []*networkingv1.NetworkPolicy {
	t.Helper()
	var out []*networkingv1.NetworkPolicy
	for _, o := range result.Objects {
		var b bytes.Buffer
		if err := render.WriteYAML(&b, []render.Object{o}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		np, err := DecodeNetworkPolicy(b.Bytes())
		if err != nil {
			t.Fatalf("%s: the API server refuses %s/%s: %v\n%s", name, o.Namespace, o.Name, err, &b)
		}
		out = append(out, np)
	}
	return out
}

// judges returns the engines that can judge the policies: cyclonus reads NotIn on a label that a pod lacks wrongly, so that it is not asked about
// policies that have it, but on labels that are known to be everywhere.
func (s situation) judges(t testing.TB, policies []*networkingv1.NetworkPolicy, known ...string) []Judge {
	t.Helper()
	all := judges(t, s.world, policies)
	if slices.ContainsFunc(policies, func(np *networkingv1.NetworkPolicy) bool { return hasNotIn(&np.Spec, known) }) {
		return slices.DeleteFunc(all, func(j Judge) bool { return j.Name() == "cyclonus" })
	}
	return all
}

// hasNotIn reports whether a selector of the policy has the operator NotIn on a label that is not known to be everywhere.
func hasNotIn(spec *networkingv1.NetworkPolicySpec, known []string) bool {
	selectors := []*metav1.LabelSelector{&spec.PodSelector}
	for _, e := range spec.Egress {
		for _, to := range e.To {
			selectors = append(selectors, to.PodSelector, to.NamespaceSelector)
		}
	}
	for _, s := range selectors {
		if s != nil && slices.ContainsFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
			return r.Operator == metav1.LabelSelectorOpNotIn && !slices.Contains(known, r.Key)
		}) {
			return true
		}
	}
	return false
}
