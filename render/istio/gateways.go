package istio

import (
	"maps"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// Gateways returns the egress gateway, or the waypoint in ambient mode, for a packet filter to let pods out to it: see [render.Gatekeeper].
func (r *Renderer) Gateways(*render.Plan) []render.Gateway {
	if r.direct() {
		return nil
	}
	if w := r.profile.Waypoint; r.ambient() {
		return []render.Gateway{{
			Namespace: w.Namespace, PodLabels: map[string]string{"gateway.networking.k8s.io/gateway-name": w.Name}, Ports: match.PortsOf(hbonePort),
		}}
	}
	g := r.profile.Gateway
	return []render.Gateway{{Namespace: g.Namespace, PodLabels: maps.Clone(g.PodLabels), Ports: match.PortsOf(g.TLS.TargetPort, g.HTTP.TargetPort)}}
}
