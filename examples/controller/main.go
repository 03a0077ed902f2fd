// Command controller shows how a controller embeds policies in an API of its own: a Tenant has an egress section, a webhook checks it, and
// a reconciler turns all tenants into one engine, which decides per connection, and into manifests to apply and to prune. It runs on two
// tenants in memory; a real controller gets them from its informers, and applies server-side.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// Tenant is the controller's own kind: a namespace that somebody pays for.
type Tenant struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              TenantSpec `json:"spec"`
}

// TenantSpec embeds what the tenant's workloads may reach.
type TenantSpec struct {
	Owner  string                    `json:"owner"`
	Egress v1alpha1.EgressPolicySpec `json:"egress"`
}

// Validate is what the webhook answers: all mistakes, with the path that the user wrote.
func (t *Tenant) Validate() field.ErrorList {
	return v1alpha1.ValidateSpec(&t.Spec.Egress, t.Namespace, field.NewPath("spec", "egress"))
}

// A Reconciler keeps an engine and manifests in step with tenants. Decide may be called while Reconcile runs; before the first one it denies.
type Reconciler struct {
	live    policy.Live
	stack   render.Stack
	applied map[key]bool
}

// key names an object for the API server.
type key struct{ apiVersion, kind, namespace, name string }

// Decide answers one connection.
func (r *Reconciler) Decide(req policy.Request) policy.Decision { return r.live.Decide(req) }

// Reconcile returns the objects to apply and those of earlier rounds to delete. On an error nothing changes: what was enforced stays.
func (r *Reconciler) Reconcile(tenants []*Tenant, inv *identity.Inventory) (apply []render.Object, prune []key, err error) {
	var policies []*policy.Policy
	for _, t := range tenants {
		// The tenant's policy speaks for its namespace alone, whatever it says.
		p, err := v1alpha1.ToPolicy(&v1alpha1.EgressPolicy{
			TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind},
			Metadata: v1alpha1.Metadata{Name: t.Name, Namespace: t.Namespace}, Spec: t.Spec.Egress,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		policies = append(policies, p)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		return nil, nil, err
	}
	result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(inv)), r.stack, render.WithOwner("tenants"))
	if err != nil {
		return nil, nil, err
	}
	r.live.Store(engine)
	now := map[key]bool{}
	for _, o := range result.Objects {
		now[key{o.APIVersion, o.Kind, o.Namespace, o.Name}] = true
	}
	for k := range r.applied {
		if !now[k] {
			prune = append(prune, k)
		}
	}
	slices.SortFunc(prune, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	r.applied = now
	return result.Objects, prune, nil
}

// newReconciler returns a reconciler for Istio behind a packet filter.
func newReconciler() (*Reconciler, error) {
	mesh, err := istio.New(istio.DefaultProfile())
	filter, err2 := networkpolicy.New(networkpolicy.DefaultProfile())
	return &Reconciler{stack: render.Stack{mesh, filter}}, errors.Join(err, err2)
}

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	tenant := func(namespace string, hosts ...string) *Tenant {
		t := &Tenant{ObjectMeta: metav1.ObjectMeta{Name: namespace, Namespace: namespace}}
		t.Spec.Egress.Sources = []v1alpha1.Source{{
			Name: "all", From: []v1alpha1.Peer{{Namespaces: []string{namespace}}}, Section: v1alpha1.Section{Allow: []v1alpha1.Rule{{Hosts: hosts}}},
		}}
		return t
	}
	shop, blog := tenant("shop", "api.stripe.com"), tenant("blog", "*.gravatar.com")
	for _, t := range []*Tenant{shop, blog, tenant("careless", "*gravatar.com")} {
		for _, e := range t.Validate() {
			fmt.Fprintf(w, "tenant %s refused: %v\n", t.Name, e)
		}
	}

	r, err := newReconciler()
	if err != nil {
		return err
	}
	inv, err := identity.NewInventory([]identity.Namespace{{Name: "blog"}, {Name: "shop"}}, nil, nil)
	if err != nil {
		return err
	}
	ask := func() {
		for _, namespace := range []string{"shop", "blog"} {
			d := r.Decide(policy.Request{
				Source: identity.Workload{Namespace: namespace, ServiceAccount: "web"},
				Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost("api.stripe.com")},
			})
			fmt.Fprintf(w, "%s to api.stripe.com: %v\n", namespace, d)
		}
	}
	ask() // nothing is loaded
	for _, tenants := range [][]*Tenant{{shop, blog}, {blog}} {
		apply, prune, err := r.Reconcile(tenants, inv)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "tenants: %d, some objects to apply: %t, to delete: %t\n", len(tenants), len(apply) > 0, len(prune) > 0)
		ask()
	}
	return nil
}
