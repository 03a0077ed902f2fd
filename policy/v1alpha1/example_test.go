package v1alpha1_test

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

func ExampleLoad() {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: storefront}
spec:
  sources:
  - name: checkout
    from: [{namespaces: [shop], serviceAccounts: [checkout]}]
    allow:
    - name: card-payments
      hosts: [api.stripe.com]
`)})
	if err != nil {
		log.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		log.Fatal(err)
	}
	checkout := engine.For(identity.Workload{Namespace: "shop", ServiceAccount: "checkout"})
	fmt.Println(checkout.Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.stripe.com")}))
	fmt.Println(checkout.Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("stripe.com")}))
	// Output:
	// allowed by storefront/card-payments
	// denied: no rule allows it
}

// All errors of all files come in one report.
func ExampleLoad_errors() {
	_, err := v1alpha1.Load(
		v1alpha1.File{Name: "a.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: storefront}
spec:
  cluster:
    allow:
    - hosts: [www.foo.com, *.bar.com]
      prots: [443]
`)},
		v1alpha1.File{Name: "b.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: storefront}
spec:
  sources:
  - allow: [{cidrs: [203.0.113.7/24], protocol: TCP, ports: [5432]}]
`)},
	)
	fmt.Println(err)
	// Output:
	// a.yaml:8:28: error unquoted: a '*' that begins a value without quotes, where YAML reads an alias; write it in quotes: "*.bar.com"
	// a.yaml:9:7: spec.cluster.allow[0].prots: error unknown-field: unknown field "prots"; did you mean ports?
	// b.yaml:4:18: metadata.name: error duplicate-policy: another policy is named "storefront", at a.yaml:4:18: metadata.name; give each policy a name of its own, or merge the two
	// b.yaml:7:5: spec.sources[0].from: error missing-from: the source has no from; select workloads by namespaces, serviceAccounts or labels; rules for every workload stand under spec.cluster
	// b.yaml:7:22: spec.sources[0].allow[0].cidrs[0]: error bad-cidr: "203.0.113.7/24" has bits set beyond its length; write 203.0.113.0/24, or 203.0.113.7/32 for the one address
}

// A document is a Go value like any other.
func ExampleDecode() {
	docs, err := v1alpha1.Decode(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(`
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: storefront}
spec: {cluster: {allow: [{hosts: [www.foo.com], ports: [443, "8000-8100"]}]}}
`)})
	if err != nil {
		log.Fatal(err)
	}
	rule := &docs[0].Spec.Cluster.Allow[0]
	fmt.Println(rule.Hosts, rule.Ports[1].String())
	rule.Owner = "team-web"
	if err := v1alpha1.Encode(os.Stdout, docs...); err != nil {
		log.Fatal(err)
	}
	// Output:
	// [www.foo.com] 8000-8100
	// apiVersion: egresskit.io/v1alpha1
	// kind: EgressPolicy
	// metadata:
	//   name: storefront
	// spec:
	//   cluster:
	//     allow:
	//     - hosts: [www.foo.com]
	//       ports: [443, 8000-8100]
	//       owner: team-web
}

// A policy that was built in Go is written as its canonical document.
func ExampleFromPolicy() {
	addresses := match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")})
	doc, err := v1alpha1.FromPolicy(&policy.Policy{
		Name: "databases",
		Sources: []policy.Source{{
			From: identity.MustSelector(identity.Term{Namespaces: []string{"shop", "news"}}),
			Section: policy.Section{Allow: []policy.Rule{{
				To:      policy.Destination{Addresses: addresses, Protocol: policy.TCP, Ports: match.PortsOf(5433, 5432)},
				Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC),
			}, {
				To: policy.Destination{Hosts: []match.Pattern{match.MustParsePattern("*.foo.com")}, Protocol: policy.TLS, Ports: match.PortsOf(443)},
			}}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := v1alpha1.Encode(os.Stdout, doc); err != nil {
		log.Fatal(err)
	}
	// Output:
	// apiVersion: egresskit.io/v1alpha1
	// kind: EgressPolicy
	// metadata:
	//   name: databases
	// spec:
	//   sources:
	//   - from:
	//     - namespaces: [news, shop]
	//     allow:
	//     - cidrs: [203.0.113.0/24]
	//       except: [203.0.113.7/32]
	//       protocol: TCP
	//       ports: [5432-5433]
	//       expires: 2027-06-30
	//     - hosts: ["*.foo.com"]
}

// A controller embeds the spec in its own type, and makes policies of its objects.
func ExampleToPolicy() {
	type Application struct {
		Name, Namespace string
		Egress          v1alpha1.EgressPolicySpec `json:"egress"`
	}
	app := Application{Name: "checkout", Namespace: "shop", Egress: v1alpha1.EgressPolicySpec{
		Sources: []v1alpha1.Source{{
			From:    []v1alpha1.Peer{{ServiceAccounts: []string{"checkout"}}},
			Section: v1alpha1.Section{Allow: []v1alpha1.Rule{{Hosts: []string{"api.stripe.com"}}}},
		}},
	}}
	p, err := v1alpha1.ToPolicy(&v1alpha1.EgressPolicy{Metadata: v1alpha1.Metadata{Name: app.Name, Namespace: app.Namespace}, Spec: app.Egress})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Sources[0].From, "may reach", p.Sources[0].Allow[0].To)
	// Output:
	// serviceAccounts=checkout may reach TLS api.stripe.com port 443
}

// A webhook refuses an object by the fields that are wrong.
func ExampleValidateSpec() {
	spec := v1alpha1.EgressPolicySpec{Cluster: &v1alpha1.Section{Allow: []v1alpha1.Rule{{CIDRs: []string{"203.0.113.0/24"}, Protocol: "TCP"}}}}
	for _, err := range v1alpha1.ValidateSpec(&spec, "shop", field.NewPath("spec", "egress")) {
		fmt.Println(err)
	}
	// Output:
	// spec.egress.cluster: Forbidden: a cluster section in a policy that speaks for namespace "shop" alone; move it to a policy without namespace, or select workloads of the namespace under sources
	// spec.egress.cluster.allow[0].ports: Required value: an allow of TCP without ports; write ports: [5432], or a range such as "8000-8100"
}

// The configuration of a tool is read as strictly as policies, and what the tool has against it is said with its line.
func ExampleDecodeInto() {
	type config struct {
		Cluster string `json:"cluster"`
		Limit   uint8  `json:"limit"`
	}
	read := func(text string) (config, *v1alpha1.Fields, error) {
		c := config{Cluster: "prod-1", Limit: 10}
		fields, err := v1alpha1.DecodeInto(v1alpha1.File{Name: "tool.yaml", Reader: strings.NewReader(text)}, &c)
		return c, fields, err
	}
	_, _, err := read("clutser: prod-2\nlimit: 300\n")
	fmt.Println(err)

	c, fields, err := read("# as many as there may be\nlimit: 200\n")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", c)
	if c.Limit > 100 {
		fmt.Printf("%s: write 100 at most\n", fields.Position("limit"))
	}
	// Output:
	// tool.yaml:1:1: clutser: error unknown-field: unknown field "clutser"; did you mean cluster?
	// tool.yaml:2:8: limit: error wrong-type: the number 300 is out of range; write a number from 0 to 255
	// {Cluster:prod-1 Limit:200}
	// tool.yaml:2:8: limit: write 100 at most
}
