package gatewayapi_test

import (
	"maps"
	"slices"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"pgregory.net/rapid"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
)

// TestFeatures: what each implementation says with the CRDs of each release and channel. Routes of TCP are served as v1 from release 1.6 on, and of the
// channels only the experimental one has backends outside the cluster.
func TestFeatures(t *testing.T) {
	names := []render.Feature{render.HostExact, render.HTTPByName, render.SourceEveryone, render.TCPAlone}
	mesh := slices.Concat(names, []render.Feature{render.HTTPMethods, render.HTTPPaths, render.OriginateSimpleTLS, render.OriginateMutualTLS, render.SourceAccounts, render.SourceAccountGlob, render.Baseline, render.NamesApart})
	tls := render.TLSByName
	portable := append(slices.Clone(names), tls, render.HostSubdomains, render.SourcesByGateway, render.NamesApart, render.NamesAlone)
	for _, c := range []struct {
		implementation   gatewayapi.Implementation
		release, channel string
		want             []render.Feature // said exactly
	}{
		{"", "", "", append(mesh, tls)},
		{gatewayapi.Istio, "1.6", "standard", append(mesh, tls)},
		{gatewayapi.Istio, "1.6", "experimental", append(mesh, tls)},
		{gatewayapi.Istio, "1.5", "standard", mesh},
		{gatewayapi.Istio, "1.5", "experimental", mesh},
		{gatewayapi.Portable, "1.5", "standard", portable},
		{gatewayapi.Portable, "1.6", "experimental", portable},
		{gatewayapi.Linkerd, "1.5", "standard", append(names, tls, render.HostSubdomains, render.SourceAccounts, render.Baseline)},
		{gatewayapi.Linkerd, "1.6", "standard", append(names, tls, render.HostSubdomains, render.SourceAccounts, render.Baseline)},
	} {
		p := gatewayapi.DefaultProfile()
		p.Implementation, p.Release, p.Channel = c.implementation, c.release, c.channel
		got := newRenderer(t, p).Features()
		maps.DeleteFunc(got, func(_ render.Feature, f render.Fidelity) bool { return f != render.Same })
		want := slices.Sorted(slices.Values(c.want))
		if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, want) {
			t.Errorf("%q %q %q: says %v, want %v", c.implementation, c.release, c.channel, have, want)
		}
	}
}

// TestReleases: every kind is of a version that the release and channel serve.
func TestReleases(t *testing.T) {
	served := map[string]map[string]bool{ // by release
		"1.5": {
			"gateway.networking.k8s.io/v1 Gateway": true, "gateway.networking.k8s.io/v1 HTTPRoute": true, "gateway.networking.k8s.io/v1 TLSRoute": true,
			"gateway.networking.k8s.io/v1 ListenerSet": true, "gateway.networking.k8s.io/v1 BackendTLSPolicy": true, "gateway.networking.k8s.io/v1beta1 ReferenceGrant": true,
		},
	}
	served["1.6"] = maps.Clone(served["1.5"])
	served["1.6"]["gateway.networking.k8s.io/v1 TCPRoute"] = true
	const external = "gateway.networking.x-k8s.io/v1alpha1 XBackend"
	for release, kinds := range served {
		for _, channel := range []string{"standard", "experimental"} {
			for _, implementation := range []gatewayapi.Implementation{gatewayapi.Istio, gatewayapi.Portable, gatewayapi.Linkerd} {
				p := gatewayapi.DefaultProfile()
				if implementation == gatewayapi.Portable {
					p = portableProfile()
				}
				p.Implementation, p.Release, p.Channel = implementation, release, channel
				p.ExternalHostnames = implementation == gatewayapi.Portable && channel == "experimental" && release == "1.6"
				policies := everyone(policy.MustHosts(numbered(100, "a.com")...).TLS(), policy.MustHosts("b.com").HTTP(), policy.MustHosts("c.net").TLS(),
					policy.MustHosts("c.com").HTTP(8080).Originating(443))
				result, err := renderAccepting(plan(t, policies), render.Stack{newRenderer(t, p)})
				if err != nil {
					t.Fatal(err)
				}
				ours, seen := 0, false
				for _, o := range result.Objects {
					kind := o.APIVersion + " " + o.Kind
					seen = seen || kind == external
					if kinds[kind] || kind == external && p.ExternalHostnames {
						ours++
					} else if o.Kind != "Sidecar" && o.APIVersion != "networking.istio.io/v1" && o.APIVersion != "security.istio.io/v1" && o.Kind != "EgressNetwork" {
						t.Errorf("%s, %s channel of release %s: %s is not served", implementation, channel, release, kind)
					}
				}
				if ours == 0 || seen != p.ExternalHostnames {
					t.Errorf("%s, %s channel of release %s: %d objects of Gateway API, external: %v", implementation, channel, release, ours, seen)
				}
			}
		}
	}
	for _, change := range []func(*gatewayapi.Profile){
		func(p *gatewayapi.Profile) { p.Channel = "standard" }, func(p *gatewayapi.Profile) { p.Release = "1.5" }, func(p *gatewayapi.Profile) { p.Implementation = gatewayapi.Istio },
	} {
		p := gatewayapi.DefaultProfile()
		p.Implementation, p.Channel, p.ExternalHostnames = gatewayapi.Portable, "experimental", true
		change(&p)
		if _, err := gatewayapi.New(p); err == nil {
			t.Errorf("external hostnames are taken in %s, %s channel of release %q", p.Implementation, p.Channel, p.Release)
		}
	}
}

// TestNamesApart: what Istio's sidecars know by name has one way, to a gateway that is there, whatever the policies say. No entry is of a wildcard,
// whose HTTPRoute Istio would ignore and let the traffic go round the gateway, and none has addresses.
func TestNamesApart(t *testing.T) {
	r := newRenderer(t, gatewayapi.DefaultProfile())
	if r.Features()[render.NamesApart] != render.Same {
		t.Fatal("names do not count as apart")
	}
	ways := 0
	check := func(t fataler, objects []render.Object) {
		services := map[string]bool{}
		type port struct {
			entry  string
			number uint32
		}
		known, routed := map[port]string{}, map[port]int{}
		for _, o := range objects {
			switch spec := o.Spec.(type) {
			case *gateway.GatewaySpec:
				services[o.Name+"-istio"] = true
			case *networking.ServiceEntry:
				if len(spec.Addresses) > 0 || len(spec.Hosts) != 1 || spec.Hosts[0][0] == '*' {
					t.Fatalf("%s: hosts %v at %v", o.Name, spec.Hosts, spec.Addresses)
				}
				for _, p := range spec.Ports {
					known[port{o.Name, p.Number}] = map[string]string{"HTTP": "HTTPRoute", "TLS": "TLSRoute"}[p.Protocol]
				}
			}
		}
		for _, o := range objects {
			var backends []gateway.BackendRef
			switch spec := o.Spec.(type) {
			case *gateway.HTTPRouteSpec:
				for _, rule := range spec.Rules {
					for _, b := range rule.BackendRefs {
						backends = append(backends, b.BackendRef)
					}
				}
			case *gateway.TLSRouteSpec:
				for _, rule := range spec.Rules {
					backends = append(backends, rule.BackendRefs...)
				}
			}
			for _, parent := range parents(o) {
				if parent.Kind == nil || *parent.Kind != "ServiceEntry" {
					continue
				}
				at := port{string(parent.Name), uint32(*parent.Port)}
				if known[at] != o.Kind || len(backends) != 1 || backends[0].Kind != nil || !services[string(backends[0].Name)] {
					t.Fatalf("%s leads from %v, which takes a %s, to %v", o.Name, at, known[at], backends)
				}
				routed[at]++
				ways++
			}
		}
		for at, kind := range known {
			if routed[at] != 1 {
				t.Fatalf("%v has %d routes of kind %s to the gateway", at, routed[at], kind)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds("c1", 5).Draw(t, "world")
		if rapid.Bool().Draw(t, "nested") {
			var err error
			if w.Engine, err = policy.Compile(nested(t), policy.At(gen.Now)); err != nil {
				t.Fatal(err)
			}
		}
		result, err := renderAccepting(render.NewPlan(w.Engine, "c1", render.WithInventory(w.Inventory)), render.Stack{r})
		if err != nil {
			t.Fatal(err)
		}
		check(t, result.Objects)
	})
	if ways < 10 {
		t.Errorf("%d ways to a gateway: too few to say anything", ways)
	}
}
