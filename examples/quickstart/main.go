// Command quickstart answers questions about the policy beside it and renders it, in one screen of code.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"net/netip"
	"os"
	"text/tabwriter"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/identity/kube"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

//go:embed policy.yaml
var policyYAML []byte

//go:embed inventory.yaml
var inventoryYAML []byte

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	policies, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: bytes.NewReader(policyYAML)})
	if err != nil {
		return err // every mistake, with file, line, column and field
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		return err
	}
	if err := decisions(w, engine); err != nil {
		return err
	}
	inventory, _, err := kube.Load(kube.File{Name: "inventory.yaml", Reader: bytes.NewReader(inventoryYAML)})
	if err != nil {
		return err
	}
	plan := render.NewPlan(engine, "", render.WithInventory(inventory))
	mesh, err := istio.New(istio.DefaultProfile())
	if err != nil {
		return err
	}
	gateway, err := gatewayapi.New(gatewayapi.DefaultProfile())
	if err != nil {
		return err
	}
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	if err != nil {
		return err
	}
	for _, stack := range []render.Stack{{mesh, filter}, {gateway}} {
		if err := manifests(w, plan, stack); err != nil {
			return err
		}
	}
	return nil
}

// decisions prints what the engine answers to some requests, and why.
func decisions(w io.Writer, engine *policy.Engine) error {
	a := identity.Workload{Namespace: "shop", ServiceAccount: "a"}
	b := identity.Workload{Namespace: "shop", ServiceAccount: "b"}
	news := identity.Workload{Namespace: "news", ServiceAccount: "reader"}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SOURCE\tDESTINATION\tDECISION")
	ask := func(source identity.Workload, access policy.Access) {
		fmt.Fprintf(table, "%s/%s\t%s\t%s\n", source.Namespace, source.ServiceAccount, access, engine.Decide(policy.Request{Source: source, Access: access}))
	}
	for _, host := range []string{"x.y.foo.com", "service1.foo.com", "a.bar.com", "bar.com", "service1.baz.com", "evilfoo.com"} {
		for _, source := range []identity.Workload{a, b} {
			ask(source, policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)})
		}
	}
	for _, port := range []uint16{5432, 5433} {
		ask(b, policy.Access{Protocol: policy.TCP, Port: port, Address: netip.MustParseAddr("203.0.113.9")})
	}
	for _, source := range []identity.Workload{news, a} {
		ask(source, policy.Access{Protocol: policy.HTTP, Port: 80, Host: match.MustParseHost("EDITION.CNN.COM.")})
	}
	ask(a, policy.Access{Protocol: policy.TLS, Port: 443}) // no SNI
	return table.Flush()
}

// manifests renders the plan for a stack and prints what the manifests do not say before the manifests.
func manifests(w io.Writer, plan *render.Plan, stack render.Stack) error {
	result, err := render.Render(plan, stack)
	if err != nil {
		return err // such as a deny that no layer of the stack can say
	}
	fmt.Fprintln(w)
	for _, layer := range result.Layers {
		fmt.Fprintf(w, "# %s: objects: %d\n", layer.Target, layer.Objects)
	}
	for _, loss := range result.Losses {
		fmt.Fprintf(w, "# loss: %s\n", loss)
	}
	for _, assumption := range result.Assumptions {
		fmt.Fprintf(w, "# assumption: %s\n", assumption)
	}
	return render.WriteYAML(w, result.Objects)
}
