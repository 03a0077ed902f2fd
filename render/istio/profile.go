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

	// Egress is the way by which names leave; empty: [ByGateway].
	Egress Egress `json:"egress,omitempty"`

	Gateway  Gateway  `json:"gateway"`
	Waypoint Waypoint `json:"waypoint"`

	// EnvoyFilter permits to extend the gateway by an EnvoyFilter. Without it, and with proxies before 1.29.2, wildcards are lost, and a
	// compromised pod may ask the addresses of the names that it may reach for other names.
	EnvoyFilter bool `json:"envoyFilter"`

	// RegistryOnly is what closes sidecars to what is not in the registry; empty: [ByRootSidecar].
	RegistryOnly RegistryOnly `json:"registryOnly,omitempty"`

	// DNSCapture tells whether the mesh's proxies answer the DNS questions of pods. Ambient mode needs it, to tell names apart. With sidecars
	// the objects mean the same either way.
	DNSCapture bool `json:"dnsCapture"`

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
		DNSCapture:  true,
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

// Validate returns everything that is wrong with the profile: for each mistake the field, what is there, and what to write instead.
func (p Profile) Validate() policy.Diagnostics {
	var ds diagnostics
	ds.version(p.Version)
	ds.namespace("rootNamespace", p.RootNamespace, "istio-system")
	ds.add("trustDomain", trustError(p.TrustDomain))
	for i, alias := range p.TrustAliases {
		ds.add(fmt.Sprintf("trustAliases[%d]", i), trustError(alias))
	}
	domain, err := match.ParseHost(p.ClusterDomain)
	switch {
	case err != nil:
		ds.addf("clusterDomain", "%w; write the domain of the cluster's services, such as cluster.local", err)
	case domain.String() != p.ClusterDomain:
		ds.addf("clusterDomain", "%q is not how it is written; write %q", p.ClusterDomain, domain)
	}
	ds.oneOf("dataPlane", string(p.DataPlane), string(Sidecars), string(Ambient))
	ds.oneOf("registryOnly", string(p.RegistryOnly), string(ByRootSidecar), string(ByNamespaceSidecars), string(ByMeshConfig))
	ds.oneOf("egress", string(p.Egress), string(ByGateway), string(Direct))
	if p.Egress == Direct && p.RegistryOnly == ByMeshConfig {
		ds.addf("registryOnly", "%q, and names that leave from sidecars need Sidecars, which let the entries of a namespace take the place of those for all; write %q or %q",
			p.RegistryOnly, ByRootSidecar, ByNamespaceSidecars)
	}
	if p.DataPlane == Ambient {
		if v, err := parseVersion(p.Version); err == nil && !v.before(oldest) && v.before(takesNetworks) {
			ds.addf("version", "%s is older than %s, the oldest version of ztunnel that hands whole networks to a waypoint; upgrade it, or write dataPlane: %s", v, takesNetworks, Sidecars)
		}
		if p.Egress == Direct {
			ds.addf("egress", "%q, and ambient mode has no sidecars that names could leave from; write %q", p.Egress, ByGateway)
		}
		if !p.DNSCapture {
			ds.addf("dnsCapture", "false, and ambient mode tells names apart by the addresses that it answers DNS questions with; write true, or dataPlane: %s", Sidecars)
		}
		if p.RegistryOnly != "" && p.RegistryOnly != ByRootSidecar {
			ds.addf("registryOnly", "%q, and ambient mode has no sidecars to close; write nothing", p.RegistryOnly)
		}
	}
	ds.waypoint(p.Waypoint, p.RootNamespace)
	ds.gateway(p.Gateway)
	for i, n := range p.Unroutable {
		switch field := fmt.Sprintf("unroutable[%d]", i); {
		case !n.IsValid():
			ds.addf(field, "no network; write one such as 10.0.0.0/8, or leave it out")
		case n != n.Masked():
			ds.addf(field, "%v is an address in a network; write %v for the network", n, n.Masked())
		}
	}
	out := policy.Diagnostics(ds)
	out.Sort()
	return out
}

// diagnostics collects what is wrong with a profile.
type diagnostics policy.Diagnostics

func (ds *diagnostics) add(field string, err error) {
	if err != nil {
		*ds = append(*ds, policy.Diagnostic{Severity: policy.Error, Code: "bad-profile", Position: policy.Position{Field: "istio." + field}, Message: err.Error()})
	}
}

func (ds *diagnostics) addf(field, format string, args ...any) {
	ds.add(field, fmt.Errorf(format, args...))
}

// oneOf takes one of the words, or none.
func (ds *diagnostics) oneOf(field, word string, words ...string) {
	if word != "" && !slices.Contains(words, word) {
		ds.addf(field, "%q is none of its values; write one of %s", word, strings.Join(words, ", "))
	}
}

func (ds *diagnostics) version(text string) {
	v, err := parseVersion(text)
	switch {
	case err != nil:
		ds.add("version", err)
	case v.before(oldest):
		ds.addf("version", "%s is older than %s, the oldest version of the proxies that can do this; upgrade them, and write the oldest version that runs", v, oldest)
	case slices.Compare(newest[:2], v[:2]) < 0:
		ds.addf("version", "%s is newer than %d.%d, the newest version that this has been tried with; write %d.%d", v, newest[0], newest[1], newest[0], newest[1])
	}
}

func (ds *diagnostics) namespace(field, name, such string) {
	if err := identity.ValidateName(name); err != nil {
		ds.addf(field, "%w; write the name of a namespace, such as %s", err, such)
	}
}

func (ds *diagnostics) waypoint(w Waypoint, root string) {
	ds.namespace("waypoint.namespace", w.Namespace, "istio-egress")
	if problems := validation.IsDNS1035Label(w.Name); len(problems) > 0 {
		ds.addf("waypoint.name", "%q: %s; write the name of a Gateway, such as egress", w.Name, strings.Join(problems, "; "))
	}
	if w.Namespace == root {
		ds.addf("waypoint.namespace", "%q is the root namespace, whose policies hold for the whole mesh; write a namespace that is the waypoint's own, such as istio-egress", w.Namespace)
	}
}

func (ds *diagnostics) gateway(g Gateway) {
	ds.namespace("gateway.namespace", g.Namespace, "istio-system")
	if problems := validation.IsDNS1035Label(g.Service); len(problems) > 0 {
		ds.addf("gateway.service", "%q: %s; write the name of the gateway's Service without namespace and domain, such as istio-egressgateway", g.Service, strings.Join(problems, "; "))
	}
	if len(g.PodLabels) == 0 {
		ds.addf("gateway.podLabels", "no labels, which would choose every pod of the mesh; write those of the gateway's pods, such as istio: egressgateway")
	}
	for _, k := range slices.Sorted(maps.Keys(g.PodLabels)) {
		problems := append(validation.IsQualifiedName(k), validation.IsValidLabelValue(g.PodLabels[k])...)
		if len(problems) > 0 {
			ds.addf("gateway.podLabels", "%q: %q is no label: %s; write a key and value that pods can have", k, g.PodLabels[k], strings.Join(problems, "; "))
		}
	}
	for _, port := range [...]struct {
		field, what string
		number      uint16
	}{
		{"tls.port", "the Service's port for TLS, such as 443", g.TLS.Port},
		{"tls.targetPort", "the port of the pods behind it, such as 8443", g.TLS.TargetPort},
		{"http.port", "the Service's port for HTTP, such as 80", g.HTTP.Port},
		{"http.targetPort", "the port of the pods behind it, such as 8080", g.HTTP.TargetPort},
	} {
		if port.number == 0 {
			ds.addf("gateway."+port.field, "0 is no port; write %s", port.what)
		}
	}
	if g.TLS.Port != 0 && g.TLS.Port == g.HTTP.Port {
		ds.addf("gateway.http.port", "%d is the port for TLS, too; write another one: they need one each", g.HTTP.Port)
	}
	if g.TLS.TargetPort != 0 && g.TLS.TargetPort == g.HTTP.TargetPort {
		ds.addf("gateway.http.targetPort", "%d is the port for TLS, too; write another one: they need one each", g.HTTP.TargetPort)
	}
}

func trustError(domain string) error {
	if err := identity.ValidateTrustDomain(domain); err != nil {
		return fmt.Errorf("%w; write the trust domain as the mesh configuration has it, such as %s", err, identity.DefaultTrustDomain)
	}
	return nil
}

func (p Profile) clone() Profile {
	p.TrustAliases = slices.Clone(p.TrustAliases)
	p.Unroutable = slices.Clone(p.Unroutable)
	p.Gateway.PodLabels = maps.Clone(p.Gateway.PodLabels)
	return p
}

// host returns the DNS name of the gateway's service.
func (p *Profile) host() string {
	return p.Gateway.Service + "." + p.Gateway.Namespace + ".svc." + p.ClusterDomain
}

// A version of Istio's proxies.
type version [3]int

var (
	oldest = version{1, 29, 0}
	newest = version{1, 31, 0}
	// keepsIdentities is the first version that does not hand one client's connection between listeners, with its identity, to another: the
	// identity must be part of the key of the connection pool.
	keepsIdentities = version{1, 29, 2}
	// takesNetworks is the first version of ztunnel that hands networks to a waypoint. Without it, all that no entry names would pass.
	takesNetworks = version{1, 30, 0}
	// dropsAddresses is the first version whose proxies drop addresses from the answers of name servers. Older ones ignore the request.
	dropsAddresses = version{1, 31, 0}
)

func parseVersion(s string) (version, error) {
	parts := strings.Split(s, ".")
	v := version{}
	if len(parts) != 2 && len(parts) != 3 {
		return v, fmt.Errorf("%q is no version; write the oldest one of the proxies, such as 1.31 or 1.29.2", s)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || part != strconv.FormatUint(n, 10) {
			return v, fmt.Errorf("%q is no version; write the oldest one of the proxies, such as 1.31 or 1.29.2", s)
		}
		v[i] = int(n)
	}
	return v, nil
}

func (v version) before(o version) bool { return slices.Compare(v[:], o[:]) < 0 }

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
