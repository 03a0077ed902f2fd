package istio

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/identity/kube"
	listed "github.com/egresskit/egress/internal/attacks"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	renderistio "github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// A victim is a pod of the quickstart's cluster that was taken over, in a mesh rendered for the stack istio,networkpolicy.
type victim struct {
	mesh   *pilot.Mesh
	engine *policy.Engine
	source identity.Workload
	i      int
	outer  []string // names that the gateway's servers are chosen by, and some that they are not
}

// A shot is one connection of an attack, and where it ends.
type shot struct {
	what string
	out  walk.Outcome
	err  error
}

// attackedNames are names of everybody, of each source, of nobody, and ones beside them.
var attackedNames = []string{"service1.foo.com", "x.bar.com", "x.foo.com", "foo.com", "y.x.foo.com", "x.baz.com", "edition.cnn.com", "evil.com", "evilfoo.com"}

// may reports whether the model lets the victim ask for a name.
func (v victim) may(protocol policy.Protocol, port uint16, name string) bool {
	return v.engine.Decide(policy.Request{Source: v.source, Access: policy.Access{Protocol: protocol, Port: port, Host: match.MustParseHost(name)}}).Allowed
}

// others returns the names that the victim may not ask for by a protocol.
func (v victim) others(protocol policy.Protocol, port uint16) []string {
	return slices.DeleteFunc(slices.Clone(attackedNames), func(name string) bool { return v.may(protocol, port, name) })
}

// shoot has the victim send bytes to both doors of the gateway.
func (v victim) shoot(b walk.Bytes) []shot {
	var out []shot
	for _, port := range []uint16{443, 80} {
		o, err := v.mesh.Bypass(v.i, netip.AddrPortFrom(v.mesh.World.ServiceIP(0), port), b)
		out = append(out, shot{fmt.Sprintf("%v at port %d", b, port), o, err})
	}
	return out
}

// within shoots bytes inside of mutual TLS with the victim's own certificate, by every outer name.
func (v victim) within(b walk.Bytes) []shot {
	var out []shot
	for _, name := range v.outer {
		out = append(out, v.shoot(own(v.mesh.World, v.i, name, b))...)
	}
	return out
}

// tunnel sends bytes for a name through the waypoint, to the address that the name has in the mesh.
func (v victim) tunnel(name string, port uint16, b walk.Bytes) shot {
	o, err := v.mesh.Tunnel(v.i, 0, netip.AddrPortFrom(v.mesh.Resolve(v.i, name, outsideAt(0).Addr()), port), b)
	return shot{fmt.Sprintf("%v to %s:%d", b, name, port), o, err}
}

// volleys are the connections of each attack that the mesh has to stop. None may get anywhere.
var volleys = map[string]func(victim) []shot{
	"forged SNI": func(v victim) (out []shot) {
		for _, name := range append(v.others(policy.TLS, 443), "") {
			out = append(out, v.within(sni(name))...)
			out = append(out, v.within(walk.TLS{SNI: name, Identity: "spiffe://cluster.local/ns/shop/sa/b"})...) // for the far end: it says nothing here
			out = append(out, v.shoot(sni(name))...)
		}
		return append(out, v.within(walk.Raw{})...)
	},
	"forged Host": func(v victim) (out []shot) {
		for _, name := range v.others(policy.HTTP, 80) {
			for _, port := range []string{"", ":80", ":443", ":22"} {
				out = append(out, v.within(walk.HTTP{Authority: name + port, Headers: map[string]string{"x-egress-port": "80", "x-egress-port-80": "80"}})...)
			}
		}
		for _, name := range attackedNames { // another port than the rule's, and a tunnel to anywhere
			out = append(out, v.within(get(name+":22"))...)
			out = append(out, v.within(walk.HTTP{Authority: name + ":443", Method: "CONNECT", Tunnel: sni("evil.com")})...)
		}
		return out
	},
	"forged identity": func(v victim) (out []shot) {
		for _, name := range attackedNames {
			for _, inner := range []walk.Bytes{sni(name), get(name)} {
				out = append(out, v.shoot(inner)...)
				for _, outer := range v.outer {
					out = append(out, v.shoot(walk.TLS{SNI: outer, Inner: inner})...)
					out = append(out, v.shoot(walk.TLS{SNI: outer, Identity: "spiffe://elsewhere/ns/shop/sa/a", Inner: inner})...)
				}
			}
		}
		return out
	},
	"another pod's rule by name": func(v victim) (out []shot) {
		for _, name := range []string{"x.foo.com", "x.baz.com", "edition.cnn.com"} {
			if !v.may(policy.TLS, 443, name) {
				out = append(out, v.within(sni(name))...)
			}
			if !v.may(policy.HTTP, 80, name) {
				out = append(out, v.within(get(name))...)
			}
		}
		return out
	},
	"another namespace's rule at the waypoint": func(v victim) (out []shot) {
		for _, at := range attackedNames {
			for _, name := range v.others(policy.TLS, 443) {
				if !v.may(policy.TLS, 443, at) {
					out = append(out, v.tunnel(at, 443, sni(name)))
				}
			}
			for _, name := range v.others(policy.HTTP, 80) {
				if !v.may(policy.HTTP, 80, at) {
					out = append(out, v.tunnel(at, 80, get(name)), v.tunnel(at, 80, get(name+":22")))
				}
			}
		}
		return out
	},
}

// TestAttacksOnTheMesh takes over every pod of the quickstart's cluster and tries those of the attacks that the README lists of which it says that the mesh
// stops them: nothing gets anywhere. What the same pod may reach it does, so that the attacks fail for what they ask and not for how. The others are
// judged by what packets may leave the pod, in internal/conformance/kube.
func TestAttacksOnTheMesh(t *testing.T) {
	inMesh := 0
	for _, attack := range listed.List() {
		if attack.StoppedBy == listed.PacketFilter {
			continue
		}
		inMesh++
		if volleys[attack.Name] == nil {
			t.Errorf("%s: nothing is tried", attack.Name)
		}
	}
	if inMesh != len(volleys) {
		t.Errorf("%d attacks are tried, and the mesh stops %d", len(volleys), inMesh)
	}
	for _, layer := range []listed.Layer{listed.Gateway, listed.Waypoint} {
		victims := quickstartVictims(t, layer)
		tried, reached := map[string]int{}, 0
		for _, v := range victims {
			who := v.source.Namespace + "/" + v.source.ServiceAccount
			for _, attack := range listed.List() {
				if attack.StoppedBy != layer || volleys[attack.Name] == nil {
					continue
				}
				for _, s := range volleys[attack.Name](v) {
					tried[attack.Name]++
					if s.err != nil || s.out.Reached() {
						t.Errorf("%s: %s sends %s: %v, %v\n\t%s", attack.Name, who, s.what, s.out, s.err, strings.Join(s.out.Trace, "\n\t"))
					}
				}
			}
			for _, name := range attackedNames {
				if v.may(policy.TLS, 443, name) {
					var own []shot
					if layer == listed.Waypoint {
						own = []shot{v.tunnel(name, 443, sni(name))}
					} else {
						own = v.within(sni(name))
					}
					if !slices.ContainsFunc(own, func(s shot) bool { return s.err == nil && s.out.Reached() && s.out.Host == name }) {
						t.Errorf("%s: %s does not reach %s, which it may: %v", layer, who, name, own)
						continue
					}
					reached++
				}
			}
		}
		t.Logf("%s: %v; %d of their own names reached", layer, tried, reached)
		if reached == 0 {
			t.Errorf("%s: nobody reaches anything", layer)
		}
		for _, attack := range listed.List() {
			if attack.StoppedBy == layer && tried[attack.Name] == 0 {
				t.Errorf("%s: no connection was tried", attack.Name)
			}
		}
	}
}

// quickstartVictims renders the quickstart for a mesh with gateways or a waypoint, and returns the pods of its namespaces that are not the platform's.
func quickstartVictims(t *testing.T, layer listed.Layer) []victim {
	t.Helper()
	policies := quickstart(t)
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("../../../examples/quickstart/inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inv, _, err := kube.Load(kube.File{Name: file.Name(), Reader: file})
	if err != nil {
		t.Fatal(err)
	}
	inMesh, profile := renderistio.DefaultProfile(), networkpolicy.DefaultProfile()
	w := &world.World{Workloads: workloadsOf(inv)}
	if layer == listed.Waypoint {
		inMesh.DataPlane, profile.Mesh.DataPlane = renderistio.Ambient, networkpolicy.Ambient
		w.Ambient, w.Waypoints = true, []world.Waypoint{{Namespace: inMesh.Waypoint.Namespace, Name: inMesh.Waypoint.Name}}
	} else {
		w.Gateways = []world.Gateway{world.ClassicGateway()}
	}
	mesh, err := renderistio.New(inMesh)
	if err != nil {
		t.Fatal(err)
	}
	filter, err := networkpolicy.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := renderPolicies(policies, render.Stack{mesh, filter}, "", inv)
	if err != nil {
		t.Fatal(err)
	}
	m, err := pilot.NewMesh(w, rendered.objs)
	if err != nil {
		t.Fatal(err)
	}
	outer := append(harvest(m, policies).outer, "x.foo.com", "")
	var out []victim
	for i, p := range w.Workloads {
		if slices.Contains([]string{"shop", "news", "test-egress"}, p.Namespace) {
			out = append(out, victim{m, engine, sourceOf(w, i, "", inv), i, outer})
		}
	}
	return out
}
