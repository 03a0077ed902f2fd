package gatewayapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/render"
)

// linkerdGlobal is the namespace whose EgressNetworks hold for namespaces that have none of their own (Linkerd's egressNetworkNamespace).
const linkerdGlobal = "linkerd-egress"

const linkerdGroup = "policy.linkerd.io"

// egressNetworkSpec is the spec of Linkerd's EgressNetwork, policy.linkerd.io/v1alpha1. Without networks it is everything that is not in
// the cluster.
type egressNetworkSpec struct {
	TrafficPolicy string `json:"trafficPolicy"`
}

// linkerd emits an EgressNetwork for all namespaces, and one for each namespace that may reach more or less, with the routes of what it may. A
// namespace's own network is used instead of the one for all, so that it has the routes of both.
type linkerd struct {
	profile Profile
	plan    *render.Plan
	out     *render.Emitter
	said    map[share]bool
}

// A share is what a grant has of a class. Each is said or lost by itself: that a grant is said in one class says nothing about another.
type share struct {
	class *portClass
	grant *render.Grant
}

// refineLinkerd tells whole namespaces, which Linkerd's routes can be for, from service accounts.
func refineLinkerd(g *render.Grant) (f render.Fidelity, lost render.Feature, why string) {
	if g.Source.Selector.IsEverything() {
		return render.Same, "", ""
	}
	f = render.Same
	for _, a := range g.Source.Accounts {
		switch {
		case a.Namespace == "" || strings.ContainsAny(a.Namespace, "*?"):
			return 0, render.SourceAccountGlob, "an EgressNetwork is for one namespace or for all"
		case a.Namespace == linkerdGlobal:
			return 0, render.SourceAccounts, fmt.Sprintf("the EgressNetwork of namespace %s is for all namespaces", linkerdGlobal)
		case a.ServiceAccount != "":
			f, lost, why = render.Wider, render.SourceAccounts, "an EgressNetwork is for whole namespaces"
		}
	}
	return f, lost, why
}

func (b *linkerd) render() {
	var baseline []*render.Grant
	for g := range b.plan.Grants() {
		if g.Kind == render.BaselineGrant {
			baseline = append(baseline, g)
		}
	}
	ports := byPort(b.plan)
	namespaces := []string{linkerdGlobal}
	for _, pc := range ports {
		for _, c := range pc.classes {
			namespaces = append(namespaces, namespacesOf(c)...)
		}
	}
	b.said = map[share]bool{}
	for _, ns := range compact(namespaces) {
		b.emitNetwork(ns, baseline)
		for _, pc := range ports {
			b.emitRoutes(ns, pc)
		}
	}
	for _, pc := range ports {
		for _, c := range pc.classes {
			for _, g := range c.Grants {
				if !b.said[share{c, g}] {
					b.out.Skip(g, render.SourceAccounts, "an EgressNetwork is for whole namespaces, and not for some of their service accounts")
				}
			}
		}
	}
	for _, g := range baseline {
		b.assure(g)
	}
	b.out.Assume("linkerd-proxies", "every source has a Linkerd proxy; a pod without one is not held by this target")
	b.out.Assume("linkerd-egress-namespace", fmt.Sprintf("namespace %s is where Linkerd looks for networks of all namespaces, and nobody else defines EgressNetworks", linkerdGlobal))
	b.out.Assume("gateway-api-crds", fmt.Sprintf("the Gateway API CRDs are of release %s or later, and Linkerd reads HTTPRoute and TLSRoute of version v1", b.profile.release()))
	if b.plan.Inventory() == nil {
		b.out.Assume("known-namespaces", "namespaces that no policy names have no EgressNetwork of their own")
	}
}

func (b *linkerd) assure(g *render.Grant) {
	b.out.Assure(g, render.Assurance{EnforcedAt: "sidecar", Holds: render.Advisory, Why: "a pod that bypasses its proxy is not held by it"})
}

// namespacesOf returns the namespaces that a class treats otherwise than the rest: they need networks of their own.
func namespacesOf(c *portClass) []string {
	var out []string
	if everybody(c) {
		return nil
	}
	for _, s := range slices.Concat(c.Sources.Any, c.Sources.Except) {
		for _, a := range s.Accounts {
			if named(a) {
				out = append(out, a.Namespace)
			}
		}
	}
	return compact(out)
}

// named reports whether an account selector is of one namespace that has a network of its own.
func named(a identity.AccountSelector) bool {
	return a.Namespace != "" && !strings.ContainsAny(a.Namespace, "*?") && a.Namespace != linkerdGlobal
}

// open reports whether the network of a namespace may have a class: whether all of the pods that use it may reach the names, but for those
// that another layer of the stack tells apart.
func open(ns string, c *portClass) bool {
	for _, s := range c.Sources.Except {
		// Whoever is not told by namespaces may be in any; and what is taken from others is nothing to this one.
		if !s.AccountsOK || len(s.Accounts) == 0 || slices.ContainsFunc(s.Accounts, func(a identity.AccountSelector) bool { return !named(a) || a.Namespace == ns }) {
			return false
		}
	}
	return slices.ContainsFunc(c.Sources.Any, func(s render.Source) bool {
		return s.Selector.IsEverything() || slices.ContainsFunc(s.Accounts, func(a identity.AccountSelector) bool {
			return named(a) && a.Namespace == ns && (a.ServiceAccount == "" || admitted(c))
		})
	})
}

// partly reports whether some pods of a namespace, and not all, may reach the names of a class: a network has no way to say so.
func partly(ns string, c *portClass) bool {
	in := func(a identity.AccountSelector) bool { return a.Namespace == ns }
	whole := func(a identity.AccountSelector) bool { return in(a) && a.ServiceAccount == "" }
	return !c.Nobody() && !open(ns, c) &&
		slices.ContainsFunc(c.Sources.Any, func(s render.Source) bool { return s.Selector.IsEverything() || slices.ContainsFunc(s.Accounts, in) }) &&
		!slices.ContainsFunc(c.Sources.Except, func(s render.Source) bool { return slices.ContainsFunc(s.Accounts, whole) })
}

// about reports whether a grant is for pods that use the network of a namespace. Names that are open to everybody are so by the network for
// all, whoever else has a rule for them.
func about(ns string, c *portClass, g *render.Grant) bool {
	return g.Source.Selector.IsEverything() || ns == linkerdGlobal && everybody(c) ||
		slices.ContainsFunc(g.Source.Accounts, func(a identity.AccountSelector) bool { return a.Namespace == ns })
}

func (b *linkerd) emitNetwork(ns string, baseline []*render.Grant) {
	b.out.Emit(render.Object{APIVersion: linkerdGroup + "/v1alpha1", Kind: "EgressNetwork", Namespace: ns, Name: b.profile.Gateway, Spec: &egressNetworkSpec{TrafficPolicy: "Deny"}},
		render.Same, baseline...)
}

// emitRoutes emits what a namespace, or every namespace without a network of its own, may reach on a port.
func (b *linkerd) emitRoutes(ns string, pc portClasses) {
	for _, c := range pc.classes {
		if partly(ns, c) {
			for _, g := range c.Grants {
				if about(ns, c, g) {
					b.said[share{c, g}] = true
					b.out.Skip(g, render.SourceAccounts, fmt.Sprintf("an EgressNetwork is for whole namespaces, and some of %s may not reach it", ns))
				}
			}
		}
	}
	keep, dropped := routable(pc.classes, func(c *portClass) bool { return open(ns, c) })
	for _, d := range dropped {
		if !open(ns, d.class) {
			continue
		}
		for _, g := range d.class.grants(d.pattern) {
			if about(ns, d.class, g) {
				b.said[share{d.class, g}] = true
				b.out.Skip(g, render.HostSubdomains, fmt.Sprintf("names below it are closed to namespace %s, and routes have no way to leave them out", ns))
			}
		}
	}
	network := gateway.BackendObjectReference{Group: ptr(gateway.Group(linkerdGroup)), Kind: ptr(gateway.Kind("EgressNetwork")), Name: gateway.ObjectName(b.profile.Gateway)}
	r := routes{
		protocol: pc.protocol, namespace: ns, name: []string{pc.protocol.String(), strconv.Itoa(int(pc.port))},
		parent:  gateway.ParentReference{Group: network.Group, Kind: network.Kind, Name: network.Name, Port: ptr(gateway.PortNumber(pc.port))},
		backend: gateway.BackendRef{BackendObjectReference: network},
	}
	r.names = keep
	for _, k := range keep {
		for _, g := range k.class.grants(k.pattern) {
			if about(ns, k.class, g) {
				b.said[share{k.class, g}] = true
				b.assure(g)
			}
		}
	}
	r.about = func(c *portClass, g *render.Grant) bool { return about(ns, c, g) }
	emitRoutes(b.out, r)
}
