package cilium

import (
	"fmt"
	"strconv"
	"strings"

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

// A Profile is what the target assumes of Cilium. [DefaultProfile] is the usual one; a document decoded into it changes what it names and keeps the rest.
type Profile struct {
	// Version is Cilium's minor version, 1.15 or later. Before 1.19 it has no wildcard for all names below a domain.
	Version string `json:"version"`

	// TLSInspection tells that Cilium's proxy is enabled, which judges server names. Without it rules for TLS by name are wider than they say.
	TLSInspection bool `json:"tlsInspection,omitempty"`

	// TrustLearnedAddresses tells that the addresses of the names that policies allow serve no other names, and that pods speak there what the rules
	// say. Then rules for TLS and HTTP by name may rest on addresses alone.
	TrustLearnedAddresses bool `json:"trustLearnedAddresses,omitempty"`

	Openings
}

// DefaultProfile returns Cilium 1.20 with its proxy, DNS by the pods k8s-app=kube-dns in kube-system, traffic between pods open, and kube-system
// unfiltered.
func DefaultProfile() Profile {
	return Profile{Version: "1.20", TLSInspection: true, Openings: packets.DefaultOpenings()}
}

// Validate returns what is wrong with p, with the path of each field; nothing when it can be used.
func (p Profile) Validate() policy.Diagnostics {
	problems := packets.Problems{Target: Target}
	if minor, ok := p.minor(); !ok || minor < 15 {
		problems.Add("version", fmt.Sprintf("%q is not a version that is known", p.Version), "write 1.15 or later, such as 1.20")
	}
	problems.Check(p.Openings)
	return problems.Found
}

// minor returns the number after "1.".
func (p Profile) minor() (int, bool) {
	text, ok := strings.CutPrefix(p.Version, "1.")
	minor, err := strconv.ParseUint(text, 10, 8)
	return int(minor), ok && err == nil
}

// deep reports whether "**." stands for one label or more: before 1.19 it stood for one.
func (p Profile) deep() bool {
	minor, _ := p.minor()
	return minor >= 19
}
