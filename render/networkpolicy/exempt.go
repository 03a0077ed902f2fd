package networkpolicy

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// Exemptions returns what the profile leaves open: DNS, the mesh's control plane, pods of the cluster, the API server and metadata service where the
// profile names them, namespaces that are not filtered, and for the gateways the outside on the ports of the names that they carry.
func (r *Renderer) Exemptions(p *render.Plan) []render.Exemption {
	gateways := r.gateways(p)
	if len(p.Namespaces()) == 0 || tellGateways(gateways) != nil {
		return nil // Render says so
	}
	e := exempter{profile: &r.profile, gateways: gateways, namespaces: namespaces(p, gateways), members: membersOf(p.Inventory(), r.profile.Mesh)}
	e.dns()
	e.controlPlane()
	e.inCluster()
	e.endpoint("API server", "pods ask the Kubernetes API", r.profile.APIServer)
	e.endpoint("metadata service", "pods ask the cloud about themselves", r.profile.Metadata)
	e.unfiltered()
	e.upstream(p)
	return e.exemptions
}

type exempter struct {
	profile    *Profile
	gateways   []gateway
	namespaces []string
	members    members
	exemptions []render.Exemption
}

func (e *exempter) add(name string, from identity.Selector, why string, to render.Peer) {
	if from.IsZero() {
		return // nobody is exempted
	}
	e.exemptions = append(e.exemptions, render.Exemption{Name: name, From: from, Peer: to, Why: why})
}

func (e *exempter) dns() {
	d := e.profile.DNS
	for _, protocol := range []policy.Protocol{policy.TCP, policy.UDP} {
		if d.Namespace != "" {
			e.add("cluster DNS over "+protocol.String(), identity.Everything(), "names are resolved in the cluster",
				render.Peer{Name: "cluster DNS", Namespace: d.Namespace, PodLabels: d.PodLabels, Protocol: protocol, Ports: portSet(d.Ports)})
		}
		if d.NodeLocal.IsValid() {
			address := netip.PrefixFrom(d.NodeLocal.Unmap(), d.NodeLocal.Unmap().BitLen())
			e.add("node-local DNS over "+protocol.String(), identity.Everything(), "names are resolved on the node",
				render.Peer{Name: "node-local DNS", Addresses: match.NewPrefixes([]netip.Prefix{address}, nil), Protocol: protocol, Ports: match.PortsOf(53)})
		}
	}
}

// controlPlane lets proxies get their configuration and certificates: gateways, and sidecars. In ambient mode the node's proxy speaks for pods.
func (e *exempter) controlPlane() {
	c := e.profile.Mesh.ControlPlane
	if c == nil {
		return
	}
	from := selectorOf(podsOf(e.gateways))
	if e.profile.Mesh.DataPlane == Sidecar {
		from = identity.Everything()
		if !e.members.all {
			from = selectorOf(slices.Concat(e.members.of(e.namespaces), podsOf(e.gateways)))
		}
	}
	e.add("control plane", from, "proxies get their configuration and certificates",
		render.Peer{Name: "control plane", Namespace: c.Namespace, PodLabels: c.PodLabels, Protocol: policy.TCP, Ports: portSet(c.Ports)})
}

// inCluster leaves out gateways as sources, since they carry the traffic of others, and as destinations, since their doors are for those
// who have a name to reach.
func (e *exempter) inCluster() {
	if e.profile.InCluster != Open {
		return
	}
	from := identity.Everything()
	if len(e.gateways) > 0 {
		var pods []identity.PodSelector
		for _, namespace := range e.namespaces {
			pods = append(pods, e.withoutGateways(namespace)...)
		}
		from = selectorOf(pods)
	}
	e.add("pods of the cluster", from, "policies speak about traffic that leaves the cluster", render.Peer{Name: "pods of the cluster", Except: podsOf(e.gateways)})
}

func (e *exempter) endpoint(name, why string, to *Endpoint) {
	if to != nil {
		e.add(name, identity.Everything(), why,
			render.Peer{Name: name, Addresses: match.NewPrefixes(to.Addresses, nil), Protocol: policy.TCP, Ports: portSet(to.Ports)})
	}
}

func (e *exempter) unfiltered() {
	for _, namespace := range e.namespaces {
		if slices.Contains(e.profile.Unfiltered, namespace) {
			e.add("unfiltered namespace "+namespace, selectorOf(e.withoutGateways(namespace)), "the cluster depends on its pods", render.Peer{Name: "anything", Anything: true})
		}
	}
}

// upstream lets gateways out on the ports of the names that they carry, but not to addresses that are denied to everyone.
func (e *exempter) upstream(p *render.Plan) {
	var ports match.Ports
	unroutable := e.profile.Unroutable
	if unroutable == nil {
		unroutable = NotPublic()
	}
	outside := match.NewPrefixes([]netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, unroutable)
	for g := range p.Grants() {
		switch {
		case g.Kind == render.AllowGrant && len(g.To.Hosts) > 0:
			if o := g.To.OriginateTLS; o != nil {
				ports = ports.Union(match.PortsOf(o.Port))
			} else {
				ports = ports.Union(g.To.Ports)
			}
		case wards(g):
			outside = outside.Subtract(g.To.Addresses)
		}
	}
	if ports.IsEmpty() || outside.IsEmpty() {
		return
	}
	for _, g := range e.gateways {
		ports := ports.Union(g.upstream)
		e.add(fmt.Sprintf("gateway %s to the outside", g.pods), selectorOf([]identity.PodSelector{g.pods}), "the gateway carries traffic by name",
			render.Peer{Name: "outside", Addresses: outside, Protocol: policy.TCP, Ports: ports})
	}
}

// withoutGateways returns the pods of a namespace that are no gateway's; tellGateways has seen that it can.
func (e *exempter) withoutGateways(namespace string) []identity.PodSelector {
	pods, _ := minus(identity.PodSelector{Namespace: namespace}, podsOf(e.gateways))
	return pods
}

// selectorOf says pods as the sources of an exemption: whole namespaces in one term.
func selectorOf(pods []identity.PodSelector) identity.Selector {
	var whole identity.Term
	var terms []identity.Term
	for _, p := range pods {
		if len(p.Labels) == 0 {
			whole.Namespaces = append(whole.Namespaces, p.Namespace)
			continue
		}
		terms = append(terms, identity.Term{Namespaces: []string{p.Namespace}, PodLabels: p.LabelSelector()})
	}
	if len(whole.Namespaces) > 0 {
		terms = append(terms, whole)
	}
	s, err := identity.NewSelector(terms...)
	if err != nil {
		// Names and labels come from an inventory, from selectors and from a checked profile. Should one be bad all the same, nobody is exempted.
		return identity.Selector{}
	}
	return s
}
