package clusternetworkpolicy_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
)

// Denies are taken from the addresses that are allowed, and everything else is denied last.
func Example() {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: web}
spec:
  sources:
  - name: shop
    from: [{namespaces: [shop]}]
    allow: [{name: orders, cidrs: [203.0.113.0/24], protocol: TCP, ports: [5432]}]
    deny: [{cidrs: [203.0.113.128/25]}]
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
	target, err := clusternetworkpolicy.New(clusternetworkpolicy.Profile{Tier: "Admin", Priority: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{target})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := render.WriteYAML(os.Stdout, result.Objects); err != nil {
		fmt.Println(err)
	}
	// Output:
	// apiVersion: policy.networking.k8s.io/v1alpha2
	// kind: ClusterNetworkPolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: egress
	//     egresskit.io/owner: egress
	//   name: allow-namespace-shop-rb6psmcrzhqk
	// spec:
	//   egress:
	//   - action: Accept
	//     protocols:
	//     - tcp:
	//         destinationPort:
	//           number: 5432
	//     to:
	//     - networks:
	//       - 203.0.113.0/25
	//   priority: 503
	//   subject:
	//     namespaces:
	//       matchLabels:
	//         kubernetes.io/metadata.name: shop
	//   tier: Admin
	// ---
	// apiVersion: policy.networking.k8s.io/v1alpha2
	// kind: ClusterNetworkPolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: egress
	//     egresskit.io/owner: egress
	//   name: baseline-geazymw6y4ip
	// spec:
	//   egress:
	//   - action: Deny
	//     to:
	//     - networks:
	//       - 0.0.0.0/0
	//       - ::/0
	//     - namespaces: {}
	//   priority: 504
	//   subject:
	//     namespaces: {}
	//   tier: Admin
}
