package gatewayapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
)

// everyone returns a policy that lets every workload reach destinations.
func everyone(to ...policy.Destination) []*policy.Policy {
	return []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: policy.Rules(to...)}}}
}

// numbered returns n names below a domain.
func numbered(n int, domain string) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("h%d.%s", i, domain)
	}
	return names
}

// hostnames returns those of the routes of a kind, route by route.
func hostnames(objects []render.Object, kind string) (out [][]gateway.Hostname) {
	for _, o := range objects {
		switch spec := o.Spec.(type) {
		case *gateway.HTTPRouteSpec:
			if o.Kind == kind {
				out = append(out, spec.Hostnames)
			}
		case *gateway.TLSRouteSpec:
			if o.Kind == kind {
				out = append(out, spec.Hostnames)
			}
		}
	}
	return out
}

// TestHostnameLimits: a route takes 16 hostnames of HTTP and 1,024 of TLS, and one more makes another route. No name is left out or said twice.
func TestHostnameLimits(t *testing.T) {
	for _, profile := range []gatewayapi.Profile{portableProfile(), linkerdProfile()} {
		for _, c := range []struct {
			kind     string
			protocol policy.Protocol
			limit    int
		}{{"HTTPRoute", policy.HTTP, 16}, {"TLSRoute", policy.TLS, 1024}} {
			for n, routes := range map[int]int{c.limit: 1, c.limit + 1: 2, 2 * c.limit: 2, 2*c.limit + 1: 3} {
				to := policy.MustHosts(numbered(n, "x.com")...)
				if c.protocol == policy.HTTP {
					to = to.HTTP()
				} else {
					to = to.TLS()
				}
				result, err := renderAccepting(plan(t, everyone(to)), render.Stack{newRenderer(t, profile)})
				if err != nil {
					t.Fatal(err)
				}
				said := map[gateway.Hostname]bool{}
				got := hostnames(result.Objects, c.kind)
				for _, names := range got {
					if len(names) > c.limit {
						t.Errorf("%s: a %s with %d hostnames", profile.Implementation, c.kind, len(names))
					}
					for _, name := range names {
						if said[name] {
							t.Errorf("%s: %s twice", profile.Implementation, name)
						}
						said[name] = true
					}
				}
				if len(got) != routes || len(said) != n {
					t.Errorf("%s: %d names make %d of kind %s with %d names, want %d", profile.Implementation, n, len(got), c.kind, len(said), routes)
				}
			}
		}
	}
}

// TestListenerLimits: a portable gateway has a listener for each of 64 ports, and the 65th is a loss. Istio's gateway has 16 for HTTP.
func TestListenerLimits(t *testing.T) {
	for _, c := range []struct {
		profile gatewayapi.Profile
		limit   int
		policy  func(n int) []*policy.Policy // with names on n ports
	}{
		// 64 ports of a protocol are as many as targets are asked to list: the 65th is of the other one.
		{portableProfile(), 64, func(n int) []*policy.Policy {
			var to []policy.Destination
			for i := range n {
				if d := policy.MustHosts("a.x.com"); i%2 == 0 {
					to = append(to, d.TLS(uint16(1000+i)))
				} else {
					to = append(to, d.HTTP(uint16(1000+i)))
				}
			}
			return everyone(to...)
		}},
		{gatewayapi.DefaultProfile(), 16, func(n int) []*policy.Policy {
			var to []policy.Destination
			for i := range n {
				to = append(to, policy.MustHosts("a.x.com").HTTP(uint16(1000+i)))
			}
			return everyone(to...)
		}},
	} {
		for _, n := range []int{c.limit, c.limit + 1} {
			p := plan(t, c.policy(n))
			result, err := renderAccepting(p, render.Stack{newRenderer(t, c.profile)})
			if err != nil {
				t.Fatal(err)
			}
			ports, lost := map[gateway.PortNumber]bool{}, 0
			for _, o := range result.Objects {
				if spec, ok := o.Spec.(*gateway.GatewaySpec); ok {
					for _, l := range spec.Listeners {
						ports[l.Port] = true
					}
				}
			}
			for _, l := range result.Losses {
				if l.Grant.Kind == render.AllowGrant {
					lost++
				}
			}
			if len(ports) != c.limit || lost != n-c.limit {
				t.Errorf("%s: %d ports make %d listeners and %d losses", c.profile.Implementation, n, len(ports), lost)
			}
		}
	}
}

// TestListenerConflicts: two listeners of a port conflict unless their protocols or hostnames tell them apart, and names of listeners are not
// given twice. Where a port is for both protocols, TLS has it, and HTTP is a loss that says so.
func TestListenerConflicts(t *testing.T) {
	policies := everyone(policy.MustHosts("a.x.com").TLS(443), policy.MustHosts("b.x.com").HTTP(443), policy.MustHosts("b.x.com").HTTP(80))
	for _, profile := range []gatewayapi.Profile{portableProfile(), gatewayapi.DefaultProfile()} {
		result, err := renderAccepting(plan(t, policies), render.Stack{newRenderer(t, profile)})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range result.Objects {
			spec, ok := o.Spec.(*gateway.GatewaySpec)
			if !ok {
				continue
			}
			ports, names := map[gateway.PortNumber]bool{}, map[gateway.SectionName]bool{}
			for _, l := range spec.Listeners {
				if ports[l.Port] || names[l.Name] {
					t.Errorf("%s: listener %s conflicts with another one", profile.Implementation, l.Name)
				}
				ports[l.Port], names[l.Name] = true, true
			}
		}
		lost := slices.DeleteFunc(slices.Clone(result.Losses), func(l render.Loss) bool { return l.Grant.Kind != render.AllowGrant })
		if len(lost) != 1 || lost[0].Grant.To.Protocol != policy.HTTP || !lost[0].Grant.To.Ports.Contains(443) || !strings.Contains(lost[0].Why, "port 443 is taken") {
			t.Errorf("%s: losses %v", profile.Implementation, lost)
		}
	}
}

// TestUnsayableNames: names that the API server or Istio would refuse, or take for Services of the cluster, are losses.
func TestUnsayableNames(t *testing.T) {
	for _, profile := range []gatewayapi.Profile{gatewayapi.DefaultProfile(), portableProfile(), linkerdProfile()} {
		for host, want := range map[string]bool{
			"a.x.com": true, "xn--bcher-kva.x.com": true, "1.x.com": true, "a-b.x.com": true,
			"a_b.x.com": false, "-a.x.com": false, "a-.x.com": false, "_a.x.com": false,
			"api.shop.svc.cluster.local": false, "cluster.local": false, "acluster.local": true,
			"com": profile.Implementation == gatewayapi.Linkerd, // and the portable profile has no backend for it
		} {
			result, err := renderAccepting(plan(t, everyone(policy.MustHosts(host).TLS(), policy.MustHosts("always.x.com").TLS())), render.Stack{newRenderer(t, withBackend(profile, "*.local"))})
			if err != nil {
				t.Fatal(err)
			}
			said := slices.ContainsFunc(hostnames(result.Objects, "TLSRoute"), func(names []gateway.Hostname) bool { return slices.Contains(names, gateway.Hostname(host)) })
			lost := slices.ContainsFunc(result.Losses, func(l render.Loss) bool {
				return l.Grant.Kind == render.AllowGrant && l.Grant.To.Hosts[0].Equal(match.MustParsePattern(host))
			})
			if said != want || lost == want {
				t.Errorf("%s: %s is said: %v, is lost: %v", profile.Implementation, host, said, lost)
			}
		}
	}
}

// withBackend adds a backend to a portable profile.
func withBackend(p gatewayapi.Profile, host string) gatewayapi.Profile {
	if p.Implementation == gatewayapi.Portable {
		p.Backends = append(slices.Clone(p.Backends), gatewayapi.Backend{Host: host, Service: "other"})
	}
	return p
}
