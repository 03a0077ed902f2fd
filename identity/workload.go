package identity

import (
	"fmt"
	"strings"
)

// DefaultTrustDomain is the trust domain of a workload that names none, as in Istio's and SPIRE's defaults for Kubernetes.
const DefaultTrustDomain = "cluster.local"

// NamespaceNameLabel is set by the API server on every namespace to its name (kubernetes.io/metadata.name).
const NamespaceNameLabel = "kubernetes.io/metadata.name"

// A Workload is a source of traffic. Only Namespace is required; what is left empty is unknown, and no selector that asks for it
// matches. Selectors read the maps and keep no reference to them.
type Workload struct {
	Cluster         string            `json:"cluster,omitempty"`
	TrustDomain     string            `json:"trustDomain,omitempty"` // empty: DefaultTrustDomain
	Namespace       string            `json:"namespace"`
	ServiceAccount  string            `json:"serviceAccount,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`          // of the pod
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"` // NamespaceNameLabel is implied
}

// SPIFFE returns the workload's SPIFFE ID in the form of Kubernetes meshes, and false when it has no namespace or service account.
func (w Workload) SPIFFE() (SPIFFEID, bool) {
	if w.Namespace == "" || w.ServiceAccount == "" {
		return SPIFFEID{}, false
	}
	td := w.TrustDomain
	if td == "" {
		td = DefaultTrustDomain
	}
	return SPIFFEID{td, w.Namespace, w.ServiceAccount}, true
}

// A SPIFFEID is the identity in a workload's certificate: spiffe://TrustDomain/ns/Namespace/sa/ServiceAccount. The zero SPIFFEID is
// nobody. SPIFFEIDs are comparable.
type SPIFFEID struct{ TrustDomain, Namespace, ServiceAccount string }

// ParseSPIFFEID parses spiffe://<trust domain>/ns/<namespace>/sa/<service account>. Other SPIFFE IDs name no Kubernetes workload and are errors.
func ParseSPIFFEID(s string) (SPIFFEID, error) {
	rest, ok := strings.CutPrefix(s, "spiffe://")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return SPIFFEID{}, fmt.Errorf("%q is not a Kubernetes SPIFFE ID; write spiffe://<trust domain>/ns/<namespace>/sa/<service account>", s)
	}
	id := SPIFFEID{parts[0], parts[2], parts[4]}
	if err := ValidateTrustDomain(id.TrustDomain); err != nil {
		return SPIFFEID{}, err
	}
	for _, name := range []string{id.Namespace, id.ServiceAccount} {
		if err := ValidateName(name); err != nil {
			return SPIFFEID{}, err
		}
	}
	return id, nil
}

// String returns the ID as a URI, and "" for the zero SPIFFEID.
func (id SPIFFEID) String() string {
	if id == (SPIFFEID{}) {
		return ""
	}
	return "spiffe://" + id.Principal()
}

// Principal returns the ID without its scheme, as Istio writes principals.
func (id SPIFFEID) Principal() string {
	return id.TrustDomain + "/ns/" + id.Namespace + "/sa/" + id.ServiceAccount
}

// ValidateName reports what keeps name from being the name of a namespace or service account (RFC 1123 subdomain, 253 bytes).
func ValidateName(name string) error {
	if name == "" {
		return fmt.Errorf("empty name")
	}
	if len(name) > 253 {
		return fmt.Errorf("name longer than 253 bytes")
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case (c == '-' || c == '.') && i > 0 && i < len(name)-1:
		default:
			return fmt.Errorf("%q is not a Kubernetes name: use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit", name)
		}
	}
	return nil
}

// ValidateTrustDomain reports what keeps td from being a SPIFFE trust domain name.
func ValidateTrustDomain(td string) error {
	if td == "" || len(td) > 255 {
		return fmt.Errorf("a trust domain has 1 to 255 bytes")
	}
	for i := 0; i < len(td); i++ {
		c := td[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return fmt.Errorf("%q is not a trust domain: use lower-case letters, digits, '.', '-' and '_'", td)
		}
	}
	return nil
}
