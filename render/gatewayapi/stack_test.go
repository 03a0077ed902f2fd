package gatewayapi_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
	"github.com/egresskit/egress/render/networkpolicy"
)

// portableStack is portable gateways behind a packet filter.
func portableStack(t fataler, change func(*gatewayapi.Profile)) render.Stack {
	t.Helper()
	profile := portableProfile()
	change(&profile)
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return render.Stack{newRenderer(t, profile), filter}
}

// A plane is what the objects of the stack let pass, read as their APIs say.
type plane struct {
	t       fataler
	objects []render.Object
	where   string // the namespace of the gateways' pods
}

// reaches reports whether a pod gets a request to somewhere: by a gateway that the packet filter lets it come to and that has a route, whatever it
// has to forge for that; or, without a name, past all gateways.
func (p plane) reaches(r policy.Request) bool {
	if r.Host.IsZero() {
		return p.leaves(r.Source, r.Port, func(peer netv1.NetworkPolicyPeer) bool {
			in := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(r.Address) }
			return peer.IPBlock != nil && in(peer.IPBlock.CIDR) && !slices.ContainsFunc(peer.IPBlock.Except, in)
		})
	}
	for _, o := range p.objects {
		spec, ok := o.Spec.(*gateway.GatewaySpec)
		if !ok {
			continue
		}
		for _, l := range spec.Listeners {
			if uint16(l.Port) == r.Port && p.routed(o.Name, l, r.Host) && p.admitted(r.Source, o.Name, r.Port) &&
				(l.Protocol == gateway.TLSProtocolType) == (r.Protocol == policy.TLS) {
				return true
			}
		}
	}
	return false
}

// admitted reports whether the packet filter lets a pod come to a gateway.
func (p plane) admitted(w identity.Workload, name string, port uint16) bool {
	return p.leaves(w, port, func(peer netv1.NetworkPolicyPeer) bool {
		if peer.IPBlock != nil {
			return false
		}
		namespace := w.Namespace == p.where
		if peer.NamespaceSelector != nil {
			namespace = p.selects(peer.NamespaceSelector, map[string]string{identity.NamespaceNameLabel: p.where})
		}
		return namespace && (peer.PodSelector == nil || p.selects(peer.PodSelector, map[string]string{gateway.GatewayNameLabelKey: name}))
	})
}

// leaves reports whether the packet filter lets TCP of a pod to a port go to a peer.
func (p plane) leaves(w identity.Workload, port uint16, to func(netv1.NetworkPolicyPeer) bool) bool {
	held := false
	for _, o := range p.objects {
		spec, ok := o.Spec.(*netv1.NetworkPolicySpec)
		if !ok || o.Namespace != w.Namespace || !p.selects(&spec.PodSelector, w.Labels) {
			continue
		}
		held = true
		for _, rule := range spec.Egress {
			ports := len(rule.Ports) == 0 || slices.ContainsFunc(rule.Ports, func(np netv1.NetworkPolicyPort) bool {
				if *np.Protocol != "TCP" || np.Port == nil {
					return *np.Protocol == "TCP"
				}
				last := np.Port.IntVal
				if np.EndPort != nil {
					last = *np.EndPort
				}
				return np.Port.IntVal <= int32(port) && int32(port) <= last
			})
			if ports && (len(rule.To) == 0 || slices.ContainsFunc(rule.To, to)) {
				return true
			}
		}
	}
	return !held
}

func (p plane) selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	return selector.Matches(labels.Set(of))
}

// routed reports whether a route of the listener is for the name.
func (p plane) routed(name string, l gateway.Listener, host match.Host) bool {
	return slices.ContainsFunc(p.objects, func(o render.Object) bool {
		var names []gateway.Hostname
		switch spec := o.Spec.(type) {
		case *gateway.TLSRouteSpec:
			names = spec.Hostnames
		case *gateway.HTTPRouteSpec:
			names = spec.Hostnames
		}
		return slices.ContainsFunc(parents(o), func(ref gateway.ParentReference) bool {
			return string(ref.Name) == name && *ref.SectionName == l.Name
		}) && slices.ContainsFunc(names, func(n gateway.Hostname) bool { return match.MustParsePattern(string(n)).Matches(host) })
	})
}

// TestPortableStack compares portable gateways behind a packet filter with the model, for generated policies: what a pod can reach, whatever it does,
// the model allows, and what the model allows it can reach, but for the losses. Rules for some sources are exact where pods tell them.
func TestPortableStack(t *testing.T) {
	stack := portableStack(t, func(*gatewayapi.Profile) {})
	named, sourced, direct, denied := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds("c1", 4).Draw(t, "world")
		access := w.Access()
		if rapid.IntRange(0, 2).Draw(t, "nested") > 0 {
			policies := nested(t)
			for i := range policies[0].Sources {
				s := &policies[0].Sources[i].Section
				s.Allow = append(s.Allow, policy.Rule{Name: fmt.Sprintf("network-%d", i), To: policy.MustAddresses("203.0.113.0/24").TCP(5432)})
			}
			var err error
			if w.Engine, err = policy.Compile(policies, policy.At(gen.Now)); err != nil {
				t.Fatal(err)
			}
			access = rapid.OneOf(rapid.Custom(nestedAccess), rapid.Custom(nestedAccess), rapid.Just(policy.Access{Protocol: policy.TCP, Port: 5432, Address: netip.MustParseAddr("203.0.113.9")}))
		}
		p := render.NewPlan(w.Engine, "c1", render.WithInventory(w.Inventory))
		result, err := renderAccepting(p, stack)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range result.Objects {
			checkRoute(t, o)
		}
		must, may := bounds(p, result.Losses)
		plane := plane{t, result.Objects, "istio-egress"}
		for range 20 {
			request := policy.Request{Access: access.Draw(t, "access")}
			request.Method, request.Path = "", ""
			switch {
			case request.Port == 0:
				continue
			case request.Protocol == policy.TCP && request.Address.Is4():
				request.Host = match.Host{} // whoever dials an address says no name
			case (request.Protocol == policy.TLS || request.Protocol == policy.HTTP) && !request.Host.IsZero():
				request.Address = netip.Addr{} // a gateway looks it up by itself
				if request.Protocol == policy.HTTP {
					request.Method, request.Path = "GET", "/"
				}
			default:
				continue
			}
			var open []bool
			for _, request.Source = range w.Pods {
				got := plane.reaches(request)
				open = append(open, got)
				if got && !reference.DecideRules(may, request).Allowed {
					t.Fatalf("%v of %v passes\n%v\n%v", request, request.Source, result.Losses, describe(w.Engine))
				}
				if !got && reference.DecideRules(must, request).Allowed {
					t.Fatalf("%v of %v does not pass\n%v\n%v", request, request.Source, result.Losses, describe(w.Engine))
				}
				switch {
				case !got:
					denied++
				case request.Host.IsZero():
					direct++
				default:
					named++
				}
			}
			if !request.Host.IsZero() && slices.Contains(open, true) && slices.Contains(open, false) {
				sourced++
			}
		}
	})
	t.Logf("%d by name, %d of them for some alone, %d by address, %d denied", named, sourced, direct, denied)
	if named < 20 || sourced < 5 || direct < 5 || denied < 20 {
		t.Errorf("%d by name, %d for some alone, %d by address, %d denied: too few to say anything", named, sourced, direct, denied)
	}
}

// TestPortableAloneLosesSources: without a packet filter, every rule for some sources is a loss, whatever the policies; and nothing is said of it,
// neither for its sources nor for others.
func TestPortableAloneLosesSources(t *testing.T) {
	r := newRenderer(t, portableProfile())
	losses := 0
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds("c1", 4).Draw(t, "world")
		if rapid.Bool().Draw(t, "nested") {
			var err error
			if w.Engine, err = policy.Compile(nested(t), policy.At(gen.Now)); err != nil {
				t.Fatal(err)
			}
		}
		p := render.NewPlan(w.Engine, "c1", render.WithInventory(w.Inventory))
		result, err := renderAccepting(p, render.Stack{r})
		if err != nil {
			t.Fatal(err)
		}
		lost := map[render.GrantID]bool{}
		for _, l := range result.Losses {
			lost[l.Grant.ID] = true
		}
		for _, g := range result.Inert {
			lost[g.ID] = true
		}
		var everyone []match.Pattern
		for g := range p.Grants() {
			switch {
			case g.Kind != render.AllowGrant:
			case g.Source.Selector.IsEverything():
				everyone = append(everyone, g.To.Hosts...)
			case !lost[g.ID]:
				t.Fatalf("%s is not lost", g.ID)
			default:
				losses++
			}
		}
		for _, names := range slices.Concat(hostnames(result.Objects, "TLSRoute"), hostnames(result.Objects, "HTTPRoute")) {
			for _, name := range names {
				if !slices.ContainsFunc(everyone, func(p match.Pattern) bool { return p.Covers(match.MustParsePattern(string(name))) }) {
					t.Fatalf("%s is said, and not for everybody", name)
				}
			}
		}
	})
	if losses < 20 {
		t.Errorf("%d rules for some sources: too few to say anything", losses)
	}
}

// inventoryOf returns an inventory of namespaces n0, n1 and so on, with a pod each.
func inventoryOf(t fataler, n int) *identity.Inventory {
	t.Helper()
	var pods []identity.Pod
	for i := range n {
		pods = append(pods, identity.Pod{Namespace: fmt.Sprintf("n%d", i), Name: "pod", ServiceAccount: "default"})
	}
	inventory, err := identity.NewInventory(nil, nil, pods)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return inventory
}

// TestDoors: each set of sources has a gateway of its own, beside the one for everybody, up to sixteen; the rules of a seventeenth are losses.
func TestDoors(t *testing.T) {
	for _, n := range []int{1, 16, 17} {
		rules := [][2]string{{"", "all.x.com"}}
		for i := range n {
			rules = append(rules, [2]string{fmt.Sprintf("n%d", i), fmt.Sprintf("h%d.x.com", i)})
		}
		engine, err := policy.Compile(namespaceRules(rules, nil))
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, "c1", render.WithInventory(inventoryOf(t, n))), portableStack(t, func(*gatewayapi.Profile) {}))
		if err != nil {
			t.Fatal(err)
		}
		gateways := 0
		for _, o := range result.Objects {
			if o.Kind == "Gateway" {
				gateways++
			}
		}
		lost := map[render.GrantID]bool{}
		for _, l := range result.Losses {
			lost[l.Grant.ID] = true
		}
		if gateways != 1+min(n, 16) || len(lost) != max(0, n-16) {
			t.Errorf("%d sets of sources: %d gateways, %v", n, gateways, result.Losses)
		}
		for _, a := range result.Assurances {
			if a.Grant.Kind == render.AllowGrant && a.Holds != render.Holds {
				t.Errorf("%s: %v", a.Grant.ID, a.Assurance)
			}
		}
	}
}

// TestDoorNames: a gateway's name tells its sources, and stays when rules come and go; the longest that the profile takes fits a Service.
func TestDoorNames(t *testing.T) {
	names := func(rules [][2]string, change func(*gatewayapi.Profile)) (out []string) {
		engine, err := policy.Compile(namespaceRules(rules, nil))
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, "c1", render.WithInventory(inventoryOf(t, 2))), portableStack(t, change))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range result.Objects {
			if o.Kind == "Gateway" {
				out = append(out, o.Name)
			}
		}
		return out
	}
	same := func(*gatewayapi.Profile) {}
	one := names([][2]string{{"n0", "a.x.com"}}, same)
	two := names([][2]string{{"n0", "b.x.com"}, {"n1", "a.x.com"}}, same)
	if len(one) != 1 || len(two) != 2 || !slices.Contains(two, one[0]) {
		t.Errorf("%v, and with other rules %v", one, two)
	}
	long := func(p *gatewayapi.Profile) { p.Gateway = strings.Repeat("g", 63-len("-hash-of-12-b-istio")) }
	for _, name := range names([][2]string{{"n0", "a.x.com"}}, long) {
		if len(name+"-istio") > 63 {
			t.Errorf("%s is too long", name)
		}
	}
	p := portableProfile()
	long(&p)
	p.Gateway += "g"
	if _, err := gatewayapi.New(p); err == nil {
		t.Error("a longer name is taken")
	}
}

// TestDoorWildcards: what lies below a wildcard is said at the wildcard's gateway if all who come there may reach it. If not, the wildcard is a loss.
func TestDoorWildcards(t *testing.T) {
	for name, c := range map[string]struct {
		allow, deny [][2]string // of a namespace, a pattern
		reach       [][2]string // from a namespace, a name; of n0 and n1, and the names below
		lost        []string    // patterns
	}{
		"a name below for others": {
			allow: [][2]string{{"n0", "*.x.com"}, {"n1", "a.x.com"}},
			reach: [][2]string{{"n0", "a.x.com"}, {"n0", "b.x.com"}, {"n1", "a.x.com"}},
		},
		"a name below for others alone": {
			allow: [][2]string{{"n0", "*.x.com"}, {"n1", "a.x.com"}}, deny: [][2]string{{"n0", "a.x.com"}},
			reach: [][2]string{{"n1", "a.x.com"}},
			lost:  []string{"*.x.com"},
		},
		"a name below that is denied to some": {
			allow: [][2]string{{"", "*.x.com"}}, deny: [][2]string{{"n1", "a.x.com"}},
			reach: [][2]string{{"n0", "a.x.com"}},
			lost:  []string{"*.x.com"},
		},
		"a wildcard that is denied to some": {
			allow: [][2]string{{"", "*.x.com"}}, deny: [][2]string{{"n1", "*.x.com"}},
			reach: [][2]string{{"n0", "a.x.com"}, {"n0", "b.x.com"}},
		},
		"everybody's name below a wildcard": {
			allow: [][2]string{{"n0", "*.x.com"}, {"", "a.x.com"}},
			reach: [][2]string{{"n0", "a.x.com"}, {"n0", "b.x.com"}, {"n1", "a.x.com"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := policy.Compile(namespaceRules(c.allow, c.deny))
			if err != nil {
				t.Fatal(err)
			}
			// The name below has a backend of its own, which the wildcard's does not lead to.
			stack := portableStack(t, func(p *gatewayapi.Profile) {
				p.Backends = []gatewayapi.Backend{{Host: "*.x.com", Service: "all"}, {Host: "a.x.com", Service: "one"}}
			})
			result, err := render.Render(render.NewPlan(engine, "c1", render.WithInventory(inventoryOf(t, 2))), stack)
			if err != nil {
				t.Fatal(err)
			}
			plane := plane{t, result.Objects, "istio-egress"}
			for _, namespace := range []string{"n0", "n1"} {
				for _, host := range []string{"a.x.com", "b.x.com", "x.com"} {
					request := policy.Request{Source: identity.Workload{Namespace: namespace}, Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}}
					if got, want := plane.reaches(request), slices.Contains(c.reach, [2]string{namespace, host}); got != want {
						t.Errorf("%s reaches %s: %v, want %v", namespace, host, got, want)
					}
				}
			}
			lost := map[string]bool{}
			for _, l := range result.Losses {
				lost[l.Grant.To.Hosts[0].String()] = true
			}
			if len(lost) != len(c.lost) || slices.ContainsFunc(c.lost, func(p string) bool { return !lost[p] }) {
				t.Errorf("losses: %v", result.Losses)
			}
			// Wherever the name is said, it is by a route to its own backend.
			for _, o := range result.Objects {
				spec, ok := o.Spec.(*gateway.TLSRouteSpec)
				if !ok || !slices.Contains(spec.Hostnames, "*.x.com") {
					continue
				}
				at := spec.ParentRefs[0].Name
				beside := slices.ContainsFunc(result.Objects, func(o render.Object) bool {
					other, ok := o.Spec.(*gateway.TLSRouteSpec)
					return ok && other.ParentRefs[0].Name == at && slices.Contains(other.Hostnames, "a.x.com") && other.Rules[0].BackendRefs[0].Name == "one"
				})
				if named := slices.ContainsFunc(c.allow, func(r [2]string) bool { return r[1] == "a.x.com" }); named && !beside {
					t.Errorf("%s has the wildcard alone", at)
				}
			}
		})
	}
}
