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
	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	ciliumtarget "github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
)

// filters are the targets that judge packets by names too, with nothing open outside but what policies allow.
func filters(t testing.TB) map[string]render.Renderer {
	t.Helper()
	own, order := ciliumtarget.DefaultProfile(), clusternetworkpolicy.DefaultProfile()
	own.Unfiltered, order.Unfiltered, order.DomainNames = nil, nil, true
	c, err := ciliumtarget.New(own)
	if err != nil {
		t.Fatal(err)
	}
	o, err := clusternetworkpolicy.New(order)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]render.Renderer{"cilium": c, "clusternetworkpolicy": o}
}

// TestCiliumAgreesOnNames renders generated policies for generated clusters, and asks Cilium's engine about flows to addresses, of which some are
// learned for names. What it lets out the model allows, as TLS where the proxy judges server names; what the model allows it lets out, but for the losses.
func TestCiliumAgreesOnNames(t *testing.T) {
	worlds := worldsInShortRun
	if os.Getenv(longRun) != "" {
		worlds = worldsInLongRun
	}
	for name, target := range filters(t) {
		t.Run(name, func(t *testing.T) {
			var count tally
			for seed := 0; seed < worlds && !t.Failed(); seed++ {
				count.worlds++
				judgeFilter(t, fmt.Sprintf("seed %d", seed), target, named(seed), &count)
			}
			t.Log(count)
			if count.rendered < worlds*3/4 || count.allowed < 2*worlds || count.denied < worlds {
				t.Errorf("too little was judged: %v", count)
			}
		})
	}
}

// A namedSituation is policies, a world for them whose addresses may have names, and accesses to try.
type namedSituation struct {
	gen.World
	world    *World
	accesses []policy.Access
	pods     []int
}

func named(seed int) namedSituation {
	return rapid.Custom(func(t *rapid.T) namedSituation {
		s := namedSituation{World: gen.Worlds(cluster, 6).Draw(t, "world"), world: &World{Names: map[netip.Addr]string{}}}
		for i, w := range s.Pods {
			if !slices.ContainsFunc(s.world.Namespaces, func(n Namespace) bool { return n.Name == w.Namespace }) {
				s.world.Namespaces = append(s.world.Namespaces, Namespace{w.Namespace, w.NamespaceLabels})
			}
			s.world.Pods = append(s.world.Pods, Pod{w.Namespace, "pod-" + strconv.Itoa(i), w.ServiceAccount, w.Labels, netip.AddrFrom4([4]byte{172, 31, 0, byte(i + 1)})})
		}
		known := map[string]netip.Addr{}
		for n := range maxDrawn {
			if len(s.accesses) == flowsPerWorld {
				break
			}
			a := s.Access().Draw(t, "access")
			if a.Port == 0 {
				continue
			}
			a.Address = a.Address.Unmap()
			if name := a.Host.String(); name != "" {
				if !known[name].IsValid() {
					known[name] = netip.AddrFrom4([4]byte{198, 18, 0, byte(len(known) + 1)})
				}
				a.Address = known[name] // of its own, so that nobody else's name is there
				s.world.Names[a.Address] = name
			}
			if !a.Address.IsValid() {
				continue
			}
			a = policy.Access{Protocol: packetProtocol(a.Protocol), Port: a.Port, Host: a.Host, Address: a.Address}
			pod, ok := source(t, len(s.Pods), func(i int) bool {
				r := policy.Request{Source: s.Pods[i], Access: a}
				if s.Engine.Decide(r).Allowed {
					return true
				}
				r.Protocol = policy.TLS // which packets do not show
				return a.Protocol == policy.TCP && s.Engine.Decide(r).Allowed
			})
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

func judgeFilter(t testing.TB, name string, target render.Renderer, s namedSituation, count *tally) {
	t.Helper()
	result, err := render.Render(render.NewPlan(s.Engine, cluster, render.WithInventory(s.Inventory)), render.Stack{target})
	if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
		count.widening++
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	count.rendered++
	judge, err := NewCiliumOf(s.world, manifests(t, result.Objects))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i, a := range s.accesses {
		pod := &s.world.Pods[s.pods[i]]
		got, err := judge.Egress(Flow{From: pod, Address: a.Address, Protocol: corev1.Protocol(a.Protocol.String()), Port: a.Port})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		request := policy.Request{Source: s.Pods[s.pods[i]], Access: a}
		decisions := []policy.Request{request}
		if target.Features()[render.TLSByName] == render.Same && a.Protocol == policy.TCP {
			request.Access.Protocol = policy.TLS
			decisions = append(decisions, request)
		}
		want, unlost := false, false
		for _, r := range decisions {
			if s.Engine.Decide(r).Allowed {
				want, unlost = true, unlost || !lost(s.Engine, result, r)
			}
		}
		count.flows++
		switch {
		case got && want:
			count.allowed++
		case got:
			t.Errorf("%s: %s/%s (%v) is let out to %s, which the model denies: %v", name, pod.Namespace, pod.Name, pod.Labels, a, s.Engine.Decide(decisions[0]))
		case unlost:
			t.Errorf("%s: %s/%s (%v) is kept from %s, which the model allows, and no loss says so", name, pod.Namespace, pod.Name, pod.Labels, a)
		case want:
			count.lost++
		default:
			count.denied++
		}
	}
	if t.Failed() {
		var b bytes.Buffer
		_ = render.WriteYAML(&b, result.Objects)
		t.Logf("%s\n%v", &b, result.Losses)
	}
}

// manifests returns the objects in JSON, one by one, as they are applied: what the schemas of the API server refuse is an error.
func manifests(t testing.TB, objects []render.Object) [][]byte {
	t.Helper()
	var out [][]byte
	for _, o := range objects {
		data := manifest(t, o)
		checkSchema(t, data)
		out = append(out, data)
	}
	return out
}
