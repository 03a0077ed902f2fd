package gatewayapi

import (
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// Gateways returns the pods of the gateways, for a packet filter to let pods out to them: see [render.Gatekeeper]. Istio's controller labels
// them with the class and listens on the ports of the listeners.
func (r *Renderer) Gateways(p *render.Plan) []render.Gateway {
	switch r.profile.Implementation {
	case Portable:
		return r.profile.portableGateways(p)
	case Linkerd:
		return nil // the proxies of the pods do it
	}
	ports := match.NewPorts(match.PortRange{First: firstTLSPort, Last: firstTLSPort + tlsPorts - 1})
	for _, c := range p.NameClasses(policy.HTTP) {
		ports = ports.Union(match.PortsOf(c.Port))
	}
	return []render.Gateway{{
		Namespace: r.profile.Namespace,
		PodLabels: map[string]string{"gateway.networking.k8s.io/gateway-class-name": r.profile.GatewayClass},
		Ports:     ports,
	}}
}
