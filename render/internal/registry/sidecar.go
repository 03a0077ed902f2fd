// Package registry closes sidecars to what is not in Istio's registry, for the targets that have sidecars.
package registry

import (
	"encoding/json"
	"fmt"

	networking "istio.io/api/networking/v1alpha3"
)

// Only is the spec of a Sidecar that lets out only what the registry has. REGISTRY_ONLY is the zero value of its enum, which the published type
// leaves out of what it writes: a reader would find an empty policy there, and a comparison with what is in the cluster no difference to one
// that is open by default. Only writes it out.
type Only struct{ *networking.Sidecar }

// NewOnly returns the spec of a Sidecar that imports everything there is for a namespace, and lets out nothing else.
func NewOnly() Only {
	return Only{&networking.Sidecar{
		Egress:                []*networking.IstioEgressListener{{Hosts: []string{"*/*"}}},
		OutboundTrafficPolicy: &networking.OutboundTrafficPolicy{Mode: networking.OutboundTrafficPolicy_REGISTRY_ONLY},
	}}
}

// MarshalJSON writes the spec as its published type does, and the mode.
func (o Only) MarshalJSON() ([]byte, error) {
	published, err := json.Marshal(o.Sidecar)
	if err != nil {
		return nil, err
	}
	var spec map[string]json.RawMessage
	if err := json.Unmarshal(published, &spec); err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	mode := o.Sidecar.GetOutboundTrafficPolicy().GetMode().String()
	if spec["outboundTrafficPolicy"], err = json.Marshal(map[string]string{"mode": mode}); err != nil {
		return nil, err
	}
	return json.Marshal(spec)
}
