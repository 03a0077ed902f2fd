package identity

// DefaultTrustDomain is the trust domain of a workload that names none, as in Istio's and SPIRE's defaults for Kubernetes.
const DefaultTrustDomain = "cluster.local"

// NamespaceNameLabel is set by the API server on every namespace to its name (kubernetes.io/metadata.name).
const NamespaceNameLabel = "kubernetes.io/metadata.name"

// A Workload is a source of traffic. Only Namespace is required. A cluster, namespace or service account left empty is unknown, and no
// selector that asks for it matches; labels left empty are none, as for a pod without labels. Selectors read the maps and keep no
// reference to them.
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
