package walk

import (
	"net/netip"

	xdstypev3 "github.com/cncf/xds/go/udpa/type/v1"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	dfpclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	internalupstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpoptionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// target is one place that a cluster may send a connection to.
type target struct {
	addr     netip.AddrPort // an address to dial; with host only its port
	host     string         // a name to look up
	internal string         // an internal listener
	labels   *structpb.Struct
}

// forward sends what is left of c out by a cluster, as a request when there is one.
func (j *journey) forward(c *conn, name string, req *HTTP) error {
	j.out.Hops[len(j.out.Hops)-1].Cluster = name
	cl := c.proxy.clusters[name]
	if cl == nil {
		return deny("%s has no cluster %q", c.proxy.name(), name)
	}
	if err := only(cl, "name", "type", "cluster_type", "eds_cluster_config", "load_assignment", "transport_socket", "transport_socket_matches",
		"typed_extension_protocol_options", "filters", "original_dst_lb_config",
		"alt_stat_name", "connect_timeout", "per_connection_buffer_limit_bytes", "lb_policy", "load_balancing_policy", "circuit_breakers", "dns_refresh_rate", "dns_jitter",
		"dns_failure_refresh_rate", "respect_dns_ttl", "dns_lookup_family", "typed_dns_resolver_config", "outlier_detection", "cleanup_interval", "common_lb_config", "metadata",
		"upstream_connection_options", "max_requests_per_connection", "connection_pool_per_downstream_connection", "least_request_lb_config", "round_robin_lb_config",
		"ring_hash_lb_config", "http2_protocol_options", "ignore_health_on_host_removal"); err != nil {
		return err
	}
	for _, f := range cl.GetFilters() {
		var s xdstypev3.TypedStruct
		if !unpackAs(f.GetTypedConfig(), &s) || !harmlessNetworkFilters[s.GetTypeUrl()] {
			return unknown("filter %s of cluster %s", f.GetName(), name)
		}
	}
	targets, err := j.targets(c, cl, req)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return deny("%s: cluster %s has no endpoint", c.proxy.name(), name)
	}
	j.note("%s: cluster %s", c.proxy.name(), name)

	// The load balancer may take any of them, so all must lead to the same place.
	var first journey
	var firstErr error
	for i, t := range targets {
		way := journey{network: j.network, out: j.out.clone()}
		err := way.send(c, cl, t, req)
		switch {
		case i == 0:
			first, firstErr = way, err
		case way.end(err) != first.end(firstErr):
			return unknown("endpoints of cluster %s lead to different places: %s, %s", name, first.end(firstErr), way.end(err))
		}
	}
	*j = first
	return firstErr
}

// targets returns the endpoints of a cluster that are fit for use.
func (j *journey) targets(c *conn, cl *clusterv3.Cluster, req *HTTP) ([]target, error) {
	if cl.GetClusterType() != nil {
		var d dfpclusterv3.ClusterConfig
		if !unpackAs(cl.GetClusterType().GetTypedConfig(), &d) {
			return nil, unknown("cluster type %s", cl.GetClusterType().GetName())
		}
		return forwardProxyTargets(c, cl, &d, req)
	}
	load := cl.GetLoadAssignment()
	switch cl.GetType() {
	case clusterv3.Cluster_ORIGINAL_DST:
		if err := only(orEmptyOriginal(cl.GetOriginalDstLbConfig())); err != nil {
			return nil, err
		}
		// Without a redirection there is no original destination.
		if !c.restored {
			return nil, nil
		}
		return []target{{addr: c.local}}, nil
	case clusterv3.Cluster_EDS:
		service := cl.GetEdsClusterConfig().GetServiceName()
		if service == "" {
			service = cl.GetName()
		}
		load = c.proxy.endpoints[service]
	case clusterv3.Cluster_STATIC, clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_LOGICAL_DNS:
	default:
		return nil, unknown("cluster type %v", cl.GetType())
	}
	return assigned(cl, load)
}

func orEmptyOriginal(m *clusterv3.Cluster_OriginalDstLbConfig) *clusterv3.Cluster_OriginalDstLbConfig {
	if m == nil {
		return &clusterv3.Cluster_OriginalDstLbConfig{}
	}
	return m
}

// assigned returns the endpoints of a load assignment. Those of the lowest priority number are used alone.
func assigned(cl *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment) ([]target, error) {
	var out []target
	for _, locality := range load.GetEndpoints() {
		if locality.GetPriority() != 0 {
			return nil, unknown("priorities of cluster %s", cl.GetName())
		}
		for _, e := range locality.GetLbEndpoints() {
			switch e.GetHealthStatus() {
			case corev3.HealthStatus_UNKNOWN, corev3.HealthStatus_HEALTHY:
			default:
				continue
			}
			t := target{labels: e.GetMetadata().GetFilterMetadata()["envoy.transport_socket_match"]}
			switch a := e.GetEndpoint().GetAddress().GetAddress().(type) {
			case *corev3.Address_EnvoyInternalAddress:
				if e.GetMetadata().GetFilterMetadata()["envoy.filters.listener.original_dst"] != nil {
					return nil, unknown("original destination of an internal endpoint")
				}
				t.internal = a.EnvoyInternalAddress.GetServerListenerName()
			case *corev3.Address_SocketAddress:
				s := a.SocketAddress
				if addr, ok := literal(s.GetAddress()); ok {
					t.addr = netip.AddrPortFrom(addr, uint16(s.GetPortValue()))
				} else if cl.GetType() == clusterv3.Cluster_STRICT_DNS || cl.GetType() == clusterv3.Cluster_LOGICAL_DNS {
					t.host, t.addr = s.GetAddress(), netip.AddrPortFrom(netip.Addr{}, uint16(s.GetPortValue()))
				} else {
					return nil, &RejectedError{"cluster " + cl.GetName(), "address " + s.GetAddress()}
				}
			default:
				return nil, unknown("endpoint address %T", a)
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// forwardProxyTargets returns where a dynamic forward proxy sends a connection: the host in the request, or the one that the SNI forward
// proxy noted for the connection.
func forwardProxyTargets(c *conn, cl *clusterv3.Cluster, d *dfpclusterv3.ClusterConfig, req *HTTP) ([]target, error) {
	if err := only(d, "dns_cache_config", "allow_coalesced_connections", "allow_insecure_cluster_options"); err != nil {
		return nil, err
	}
	host, port := c.forwardHost, c.forwardPort
	if req != nil {
		socket, _, err := upstreamSocket(cl, target{})
		if err != nil {
			return nil, err
		}
		defaultPort := uint16(80)
		if _, ok := socket.(*tlsv3.UpstreamTlsContext); ok {
			defaultPort = 443
		}
		host, port = forwardTarget(req, defaultPort)
	} else if c.forwardPort == 0 {
		// A connection waits for no lookup here: it gets a host if somebody else has had it looked up.
		return nil, unknown("cluster %s: forward proxy of connections without the SNI forward proxy filter", cl.GetName())
	}
	if host == "" {
		return nil, nil
	}
	if a, ok := literal(host); ok {
		return []target{{addr: netip.AddrPortFrom(a, port)}}, nil
	}
	return []target{{host: host, addr: netip.AddrPortFrom(netip.Addr{}, port)}}, nil
}

// send opens the connection to one endpoint and follows it.
func (j *journey) send(c *conn, cl *clusterv3.Cluster, t target, req *HTTP) error {
	socket, handsOver, err := upstreamSocket(cl, t)
	if err != nil {
		return err
	}
	shared := filterState{}
	if handsOver && t.internal != "" {
		if key := c.state.unpoolable(); key != "" && !cl.GetConnectionPoolPerDownstreamConnection() {
			return unknown("filter state %q is handed to cluster %s and is not hashable: one client's connection may serve another", key, cl.GetName())
		}
		shared = c.state.handed()
	}
	b := c.bytes
	switch s := socket.(type) {
	case nil, *rawbufferv3.RawBuffer:
	case *tlsv3.UpstreamTlsContext:
		sni, err := upstreamSNI(cl, s, t, req)
		if err != nil {
			return err
		}
		if b, err = originate(c.proxy, s, sni, b); err != nil {
			return err
		}
	default:
		return unknown("transport socket %s", s.ProtoReflect().Descriptor().FullName())
	}
	switch {
	case t.internal != "":
		l := c.proxy.internalListener(t.internal)
		if l == nil {
			return deny("%s has no internal listener %q", c.proxy.name(), t.internal)
		}
		return j.accept(&conn{proxy: c.proxy, remote: c.remote, bytes: b, state: shared}, l)
	case t.host != "":
		j.out.Dials = append(j.out.Dials, netip.AddrPort{})
		j.arrive(t.host, netip.Addr{}, t.addr.Port(), b)
		return nil
	}
	return j.dial(c.remote, t.addr, b)
}

// upstreamSocket returns the transport socket for an endpoint, nil for plain text: the first match that the endpoint's metadata has all
// values of, else the cluster's own. handsOver reports whether an internal listener gets to know what filters know of the connection.
func upstreamSocket(cl *clusterv3.Cluster, t target) (socket proto.Message, handsOver bool, err error) {
	chosen := cl.GetTransportSocket()
	for _, m := range cl.GetTransportSocketMatches() {
		fits := true
		for k, v := range m.GetMatch().GetFields() {
			fits = fits && proto.Equal(t.labels.GetFields()[k], v)
		}
		if fits {
			chosen = m.GetTransportSocket()
			break
		}
	}
	if socket, err = unpack(chosen.GetTypedConfig()); err != nil {
		return nil, false, err
	}
	in, ok := socket.(*internalupstreamv3.InternalUpstreamTransport)
	if !ok {
		return socket, false, nil
	}
	if err := only(in, "transport_socket", "passthrough_metadata"); err != nil {
		return nil, false, err
	}
	socket, err = unpack(in.GetTransportSocket().GetTypedConfig())
	return socket, true, err
}

// upstreamSNI returns the server name that a proxy asks an upstream for.
func upstreamSNI(cl *clusterv3.Cluster, ctx *tlsv3.UpstreamTlsContext, t target, req *HTTP) (string, error) {
	for key, o := range cl.GetTypedExtensionProtocolOptions() {
		var options httpoptionsv3.HttpProtocolOptions
		if !unpackAs(o, &options) {
			return "", unknown("protocol options %s of cluster %s", key, cl.GetName())
		}
		if err := only(&options, "upstream_http_protocol_options", "common_http_protocol_options", "explicit_http_config", "use_downstream_protocol_config", "auto_config"); err != nil {
			return "", err
		}
		if u := options.GetUpstreamHttpProtocolOptions(); u != nil && req != nil {
			if err := only(u, "auto_sni", "auto_san_validation"); err != nil {
				return "", err
			}
			if u.GetAutoSni() {
				host, _, _ := splitPort(req.Authority)
				return host, nil
			}
		}
	}
	if ctx.GetAutoHostSni() && t.host != "" {
		return t.host, nil
	}
	return ctx.GetSni(), nil
}
