package cilium_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/cilium"
)

// A wildcard of which somebody is denied a part is not for them: what Cilium allows by name adds up.
func Example() {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: web}
spec:
  sources:
  - name: shop
    from: [{namespaces: [shop]}]
    allow: [{name: bar, hosts: ["*.bar.com"]}]
  - name: guest
    from: [{namespaces: [shop], serviceAccounts: [guest]}]
    deny: [{hosts: [www.bar.com]}]
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		fmt.Println(err)
		return
	}
	target, err := cilium.New(cilium.Profile{Version: "1.20", TLSInspection: true, Openings: cilium.Openings{DNS: cilium.DefaultProfile().DNS}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{target})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range result.Objects {
		if o.Kind == "CiliumNetworkPolicy" {
			if err := render.WriteYAML(os.Stdout, []render.Object{o}); err != nil {
				fmt.Println(err)
			}
		}
	}
	for _, l := range result.Losses {
		fmt.Println("loss:", l.Why)
	}
	// Output:
	// apiVersion: cilium.io/v2
	// kind: CiliumNetworkPolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: egress
	//     egresskit.io/owner: egress
	//   name: allow-account-notin-guest-namespace-shop-4xpbz3fdtp4y
	//   namespace: shop
	// spec:
	//   egress:
	//   - toFQDNs:
	//     - matchPattern: '**.bar.com'
	//     toPorts:
	//     - ports:
	//       - port: "443"
	//         protocol: TCP
	//       serverNames:
	//       - '**.bar.com'
	//   endpointSelector:
	//     matchExpressions:
	//     - key: k8s:io.cilium.k8s.policy.serviceaccount
	//       operator: NotIn
	//       values:
	//       - guest
	// loss: some are kept from www.bar.com, and nothing can be taken from a name that is allowed: *.bar.com
}
