package pilot

import (
	"errors"
	"net/netip"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// A Mesh is a world whose proxies have taken their configuration.
type Mesh struct {
	World     *world.World
	Sidecars  []*walk.Proxy // of the workloads; none in ambient mode
	Gateways  []*walk.Proxy
	Waypoints []*walk.Proxy
	network   walk.Network
	ztunnel   *ztunnel // with ambient mode, instead of sidecars
}

// NewMesh returns the mesh of w with objs applied. An error joins what Pilot does not read and what Envoy is known to refuse.
func NewMesh(w *world.World, objs []*objects.Object) (*Mesh, error) {
	var m *Mesh
	err := Run(w, objs, func(p *Pilot) (err error) {
		m, err = p.Mesh()
		return err
	})
	return m, err
}

// Mesh has every proxy of the world take its configuration. The error joins a *walk.RejectedError for each resource that Envoy refuses.
// The mesh outlives the discovery server.
func (p *Pilot) Mesh() (*Mesh, error) {
	w := p.world
	m := &Mesh{World: w, network: walk.Network{Proxies: map[netip.Addr]*walk.Proxy{}, Services: map[netip.AddrPort]netip.AddrPort{}}}
	var errs []error
	if w.Ambient {
		m.ztunnel = newZtunnel(p)
	}
	for i := range w.Workloads {
		if w.Ambient {
			break
		}
		proxy, err := walk.NewProxy(p.Sidecar(i))
		m.Sidecars = append(m.Sidecars, proxy)
		errs = append(errs, err)
	}
	for i, g := range w.Gateways {
		proxy, err := walk.NewProxy(p.Gateway(i))
		m.Gateways = append(m.Gateways, proxy)
		errs = append(errs, err)
		m.network.Proxies[w.GatewayIP(i)] = proxy
		for _, port := range g.Ports {
			m.network.Services[netip.AddrPortFrom(w.ServiceIP(i), port.Number)] = netip.AddrPortFrom(w.GatewayIP(i), port.Target)
		}
	}
	for i := range w.Waypoints {
		proxy, err := walk.NewProxy(p.Waypoint(i))
		m.Waypoints = append(m.Waypoints, proxy)
		errs = append(errs, err)
		m.network.Proxies[w.WaypointIP(i)] = proxy
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// Honest follows a connection of the i-th workload's application through its sidecar or, in ambient mode, ztunnel.
func (m *Mesh) Honest(i int, to netip.AddrPort, b walk.Bytes) (walk.Outcome, error) {
	if m.World.Ambient {
		return m.captured(i, to, b)
	}
	return m.network.Captured(m.Sidecars[i], m.World.WorkloadIP(i), to, b)
}

// Bypass follows a connection that the i-th workload opens past its sidecar. What it may show of a certificate is its own: the caller fills it in.
func (m *Mesh) Bypass(i int, to netip.AddrPort, b walk.Bytes) (walk.Outcome, error) {
	return m.network.Dialled(m.World.WorkloadIP(i), to, b)
}
