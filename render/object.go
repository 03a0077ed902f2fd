package render

import "strings"

// An Object is a Kubernetes object to apply: no status, no nulls, no defaults spelled out.
type Object struct {
	APIVersion  string
	Kind        string
	Namespace   string // empty for cluster-scoped kinds
	Name        string
	Labels      map[string]string
	Annotations map[string]string
	Spec        any // encodes to a JSON object; the target's published Go type, as a pointer. Nil: the object has no spec
}

// id names the object in messages: two objects of one ID are the same to the API server.
func (o *Object) id() string {
	return strings.Join([]string{o.APIVersion, o.Kind, o.Namespace + "/" + o.Name}, " ")
}

// Labels and annotations that Render sets.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by" // always "egress"
	OwnerLabel     = "egresskit.io/owner"           // see [WithOwner]
	// AcceptedWider is an annotation of all objects of a rendering that lets more pass than the policies say, because the caller accepts it:
	// one line "rule: reason" for each rule that is left out somewhere.
	AcceptedWider = "egresskit.io/accepted-wider"
)
