package istio

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A Profile is what the target assumes of the mesh. [DefaultProfile] is the usual one; a document decoded into it changes what it names
// and keeps the rest. The zero Profile is invalid.
type Profile struct {
	// Version is the oldest version of the proxies, such as "1.31" or "1.29.2"; without a patch version, the first of that minor version.
	Version string `json:"version"`

	RootNamespace string   `json:"rootNamespace"` // of the mesh: a Sidecar there holds for every namespace
	TrustDomain   string   `json:"trustDomain"`   // of the certificates
	TrustAliases  []string `json:"trustAliases,omitempty"`
	ClusterDomain string   `json:"clusterDomain"` // of Kubernetes services; names below it are not outside

	// DataPlane is how the mesh captures what pods send; empty: [Sidecars]. In ambient mode names go out by the Waypoint, and by the
	// Gateway otherwise.
	DataPlane DataPlane `json:"dataPlane,omitempty"`

	Gateway  Gateway  `json:"gateway"`
	Waypoint Waypoint `json:"waypoint"`

	// EnvoyFilter permits to extend the gateway by an EnvoyFilter. Without it, and with proxies before 1.29.2, wildcards are lost, and a
	// compromised pod may ask the addresses of the names that it may reach for other names.
	EnvoyFilter bool `json:"envoyFilter"`

	// AccessLog is the access log provider of the mesh configuration that the gateway writes accesses to. Empty: what is logged is left as it is.
	AccessLog string `json:"accessLog"`

	// Unroutable are networks that no name outside may resolve to: addresses of theirs are dropped from what name servers answer (from
	// version 1.31 on, and where the gateway looks names up itself). Otherwise whoever controls the DNS of an allowed name has the gateway
	// connect to the inside of the cluster.
	Unroutable []netip.Prefix `json:"unroutable,omitempty"`
}

// A Gateway is the egress gateway: pods behind a service.
type Gateway struct {
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	PodLabels Labels `json:"podLabels"`

	// The ports that connections by TLS and by HTTP come to, which must be two.
	TLS  Port `json:"tls"`
	HTTP Port `json:"http"`
}

// A Port is a port of a service, and the port of the pods behind it.
type Port struct {
	Port       uint16 `json:"port"`
	TargetPort uint16 `json:"targetPort"`
}

// Labels are labels of pods. Decoding JSON replaces them rather than adding to what is there.
type Labels map[string]string

// UnmarshalJSON decodes an object of strings.
func (l *Labels) UnmarshalJSON(data []byte) error {
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*l = m
	return nil
}

// String returns the labels as a selector.
func (l Labels) String() string {
	parts := make([]string, 0, len(l))
	for _, k := range slices.Sorted(maps.Keys(l)) {
		parts = append(parts, k+"="+l[k])
	}
	return strings.Join(parts, ",")
}

// DefaultProfile returns what Istio's own documentation assumes: pods istio=egressgateway behind the service istio-egressgateway in
// istio-system, 80 to 8080 and 443 to 8443. Names outside may not resolve to addresses that are not public.
func DefaultProfile() Profile {
	p := Profile{
		Version:       "1.31",
		RootNamespace: "istio-system",
		TrustDomain:   identity.DefaultTrustDomain,
		ClusterDomain: "cluster.local",
		Gateway: Gateway{
			Namespace: "istio-system",
			Service:   "istio-egressgateway",
			PodLabels: Labels{"istio": "egressgateway"},
			TLS:       Port{443, 8443},
			HTTP:      Port{80, 8080},
		},
		Waypoint:    Waypoint{Namespace: "istio-egress", Name: "egress"},
		EnvoyFilter: true,
		AccessLog:   "envoy",
	}
	for _, s := range [...]string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
		"::/127", "::ffff:0:0/96", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		p.Unroutable = append(p.Unroutable, netip.MustParsePrefix(s))
	}
	return p
}

// Validate returns everything that is wrong with the profile.
func (p Profile) Validate() policy.Diagnostics {
	var ds policy.Diagnostics
	check := func(field string, err error) {
		if err != nil {
			ds = append(ds, policy.Diagnostic{Severity: policy.Error, Code: "bad-profile", Position: policy.Position{Field: "istio." + field},
				Message: err.Error()})
		}
	}
	v, err := parseVersion(p.Version)
	check("version", err)
	if err == nil && v.before(oldest) {
		check("version", fmt.Errorf("%s is older than %s, the oldest version of the proxies that can do this", v, oldest))
	}
	check("rootNamespace", identity.ValidateName(p.RootNamespace))
	_, err = identity.NewTrustDomains(p.TrustDomain, p.TrustAliases...)
	check("trustDomain", err)
	domain, err := match.ParseHost(p.ClusterDomain)
	if err == nil && domain.String() != p.ClusterDomain {
		err = fmt.Errorf("write %q", domain)
	}
	check("clusterDomain", err)
	switch p.DataPlane {
	case "", Sidecars, Ambient:
	default:
		check("dataPlane", fmt.Errorf("%q is no data plane; write %s or %s", p.DataPlane, Sidecars, Ambient))
	}
	check("waypoint.namespace", identity.ValidateName(p.Waypoint.Namespace))
	check("waypoint.name", labelError(validation.IsDNS1035Label(p.Waypoint.Name)))
	if p.Waypoint.Namespace == p.RootNamespace {
		check("waypoint.namespace", fmt.Errorf("policies of the root namespace hold for the whole mesh; give the waypoint a namespace of its own"))
	}
	check("gateway.namespace", identity.ValidateName(p.Gateway.Namespace))
	check("gateway.service", labelError(validation.IsDNS1035Label(p.Gateway.Service)))
	if len(p.Gateway.PodLabels) == 0 {
		check("gateway.podLabels", fmt.Errorf("no labels would choose every pod of the mesh"))
	}
	for _, k := range slices.Sorted(maps.Keys(p.Gateway.PodLabels)) {
		check("gateway.podLabels", labelError(validation.IsQualifiedName(k)))
		check("gateway.podLabels", labelError(validation.IsValidLabelValue(p.Gateway.PodLabels[k])))
	}
	for _, port := range []struct {
		field  string
		number uint16
	}{
		{"tls.port", p.Gateway.TLS.Port}, {"tls.targetPort", p.Gateway.TLS.TargetPort},
		{"http.port", p.Gateway.HTTP.Port}, {"http.targetPort", p.Gateway.HTTP.TargetPort},
	} {
		if port.number == 0 {
			check("gateway."+port.field, fmt.Errorf("no port"))
		}
	}
	if p.Gateway.TLS.Port == p.Gateway.HTTP.Port || p.Gateway.TLS.TargetPort == p.Gateway.HTTP.TargetPort {
		check("gateway.http", fmt.Errorf("TLS and HTTP come to the same port; they need one each"))
	}
	for _, n := range p.Unroutable {
		if !n.IsValid() || n != n.Masked() {
			check("unroutable", fmt.Errorf("%v is not a network; write %v", n, n.Masked()))
		}
	}
	ds.Sort()
	return ds
}

func (p Profile) clone() Profile {
	p.TrustAliases = slices.Clone(p.TrustAliases)
	p.Unroutable = slices.Clone(p.Unroutable)
	p.Gateway.PodLabels = maps.Clone(p.Gateway.PodLabels)
	return p
}

func labelError(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(problems, "; "))
}

// host returns the DNS name of the gateway's service.
func (p *Profile) host() string {
	return p.Gateway.Service + "." + p.Gateway.Namespace + ".svc." + p.ClusterDomain
}

// A version of Istio's proxies.
type version [3]int

var (
	oldest = version{1, 29, 0}
	// keepsIdentities is the first version that does not hand one client's connection between listeners, with its identity, to another: the
	// identity must be part of the key of the connection pool.
	keepsIdentities = version{1, 29, 2}
	// dropsAddresses is the first version whose proxies drop addresses from the answers of name servers. Older ones ignore the request.
	dropsAddresses = version{1, 31, 0}
)

func parseVersion(s string) (version, error) {
	parts := strings.Split(s, ".")
	v := version{}
	if len(parts) != 2 && len(parts) != 3 {
		return v, fmt.Errorf("%q is not a version such as 1.31 or 1.29.2", s)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || part != strconv.FormatUint(n, 10) {
			return v, fmt.Errorf("%q is not a version such as 1.31 or 1.29.2", s)
		}
		v[i] = int(n)
	}
	return v, nil
}

func (v version) before(o version) bool { return slices.Compare(v[:], o[:]) < 0 }

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
