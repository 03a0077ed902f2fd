package istio

import (
	"maps"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// Gateways returns the egress gateway, for a packet filter to let pods out to it: see [render.Gatekeeper].
func (r *Renderer) Gateways(*render.Plan) []render.Gateway {
	g := r.profile.Gateway
	return []render.Gateway{{Namespace: g.Namespace, PodLabels: maps.Clone(g.PodLabels), Ports: match.PortsOf(g.TLS.TargetPort, g.HTTP.TargetPort)}}
}
