package kube

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
	"github.com/egresskit/egress/render/networkpolicy"
)

// doorWorldsInShortRun is how many worlds with portable gateways are judged; the long run takes worldsInLongRun.
const doorWorldsInShortRun = 60

// A gatekeeper keeps the gateways that its layer has rendered.
type gatekeeper struct {
	*gatewayapi.Renderer
	gateways []render.Gateway
}

func (k *gatekeeper) Render(p *render.Plan, out *render.Emitter) error {
	k.gateways = p.Gateways()
	return k.Renderer.Render(p, out)
}

// A doorTally counts what was judged of portable gateways.
type doorTally struct{ worlds, widening, gateways, apart, open, shut, lost, names, direct, closed, cyclonus int }

func (c doorTally) String() string {
	return fmt.Sprintf("%d worlds, %d refused as widening; %d gateways, %d of them for some alone; doors: %d open, %d shut, %d lost, with %d names behind those that are open; direct: %d open, %d shut; cyclonus judged %d worlds",
		c.worlds, c.widening, c.gateways, c.apart, c.open, c.shut, c.lost, c.names, c.direct, c.closed, c.cyclonus)
}

// TestDoorsAreKept renders generated policies for portable gateways behind a packet filter, and asks both engines which pods get to which gateway: those of the
// gateway's sources, on its ports, and no others. The model allows each of them all names of the gateway's routes, and what goes to the outside directly.
func TestDoorsAreKept(t *testing.T) {
	worlds := doorWorldsInShortRun
	if os.Getenv(longRun) != "" {
		worlds = worldsInLongRun
	}
	var count doorTally
	for seed := 0; seed < worlds && !t.Failed(); seed++ {
		s, known := generated(seed), []string{corev1.LabelMetadataName, gateway.GatewayNameLabelKey, "app"}
		if seed%3 > 0 {
			s.policies, known = rapid.Custom(byLabels).Example(seed), append(known, "tier")
		}
		// Every pod has the labels that are known, as every namespace has its name, since cyclonus reads NotIn wrongly where they are missing.
		for i := range s.world.Pods {
			for _, key := range known[1:] {
				if labels := s.world.Pods[i].Labels; labels[key] == "" {
					labels[key] = "none"
				}
			}
		}
		count.worlds++
		judgeDoors(t, fmt.Sprintf("seed %d", seed), s, known, &count)
	}
	t.Log(count)
	if count.gateways < worlds/2 || count.apart < worlds/4 || count.open < worlds || count.shut < worlds || count.closed < worlds || count.cyclonus < worlds*2/3 {
		t.Errorf("too little was judged: %v", count)
	}
}

// byLabels draws policies of names for everybody, and for and against pods that namespaces and labels tell.
func byLabels(t *rapid.T) []*policy.Policy {
	rules := func(label string, least, most int) []policy.Rule {
		var out []policy.Rule
		for i := range rapid.IntRange(least, most).Draw(t, label) {
			to := policy.MustHosts(rapid.SampledFrom([]string{"a.com", "*.a.com", "b.a.com", "c.io", "*.io"}).Draw(t, "host"))
			if to.Protocol = policy.TLS; rapid.IntRange(0, 3).Draw(t, "HTTP") == 0 {
				to.Protocol = policy.HTTP
			}
			out = append(out, policy.Rule{Name: label + "-" + strconv.Itoa(i), To: to})
		}
		return out
	}
	labelled := func(label string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{rapid.SampledFrom([]string{"app", "tier"}).Draw(t, label): rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")}}
	}
	p := &policy.Policy{Name: "p", Cluster: policy.Section{Allow: rules("all", 0, 1), Deny: rules("none", 0, 1)}}
	for i := range rapid.IntRange(1, 4).Draw(t, "sources") {
		var from identity.Term
		switch rapid.IntRange(0, 3).Draw(t, "told by") {
		case 0:
			from.Namespaces = []string{rapid.SampledFrom([]string{"a", "b", "a*"}).Draw(t, "namespace")}
		case 1:
			from.PodLabels = labelled("pod label")
		case 2:
			from.Namespaces, from.PodLabels = []string{"a"}, labelled("pod label")
		case 3:
			from.NamespaceLabels = labelled("namespace label")
		}
		name := "s" + strconv.Itoa(i)
		p.Sources = append(p.Sources, policy.Source{Name: name, From: identity.MustSelector(from), Section: policy.Section{Allow: rules(name, 1, 2), Deny: rules("not-"+name, 0, 1)}})
	}
	return []*policy.Policy{p}
}

func judgeDoors(t *testing.T, name string, s situation, known []string, count *doorTally) {
	t.Helper()
	profile := gatewayapi.DefaultProfile()
	profile.Implementation = gatewayapi.Portable
	profile.Backends = []gatewayapi.Backend{{Host: "*.com", Service: "proxy"}, {Host: "*.io", Service: "proxy"}}
	routes, err := gatewayapi.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	packets := networkpolicy.DefaultProfile()
	packets.Mesh = networkpolicy.Mesh{} // portable gateways need none
	filter, err := networkpolicy.New(packets)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(s.policies, policy.At(gen.Now))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	keeper := &gatekeeper{Renderer: routes}
	result, err := render.Render(render.NewPlan(engine, cluster, render.WithInventory(s.world.inventory(t))), render.Stack{keeper, filter})
	if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
		count.widening++
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	// The gateways run where the profile says, with the labels that it says.
	pods := len(s.world.Pods)
	s.world.Namespaces = append(s.world.Namespaces, Namespace{profile.Namespace, nil})
	for i, g := range keeper.gateways {
		s.world.Pods = append(s.world.Pods, Pod{g.Namespace, "gateway-" + strconv.Itoa(i), "gateway", maps.Clone(g.PodLabels), netip.AddrFrom4([4]byte{172, 31, 1, byte(i + 1)})})
	}
	s.world.Outside = []netip.Addr{cnn, cnn6, database, resolver}
	for i, j := range s.judges(t, packetFilter(t, name, result), known...) {
		if i == 0 {
			count.gateways += len(keeper.gateways)
		}
		if j.Name() == "cyclonus" {
			count.cyclonus++
		}
		asked := func(f Flow) bool {
			got, err := j.Egress(f)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, j.Name(), err)
			}
			return got
		}
		for i := range pods {
			from := &s.world.Pods[i]
			source := s.world.workload(from)
			what := fmt.Sprintf("%s: %s: %s/%s (%v)", name, j.Name(), from.Namespace, from.Name, from.Labels)
			for k, g := range keeper.gateways {
				to := &s.world.Pods[pods+k]
				for _, door := range doorsOf(g) {
					got, want := asked(Flow{From: from, To: to, Protocol: corev1.ProtocolTCP, Port: door}), g.Sources.Matches(source)
					switch {
					case got && want:
						count.open++
					case got:
						t.Errorf("%s gets to %v, which is for %s", what, to.Labels, g.Sources.Key())
					case want && !allLost(result, g.Grants):
						t.Errorf("%s does not get to %v, which is for %s, and no loss says so", what, to.Labels, g.Sources.Key())
					case want:
						count.lost++
					default:
						count.shut++
					}
					if asked(Flow{From: from, To: to, Protocol: corev1.ProtocolUDP, Port: door}) {
						t.Errorf("%s gets to %v by UDP", what, to.Labels)
					}
					if !got {
						continue
					}
					for _, a := range routed(result, to.Labels[gateway.GatewayNameLabelKey], door) {
						if count.names++; !engine.Decide(policy.Request{Source: source, Access: a}).Allowed {
							t.Errorf("%s gets by %v to %v, which the model denies", what, to.Labels, a)
						}
					}
				}
				if asked(Flow{From: from, To: to, Protocol: corev1.ProtocolTCP, Port: 15000}) {
					t.Errorf("%s gets to %v beside its doors", what, to.Labels)
				}
			}
			for _, address := range s.world.Outside {
				for _, port := range []uint16{80, 443} {
					switch got := asked(Flow{From: from, Address: address, Protocol: corev1.ProtocolTCP, Port: port}); {
					case !got:
						count.closed++
					case engine.Decide(policy.Request{Source: source, Access: policy.Access{Protocol: policy.TCP, Port: port, Address: address}}).Allowed:
						count.direct++
					default:
						t.Errorf("%s gets to %v port %d directly, which the model denies", what, address, port)
					}
				}
			}
		}
	}
	for _, g := range keeper.gateways {
		if slices.ContainsFunc(s.world.Pods[:pods], func(p Pod) bool { return !g.Sources.Matches(s.world.workload(&p)) }) {
			count.apart++
		}
	}
	if t.Failed() {
		var b bytes.Buffer
		_ = render.WriteYAML(&b, result.Objects)
		t.Logf("%s\n%v", &b, result.Losses)
	}
}

// doorsOf returns the ends of the ranges of a gateway's ports.
func doorsOf(g render.Gateway) []uint16 {
	var out []uint16
	for _, r := range g.Ports.Ranges() {
		out = append(out, r.First, r.Last)
	}
	return slices.Compact(out)
}

// allLost reports whether losses name all of the grants.
func allLost(result *render.Result, grants []render.GrantID) bool {
	return !slices.ContainsFunc(grants, func(id render.GrantID) bool {
		return !slices.ContainsFunc(result.Losses, func(l render.Loss) bool { return l.Grant.ID == id })
	})
}

// routed returns an access for each name that a gateway has a route for on a port; below a wildcard, one that nothing else names.
func routed(result *render.Result, name string, port uint16) []policy.Access {
	var out []policy.Access
	for _, o := range result.Objects {
		var parents []gateway.ParentReference
		var names []gateway.Hostname
		a := policy.Access{Port: port}
		switch spec := o.Spec.(type) {
		case *gateway.TLSRouteSpec:
			parents, names, a.Protocol = spec.ParentRefs, spec.Hostnames, policy.TLS
		case *gateway.HTTPRouteSpec:
			parents, names, a.Protocol, a.Method, a.Path = spec.ParentRefs, spec.Hostnames, policy.HTTP, "GET", "/"
		}
		if !slices.ContainsFunc(parents, func(p gateway.ParentReference) bool {
			return string(p.Name) == name && strings.HasSuffix(string(*p.SectionName), "-"+strconv.Itoa(int(port)))
		}) {
			continue
		}
		for _, n := range names {
			a.Host = match.MustParseHost(strings.Replace(string(n), "*", "other", 1))
			out = append(out, a)
		}
	}
	return out
}
