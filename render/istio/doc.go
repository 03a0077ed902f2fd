// Package istio renders plans for Istio with sidecars and an egress gateway that checks who asks for what.
//
// # The way of a connection by name
//
// A sidecar sends every name that its namespace may reach to the gateway, by mutual TLS with the workload's own certificate. There are as
// many kinds of such connections as ports of destinations: the server name that the sidecar asks the gateway for is a marker, such as
// tls-443.egress.invalid, and says the port. The application's own TLS, with the name that it asks for, stays inside.
//
//	application → sidecar ==marker==> gateway → identity into filter state → inner listener → by inner server name:
//	    one chain a class of names: is the identity allowed? → look the name up, connect to its port
//
// The gateway takes the mutual TLS off, notes the identity of the certificate, and hands the bytes to a listener inside the proxy. There, the
// most specific server name chooses a filter chain: one for each set of names that the same sources may reach, as
// [render.Plan.NameClasses] partitions them. Names that nobody may reach below a wildcard have a chain that closes. The name is looked up
// at the gateway, so that a forged one does not choose the address. The listener and what leads to it is an EnvoyFilter: Istio's own API
// cannot route by a server name inside mutual TLS. Everything else is closed without it.
//
// Its size is linear in the names and in the classes, and a new name changes one chain. Addresses that are not public, or that a rule denies to
// everybody, are dropped from what name servers answer.
//
// Where the profile permits no EnvoyFilter, or the proxies are older than 1.29.2, sidecars ask the gateway for a server name of each name's own,
// below a domain of its class, and an access rule for each such domain takes the place of the chains. Wildcards are losses then, and since
// the gateway does not see what the application's TLS asks for, the grants are advisory: see the assumption "shape".
//
// HTTP comes to a server of its own, where Istio's API can say all of it: a VirtualService and a ServiceEntry for each name, and an
// AuthorizationPolicy by certificate and Host header. Since access rules know no most specific name, the names of other classes below a
// wildcard are taken out one by one. The port of the destination travels in a header that the sidecar sets, the gateway checks along
// with the name, and removes. Names below a wildcard are looked up at the gateway as they come.
// Rules by method and path are said there, too; denies of some calls are a policy of their own, and where paths are told apart, routes take
// only those that all servers read in the same way.
//
// # Addresses
//
// Connections by address leave from the sidecar directly: by the time they arrive at a gateway, nothing tells where they were bound for. They
// are ServiceEntries that the namespaces of their sources alone can see, so a part of a namespace cannot be told from the rest, and a pod
// that bypasses its sidecar is not held. A packet filter in a stack makes up for both.
//
// # Other ways
//
// In ambient mode a waypoint is the gateway, for names and addresses: [Ambient]. Without any gateway, sidecars let names out themselves, by
// ServiceEntries that each namespace sees its own of: [Direct]. This holds honest pods alone, and tells nothing but namespaces apart.
package istio
