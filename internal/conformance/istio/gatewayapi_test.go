package istio

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"istio.io/istio/pkg/config/host"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
)

// meshed is policies rendered for Gateway API in Istio, and a world to judge them in.
type meshed struct {
	engine *policy.Engine
	result *render.Result
	objs   []*objects.Object
	world  *world.World
}

func renderMesh(t *testing.T, policies []*policy.Policy, options ...render.Option) meshed {
	t.Helper()
	engine, err := policy.Compile(policies, policy.At(gen.Now))
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := gatewayapi.New(gatewayapi.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{renderer}, options...)
	if err != nil {
		t.Fatal(err)
	}
	objs, err := objects.Rendered(result.Objects)
	if err != nil {
		t.Fatal(err)
	}
	w := &world.World{Workloads: []world.Workload{{Namespace: "shop", ServiceAccount: "a"}, {Namespace: "shop", ServiceAccount: "b"}, {Namespace: "news", ServiceAccount: "reader"}}}
	if w.Gateways, err = managedGateways(objs); err != nil {
		t.Fatal(err)
	}
	return meshed{engine, result, objs, w}
}

// managedGateways returns what Istio makes of Gateways and the ListenerSets that add to them: pods that listen on the ports of all listeners.
func managedGateways(objs []*objects.Object) ([]world.Gateway, error) {
	var names []string
	namespaces, ports := map[string]string{}, map[string][]uint16{}
	for _, o := range objs {
		name := o.GetName()
		switch o.GetKind() {
		case "Gateway":
			names = append(names, name)
			namespaces[name] = o.GetNamespace()
		case "ListenerSet":
			name, _, _ = unstructured.NestedString(o.Object, "spec", "parentRef", "name")
		default:
			continue
		}
		listeners, _, err := unstructured.NestedSlice(o.Object, "spec", "listeners")
		if err != nil {
			return nil, err
		}
		for _, l := range listeners {
			port, _, err := unstructured.NestedInt64(l.(map[string]any), "port")
			if err != nil {
				return nil, err
			}
			ports[name] = append(ports[name], uint16(port))
		}
	}
	var out []world.Gateway
	for _, name := range names {
		slices.Sort(ports[name])
		out = append(out, world.ManagedGateway(namespaces[name], name, slices.Compact(ports[name])...))
	}
	return out, nil
}

// lost reports whether every rule that allows r is among the losses.
func (m meshed) lost(r policy.Request) bool {
	for _, f := range m.engine.Explain(r).Matched {
		if !slices.ContainsFunc(m.result.Losses, func(l render.Loss) bool { return l.Grant.Rule == f.Rule.ID }) {
			return false
		}
	}
	return true
}

// accepted reports what the checks of the API server and of Istio find in the objects, schemas of both channels included.
func (m meshed) accepted(t *testing.T) {
	t.Helper()
	if err := acceptable(m.world, m.objs); err != nil {
		t.Error(err)
	}
}

// attached asks Pilot's controller for the status of every Gateway API object.
func (m meshed) attached(t *testing.T) {
	t.Helper()
	if err := pilot.Run(m.world, m.objs, func(p *pilot.Pilot) error { return attached(p, m.objs) }); err != nil {
		t.Error(err)
	}
}

// attached waits for Pilot's controller to write the status of every Gateway API object: each must be accepted, with its references resolved.
func attached(p *pilot.Pilot, objs []*objects.Object) error {
	wanted := map[string][]string{}
	for _, o := range objs {
		if o.GroupVersionKind().Group != "gateway.networking.k8s.io" {
			continue
		}
		key := fmt.Sprintf("%s/%s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
		switch o.GetKind() {
		case "HTTPRoute", "TLSRoute", "TCPRoute", "BackendTLSPolicy":
			wanted[key] = []string{"Accepted", "ResolvedRefs"}
		case "Gateway", "ListenerSet": // whose references are their listeners'
			wanted[key] = []string{"Accepted"}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return p.AwaitStatus(20*time.Second, func(written map[string]any) error {
		for _, key := range slices.Sorted(maps.Keys(wanted)) {
			if err := fulfilled(written[key], wanted[key]); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	})
}

// fulfilled returns an error unless a status says so of every condition wanted: its own, or those of all of its parents. Listeners, where it
// has them, must have every reference resolved, and no conflict.
func fulfilled(status any, wanted []string) error {
	type conditions struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	var s struct {
		conditions
		Parents   []conditions `json:"parents"`
		Ancestors []conditions `json:"ancestors"`
		Listeners []conditions `json:"listeners"`
	}
	js, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(js, &s); err != nil {
		return err
	}
	must := func(c conditions, kind string, value metav1.ConditionStatus) error {
		i := slices.IndexFunc(c.Conditions, func(c metav1.Condition) bool { return c.Type == kind })
		if i < 0 || c.Conditions[i].Status != value {
			return fmt.Errorf("%s is not %s: %s", kind, value, js)
		}
		return nil
	}
	said := slices.Concat(s.Parents, s.Ancestors)
	if len(said) == 0 {
		said = append(said, s.conditions)
	}
	for _, c := range said {
		for _, kind := range wanted {
			if err := must(c, kind, metav1.ConditionTrue); err != nil {
				return err
			}
		}
	}
	for _, l := range s.Listeners {
		for kind, value := range map[string]metav1.ConditionStatus{"Accepted": metav1.ConditionTrue, "ResolvedRefs": metav1.ConditionTrue, "Conflicted": metav1.ConditionFalse} {
			if err := must(l, kind, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// quickstart returns the policies that the project is introduced with.
func quickstart(t *testing.T) []*policy.Policy {
	t.Helper()
	policies, err := v1alpha1.Load(v1alpha1.Path("../../../examples/quickstart/policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

// TestGatewayAPIScenario renders the quickstart's policy and asks Istio where its requests end up: honest, and by pods that open connections
// to the gateway themselves, with their certificates and whatever else they like.
func TestGatewayAPIScenario(t *testing.T) {
	m := renderMesh(t, quickstart(t))
	m.accepted(t)
	m.attached(t)
	mesh, err := pilot.NewMesh(m.world, m.objs)
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	for i, w := range m.world.Workloads {
		source := identity.Workload{Namespace: w.Namespace, ServiceAccount: w.ServiceAccount}
		for _, a := range []policy.Access{
			{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("service1.foo.com")},
			{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("x.y.foo.com")},
			{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("a.bar.com")},
			{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("edition.cnn.com")},
			{Protocol: policy.TLS, Port: 8443, Host: match.MustParseHost("edition.cnn.com")},
			{Protocol: policy.TLS, Port: 443},
			{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("edition.cnn.com")},
			{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("service1.foo.com")},
			{Protocol: policy.HTTP, Port: 8080, Host: match.MustParseHost("edition.cnn.com")},
			{Protocol: policy.TCP, Port: 5432, Address: netip.MustParseAddr("203.0.113.9")},
		} {
			request := policy.Request{Source: source, Access: a}
			want := m.engine.Decide(request).Allowed && !m.lost(request)
			sent := bytesOf(a)
			got, err := mesh.Honest(i, outsideAt(a.Port), sent)
			if err != nil {
				t.Fatalf("%v: %v", request, err)
			}
			if got.Reached() != want || want && got.Host != a.Host.String() {
				t.Errorf("%s/%s %v: %v, want it to pass: %v\n%v", w.Namespace, w.ServiceAccount, a, got, want, got.Trace)
			}
			if want {
				reached++
			}
			for port, name := range outerNames(m.objs) {
				for _, outer := range []string{name, a.Host.String(), ""} {
					own := walk.TLS{SNI: outer, Identity: m.world.SPIFFE(w), Inner: sent}
					got, err := mesh.Bypass(i, netip.AddrPortFrom(m.world.ServiceIP(0), port), own)
					if err != nil {
						t.Fatal(err)
					}
					if got.Reached() && !m.mayReach(source, got) {
						t.Errorf("%s/%s sends %v to port %d: %v\n%v", w.Namespace, w.ServiceAccount, own, port, got, got.Trace)
					}
				}
				// Without a certificate nothing passes.
				if got, err := mesh.Bypass(i, netip.AddrPortFrom(m.world.ServiceIP(0), port), sent); err != nil || got.Reached() {
					t.Errorf("%v to port %d: %v, %v", sent, port, got, err)
				}
			}
		}
	}
	if reached == 0 {
		t.Error("nothing passes")
	}
}

func bytesOf(a policy.Access) walk.Bytes {
	switch a.Protocol {
	case policy.TLS:
		return sni(a.Host.String())
	case policy.HTTP:
		return get(a.Host.String())
	}
	return walk.Raw{}
}

// mayReach reports whether some rule lets the source reach where a connection arrived, by whatever protocol.
func (m meshed) mayReach(source identity.Workload, o walk.Outcome) bool {
	host, err := match.ParseHost(o.Host)
	return err == nil && slices.ContainsFunc([]policy.Protocol{policy.TLS, policy.HTTP}, func(p policy.Protocol) bool {
		return slices.ContainsFunc([]uint16{o.Port, 80}, func(port uint16) bool {
			return m.engine.Decide(policy.Request{Source: source, Access: policy.Access{Protocol: p, Port: port, Host: host}}).Allowed
		})
	})
}

// outerNames returns the ports of the gateway's listeners, and the name that each takes in.
func outerNames(objs []*objects.Object) map[uint16]string {
	out := map[uint16]string{}
	for _, o := range objs {
		if o.GetKind() != "Gateway" {
			continue
		}
		listeners, _, _ := unstructured.NestedSlice(o.Object, "spec", "listeners")
		for _, l := range listeners {
			port, _, _ := unstructured.NestedInt64(l.(map[string]any), "port")
			name, _, _ := unstructured.NestedString(l.(map[string]any), "hostname")
			out[uint16(port)] = name
		}
	}
	return out
}

// TestGatewayAPIManyNames has more names than a Gateway has listeners: the rest are in ListenerSets, and work no less.
func TestGatewayAPIManyNames(t *testing.T) {
	var hosts []match.Pattern
	for i := range 120 {
		hosts = append(hosts, match.MustParsePattern(fmt.Sprintf("h%d.example.com", i)))
	}
	a := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"a"}})
	m := renderMesh(t, []*policy.Policy{{Name: "many", Sources: []policy.Source{{
		Name: "a", From: a, Section: policy.Section{Allow: []policy.Rule{{To: policy.Destination{Hosts: hosts, Protocol: policy.TLS}}}},
	}}}}, render.Strict())
	if !slices.ContainsFunc(m.objs, func(o *objects.Object) bool { return o.GetKind() == "ListenerSet" }) {
		t.Fatal("no ListenerSet")
	}
	m.accepted(t)
	m.attached(t)
	mesh, err := pilot.NewMesh(m.world, m.objs)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		for i, want := range []bool{true, false} {
			got, err := mesh.Honest(i, outsideAt(443), sni(h.String()))
			if err != nil {
				t.Fatal(err)
			}
			if got.Reached() != want || want && got.Host != h.String() {
				t.Errorf("workload %d asks for %s: %v\n%v", i, h, got, got.Trace)
			}
		}
	}
}

// TestGatewayAPIChannels puts what is rendered without Istio before the schemas of the channels that it is for.
func TestGatewayAPIChannels(t *testing.T) {
	portable := gatewayapi.DefaultProfile()
	portable.Implementation = gatewayapi.Portable
	portable.Backends = []gatewayapi.Backend{{Host: "*.com", Namespace: "proxies", Service: "proxy", Port: 3128}}
	external := gatewayapi.DefaultProfile()
	external.Implementation, external.Channel, external.ExternalHostnames = gatewayapi.Portable, "experimental", true
	linkerd := gatewayapi.DefaultProfile()
	linkerd.Implementation = gatewayapi.Linkerd
	for _, c := range []struct {
		profile  gatewayapi.Profile
		channels []check.Channel
	}{{portable, []check.Channel{check.Standard, check.Experimental}}, {external, []check.Channel{check.Experimental}}, {linkerd, []check.Channel{check.Standard, check.Experimental}}} {
		renderer, err := gatewayapi.New(c.profile)
		if err != nil {
			t.Fatal(err)
		}
		cnn := []match.Pattern{match.MustParsePattern("edition.cnn.com")}
		engine, err := policy.Compile([]*policy.Policy{{Name: "cnn", Cluster: policy.Section{Allow: []policy.Rule{
			{To: policy.Destination{Hosts: cnn, Protocol: policy.HTTP}}, {To: policy.Destination{Hosts: cnn, Protocol: policy.TLS}},
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, ""), render.Stack{renderer}, render.AcceptWider(render.BaselineRule, "not what is tested"))
		if err != nil {
			t.Fatal(err)
		}
		objs, err := objects.Rendered(result.Objects)
		if err != nil {
			t.Fatal(err)
		}
		routes := 0
		for _, o := range objs {
			if o.GetKind() == "TLSRoute" {
				routes++
			}
		}
		if routes == 0 {
			t.Errorf("%s: no routes", c.profile.Implementation)
		}
		for _, channel := range c.channels {
			found, err := check.Schemas(channel, objs)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		}
	}
	// What is experimental is nothing to the standard channel.
	found, err := check.Schemas(check.Standard, []*objects.Object{{Object: map[string]any{
		"apiVersion": "gateway.networking.x-k8s.io/v1alpha1", "kind": "XBackend", "metadata": map[string]any{"name": "x", "namespace": "y"},
	}}})
	if err != nil || len(found) == 0 {
		t.Errorf("the standard channel takes an XBackend: %v, %v", found, err)
	}
}

// TestHostnameIntersection compares intersections of patterns with Istio's of hostnames, which Gateway API's listeners and routes meet by.
func TestHostnameIntersection(t *testing.T) {
	names := []string{"a.com", "*.a.com", "b.a.com", "*.b.a.com", "c.b.a.com", "*.com", "aa.com", "*.aa.com", "b.com"}
	for _, a := range names {
		for _, b := range names {
			got := match.MustParsePattern(a).Intersect(match.MustParsePattern(b))
			want := host.Names{host.Name(a)}.Intersection(host.Names{host.Name(b)})
			if len(got) != len(want) || len(got) == 1 && got[0].String() != string(want[0]) {
				t.Errorf("%s and %s: %v, and Istio's is %v", a, b, got, want)
			}
		}
	}
}
