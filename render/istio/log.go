package istio

import (
	"fmt"

	telemetry "istio.io/api/telemetry/v1alpha1"
	selector "istio.io/api/type/v1beta1"

	"github.com/egresskit/egress/render"
)

// emitLog has the gateway write a line for each access, let pass or not.
func (b *builder) emitLog() {
	if b.profile.AccessLog == "" {
		return
	}
	b.emit("telemetry.istio.io/v1", "Telemetry", "egress-gateway", &telemetry.Telemetry{
		Selector:      b.gatewayPods(),
		AccessLogging: []*telemetry.AccessLogging{{Providers: []*telemetry.ProviderRef{{Name: b.profile.AccessLog}}}},
	})
	b.out.Assume("access-log", fmt.Sprintf("the mesh configuration has the access log provider %s, whose format has the client's identity (%%DOWNSTREAM_PEER_URI_SAN%%), "+
		"and no other Telemetry selects the gateway's pods", b.profile.AccessLog))
}

// emitWaypointLog has the waypoint write a line for each access, let pass or not.
func (b *builder) emitWaypointLog() {
	w := b.profile.Waypoint
	b.out.Emit(render.Object{
		APIVersion: "telemetry.istio.io/v1", Kind: "Telemetry", Namespace: w.Namespace, Name: b.out.Name("egress-waypoint"),
		Spec: &telemetry.Telemetry{
			TargetRefs:    []*selector.PolicyTargetReference{{Group: "gateway.networking.k8s.io", Kind: "Gateway", Name: w.Name}},
			AccessLogging: []*telemetry.AccessLogging{{Providers: []*telemetry.ProviderRef{{Name: b.profile.AccessLog}}}},
		},
	}, render.Same)
	b.out.Assume("access-log", fmt.Sprintf("the mesh configuration has the access log provider %s, whose format has the name (%%REQUESTED_SERVER_NAME%% or %%REQ(:AUTHORITY)%%) and the "+
		"client's identity (%%FILTER_STATE(%s:PLAIN)%%), and no other Telemetry is for the waypoint", b.profile.AccessLog, identityKey))
}

// innerLog returns the log of a listener inside the gateway, which Istio's setting does not reach: a line for each connection, those that no chain
// takes and those that a chain closes included. The outer log has the marker for a name.
func (b *builder) innerLog() []any {
	if b.profile.AccessLog == "" {
		return nil
	}
	return list(extension("envoy.access_loggers.stdout", "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", fields{
		"log_format": fields{"json_format": fields{
			"time":     "%START_TIME%",
			"listener": "egress",
			"source":   "%FILTER_STATE(" + identityKey + ":PLAIN)%",
			"name":     "%REQUESTED_SERVER_NAME%",
			"class":    "%FILTER_CHAIN_NAME%", // none: nobody may ask for the name
			"upstream": "%UPSTREAM_HOST%",     // none: denied, or not to be reached
			"flags":    "%RESPONSE_FLAGS%",
			"decision": "%CONNECTION_TERMINATION_DETAILS%", // says so where access rules deny
			"sent":     "%BYTES_SENT%",
			"received": "%BYTES_RECEIVED%",
		}},
	}))
}
