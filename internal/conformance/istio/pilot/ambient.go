package pilot

import (
	"fmt"
	"sync"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// modes keeps servers with and without ambient mode apart: Pilot reads the switches for it while it works.
var modes = sync.NewCond(new(sync.Mutex))

var running struct { // guarded by modes.L
	servers int
	ambient bool
	restore func()
}

// enterMode waits until no server of the other mode runs, sets Pilot's switches, and returns what ends it.
func enterMode(ambient bool) (leave func()) {
	modes.L.Lock()
	defer modes.L.Unlock()
	for running.servers > 0 && running.ambient != ambient {
		modes.Wait()
	}
	if running.servers == 0 {
		running.ambient, running.restore = ambient, func() {}
		if ambient {
			running.restore = enableAmbient()
		}
	}
	running.servers++
	return func() {
		modes.L.Lock()
		defer modes.L.Unlock()
		if running.servers--; running.servers == 0 {
			running.restore()
			modes.Broadcast()
		}
	}
}

// enableAmbient sets Pilot's switches for ambient mode and returns what sets them back. Wildcard entries for TLS are behind a switch of their own.
func enableAmbient() (restore func()) {
	switches := []*bool{
		&features.EnableAmbient, &features.EnableAmbientWaypoints, &features.EnableHBONESend, &features.EnableSidecarHBONEListening,
		&features.EnableIngressWaypointRouting, &features.EnableWildcardHostServiceEntriesForTLS,
	}
	was := make([]bool, len(switches))
	for i, s := range switches {
		was[i], *s = *s, true
	}
	return func() {
		for i, s := range switches {
			*s = was[i]
		}
	}
}

// settle does what controllers do that the fake server has not: waypoints get the address of their Service in their status, and entries
// without an address an automatic one in theirs.
func settle(w *world.World, objs []*objects.Object) ([]*objects.Object, error) {
	class, err := objects.Parse([]byte(`{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: istio-waypoint}, spec: {controllerName: istio.io/mesh-controller}}`))
	if err != nil {
		return nil, err
	}
	out := class
	allocated := 0
	for _, o := range objs {
		o = o.DeepCopy()
		switch o.GetKind() {
		case "Gateway":
			for _, p := range w.Waypoints {
				if p.Namespace == o.GetNamespace() && p.Name == o.GetName() {
					status := []any{map[string]any{"type": "Hostname", "value": p.Host()}}
					if err := unstructured.SetNestedSlice(o.Object, status, "status", "addresses"); err != nil {
						return nil, err
					}
				}
			}
		case "ServiceEntry":
			hosts, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "hosts")
			addresses, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "addresses")
			if len(addresses) > 0 || o.GetLabels()["networking.istio.io/enable-autoallocate-ip"] == "false" {
				break
			}
			var status []any
			for _, h := range hosts {
				allocated++
				status = append(status, map[string]any{"host": h, "value": fmt.Sprintf("240.240.%d.%d", allocated/256, allocated%256)})
			}
			if err := unstructured.SetNestedSlice(o.Object, status, "status", "addresses"); err != nil {
				return nil, err
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// WaypointProxy returns the i-th waypoint as the discovery server knows it.
func (p *Pilot) WaypointProxy(i int) *model.Proxy {
	wp := p.world.Waypoints[i]
	return p.proxy(&model.Proxy{
		Type:            model.Waypoint,
		ID:              wp.Name + "." + wp.Namespace,
		IPAddresses:     []string{p.world.WaypointIP(i).String()},
		ConfigNamespace: wp.Namespace,
		Labels:          wp.Labels(),
		Metadata:        &model.NodeMetadata{ServiceAccount: wp.Name, EnableHBONE: true},
	})
}

// Waypoint returns the configuration of the i-th waypoint.
func (p *Pilot) Waypoint(i int) walk.Config {
	return p.config(p.WaypointProxy(i), p.world.WaypointSPIFFE(p.world.Waypoints[i]))
}
