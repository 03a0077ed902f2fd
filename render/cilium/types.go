package cilium

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// A Rule is the spec of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy (cilium.io/v2), as far as this target uses it.
type Rule struct {
	EndpointSelector  *metav1.LabelSelector `json:"endpointSelector"`
	Egress            []Egress              `json:"egress,omitempty"`
	EgressDeny        []Egress              `json:"egressDeny,omitempty"`
	EnableDefaultDeny *DefaultDeny          `json:"enableDefaultDeny,omitempty"`
}

// DefaultDeny tells whether what no rule allows is denied.
type DefaultDeny struct {
	Egress bool `json:"egress"`
}

// An Egress is one rule about what pods may reach, or may not. One that is empty allows nothing. Of the fields that tell where, at most one is used.
type Egress struct {
	ToEndpoints []*metav1.LabelSelector `json:"toEndpoints,omitempty"`
	ToCIDRSet   []CIDRRule              `json:"toCIDRSet,omitempty"`
	ToEntities  []string                `json:"toEntities,omitempty"`
	ToFQDNs     []FQDN                  `json:"toFQDNs,omitempty"`
	ToPorts     []PortRule              `json:"toPorts,omitempty"` // any of these; none: every port
}

// A CIDRRule is a prefix without some of its parts.
type CIDRRule struct {
	CIDR   string   `json:"cidr"`
	Except []string `json:"except,omitempty"`
}

// An FQDN is a name, or a pattern in Cilium's own dialect.
type FQDN struct {
	MatchName    string `json:"matchName,omitempty"`
	MatchPattern string `json:"matchPattern,omitempty"`
}

// A PortRule is up to 40 ports with what may be spoken there.
type PortRule struct {
	Ports       []Port   `json:"ports"`
	ServerNames []string `json:"serverNames,omitempty"` // of TLS; empty: whatever is spoken
	Rules       *L7Rules `json:"rules,omitempty"`
}

// A Port is a port or a range of ports.
type Port struct {
	Port     string `json:"port"`
	EndPort  int32  `json:"endPort,omitempty"`
	Protocol string `json:"protocol"`
}

// L7Rules are rules for what is spoken.
type L7Rules struct {
	DNS []FQDN `json:"dns,omitempty"` // names that may be asked for
}
