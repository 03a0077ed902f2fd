package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What documents of this package name as their type.
const (
	Group      = "egresskit.io"
	Version    = "v1alpha1"
	APIVersion = Group + "/" + Version
	Kind       = "EgressPolicy"
)

// Lists are atomic for server-side apply: a policy has one owner, and a merge of two owners' lists is a policy that neither wrote.
// They are tagged omitzero and not omitempty, so that a list that is present but empty, which is an error, stays one when it is encoded again.

// EgressPolicy states which workloads may reach what outside the cluster.
type EgressPolicy struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        Metadata         `json:"metadata"`
	Spec            EgressPolicySpec `json:"spec"`
}

// Metadata is the part of Kubernetes object metadata that means something in a file.
type Metadata struct {
	Name string `json:"name"`
	// Namespace makes the policy speak for workloads of this namespace alone. Such a policy has no cluster section.
	// +optional
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// EgressPolicySpec is what a policy says. It embeds in the types of other APIs. Order never matters.
type EgressPolicySpec struct {
	// Clusters are names, or globs such as prod-*, of the clusters that the policy applies to. Absent: all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	Clusters []string `json:"clusters,omitzero"`
	// Cluster holds for every workload of these clusters.
	// +optional
	Cluster *Section `json:"cluster,omitempty"`
	// Sources hold for the workloads that each selects.
	// +optional
	// +listType=atomic
	Sources []Source `json:"sources,omitzero"`
}

// Section holds the rules for one set of sources. What no rule allows is denied, and a deny beats every allow.
type Section struct {
	// Allow lists what the sources may reach.
	// +optional
	// +listType=atomic
	Allow []Rule `json:"allow,omitzero"`
	// Deny lists what the sources may not reach, whatever any policy allows. A protocol or ports left out mean any.
	// +optional
	// +listType=atomic
	Deny []Rule `json:"deny,omitzero"`
	// Within is a boundary: nothing outside it can be allowed to the sources, by any policy. A protocol or ports left out mean any.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	Within []Rule `json:"within,omitzero"`
}

// Source is a section for selected workloads.
type Source struct {
	// Name is unique in the policy. Absent: derived from what From says.
	// +optional
	Name string `json:"name,omitempty"`
	// From selects workloads: any of these. There is no "everyone" here; that is the spec's cluster section.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	From    []Peer `json:"from,omitzero"`
	Section `json:",inline"`
}

// Peer selects workloads: every field that is given must match, and at least one must be given.
// +kubebuilder:validation:MinProperties=1
type Peer struct {
	// Namespaces are names or globs such as team-*.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	Namespaces []string `json:"namespaces,omitzero"`
	// ServiceAccounts are names or globs.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	ServiceAccounts []string `json:"serviceAccounts,omitzero"`
	// NamespaceLabels select by the labels of the namespace.
	// +optional
	NamespaceLabels *metav1.LabelSelector `json:"namespaceLabels,omitempty"`
	// PodLabels select by the labels of the pod.
	// +optional
	PodLabels *metav1.LabelSelector `json:"podLabels,omitempty"`
}

// Rule is one destination: hosts or cidrs, never both, with a protocol and ports.
// +kubebuilder:validation:ExactlyOneOf=hosts;cidrs
type Rule struct {
	// Name is unique in the policy. Absent: derived from what the rule says.
	// +optional
	Name string `json:"name,omitempty"`
	// Hosts are names such as www.foo.com, or patterns: *.foo.com is every name below foo.com and not foo.com itself; in other places '*' and '?' stay
	// inside a label, as in api-*.foo.com.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	Hosts []string `json:"hosts,omitzero"`
	// CIDRs are address ranges such as 203.0.113.0/24.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	CIDRs []string `json:"cidrs,omitzero"`
	// Except are address ranges inside CIDRs that the rule is not about.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	Except []string `json:"except,omitzero"`
	// Protocol of the connection. In an allow, absent means TLS for hosts, and is an error for cidrs. In a deny or a boundary, absent means any.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`
	// Ports are numbers, or ranges such as "8000-8100". In an allow, absent means 443 for TLS and 80 for HTTP, and is an error for TCP, UDP and SCTP.
	// In a deny or a boundary, absent means any.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Ports []intstr.IntOrString `json:"ports,omitzero"`
	// Methods limit requests of protocol HTTP, as they are sent: GET. Absent: any.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Methods []string `json:"methods,omitzero"`
	// Paths limit requests of protocol HTTP: /v1/charges is that path, /v1/* what is below /v1/. Absent: any.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Paths []string `json:"paths,omitzero"`
	// OriginateTLS asks the enforcement point to speak TLS to the destination on behalf of the application. For allows with hosts and protocol HTTP.
	// +optional
	OriginateTLS *TLSOrigination `json:"originateTLS,omitempty"`
	// Reason says why the rule is there.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// Owner says who answers for the rule.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Owner string `json:"owner,omitempty"`
	// Expires is a date such as 2027-06-30, from whose start (UTC) the rule is inert.
	// +optional
	// +kubebuilder:validation:Format=date
	Expires string `json:"expires,omitempty"`
}

// Protocol is what a connection speaks. TCP contains TLS and HTTP, which run on it. SCTP is for cidrs alone.
// +kubebuilder:validation:Enum=TLS;HTTP;TCP;UDP;SCTP
type Protocol string

// The protocols.
const (
	ProtocolTLS  Protocol = "TLS"
	ProtocolHTTP Protocol = "HTTP"
	ProtocolTCP  Protocol = "TCP"
	ProtocolUDP  Protocol = "UDP"
	ProtocolSCTP Protocol = "SCTP"
)

// TLSOrigination says how TLS is spoken to the destination.
type TLSOrigination struct {
	// Port of the destination, such as 443.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
	// Mode is Simple, where the server proves itself, or Mutual, where the client does too.
	// +required
	Mode TLSMode `json:"mode"`
	// CredentialName is the secret with the client's certificate; required for Mutual, and for Mutual only.
	// +optional
	CredentialName string `json:"credentialName,omitempty"`
}

// TLSMode tells who proves itself when TLS is originated.
// +kubebuilder:validation:Enum=Simple;Mutual
type TLSMode string

// The modes.
const (
	TLSSimple TLSMode = "Simple"
	TLSMutual TLSMode = "Mutual"
)
