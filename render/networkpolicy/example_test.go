package networkpolicy_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/networkpolicy"
)

// A packet filter alone: addresses are said, what is denied is subtracted, and everything else is closed but DNS.
func Example() {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: orders, namespace: shop}
spec:
  sources:
  - name: orders
    from: [{namespaces: [shop], podLabels: {matchLabels: {app: orders}}}]
    allow:
    - cidrs: [203.0.113.0/24]
      protocol: TCP
      ports: [5432]
    deny:
    - cidrs: [203.0.113.7/32]
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
	filter, err := networkpolicy.New(networkpolicy.Profile{DNS: networkpolicy.DefaultProfile().DNS})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{filter})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := render.WriteYAML(os.Stdout, result.Objects); err != nil {
		fmt.Println(err)
	}
	// Output:
	// apiVersion: networking.k8s.io/v1
	// kind: NetworkPolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: egress
	//     egresskit.io/owner: egress
	//   name: allow-shop-app-orders-v73olxbrv4e3
	//   namespace: shop
	// spec:
	//   egress:
	//   - ports:
	//     - port: 5432
	//       protocol: TCP
	//     to:
	//     - ipBlock:
	//         cidr: 203.0.113.0/24
	//         except:
	//         - 203.0.113.7/32
	//   podSelector:
	//     matchLabels:
	//       app: orders
	//   policyTypes:
	//   - Egress
	// ---
	// apiVersion: networking.k8s.io/v1
	// kind: NetworkPolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: egress
	//     egresskit.io/owner: egress
	//   name: baseline-shop-3zyxqe7ytwmi
	//   namespace: shop
	// spec:
	//   egress:
	//   - ports:
	//     - port: 53
	//       protocol: TCP
	//     - port: 53
	//       protocol: UDP
	//     to:
	//     - namespaceSelector:
	//         matchLabels:
	//           kubernetes.io/metadata.name: kube-system
	//       podSelector:
	//         matchLabels:
	//           k8s-app: kube-dns
	//   podSelector: {}
	//   policyTypes:
	//   - Egress
}

// A wrong profile is refused with all that is wrong with it.
func ExampleNew() {
	profile := networkpolicy.DefaultProfile()
	profile.DNS.Ports = nil
	profile.InCluster = "ajar"
	_, err := networkpolicy.New(profile)
	fmt.Println(err)
	// Output:
	// networkpolicy.dns.ports: error bad-profile: no ports; name the ports that the pods listen on
	// networkpolicy.inCluster: error bad-profile: "ajar" is neither open nor closed; write open or closed
}
