package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/wording"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// An Implementation is what implements Gateway API in the cluster.
type Implementation string

// Implementations. The zero Implementation is Istio.
const (
	Istio    Implementation = "istio"    // with sidecars
	Portable Implementation = "portable" // any: gateways and routes to Services that the profile names
	Linkerd  Implementation = "linkerd"  // EgressNetworks and their routes
)

// A Backend is where the portable profile sends names to.
type Backend struct {
	Host      string `json:"host"`                // the names: one, or all below a domain, such as "*.foo.com"; of several that hold a name, the most specific counts
	Namespace string `json:"namespace,omitempty"` // of the Service; empty: the gateway's
	Service   string `json:"service"`
	Port      uint16 `json:"port,omitempty"` // of the Service; 0: the port that the names are asked for at
}

// key identifies the backend among those of a port. Backends made of single names have the name alone.
func (b Backend) key() string {
	if b.Service == "" {
		return b.Host
	}
	return fmt.Sprintf("%s/%s:%d", b.Namespace, b.Service, b.Port)
}

// A Profile is what the target assumes of the cluster. Linkerd's uses no more of it than the gateway's name, for its networks.
type Profile struct {
	Implementation Implementation `json:"implementation,omitempty"`
	Release        string         `json:"release,omitempty"` // of the Gateway API CRDs: "1.5" or "1.6"; empty: "1.6"
	Channel        string         `json:"channel,omitempty"` // of the CRDs: "standard" or "experimental"; empty: "standard"

	Backends []Backend `json:"backends,omitempty"` // of the portable profile
	// ExternalHostnames has the portable profile make backends of single names that are given none: XBackends, which are experimental.
	ExternalHostnames bool `json:"externalHostnames,omitempty"`
	// Where the pods of the portable profile's gateways are, and the ports that they listen on, for a packet filter; by default in the gateways'
	// namespace and on the listeners' ports.
	PodNamespace string   `json:"podNamespace,omitempty"`
	PodPorts     []uint16 `json:"podPorts,omitempty"`

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
	suffix := "-99-"
	if p.Implementation == Portable {
		suffix = "-hash-of-12-b-"
	}
	if n := len(p.Gateway) + len(suffix) + len(p.GatewayClass); n > 63 {
		check("gateway", p.Gateway, fmt.Errorf("with the gateway class longer than a Service's name by %s", wording.Count(n-63, "byte")))
	}
	check("trustDomain", p.TrustDomain, identity.ValidateTrustDomain(p.TrustDomain))
	oneOf := func(field, value string, known ...string) {
		if !slices.Contains(known, value) {
			check(field, value, fmt.Errorf("write one of %s", strings.Join(known[1:], ", ")))
		}
	}
	oneOf("implementation", string(p.Implementation), "", string(Istio), string(Portable), string(Linkerd))
	oneOf("release", p.Release, "", "1.5", "1.6")
	oneOf("channel", p.Channel, "", "standard", "experimental")
	if p.ExternalHostnames && (p.Implementation != Portable || p.Channel != "experimental" || p.release() != "1.6") {
		check("externalHostnames", "true", fmt.Errorf("XBackends are for the portable profile, and in the experimental channel from release 1.6 on"))
	}
	if p.PodNamespace != "" {
		check("podNamespace", p.PodNamespace, identity.ValidateName(p.PodNamespace))
	}
	if p.Implementation != Portable && (p.PodNamespace != "" || len(p.PodPorts) > 0) {
		check("podNamespace", p.PodNamespace, fmt.Errorf("pods and their ports are for the portable profile"))
	}
	if len(p.Backends) > 0 && p.Implementation != Portable {
		check("backends", p.Backends[0].Host, fmt.Errorf("backends are for the portable profile"))
	}
	seen := map[string]bool{}
	for i, b := range p.Backends {
		field := fmt.Sprintf("backends[%d].", i)
		host, err := match.ParsePattern(b.Host)
		check(field+"host", b.Host, err)
		if err == nil && host.Kind() == match.Glob {
			check(field+"host", b.Host, fmt.Errorf("a route takes one name, or all below a domain"))
		}
		if err == nil && seen[host.String()] {
			check(field+"host", b.Host, fmt.Errorf("there is another backend for it"))
		}
		seen[host.String()] = true
		check(field+"service", b.Service, identity.ValidateName(b.Service))
		if b.Namespace != "" {
			check(field+"namespace", b.Namespace, identity.ValidateName(b.Namespace))
		}
	}
	if p.Namespace == p.RootNamespace {
		check("namespace", p.Namespace, fmt.Errorf("the root namespace's policies hold for the whole mesh; give the gateway a namespace of its own"))
	}
	return ds
}

// release returns the release of the CRDs.
func (p Profile) release() string { return cmp.Or(p.Release, "1.6") }

// istio reports whether Istio implements Gateway API.
func (p Profile) istio() bool { return p.Implementation == "" || p.Implementation == Istio }

func (p Profile) podNamespace() string { return cmp.Or(p.PodNamespace, p.Namespace) }

// service returns the DNS name of the Service that Istio makes for a Gateway.
func (p Profile) service(gateway string) string {
	return fmt.Sprintf("%s-%s.%s.svc.%s", gateway, p.GatewayClass, p.Namespace, p.ClusterDomain)
}
