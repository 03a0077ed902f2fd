package istio

import (
	"slices"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// The gateway looks names up itself, and can drop addresses from the answers of name servers. So it keeps out what rules deny by address, whatever
// name leads there, as long as all names are looked up in this way, and the deny is for everybody: a name's answer is kept for all that ask.

// maxDenied limits the networks that are dropped, which are part of every filter chain.
const maxDenied = 64

// Wards reports whether the gateway drops all addresses of a deny from what it looks up: see [render.Warden].
func (r *Renderer) Wards(p *render.Plan, deny *render.Grant, needs []render.Feature) bool {
	if !slices.Equal(needs, []render.Feature{render.DenyAddressOnName}) || !r.drops(deny) || r.denied(p).IsEmpty() {
		return false
	}
	for g := range p.Grants() {
		if g.Kind == render.AllowGrant && len(g.To.Hosts) > 0 && g.To.Protocol == policy.HTTP && !looksUp(g.To.OriginateTLS, g.To.Ports) {
			return false
		}
	}
	return true
}

// looksUp reports whether the forward proxy can take requests of HTTP: it connects to the port in the Host header, which need not be there for
// port 80 alone, and does not originate TLS.
func looksUp(o *policy.TLSOrigination, ports match.Ports) bool {
	return o == nil && ports.Equal(match.PortsOf(80))
}

// drops reports whether the gateway can drop the addresses of a grant.
func (r *Renderer) drops(g *render.Grant) bool {
	return !r.ambient() && !r.direct() && r.inside() && !r.version.before(dropsAddresses) &&
		g.Kind == render.DenyGrant && g.Source.Selector.IsEverything() && len(g.To.Hosts) == 0 && len(g.To.Methods)+len(g.To.Paths) == 0 &&
		g.To.Protocol.Contains(policy.TCP) && (g.To.Ports.IsEmpty() || g.To.Ports.Equal(match.AllPorts()))
}

// denied returns the addresses that are dropped for a plan; none when there are too many.
func (r *Renderer) denied(p *render.Plan) (all match.Prefixes) {
	for g := range p.Grants() {
		if r.drops(g) {
			all = all.Union(g.To.Addresses)
		}
	}
	if len(all.Prefixes()) > maxDenied {
		return match.Prefixes{}
	}
	return all
}
