package istio

import (
	"slices"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/simulation"

	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
)

// TestFirstHopAgreesWithSimulation compares the sidecar's part of each walk with Istio's own simulation of proxies, which covers the choice of
// listener, filter chain, route and cluster, and no more.
func TestFirstHopAgreesWithSimulation(t *testing.T) {
	compared := 0
	for _, s := range slices.Concat(documented, traps) {
		if s.rejected != "" {
			continue
		}
		t.Run(s.file, func(t *testing.T) {
			err := pilot.Run(smallWorld(), readObjects(t, s.file), func(p *pilot.Pilot) error {
				m, err := p.Mesh()
				if err != nil {
					return err
				}
				for _, a := range s.asks {
					call, ok := asCall(a)
					if !ok {
						continue
					}
					compared++
					out, err := a.walk(m)
					if err != nil {
						return err
					}
					want := simulation.NewSimulation(t, p.Server(), p.SidecarProxy(a.from)).Run(call).ClusterMatched
					if got := out.Hops[0].Cluster; got != want {
						t.Errorf("%v: leaves by %q, and in the simulation by %q", a, got, want)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	if compared < 40 {
		t.Errorf("only %d asks compared", compared)
	}
}

// asCall says an ask in the simulation's terms, and false for one that it does not cover.
func asCall(a ask) (simulation.Call, bool) {
	to := outsideAt(a.port)
	call := simulation.Call{Address: to.Addr().String(), Port: int(to.Port()), CallMode: simulation.CallModeOutbound, Protocol: simulation.TCP, TLS: simulation.Plaintext}
	switch b := a.bytes.(type) {
	case walk.TLS:
		// Envoy folds the case of names, and the simulation does not.
		call.Sni, call.TLS, call.Protocol, call.Alpn = strings.ToLower(b.SNI), simulation.TLS, simulation.HTTP2, "h2"
	case walk.HTTP:
		call.HostHeader, call.Protocol = strings.ToLower(b.Authority), simulation.HTTP
	}
	return call, !a.bypass
}
