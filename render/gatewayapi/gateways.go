package gatewayapi

import (
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// Gateways returns the pods that Istio runs for the Gateways, for a packet filter to let pods out to them: see [render.Gatekeeper]. They listen on the
// ports of the listeners.
func (r *Renderer) Gateways(p *render.Plan) []render.Gateway {
	ports := match.NewPorts(match.PortRange{First: firstTLSPort, Last: firstTLSPort + tlsPorts - 1})
	for g := range p.Grants() {
		if g.Kind == render.AllowGrant && len(g.To.Hosts) > 0 && g.To.Protocol.Contains(policy.HTTP) {
			ports = ports.Union(g.To.Ports)
		}
	}
	// Istio's label on the pods of all Gateways that it runs: the namespace is the platform's own.
	return []render.Gateway{{Namespace: r.profile.Namespace, PodLabels: map[string]string{"gateway.istio.io/managed": "istio.io-gateway-controller"}, Ports: ports}}
}
