package render

// An Object is a Kubernetes object to apply: no status, no nulls, no defaults spelled out.
type Object struct {
	APIVersion  string
	Kind        string
	Namespace   string // empty for cluster-scoped kinds
	Name        string
	Labels      map[string]string
	Annotations map[string]string
	Spec        any // encodes to a JSON object; the target's published Go type, as a pointer
}
