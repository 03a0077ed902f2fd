package pilot

import (
	"fmt"
	"net/netip"
	"strings"

	"istio.io/istio/pkg/workloadapi"

	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// ztunnel is what the node's proxy of ambient mode does with connections of captured pods, by what Pilot tells it. Its behaviour was read in
// its sources: there are no sidecars and no REGISTRY_ONLY, and the address that is dialled decides.
type ztunnel struct {
	services  []*workloadapi.Service
	endpoints map[string][]*workloadapi.Workload // by namespace/hostname of the service
	pods      map[netip.Addr]bool
}

func newZtunnel(p *Pilot) *ztunnel {
	z := &ztunnel{endpoints: map[string][]*workloadapi.Workload{}, pods: map[netip.Addr]bool{}}
	for _, info := range p.server.AmbientIndex.All() {
		switch a := info.GetType().(type) {
		case *workloadapi.Address_Service:
			z.services = append(z.services, a.Service)
		case *workloadapi.Address_Workload:
			for key := range a.Workload.GetServices() {
				z.endpoints[key] = append(z.endpoints[key], a.Workload)
			}
			for _, raw := range a.Workload.GetAddresses() {
				if addr, ok := netip.AddrFromSlice(raw); ok {
					z.pods[addr] = true
				}
			}
		}
	}
	return z
}

// resolve answers a DNS question of a pod as ztunnel's DNS proxy does: with the address of the service of that name, the client's namespace
// first and then the canonical one, exact names before wildcards of growing width. ok is false for a name that goes to real name servers.
func (z *ztunnel) resolve(namespace, name string) (addr netip.Addr, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for pattern := name; ; {
		var found *workloadapi.Service
		for _, s := range z.services {
			if s.GetHostname() == pattern && (found == nil || s.GetNamespace() == namespace || s.GetCanonical() && found.GetNamespace() != namespace) {
				found = s
			}
		}
		if found != nil {
			for _, a := range found.GetAddresses() {
				if prefix, valid := serviceAddress(a); valid && prefix.IsSingleIP() {
					return prefix.Addr(), true
				}
			}
			return netip.Addr{}, false
		}
		_, rest, more := strings.Cut(strings.TrimPrefix(pattern, "*."), ".")
		if !more {
			return netip.Addr{}, false
		}
		pattern = "*." + rest
	}
}

func serviceAddress(a *workloadapi.NetworkAddress) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(a.GetAddress())
	if !ok {
		return netip.Prefix{}, false
	}
	bits := addr.BitLen()
	if a.Length != nil {
		bits = int(a.GetLength())
	}
	return netip.PrefixFrom(addr, bits), true
}

// serviceAt returns the service that an address belongs to: one of exactly that address, else, unless a pod has it, that of the narrowest
// network around it.
func (z *ztunnel) serviceAt(addr netip.Addr) *workloadapi.Service {
	var found *workloadapi.Service
	best := -1
	for _, s := range z.services {
		for _, a := range s.GetAddresses() {
			p, ok := serviceAddress(a)
			if ok && p.Contains(addr) && p.Bits() > best && (p.IsSingleIP() || !z.pods[addr]) {
				found, best = s, p.Bits()
			}
		}
	}
	return found
}

// captured follows a connection that the i-th workload opens.
func (m *Mesh) captured(i int, to netip.AddrPort, b walk.Bytes) (walk.Outcome, error) {
	from := m.World.WorkloadIP(i)
	s := m.ztunnel.serviceAt(to.Addr())
	switch {
	case s == nil:
		return m.network.Dialled(from, to, b)
	case s.GetWaypoint() != nil:
		for n, wp := range m.World.Waypoints {
			if s.GetWaypoint().GetHostname().GetHostname() == wp.Host() {
				return m.network.Dialled(from, netip.AddrPortFrom(m.World.WaypointIP(n), world.HBONE), m.hbone(i, to, b))
			}
		}
		return walk.Outcome{}, fmt.Errorf("service %s has a waypoint that is not in the world: %v", s.GetHostname(), s.GetWaypoint())
	}
	// Without a waypoint ztunnel picks an endpoint itself and asks nobody.
	for _, e := range m.ztunnel.endpoints[s.GetNamespace()+"/"+s.GetHostname()] {
		for _, port := range e.GetServices()[s.GetNamespace()+"/"+s.GetHostname()].GetPorts() {
			if port.GetServicePort() != uint32(to.Port()) {
				continue
			}
			switch target := uint16(port.GetTargetPort()); {
			case strings.HasPrefix(e.GetHostname(), "*"):
				return walk.Outcome{Denied: fmt.Sprintf("ztunnel looks up %q", e.GetHostname())}, nil
			case e.GetHostname() != "":
				return walk.Outcome{Host: e.GetHostname(), Port: target, Arrives: b}, nil
			case len(e.GetAddresses()) > 0:
				addr, _ := netip.AddrFromSlice(e.GetAddresses()[0])
				return m.network.Dialled(from, netip.AddrPortFrom(addr, target), b)
			}
		}
	}
	if s.GetLoadBalancing().GetMode() == workloadapi.LoadBalancing_PASSTHROUGH {
		return m.network.Dialled(from, to, b)
	}
	return walk.Outcome{Denied: fmt.Sprintf("ztunnel has no endpoint for port %d of %s", to.Port(), s.GetHostname())}, nil
}

// hbone wraps bytes for an address the way that ztunnel does, and that a pod with its own certificate can: mutual TLS, and CONNECT inside.
func (m *Mesh) hbone(i int, to netip.AddrPort, b walk.Bytes) walk.Bytes {
	return walk.TLS{
		ALPN:     []string{"h2"},
		Identity: m.World.SPIFFE(m.World.Workloads[i]),
		Inner:    walk.HTTP{Method: "CONNECT", Authority: to.String(), HTTP2: true, Tunnel: b},
	}
}

// Tunnel follows a connection that the i-th workload opens to a waypoint by itself, with its own certificate, to any address and with any
// bytes.
func (m *Mesh) Tunnel(i, waypoint int, to netip.AddrPort, b walk.Bytes) (walk.Outcome, error) {
	return m.network.Dialled(m.World.WorkloadIP(i), netip.AddrPortFrom(m.World.WaypointIP(waypoint), world.HBONE), m.hbone(i, to, b))
}

// Resolve answers a DNS question of the i-th workload, in ambient mode: with the address that stands for the name inside the mesh, or with
// elsewhere, as a name server outside would.
func (m *Mesh) Resolve(i int, name string, elsewhere netip.Addr) netip.Addr {
	if addr, ok := m.ztunnel.resolve(m.World.Workloads[i].Namespace, name); ok {
		return addr
	}
	return elsewhere
}
