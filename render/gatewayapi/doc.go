// Package gatewayapi renders plans as Gateway API objects, for the implementation that the profile names.
//
//   - Istio, the default: ServiceEntries are parents of the routes at the sidecar, and the gateway's backends are of kind Hostname.
//   - Portable: Gateways and routes that any implementation takes, to Services that the profile names. Routes know no sources, so rules for some
//     sources are losses unless another layer of the stack says them; and routes alone deny nothing, so the baseline is another layer's too.
//   - Linkerd: an EgressNetwork that denies what its routes do not allow, for all namespaces, and one for each namespace that may reach more.
//
// Without Istio, a wildcard with a name below it that is closed to somebody is a loss: a route can't leave a name out.
//
// The rest is about Istio.
//
// Gateway API itself has no notion of a source: its routes route, they do not authorise. Sources are checked by an AuthorizationPolicy on
// the gateway, by the certificate that every connection to the gateway carries (ISTIO_MUTUAL):
//
//	application → sidecar --TLSRoute/HTTPRoute (parent: ServiceEntry)--> gateway --TCPRoute/HTTPRoute (backend: Hostname)--> host
//
// Names that a Gateway has no listeners for are taken in by ListenerSets, and after a few of these by further gateways. A name has its
// TLS originated by a BackendTLSPolicy, or by a DestinationRule where a client certificate is asked for.
//
// With certificates on the way the gateway no longer sees the application's SNI. Each TLS name therefore has a listener and a port of its own,
// and the route to that port is what tells the names apart. Wildcards have no address that a route could forward to, and an
// HTTPRoute on a wildcard ServiceEntry is ignored by Istio, so that traffic would go round the gateway: they are losses.
package gatewayapi
