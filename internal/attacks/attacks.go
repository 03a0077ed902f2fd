// Package attacks lists what a compromised pod may try against the stack istio,networkpolicy, and which layer stops it. The list is what the README
// shows and what engines are asked: the conformance modules have trials for each entry and fail for one that they have none for, or that
// another layer than the one named stops.
package attacks

import (
	"fmt"
	"strings"
)

// A Layer stops attacks.
type Layer string

// The layers of the stack. Gateway and Waypoint are the mesh's, with sidecars and in ambient mode.
const (
	PacketFilter Layer = "packet filter"
	Gateway      Layer = "egress gateway"
	Waypoint     Layer = "waypoint"
)

// An Attack is something that a pod tries which holds nothing but its own certificate, and ignores the proxy that should capture it.
type Attack struct {
	Name      string // unique
	Does      string // what the pod does
	StoppedBy Layer
	Because   string
}

// List returns the attacks in the order in which they are shown; each call makes its own.
func List() []Attack {
	return []Attack{
		{"forged SNI", "asks the gateway, with its own certificate, for a server name that its rules do not have", Gateway,
			"a name passes for those whose certificate may have it, whatever the outer name said"},
		{"forged Host", "asks the gateway by HTTP for another Host, or for another port of its own", Gateway,
			"Host, port and the caller's certificate are judged together"},
		{"forged identity", "asks the gateway without a certificate, or in plain text", Gateway,
			"mutual TLS: who shows no certificate of the mesh gets nothing, and nobody has another pod's"},
		{"another pod's rule by name", "asks the gateway for a name that only another pod may reach", Gateway,
			"sources are told by certificate"},
		{"another pod's rule by address", "dials an address that only another pod may reach", PacketFilter,
			"packets are judged outside the pod, by its labels and namespace"},
		{"direct IP", "dials any address outside, by IPv4 or IPv6, with the SNI or Host of a name that it may reach", PacketFilter,
			"the only ways out are DNS, the control plane, the gateway and the addresses of the pod's rules"},
		{"QUIC", "sends UDP to port 443, outside or at the gateway", PacketFilter, "no rule opens UDP there, and the doors of the gateway are TCP"},
		{"SCTP", "sends SCTP, outside or at the gateway", PacketFilter, "no rule opens SCTP there, and the doors of the gateway are TCP"},
		{"DNS to an outside resolver", "asks a resolver outside, over UDP, TCP or TLS", PacketFilter, "DNS is open to the cluster's resolvers alone"},
		{"metadata service", "dials the cloud's metadata service or the API server", PacketFilter, "neither is open unless the profile names it"},
		{"gateway admin port", "dials the administration, metrics or health ports of the gateway", PacketFilter, "of the gateway's pods the ports of its service are open, and no other"},
		{"gateway without a mesh", "dials the gateway from a namespace that has no sidecars", PacketFilter, "the gateway is open to pods of the mesh alone"},
		{"another namespace's rule at the waypoint", "tunnels to the waypoint, with its own certificate, to the address of a name that only others may reach", Waypoint,
			"each name's policy asks for the certificate"},
		{"another namespace's waypoint", "goes out by a waypoint that a tenant runs for itself", PacketFilter, "a tenant's waypoint is a pod like others, with no way out"},
	}
}

// Table returns the list as a table in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| attack | a compromised pod … | stopped by | because |\n|---|---|---|---|\n")
	for _, a := range List() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.Name, a.Does, a.StoppedBy, a.Because)
	}
	return b.String()
}
