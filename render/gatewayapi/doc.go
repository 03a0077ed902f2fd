// Package gatewayapi renders plans as Gateway API objects, for the implementation that the profile names.
//
//   - Istio, the default: ServiceEntries are parents of the routes at the sidecar, and the gateway's backends are of kind Hostname.
//   - Portable: Gateways and routes that any implementation takes, to Services that the profile names. Routes know no sources, and alone they keep
//     nobody in: by itself every rule for some sources is a loss, and so is the baseline.
//   - Linkerd: an EgressNetwork that denies what its routes do not allow, for all namespaces, and one for each namespace that may reach more.
//
// In a stack with a packet filter that guards gateways, such as render/networkpolicy, the portable profile has a Gateway for each set of sources that
// may reach the same names, and the filter lets nobody else come to its pods. So the stack is exact where namespaces and pod labels tell the
// sources; a set that they do not tell, and any beyond the sixteenth, is a loss. A name below a wildcard is said at the wildcard's gateway as well if
// all who come to that may reach it; if not, the wildcard is a loss.
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
// Methods and paths of HTTP are told apart there as well. Gateway API's own route matches would not do: they know no sources.
//
// Addresses are losses. Istio takes TCPRoutes whose parent is a ServiceEntry, but the gateway has no way on to a network: what the application
// dialled is lost on the way to it, and an entry that leaves it open (resolution NONE) is a cluster without endpoints at a gateway
// (pilot/pkg/networking/core/cluster.go, convertResolution). In a stack, what is not TCP is for another layer.
//
// With certificates on the way the gateway no longer sees the application's SNI. Each TLS name therefore has a listener and a port of its own,
// and the route to that port is what tells the names apart. Wildcards have no address that a route could forward to, and an
// HTTPRoute on a wildcard ServiceEntry is ignored by Istio, so that traffic would go round the gateway: they are losses.
package gatewayapi
