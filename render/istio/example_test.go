package istio_test

import (
	"fmt"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
)

// Two applications may reach different names, and the gateway tells them apart by their certificates.
func Example() {
	allow := func(account, name string) policy.Source {
		return policy.Source{
			From:    identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{account}}),
			Section: policy.Section{Allow: []policy.Rule{{To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern(name)}, Protocol: policy.TLS}}}},
		}
	}
	engine, err := policy.Compile([]*policy.Policy{{Name: "storefront", Sources: []policy.Source{allow("a", "*.foo.com"), allow("b", "x.foo.com")}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	target, err := istio.New(istio.DefaultProfile())
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := render.Render(render.NewPlan(engine, "prod"), render.Stack{target})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range res.Objects {
		fmt.Println(o.Kind, o.Namespace)
	}
	fmt.Println(len(res.Losses), "losses")
	// Output:
	// DestinationRule istio-system
	// Gateway istio-system
	// ServiceEntry istio-system
	// ServiceEntry istio-system
	// Sidecar istio-system
	// VirtualService istio-system
	// VirtualService istio-system
	// EnvoyFilter istio-system
	// AuthorizationPolicy istio-system
	// Telemetry istio-system
	// 0 losses
}

func ExampleProfile_Validate() {
	p := istio.DefaultProfile()
	p.Version = "1.28"
	p.Gateway.TLS.Port = 0
	fmt.Println(p.Validate())
	// Output:
	// istio.gateway.tls.port: error bad-profile: 0 is no port; write the Service's port for TLS, such as 443
	// istio.version: error bad-profile: 1.28.0 is older than 1.29.0, the oldest version of the proxies that can do this; upgrade them, and write the oldest version that runs
}
