package istio

import (
	"fmt"
	"net/netip"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// fields and list spell out Envoy configuration, of whose API this package imports nothing.
type fields = map[string]any

func list(items ...any) []any { return items }

func texts(items []string) []any {
	out := make([]any, len(items))
	for i, s := range items {
		out[i] = s
	}
	return out
}

// extension returns a named extension of Envoy and its configuration.
func extension(name, message string, config fields) fields {
	typed := fields{"@type": "type.googleapis.com/" + message}
	for k, v := range config {
		typed[k] = v
	}
	return fields{"name": name, "typed_config": typed}
}

const (
	rbacFilter     = "envoy.filters.network.rbac"
	tcpProxyFilter = "envoy.filters.network.tcp_proxy"
	tcpProxyType   = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
)

// A lookup is a forward proxy: a cluster that looks names up as they come, and its cache. The names that rules spell out have one of their
// own, so that names made up below a wildcard cannot fill it.
type lookup struct {
	name     string
	maxHosts int
}

// cacheSize returns how many names a cache must hold: twice those that are known, in steps, since a change of the size closes connections.
func cacheSize(names int) int {
	size := 1024
	for size < 2*names {
		size *= 2
	}
	return size
}

const wildcardCacheSize = 16384

func (b *builder) cache(l lookup) fields {
	c := fields{
		"name":              l.name,
		"dns_lookup_family": "V4_PREFERRED",
		"max_hosts":         l.maxHosts,
		// A name that failed is asked for again soon, and not only when a minute is over.
		"dns_failure_refresh_rate": fields{"base_interval": "2s", "max_interval": "10s"},
		// Names outside are never to be looked for in the search domains of the pod.
		"typed_dns_resolver_config": extension("envoy.network.dns_resolver.cares", "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
			fields{"dns_resolver_options": fields{"no_default_search_domain": true}}),
	}
	if drop := b.drop(); len(drop) > 0 && !b.version.before(dropsAddresses) {
		var ranges []any
		for _, n := range drop {
			ranges = append(ranges, fields{"address_prefix": n.Addr().String(), "prefix_len": n.Bits()})
		}
		c["resolved_address_filter"] = fields{"ranges": ranges}
	}
	return c
}

// drop returns the networks that no name may lead to: those of the profile, and those that rules deny. The proxy tells an IPv4 address from one that is
// mapped into IPv6, so that the networks are no [match.Prefixes].
func (b *builder) drop() []netip.Prefix {
	drop := slices.Clone(b.profile.Unroutable)
	for _, n := range b.dropped.Prefixes() {
		if !slices.ContainsFunc(b.profile.Unroutable, func(u netip.Prefix) bool { return u.Bits() <= n.Bits() && u.Contains(n.Addr()) }) {
			drop = append(drop, n)
		}
	}
	return drop
}

// forwardProxy returns the cluster of a lookup.
func (b *builder) forwardProxy(l lookup) fields {
	return fields{
		"name":            l.name,
		"connect_timeout": "10s",
		"lb_policy":       "CLUSTER_PROVIDED",
		"cluster_type": extension("envoy.clusters.dynamic_forward_proxy", "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
			fields{"dns_cache_config": b.cache(l)}),
	}
}

// An envoyFilter collects patches.
type envoyFilter struct {
	patches []*networking.EnvoyFilter_EnvoyConfigObjectPatch
	err     error
}

func (f *envoyFilter) patch(on networking.EnvoyFilter_ApplyTo, operation networking.EnvoyFilter_Patch_Operation, where *networking.EnvoyFilter_EnvoyConfigObjectMatch, value fields) {
	v, err := structpb.NewStruct(value)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("istio: configuration of the gateway: %w", err)
	}
	where.Context = networking.EnvoyFilter_GATEWAY
	f.patches = append(f.patches, &networking.EnvoyFilter_EnvoyConfigObjectPatch{
		ApplyTo: on, Match: where, Patch: &networking.EnvoyFilter_Patch{Operation: operation, Value: v},
	})
}

func (f *envoyFilter) add(on networking.EnvoyFilter_ApplyTo, value fields) {
	f.patch(on, networking.EnvoyFilter_Patch_ADD, &networking.EnvoyFilter_EnvoyConfigObjectMatch{}, value)
}

// emitEnvoyFilter writes the listeners inside the gateway that names of TLS are told apart by, what leads to them, and the forward proxies.
func (b *builder) emitEnvoyFilter() error {
	var f envoyFilter
	exact := lookup{"egress-names", 0}
	wildcard := lookup{"egress-wildcards", wildcardCacheSize}
	names, wildcards := 0, 0
	var grants []*render.Grant
	for _, c := range b.tls {
		grants = append(grants, c.Grants...)
		if !c.nobody() {
			n, w := split(c.Patterns)
			names += len(n)
			wildcards += len(w)
		}
	}
	exact.maxHosts = cacheSize(names)
	if names > 0 {
		f.add(networking.EnvoyFilter_CLUSTER, b.forwardProxy(exact))
	}
	if wildcards > 0 {
		f.add(networking.EnvoyFilter_CLUSTER, b.forwardProxy(wildcard))
	}
	for _, classes := range byPort(b.tls) {
		b.patchPort(&f, classes, exact, wildcard)
	}
	b.patchHTTP(&f)
	if f.err != nil || len(f.patches) == 0 {
		return f.err
	}
	filter := &networking.EnvoyFilter{
		WorkloadSelector: &networking.WorkloadSelector{Labels: b.profile.Gateway.PodLabels},
		ConfigPatches:    f.patches,
		Priority:         10, // after what somebody else may have for the same gateway, and said so that the order is not a matter of age
	}
	text, err := protojson.Marshal(filter)
	if err != nil {
		return fmt.Errorf("istio: configuration of the gateway: %w", err)
	}
	if len(text) > maxObject {
		return fmt.Errorf("istio: the EnvoyFilter of the gateway has %d bytes, and a cluster stores objects of %d at most: it takes fewer names, or fewer sets of sources that differ",
			len(text), maxObject)
	}
	b.emit("networking.istio.io/v1alpha3", "EnvoyFilter", "egress-gateway", filter, unique(grants)...)
	return nil
}

// maxObject is a size that clusters store for sure: etcd takes 1.5 MiB, with what the API server adds. The EnvoyFilter cannot be cut into several:
// without the chain of a name, the name would fall to the wildcard above it.
const maxObject = 1 << 20

// atGateway is the assurance of everything that the gateway checks.
var atGateway = render.Assurance{EnforcedAt: "egress gateway", Holds: render.WithPacketFilter,
	Why: "the gateway checks the certificate of the source and the name, whatever a pod sends; a packet filter must leave pods no other way out"}

func split(patterns []match.Pattern) (names, wildcards []string) {
	for _, p := range patterns {
		if p.Kind() == match.Exact {
			names = append(names, p.String())
		} else {
			wildcards = append(wildcards, p.String())
		}
	}
	return names, wildcards
}

// patchPort leads connections with the marker of a port to a listener of its own.
func (b *builder) patchPort(f *envoyFilter, classes []*nameClass, exact, wildcard lookup) {
	port := classes[0].Port
	inner := fmt.Sprintf("egress-tls-%d", port)
	f.add(networking.EnvoyFilter_CLUSTER, fields{
		"name": inner, "type": "STATIC", "connect_timeout": "1s",
		"load_assignment": fields{"cluster_name": inner, "endpoints": list(fields{"lb_endpoints": list(fields{
			"endpoint": fields{"address": fields{"envoy_internal_address": fields{"server_listener_name": inner}}},
		})})},
		// This is what carries the identity over.
		"transport_socket": extension("envoy.transport_sockets.internal_upstream", "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
			fields{"transport_socket": extension("envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", nil)}),
	})
	var chains []any
	for _, c := range classes {
		names, wildcards := split(c.Patterns)
		for _, part := range []struct {
			suffix string
			names  []string
			lookup lookup
		}{{"", names, exact}, {"-wildcards", wildcards, wildcard}} {
			if len(part.names) > 0 {
				chains = append(chains, b.chain(c, c.name+part.suffix, part.names, part.lookup))
			}
		}
	}
	listener := fields{
		"name": inner, "internal_listener": fields{},
		"listener_filters": list(extension("envoy.filters.listener.tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", nil)),
		// What matches none of them is closed.
		"filter_chains": chains,
	}
	if log := b.innerLog(); log != nil {
		listener["access_log"] = log
	}
	f.add(networking.EnvoyFilter_LISTENER, listener)
	at := func() *networking.EnvoyFilter_EnvoyConfigObjectMatch {
		return &networking.EnvoyFilter_EnvoyConfigObjectMatch{ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{
			Listener: &networking.EnvoyFilter_ListenerMatch{FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{
				Sni: tlsMarker(port), Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{Name: tcpProxyFilter},
			}},
		}}
	}
	// The certificate is known when the handshake is over. Filters hear of that in order, so the identity is noted before the TCP proxy
	// connects. It must be a hashable object: a pooled connection is then never handed on to another client.
	f.patch(networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_Patch_INSERT_BEFORE, at(),
		extension("envoy.filters.network.set_filter_state", "envoy.extensions.filters.network.set_filter_state.v3.Config", fields{
			"on_downstream_tls_handshake": list(fields{
				"object_key": identityKey, "factory_key": "istio.hashable_string", "shared_with_upstream": "ONCE",
				"format_string": fields{"text_format_source": fields{"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"}},
			}),
		}))
	f.patch(networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_Patch_MERGE, at(),
		extension(tcpProxyFilter, tcpProxyType, fields{
			"cluster": inner, "upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE", "max_early_data_bytes": 0,
		}))
}

// chain returns the filter chain for names of a class.
func (b *builder) chain(c *nameClass, name string, names []string, l lookup) fields {
	chain := fields{"name": name, "filter_chain_match": fields{"transport_protocol": "tls", "server_names": texts(names)}}
	if c.nobody() {
		chain["filters"] = list() // a connection without filters is closed
		return chain
	}
	chain["filters"] = list(
		extension(rbacFilter, "envoy.extensions.filters.network.rbac.v3.RBAC", fields{
			"stat_prefix": "egress",
			"rules": fields{"action": "ALLOW", "policies": fields{c.name: fields{
				"permissions": list(fields{"any": true}), "principals": b.certs.envoy(c.who),
			}}},
		}),
		extension("envoy.filters.network.sni_dynamic_forward_proxy", "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
			fields{"port_value": int(c.Port), "dns_cache_config": b.cache(l)}),
		extension(tcpProxyFilter, tcpProxyType, fields{
			"stat_prefix": "egress", "cluster": l.name,
			// Nothing is connected to before the first bytes have passed the access rules.
			"upstream_connect_mode": "ON_DOWNSTREAM_DATA", "max_early_data_bytes": 16384,
		}),
	)
	return chain
}

// emitSink gives the servers of the markers a route, without which Istio would leave them out. It leads nowhere: the EnvoyFilter
// replaces it, and without the EnvoyFilter all is closed.
func (b *builder) emitSink() {
	var markers []string
	for _, classes := range byPort(b.tls) {
		markers = append(markers, tlsMarker(classes[0].Port))
	}
	if len(markers) == 0 {
		return
	}
	b.emitStub(b.out.Name("egress-sink"), sinkHost, []*networking.ServicePort{servicePort("TLS", 443)}, []string{"."})
	b.emit(networkingV1, "VirtualService", "egress-tls", &networking.VirtualService{
		Hosts: markers, Gateways: []string{b.gatewayName()}, ExportTo: []string{"."},
		Tcp: []*networking.TCPRoute{{Route: []*networking.RouteDestination{{
			Destination: &networking.Destination{Host: sinkHost, Port: &networking.PortSelector{Number: 443}},
		}}}},
	})
}

// patchHTTP gives the route of HTTP names that are looked up as they come the forward proxy for it.
func (b *builder) patchHTTP(f *envoyFilter) {
	if !slices.ContainsFunc(b.http, func(c *nameClass) bool {
		_, w := split(c.Patterns)
		return !c.nobody() && (len(w) > 0 || b.looksUp(c))
	}) {
		return
	}
	l := lookup{name: "egress-http", maxHosts: wildcardCacheSize}
	f.add(networking.EnvoyFilter_CLUSTER, b.forwardProxy(l))
	f.patch(networking.EnvoyFilter_HTTP_FILTER, networking.EnvoyFilter_Patch_INSERT_BEFORE,
		&networking.EnvoyFilter_EnvoyConfigObjectMatch{ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{
			Listener: &networking.EnvoyFilter_ListenerMatch{
				PortNumber: uint32(b.profile.Gateway.HTTP.TargetPort),
				FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{
					Name:      "envoy.filters.network.http_connection_manager",
					SubFilter: &networking.EnvoyFilter_ListenerMatch_SubFilterMatch{Name: "envoy.filters.http.router"},
				}},
			},
		}},
		extension("envoy.filters.http.dynamic_forward_proxy", "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
			fields{"dns_cache_config": b.cache(l)}))
	f.patch(networking.EnvoyFilter_HTTP_ROUTE, networking.EnvoyFilter_Patch_MERGE,
		&networking.EnvoyFilter_EnvoyConfigObjectMatch{ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_RouteConfiguration{
			RouteConfiguration: &networking.EnvoyFilter_RouteConfigurationMatch{
				Gateway: b.gatewayName(),
				Vhost: &networking.EnvoyFilter_RouteConfigurationMatch_VirtualHostMatch{
					Route: &networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch{Name: lookupRoute},
				},
			},
		}},
		fields{"route": fields{"cluster": l.name}})
}
