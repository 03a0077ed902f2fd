package gatewayapi

import (
	"fmt"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
)

// A Profile is what the target assumes of the cluster: Istio as the implementation of Gateway API, with sidecars.
type Profile struct {
	Namespace     string `json:"namespace"`     // of the gateway and of everything else but the Sidecar; the platform's own
	Gateway       string `json:"gateway"`       // name of the Gateway; further ones get it as a prefix
	GatewayClass  string `json:"gatewayClass"`  // Istio names the gateway's Service and Pods <Gateway>-<GatewayClass>
	RootNamespace string `json:"rootNamespace"` // of the mesh: a Sidecar there holds for every namespace
	TrustDomain   string `json:"trustDomain"`
	ClusterDomain string `json:"clusterDomain"` // of Kubernetes Services
}

// DefaultProfile returns Istio's own defaults, with the gateway in a namespace of its own.
func DefaultProfile() Profile {
	return Profile{
		Namespace:     "istio-egress",
		Gateway:       "egress",
		GatewayClass:  "istio",
		RootNamespace: "istio-system",
		TrustDomain:   identity.DefaultTrustDomain,
		ClusterDomain: "cluster.local",
	}
}

// Validate returns everything that is wrong with the profile.
func (p Profile) Validate() policy.Diagnostics {
	var ds policy.Diagnostics
	check := func(field, value string, err error) {
		if err != nil {
			ds = append(ds, policy.Diagnostic{Severity: policy.Error, Code: "bad-profile", Position: policy.Position{Field: "gatewayapi." + field},
				Message: fmt.Sprintf("%q: %v", value, err)})
		}
	}
	for _, f := range []struct{ field, value string }{
		{"namespace", p.Namespace}, {"gateway", p.Gateway}, {"gatewayClass", p.GatewayClass}, {"rootNamespace", p.RootNamespace}, {"clusterDomain", p.ClusterDomain},
	} {
		check(f.field, f.value, identity.ValidateName(f.value))
	}
	// The Service's name is a DNS label.
	if n := len(p.Gateway) + len("-99-") + len(p.GatewayClass); n > 63 {
		check("gateway", p.Gateway, fmt.Errorf("with the gateway class longer than a Service's name by %d bytes", n-63))
	}
	check("trustDomain", p.TrustDomain, identity.ValidateTrustDomain(p.TrustDomain))
	if p.Namespace == p.RootNamespace {
		check("namespace", p.Namespace, fmt.Errorf("the root namespace's policies hold for the whole mesh; give the gateway a namespace of its own"))
	}
	return ds
}

// service returns the DNS name of the Service that Istio makes for a Gateway.
func (p Profile) service(gateway string) string {
	return fmt.Sprintf("%s-%s.%s.svc.%s", gateway, p.GatewayClass, p.Namespace, p.ClusterDomain)
}
