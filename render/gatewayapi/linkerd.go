package gatewayapi

import (
	"cmp"
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

// linkerd emits an EgressNetwork for all namespaces, and one for each namespace that may reach more, with the routes of what it may. A
// namespace's own network is used instead of the one for all, so that it has the routes of both.
type linkerd struct {
	profile Profile
	plan    *render.Plan
	out     *render.Emitter
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
			if !everybody(c) {
				namespaces = append(namespaces, b.namespaces(c)...)
			}
		}
	}
	said := map[*render.Grant]bool{}
	for _, ns := range compact(namespaces) {
		b.emitNetwork(ns, baseline)
		for _, pc := range ports {
			b.emitRoutes(ns, pc, said)
		}
	}
	for _, pc := range ports {
		for _, c := range pc.classes {
			for _, g := range c.Grants {
				if !said[g] {
					said[g] = true
					b.out.Skip(g, render.SourceAccounts, "an EgressNetwork is for whole namespaces, and no source is taken from one")
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

// namespaces returns the namespaces that a class is open to, where it is open to whole namespaces or another layer tells the pods apart.
func (b *linkerd) namespaces(c *render.NameClass) []string {
	if len(c.Sources.Except) > 0 {
		return nil
	}
	var out []string
	for _, s := range c.Sources.Any {
		for _, a := range s.Accounts {
			if a.Namespace != "" && !strings.ContainsAny(a.Namespace, "*?") && (a.ServiceAccount == "" || admitted(c)) {
				out = append(out, a.Namespace)
			}
		}
	}
	return compact(out)
}

func (b *linkerd) open(ns string, c *render.NameClass) bool {
	return !c.Nobody() && (everybody(c) || slices.Contains(b.namespaces(c), ns))
}

func (b *linkerd) emitNetwork(ns string, baseline []*render.Grant) {
	b.out.Emit(render.Object{APIVersion: linkerdGroup + "/v1alpha1", Kind: "EgressNetwork", Namespace: ns, Name: b.profile.Gateway, Spec: &egressNetworkSpec{TrafficPolicy: "Deny"}},
		render.Same, baseline...)
}

// emitRoutes emits what a namespace, or every namespace without a network of its own, may reach on a port.
func (b *linkerd) emitRoutes(ns string, pc portClasses, said map[*render.Grant]bool) {
	keep, dropped := routable(pc.classes, func(c *render.NameClass) bool { return b.open(ns, c) })
	for _, c := range dropped {
		if b.open(ns, c) {
			for _, g := range c.Grants {
				said[g] = true
			}
			skipAll(b.out, c, render.HostSubdomains, fmt.Sprintf("names below it are closed to namespace %s, and routes have no way to leave them out", ns))
		}
	}
	network := gateway.BackendObjectReference{Group: ptr(gateway.Group(linkerdGroup)), Kind: ptr(gateway.Kind("EgressNetwork")), Name: gateway.ObjectName(b.profile.Gateway)}
	r := routes{
		protocol: pc.protocol, namespace: ns, name: []string{pc.protocol.String(), strconv.Itoa(int(pc.port))},
		parent:  gateway.ParentReference{Group: network.Group, Kind: network.Kind, Name: network.Name, Port: ptr(gateway.PortNumber(pc.port))},
		backend: gateway.BackendRef{BackendObjectReference: network},
	}
	for _, k := range keep {
		r.hostnames = append(r.hostnames, gateway.Hostname(k.pattern))
		for _, g := range k.class.Grants {
			if g.Source.Selector.IsEverything() || slices.ContainsFunc(g.Source.Accounts, func(a identity.AccountSelector) bool { return a.Namespace == ns }) {
				r.covers = append(r.covers, g)
				if !said[g] {
					said[g] = true
					b.assure(g)
				}
			}
		}
	}
	r.fidelity = cmp.Or(fidelityOf(r.covers), render.Same)
	emitRoutes(b.out, r)
}
