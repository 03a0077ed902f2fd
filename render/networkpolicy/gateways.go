package networkpolicy

import (
	"fmt"
	"slices"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// hbone is the port of ambient mode's tunnels.
const hbone = 15008

// A gateway is the pods of a way out, and the ports that others reach it on.
type gateway struct {
	pods     identity.PodSelector
	peer     render.Peer
	ports    match.Ports
	upstream match.Ports       // that it goes out to besides those of the names
	sources  *render.SourceSet // whom it is for, where it does not ask its callers who they are
	carries  []render.GrantID  // for them
}

// gateways returns the ways out for a plan, in order: those of the profile, and those of the stack where the profile names none.
func (r *Renderer) gateways(p *render.Plan) []gateway {
	named := p.Gateways()
	if r.profile.Gateways != nil {
		named = nil
		for _, g := range r.profile.Gateways {
			named = append(named, render.Gateway{Namespace: g.Namespace, PodLabels: g.PodLabels, Ports: portSet(g.Ports)})
		}
	}
	var out []gateway
	for _, g := range named {
		if r.profile.Mesh.DataPlane == Ambient {
			g.Ports = g.Ports.Union(match.PortsOf(hbone))
		}
		out = append(out, gateway{
			pods: labelled(g.Namespace, g.PodLabels), peer: render.Peer{Name: "gateway", Namespace: g.Namespace, PodLabels: g.PodLabels},
			ports: g.Ports, upstream: g.Upstream, sources: g.Sources, carries: g.Grants,
		})
	}
	slices.SortFunc(out, func(a, b gateway) int { return comparePods(a.pods, b.pods) })
	return out
}

func podsOf(gateways []gateway) []identity.PodSelector {
	pods := make([]identity.PodSelector, len(gateways))
	for i, g := range gateways {
		pods[i] = g.pods
	}
	return pods
}

// namespaces returns the namespaces of the cluster, gateways' included, in order.
func namespaces(p *render.Plan, gateways []gateway) []string {
	names := p.Namespaces()
	for _, g := range gateways {
		names = append(names, g.pods.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// tellGateways returns an error when the pods of a namespace are not told from those of gateways by a reasonable number of selectors.
func tellGateways(gateways []gateway) error {
	for _, g := range gateways {
		if _, ok := minus(identity.PodSelector{Namespace: g.pods.Namespace}, podsOf(gateways)); !ok {
			return fmt.Errorf("telling gateways from the other pods of namespace %s takes more than %d selectors: name one label for each gateway, or one for all",
				g.pods.Namespace, maxSelectors)
		}
	}
	return nil
}

// Wards reports whether gateways are kept from the addresses of a deny: see [render.Warden]. Whom a connection of a gateway is for cannot be told by
// its packets, and neither can the port that was asked for where the gateway goes to another one; so the deny has to be for everyone, and for all ports.
func (r *Renderer) Wards(p *render.Plan, deny *render.Grant, needs []render.Feature) bool {
	return wards(deny) && slices.Equal(needs, []render.Feature{render.DenyAddressOnName}) && len(r.gateways(p)) > 0 && len(p.Namespaces()) > 0
}

// wards reports whether gateways can be kept from what a grant denies.
func wards(g *render.Grant) bool {
	return g.Kind == render.DenyGrant && g.Source.Selector.IsEverything() && len(g.To.Hosts) == 0 && len(g.To.Methods)+len(g.To.Paths) == 0 &&
		g.To.Protocol.Contains(policy.TCP) && (g.To.Ports.IsEmpty() || g.To.Ports.Equal(match.AllPorts()))
}
