package render_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// compile returns the engine of a policy about orders, by address, and the web, by name.
func compile(deny ...policy.Rule) *policy.Engine {
	e, err := policy.Compile([]*policy.Policy{{Name: "shop", Sources: []policy.Source{{
		Name: "orders", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}),
		Section: policy.Section{
			Allow: []policy.Rule{
				{Name: "database", To: policy.MustAddresses("203.0.113.0/24").TCP(5432)},
				{Name: "web", To: policy.MustHosts("*.foo.com").TLS()},
			},
			Deny: deny,
		},
	}}}})
	if err != nil {
		log.Fatal(err)
	}
	return e
}

func packetFilter() render.Renderer {
	r, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		log.Fatal(err)
	}
	return r
}

func mesh() render.Renderer {
	r, err := istio.New(istio.DefaultProfile())
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// Packet filters know no names: the rule by name is left out and reported, which only narrows. The stack with a mesh says both.
func ExampleRender() {
	plan := render.NewPlan(compile(), "prod")
	for _, stack := range []render.Stack{{packetFilter()}, {mesh(), packetFilter()}} {
		result, err := render.Render(plan, stack)
		if err != nil {
			log.Fatal(err)
		}
		for _, l := range result.Layers {
			fmt.Println(l.Target, "says exactly", l.Enforces, "and lets pass", l.Admits)
		}
		for _, l := range result.Losses {
			fmt.Println("loss:", l)
		}
		for _, a := range result.Assurances {
			fmt.Println("assurance:", a)
		}
	}
	// Output:
	// networkpolicy says exactly [#baseline shop/database#TCP 203.0.113.0/24 port 5432] and lets pass []
	// loss: rule shop/web allows TLS *.foo.com port 443: narrower in networkpolicy (tls-by-name): a packet filter knows no names, and no layer of the stack has a gateway that it could let pods out to
	// assurance: #baseline: packet filter, holds: packets are judged outside the pod, by its labels and namespace
	// assurance: shop/database#TCP 203.0.113.0/24 port 5432: packet filter, holds: packets are judged outside the pod, by its labels and namespace
	// istio says exactly [#baseline shop/database#TCP 203.0.113.0/24 port 5432 shop/web#TLS *.foo.com port 443] and lets pass []
	// networkpolicy says exactly [#baseline shop/database#TCP 203.0.113.0/24 port 5432] and lets pass [shop/web#TLS *.foo.com port 443]
	// assurance: #baseline: packet filter, holds: packets are judged outside the pod, by its labels and namespace
	// assurance: shop/database#TCP 203.0.113.0/24 port 5432: packet filter, holds: packets are judged outside the pod, by its labels and namespace
	// assurance: shop/web#TLS *.foo.com port 443: egress gateway, behind packet filter, holds: the gateway checks the certificate of the source and the name, whatever a pod sends; a packet filter must leave pods no other way out; networkpolicy keeps pods from going round it: packets are judged outside the pod, by its labels and namespace
}

// Strict is for pipelines that must not lose anything: any loss is an error, and nothing is rendered.
func ExampleStrict() {
	_, err := render.Render(render.NewPlan(compile(), "prod"), render.Stack{packetFilter()}, render.Strict())
	var strict *render.StrictError
	if errors.As(err, &strict) {
		for _, l := range strict.Losses {
			fmt.Println(l.Grant.Rule, "by", l.Feature)
		}
	}
	fmt.Println(err)
	// Output:
	// shop/web by tls-by-name
	// 1 loss, and the rendering is strict:
	// rule shop/web allows TLS *.foo.com port 443: narrower in networkpolicy (tls-by-name): a packet filter knows no names, and no layer of the stack has a gateway that it could let pods out to
}

// A deny that a target can't say would let more pass, so it is an error, with all such rules in it.
func ExampleWideningError() {
	plan := render.NewPlan(compile(policy.Rule{Name: "not-that-name", To: policy.MustHosts("old-database.example")}), "prod")
	_, err := render.Render(plan, render.Stack{packetFilter()})
	var wider *render.WideningError
	if errors.As(err, &wider) {
		for _, l := range wider.Losses {
			fmt.Println(l.Grant.Kind, l.Grant.Rule, "makes the manifests", l.Fidelity)
		}
	}
	fmt.Println(err)
	// Output:
	// deny shop/not-that-name makes the manifests wider
	// the manifests would let more pass than the policies say; change what these say, or accept each by its rule and with a reason:
	// rule shop/not-that-name denies any old-database.example: wider in networkpolicy (deny-name-on-address): 203.0.113.0/24, which rule shop/database allows, holds requests that it denies: any old-database.example; names are not seen there: deny the addresses, or ports that the allow does not have
}

// Whoever answers for it accepts a rule that is left out by its name and with a reason, which the objects carry.
func ExampleAcceptWider() {
	plan := render.NewPlan(compile(policy.Rule{Name: "not-that-name", To: policy.MustHosts("old-database.example")}), "prod")
	result, err := render.Render(plan, render.Stack{packetFilter()},
		render.AcceptWider("shop/not-that-name", "the address is switched off in March, ticket OPS-7"))
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range result.Losses {
		fmt.Println(l)
	}
	fmt.Println(result.Objects[0].Annotations[render.AcceptedWider])
	// Output:
	// rule shop/not-that-name denies any old-database.example: wider in networkpolicy (deny-name-on-address): 203.0.113.0/24, which rule shop/database allows, holds requests that it denies: any old-database.example; names are not seen there: deny the addresses, or ports that the allow does not have; accepted: the address is switched off in March, ticket OPS-7
	// rule shop/web allows TLS *.foo.com port 443: narrower in networkpolicy (tls-by-name): a packet filter knows no names, and no layer of the stack has a gateway that it could let pods out to
	// shop/not-that-name: the address is switched off in March, ticket OPS-7
}

// Manifests come in one order, whatever the order of rules, and are fit to be applied as they are. These are the allows; the baseline is beside them.
func ExampleWriteYAML() {
	result, err := render.Render(render.NewPlan(compile(), "prod"), render.Stack{packetFilter()}, render.WithOwner("team-platform"))
	if err != nil {
		log.Fatal(err)
	}
	allow := slices.DeleteFunc(result.Objects, func(o render.Object) bool { return !strings.HasPrefix(o.Name, "allow-") })
	if err := render.WriteYAML(os.Stdout, allow); err != nil {
		log.Fatal(err)
	}
	// Output:
	// apiVersion: networking.k8s.io/v1
	// kind: NetworkPolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: egress
	//     egresskit.io/owner: team-platform
	//   name: allow-shop-zsnqvllrach2
	//   namespace: shop
	// spec:
	//   egress:
	//   - ports:
	//     - port: 5432
	//       protocol: TCP
	//     to:
	//     - ipBlock:
	//         cidr: 203.0.113.0/24
	//   podSelector: {}
	//   policyTypes:
	//   - Egress
}

// A plan is the rules of one cluster in canonical order. It says what is granted before any target is chosen.
func ExampleNewPlan() {
	e, err := policy.Compile([]*policy.Policy{
		{Name: "everywhere", Cluster: policy.Section{Allow: []policy.Rule{{Name: "web", To: policy.MustHosts("*.foo.com", "foo.com").TLS()}}}},
		{Name: "staging", Clusters: []string{"staging-*"}, Cluster: policy.Section{Allow: []policy.Rule{{Name: "mock", To: policy.MustHosts("mock.example").TLS()}}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, cluster := range []string{"prod", "staging-1"} {
		fmt.Println(cluster)
		for g := range render.NewPlan(e, cluster).Grants() {
			fmt.Println(" ", g.Kind, g.ID)
		}
	}
	// Output:
	// prod
	//   baseline #baseline
	//   allow everywhere/web#TLS *.foo.com port 443
	//   allow everywhere/web#TLS foo.com port 443
	// staging-1
	//   baseline #baseline
	//   allow everywhere/web#TLS *.foo.com port 443
	//   allow everywhere/web#TLS foo.com port 443
	//   allow staging/mock#TLS mock.example port 443
}

// Targets that pick the most specific name first are given classes: names that the same sources may reach, denies applied. A rule for b
// below the wildcard of a is open to both, and what is denied to all is a class of nobody.
func ExamplePlan_NameClasses() {
	source := func(account, name string) policy.Source {
		return policy.Source{
			Name: account, From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{account}}),
			Section: policy.Section{Allow: policy.Rules(policy.MustHosts(name).TLS())},
		}
	}
	e, err := policy.Compile([]*policy.Policy{{
		Name: "shop", Sources: []policy.Source{source("a", "*.foo.com"), source("b", "www.foo.com")},
		Cluster: policy.Section{Deny: policy.Rules(policy.MustHosts("files.foo.com"))},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range render.NewPlan(e, "prod").NameClasses(policy.TLS) {
		fmt.Println(c.Patterns, "port", c.Port, "for", c.Sources.Key())
	}
	// Output:
	// [*.foo.com] port 443 for namespaces=shop serviceAccounts=a
	// [www.foo.com] port 443 for namespaces=shop serviceAccounts=a or namespaces=shop serviceAccounts=b
	// [files.foo.com] port 443 for nobody
}
