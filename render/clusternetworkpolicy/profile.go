package clusternetworkpolicy

import (
	"fmt"

	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render/internal/packets"
)

// What stays open whatever policies say.
type (
	Openings  = packets.Openings
	DNS       = packets.DNS
	Labels    = packets.Labels
	InCluster = packets.InCluster
	Endpoint  = packets.Endpoint
)

// Whether traffic between pods stays open.
const (
	Open   = packets.Open
	Closed = packets.Closed
)

// A Profile is what the target assumes of the cluster. [DefaultProfile] is the usual one; a document decoded into it changes what it names and keeps
// the rest.
type Profile struct {
	// Tier is Admin, before the NetworkPolicies of pods, or Baseline, after them and only for pods that have none.
	Tier v1alpha2.Tier `json:"tier"`

	// Priority is that of what is decided first; the five from there on are the target's, and no other policy's of the tier.
	Priority int32 `json:"priority"`

	// DomainNames tells that the cluster has the experimental channel of the API, and an implementation that learns the addresses of names from
	// the answers of DNS whatever rule lets DNS pass. Cilium does not: see the assumption "learned".
	DomainNames bool `json:"domainNames,omitempty"`

	// TrustLearnedAddresses tells that the addresses of the names that policies allow serve no other names, and that pods speak there what the rules
	// say. Then rules for TLS and HTTP by name may rest on addresses; without it, those for TCP and UDP alone.
	TrustLearnedAddresses bool `json:"trustLearnedAddresses,omitempty"`

	Openings
}

// DefaultProfile returns the tier Admin from priority 500, no names, DNS by the pods k8s-app=kube-dns in kube-system, traffic between pods open, and
// kube-system unfiltered.
func DefaultProfile() Profile {
	return Profile{Tier: v1alpha2.AdminTier, Priority: 500, Openings: packets.DefaultOpenings()}
}

// maxPriority is the last one of the API.
const maxPriority = 1000

// Validate returns what is wrong with p, with the path of each field; nothing when it can be used.
func (p Profile) Validate() policy.Diagnostics {
	problems := packets.Problems{Target: Target}
	if p.Tier != v1alpha2.AdminTier && p.Tier != v1alpha2.BaselineTier {
		problems.Add("tier", fmt.Sprintf("%q is not a tier", p.Tier), "write Admin or Baseline")
	}
	if p.Priority < 0 || p.Priority > maxPriority-int32(lastStep) {
		problems.Add("priority", fmt.Sprintf("%d leaves no room for %d priorities up to %d", p.Priority, lastStep+1, maxPriority), "write a number from 0 to 996")
	}
	if p.TrustLearnedAddresses && !p.DomainNames {
		problems.Add("trustLearnedAddresses", "without domainNames there are no addresses to trust", "set domainNames as well")
	}
	problems.Check(p.Openings)
	return problems.Found
}
