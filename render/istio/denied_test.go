package istio_test

import (
	"errors"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
)

// TestDeniedAddresses tells the denies by address that the gateway keeps names from, and those that fail the rendering.
func TestDeniedAddresses(t *testing.T) {
	shop := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}})
	everyone := identity.Everything()
	name := policy.MustHosts("*.foo.com", "www.bar.com").TLS()
	deny := policy.MustAddresses("198.51.100.0/24")
	for _, tt := range []struct {
		name   string
		allow  policy.Destination
		whom   identity.Selector
		deny   policy.Destination
		change func(*istio.Profile)
		said   bool
	}{
		{"everybody, all ports", name, everyone, deny, nil, true},
		{"TCP on all ports", name, everyone, policy.Destination{Addresses: deny.Addresses, Protocol: policy.TCP}, nil, true},
		{"HTTP that is looked up", policy.MustHosts("www.bar.com").HTTP(80), everyone, deny, nil, true},
		{"what the profile drops anyway", policy.MustHosts("www.bar.com").HTTP(80), everyone, policy.MustAddresses("169.254.169.254/32"), nil, true},
		{"HTTP on another port", policy.MustHosts("www.bar.com").HTTP(8080), everyone, deny, nil, false},
		{"TLS originated", policy.MustHosts("www.bar.com").HTTP(80).Originating(443), everyone, deny, nil, false},
		{"some sources", name, shop, deny, nil, false},
		{"one port", name, everyone, deny.TCP(443), nil, false},
		{"old proxies", name, everyone, deny, func(p *istio.Profile) { p.Version = "1.30" }, false},
		{"no EnvoyFilter", policy.MustHosts("www.bar.com").TLS(), everyone, deny, func(p *istio.Profile) { p.EnvoyFilter = false }, false},
		{"ambient", name, everyone, deny, func(p *istio.Profile) { p.DataPlane = istio.Ambient }, false},
		{"from sidecars", name, everyone, deny, func(p *istio.Profile) { p.Egress = istio.Direct }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := istio.DefaultProfile()
			if tt.change != nil {
				tt.change(&p)
			}
			r, err := istio.New(p)
			if err != nil {
				t.Fatal(err)
			}
			engine, err := policy.Compile([]*policy.Policy{{Name: "p", Sources: []policy.Source{
				{From: shop, Section: policy.Section{Allow: policy.Rules(tt.allow)}},
				{From: tt.whom, Section: policy.Section{Deny: policy.Rules(tt.deny)}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			res, err := render.Render(render.NewPlan(engine, ""), render.Stack{r})
			var wider *render.WideningError
			if tt.said != (err == nil) || err != nil && !errors.As(err, &wider) {
				t.Fatalf("said: %v, want %v: %v", err == nil, tt.said, err)
			}
			if err != nil {
				return
			}
			// Each way to look up a name is told which addresses to drop.
			caches, drop := 0, 0
			for _, o := range res.Objects {
				if f, ok := o.Spec.(*networking.EnvoyFilter); ok {
					text := f.String()
					caches += strings.Count(text, "V4_PREFERRED")
					drop += strings.Count(text, "198.51.100.0") + strings.Count(text, `"169.254.0.0"`)/2
				}
				if e, ok := o.Spec.(*networking.ServiceEntry); ok && e.Resolution == networking.ServiceEntry_DNS {
					t.Errorf("%v is looked up in another way", e.Hosts)
				}
			}
			if caches == 0 || tt.deny.Addresses.Equal(deny.Addresses) && drop < caches {
				t.Errorf("%d lookups, and addresses dropped in %d", caches, drop)
			}
		})
	}
}
