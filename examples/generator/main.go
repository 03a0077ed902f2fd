// Command generator shows how to write a target that the library does not have. Calico, in calico.go, is a renderer in three methods and an
// optional one; its test hands it to the kit that proves it faithful; and this program renders a policy with it, as a program would with any
// of the library's own.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	engine, err := policy.Compile([]*policy.Policy{shop()})
	if err != nil {
		return err
	}
	result, err := render.Render(render.NewPlan(engine, ""), render.Stack{Calico{}})
	if err != nil {
		return err
	}
	if err := render.WriteYAML(w, result.Objects); err != nil {
		return err
	}
	for _, l := range result.Losses {
		fmt.Fprintln(w, "# loss:", l)
	}
	for _, a := range result.Assumptions {
		fmt.Fprintln(w, "# assumed:", a)
	}
	return nil
}

// shop is a policy with something for Calico, and something that Calico cannot say.
func shop() *policy.Policy {
	database := policy.MustAddresses("203.0.113.0/24").TCP(5432)
	return &policy.Policy{
		Name: "shop",
		Sources: []policy.Source{{
			Name: "checkout",
			From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout"}}),
			Section: policy.Section{Allow: []policy.Rule{
				{Name: "database", To: database},
				{Name: "payments", To: policy.MustHosts("api.stripe.com").TLS()},
			}},
		}},
	}
}
