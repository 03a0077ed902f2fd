package walk

import (
	xdstypev3 "github.com/cncf/xds/go/udpa/type/v1"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	snidfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/proto"
)

// filters follows a connection through a filter chain. Network filters are called at three moments, each time in the order of the chain: when
// the connection is new, when the TLS handshake is done, and when data is there.
func (j *journey) filters(c *conn, chain *listenerv3.FilterChain) error {
	if err := only(chain, "filter_chain_match", "filters", "transport_socket", "transport_socket_connect_timeout", "name", "metadata"); err != nil {
		return err
	}
	if len(chain.GetFilters()) == 0 {
		return deny("filter chain %q has no filters", chain.GetName())
	}
	var filters []proto.Message
	for _, f := range chain.GetFilters() {
		m, err := unpack(f.GetTypedConfig())
		if err != nil {
			return err
		}
		if m == nil {
			return unknown("network filter %s without configuration of its own", f.GetName())
		}
		filters = append(filters, m)
	}

	r := filterRun{journey: j, conn: c}
	terminates, err := terminatesTLS(chain.GetTransportSocket())
	if err != nil {
		return err
	}
	r.handshake = terminates
	if err := r.each(filters, r.onNewConnection); err != nil {
		return err
	}
	if terminates {
		if err := j.terminate(c, chain.GetTransportSocket()); err != nil {
			return err
		}
		if err := r.each(filters, r.onHandshake); err != nil {
			return err
		}
	}
	if err := r.each(filters, r.onData); err != nil {
		return err
	}
	if !r.ended {
		return unknown("filter chain %q ends without a terminal filter", chain.GetName())
	}
	return nil
}

// filterRun is one connection's way through one filter chain.
type filterRun struct {
	*journey
	conn      *conn
	handshake bool // there will be a TLS handshake
	// snapshot is the connection's filter state at the moment when the TCP proxy opens its upstream connection: what is set later is
	// not handed on.
	snapshot filterState
	ended    bool
}

func (r *filterRun) each(filters []proto.Message, call func(proto.Message) error) error {
	for _, f := range filters {
		if err := call(f); err != nil {
			return err
		}
	}
	return nil
}

func (r *filterRun) onNewConnection(f proto.Message) error {
	switch f := f.(type) {
	case *setstatev3.Config:
		if err := r.conn.state.set(f.GetOnNewConnection(), subject{conn: r.conn}); err != nil || r.handshake {
			return err
		}
		return r.conn.state.set(f.GetOnDownstreamTlsHandshake(), subject{conn: r.conn})
	case *snidfpv3.FilterConfig:
		if err := only(f, "dns_cache_config", "port_value", "save_upstream_address"); err != nil {
			return err
		}
		// Without a server name the filter does nothing, and the forward proxy's cluster finds no host.
		r.conn.forwardHost, r.conn.forwardPort = r.conn.sni, uint16(f.GetPortValue())
	case *tcpproxyv3.TcpProxy:
		mode := f.GetUpstreamConnectMode()
		if mode == tcpproxyv3.UpstreamConnectMode_IMMEDIATE || mode == tcpproxyv3.UpstreamConnectMode_ON_DOWNSTREAM_TLS_HANDSHAKE && !r.handshake {
			r.snapshot = r.conn.state
		}
	}
	return nil
}

func (r *filterRun) onHandshake(f proto.Message) error {
	switch f := f.(type) {
	case *setstatev3.Config:
		return r.conn.state.set(f.GetOnDownstreamTlsHandshake(), subject{conn: r.conn})
	case *tcpproxyv3.TcpProxy:
		if f.GetUpstreamConnectMode() == tcpproxyv3.UpstreamConnectMode_ON_DOWNSTREAM_TLS_HANDSHAKE {
			r.snapshot = r.conn.state
		}
	}
	return nil
}

func (r *filterRun) onData(f proto.Message) error {
	switch f := f.(type) {
	case *setstatev3.Config:
		return r.conn.state.set(f.GetOnDownstreamData(), subject{conn: r.conn})
	case *snidfpv3.FilterConfig:
		return nil
	case *rbacv3.RBAC:
		if err := only(f, "rules", "stat_prefix", "shadow_rules", "shadow_rules_stat_prefix", "enforcement_type", "delay_deny"); err != nil {
			return err
		}
		return r.enforce(subject{conn: r.conn}, f.GetRules())
	case *xdstypev3.TypedStruct:
		if harmlessNetworkFilters[f.GetTypeUrl()] {
			return nil
		}
		return unknown("network filter %s", f.GetTypeUrl())
	case *hcmv3.HttpConnectionManager:
		r.ended = true
		return r.http(r.conn, f)
	case *tcpproxyv3.TcpProxy:
		r.ended = true
		return r.tcpProxy(f)
	}
	if harmlessNetworkFilters["type.googleapis.com/"+string(f.ProtoReflect().Descriptor().FullName())] {
		return nil
	}
	return unknown("network filter %s", f.ProtoReflect().Descriptor().FullName())
}

// harmlessNetworkFilters are those that only observe.
var harmlessNetworkFilters = map[string]bool{
	"type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange": true, // tells the other side who speaks, for telemetry
	"type.googleapis.com/stats.PluginConfig":                                 true, // metrics
}

func (r *filterRun) tcpProxy(f *tcpproxyv3.TcpProxy) error {
	if err := only(f, "cluster", "weighted_clusters", "upstream_connect_mode", "max_early_data_bytes",
		"stat_prefix", "idle_timeout", "downstream_idle_timeout", "upstream_idle_timeout", "access_log", "access_log_options", "max_connect_attempts", "backoff_options",
		"hash_policy", "max_downstream_connection_duration"); err != nil {
		return err
	}
	switch mode := f.GetUpstreamConnectMode(); {
	case mode == tcpproxyv3.UpstreamConnectMode_IMMEDIATE:
	case f.GetMaxEarlyDataBytes() == nil:
		return &RejectedError{"TCP proxy", "upstream_connect_mode without max_early_data_bytes"}
	case mode == tcpproxyv3.UpstreamConnectMode_ON_DOWNSTREAM_DATA:
		r.snapshot = r.conn.state
	}
	r.conn.state = r.snapshot
	cluster := f.GetCluster()
	if w := f.GetWeightedClusters().GetClusters(); len(w) == 1 {
		cluster = w[0].GetName()
	} else if len(w) > 1 {
		return unknown("TCP proxy with several clusters")
	}
	return r.forward(r.conn, cluster, nil)
}
