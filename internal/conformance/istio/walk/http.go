package walk

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	xdstypev3 "github.com/cncf/xds/go/udpa/type/v1"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpdfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_forward_proxy/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	httpsetstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// http follows a request through an HTTP connection manager: its filters in order, the last of which routes.
func (j *journey) http(c *conn, m *hcmv3.HttpConnectionManager) error {
	if err := only(m, "rds", "route_config", "http_filters", "upgrade_configs", "normalize_path", "path_with_escaped_slashes_action",
		"strip_trailing_host_dot",
		"stat_prefix", "codec_type", "tracing", "common_http_protocol_options", "http_protocol_options", "http2_protocol_options", "server_name", "stream_idle_timeout",
		"request_timeout", "drain_timeout", "delayed_close_timeout", "access_log", "access_log_options", "use_remote_address", "xff_num_trusted_hops", "skip_xff_append",
		"forward_client_cert_details", "set_current_client_cert_details", "proxy_100_continue", "request_id_extension", "generate_request_id",
		"preserve_external_request_id", "always_set_request_id_in_response", "max_request_headers_kb", "server_header_transformation",
		"append_x_forwarded_port", "stream_error_on_invalid_http_message", "local_reply_config", "add_user_agent"); err != nil {
		return err
	}
	req, ok := c.bytes.(HTTP)
	if !ok {
		return deny("%s expects HTTP and gets %v", c.proxy.name(), c.bytes)
	}
	if req.Authority == "" {
		return deny("HTTP request without a host")
	}
	if m.GetStripTrailingHostDot() {
		return unknown("strip_trailing_host_dot")
	}
	routes := m.GetRouteConfig()
	if routes == nil {
		name := m.GetRds().GetRouteConfigName()
		if routes = c.proxy.routes[name]; routes == nil {
			return deny("no routes %q", name)
		}
	}
	if req.method() == "CONNECT" && !accepts(m.GetUpgradeConfigs(), "CONNECT") {
		return deny("%s does not accept CONNECT (403)", c.proxy.name())
	}
	request := *c // what filters set for a request stays with it
	c = &request
	// The route is chosen before the filters run, since they may have settings of it; nothing here lets them choose another.
	host, route, err := j.route(c, routes, &req)
	if err != nil {
		return err
	}
	for _, f := range m.GetHttpFilters() {
		if f.GetDisabled() {
			continue
		}
		msg, err := unpack(f.GetTypedConfig())
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *httprbacv3.RBAC:
			if err := only(msg, "rules", "rules_stat_prefix", "shadow_rules", "shadow_rules_stat_prefix"); err != nil {
				return err
			}
			if err := j.enforce(subject{conn: c, req: &req}, msg.GetRules()); err != nil {
				return err
			}
		case *httpdfpv3.FilterConfig:
			if err := only(msg, "dns_cache_config", "save_upstream_address"); err != nil {
				return err
			}
			// The filter resolves ahead what the forward proxy's cluster would look up itself.
		case *httpsetstatev3.Config:
			if err := only(msg, "on_request_headers"); err != nil {
				return err
			}
			if err := c.state.set(msg.GetOnRequestHeaders(), subject{conn: c, req: &req}); err != nil {
				return err
			}
		case *routerv3.Router:
			return j.act(c, route, &req, host, routes)
		case *xdstypev3.TypedStruct:
			if !harmlessHTTPFilters[msg.GetTypeUrl()] {
				return unknown("HTTP filter %s", msg.GetTypeUrl())
			}
		default:
			if url := f.GetTypedConfig().GetTypeUrl(); !harmlessHTTPFilters[url] {
				return unknown("HTTP filter %s %s", f.GetName(), url)
			}
		}
	}
	return unknown("HTTP filters without a router")
}

func accepts(upgrades []*hcmv3.HttpConnectionManager_UpgradeConfig, kind string) bool {
	return slices.ContainsFunc(upgrades, func(u *hcmv3.HttpConnectionManager_UpgradeConfig) bool {
		return u.GetUpgradeType() == kind && (u.GetEnabled() == nil || u.GetEnabled().GetValue())
	})
}

// harmlessHTTPFilters are those that observe, or that do nothing without settings in a route (such settings are unknown).
var harmlessHTTPFilters = map[string]bool{
	"type.googleapis.com/io.istio.http.peer_metadata.Config":                        true, // telemetry
	"type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig":  true, // metrics
	"type.googleapis.com/stats.PluginConfig":                                        true, // metrics
	"type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig": true, // the protocol offered to upstreams that speak TLS
	"type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault":          true,
	"type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors":                true,
}

// route returns the route of a request and its virtual host, and no route when there is none.
func (j *journey) route(c *conn, routes *routev3.RouteConfiguration, req *HTTP) (*routev3.VirtualHost, *routev3.Route, error) {
	if err := only(routes, "name", "virtual_hosts", "ignore_port_in_host_matching", "validate_clusters", "max_direct_response_body_size_bytes",
		"request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove", "metadata"); err != nil {
		return nil, nil, err
	}
	v := virtualHost(routes, req.Authority)
	if v == nil {
		return nil, nil, nil
	}
	j.note("%s: virtual host %s for %q", c.proxy.name(), v.GetName(), req.Authority)
	if err := only(v, "name", "domains", "routes", "require_tls", "include_request_attempt_count", "include_attempt_count_in_response", "retry_policy", "metadata",
		"request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove"); err != nil {
		return nil, nil, err
	}
	if v.GetRequireTls() != routev3.VirtualHost_NONE && !c.tls {
		return nil, nil, deny("%s redirects to TLS", c.proxy.name())
	}
	for _, r := range v.GetRoutes() {
		if ok, err := matchRoute(r.GetMatch(), req); err != nil {
			return nil, nil, err
		} else if ok {
			return v, r, nil
		}
	}
	return v, nil, nil
}

// virtualHost returns the host that a request goes to: by exact name, then by the longest suffix, then the longest prefix, then "*".
func virtualHost(routes *routev3.RouteConfiguration, authority string) *routev3.VirtualHost {
	host := strings.ToLower(authority)
	if routes.GetIgnorePortInHostMatching() {
		host, _, _ = splitPort(host)
	}
	var found *routev3.VirtualHost
	best := 0
	for _, v := range routes.GetVirtualHosts() {
		for _, d := range v.GetDomains() {
			d = strings.ToLower(d)
			suffix, isSuffix := strings.CutPrefix(d, "*")
			prefix, isPrefix := strings.CutSuffix(d, "*")
			rank := 0
			switch {
			case d == "*":
				rank = 1
			case isSuffix && len(host) > len(suffix) && strings.HasSuffix(host, suffix):
				rank = 2<<16 + len(suffix)
			case isPrefix && len(host) > len(prefix) && strings.HasPrefix(host, prefix):
				rank = 1<<16 + len(prefix)
			case d == host:
				rank = 3 << 16
			}
			if rank > best {
				best, found = rank, v
			}
		}
	}
	return found
}

// splitPort cuts a port off an authority. ok is false, and the host is the whole authority, when there is none.
func splitPort(authority string) (host string, port uint16, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, 0, false
	}
	n, err := strconv.ParseUint(authority[i+1:], 10, 16)
	if err != nil || strings.Contains(authority[:i], ":") && authority[0] != '[' {
		return authority, 0, false
	}
	return authority[:i], uint16(n), true
}

func matchRoute(m *routev3.RouteMatch, req *HTTP) (bool, error) {
	if err := only(m, "prefix", "path", "path_separated_prefix", "safe_regex", "connect_matcher", "case_sensitive", "headers"); err != nil {
		return false, err
	}
	headers := func() (bool, error) {
		return allOf(m.GetHeaders(), func(h *routev3.HeaderMatcher) (bool, error) { return matchHeader(h, req) })
	}
	if connect := m.GetConnectMatcher() != nil; connect || req.method() == "CONNECT" {
		if !connect || req.method() != "CONNECT" {
			return false, nil
		}
		return headers()
	}
	path, err := plainPath(req)
	if err != nil {
		return false, err
	}
	fold := func(s string) string { return s }
	if m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue() {
		fold = strings.ToLower
	}
	ok := false
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		ok = strings.HasPrefix(fold(path), fold(p.Prefix))
	case *routev3.RouteMatch_Path:
		ok = fold(path) == fold(p.Path)
	case *routev3.RouteMatch_PathSeparatedPrefix:
		pre := fold(p.PathSeparatedPrefix)
		ok = fold(path) == pre || strings.HasPrefix(fold(path), pre+"/")
	case *routev3.RouteMatch_SafeRegex:
		ok, err = matchRegex(p.SafeRegex, path)
	default:
		return false, unknown("route match %T", p)
	}
	if err != nil || !ok {
		return false, err
	}
	return headers()
}

// plainPath returns the path of a request without its query. Paths that the proxy might normalise are unknown.
func plainPath(req *HTTP) (string, error) {
	path, _, _ := strings.Cut(req.path(), "?")
	if strings.ContainsAny(path, "%\\#;") || slices.Contains(strings.Split(path, "/"), "..") || slices.Contains(strings.Split(path, "/"), ".") {
		return "", unknown("normalisation of path %q", path)
	}
	return path, nil
}

// act does what a route says.
func (j *journey) act(c *conn, r *routev3.Route, req *HTTP, host *routev3.VirtualHost, routes *routev3.RouteConfiguration) error {
	if r == nil {
		return deny("%s has no route for %v (404)", c.proxy.name(), req)
	}
	if err := only(r, "name", "match", "route", "direct_response", "redirect", "decorator", "metadata", "tracing", "stat_prefix",
		"request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove"); err != nil {
		return err
	}
	switch a := r.GetAction().(type) {
	case *routev3.Route_DirectResponse:
		return deny("%s answers %d by itself", c.proxy.name(), a.DirectResponse.GetStatus())
	case *routev3.Route_Redirect:
		return deny("%s redirects", c.proxy.name())
	case *routev3.Route_Route:
		if err := only(a.Route, "cluster", "weighted_clusters", "timeout", "idle_timeout", "retry_policy", "max_grpc_timeout", "max_stream_duration", "cluster_not_found_response_code",
			"hash_policy", "priority", "prefix_rewrite", "upgrade_configs", "auto_host_rewrite"); err != nil {
			return err
		}
		cluster := a.Route.GetCluster()
		changes := []headerChanges{r, host, routes} // from the most to the least specific
		if w := a.Route.GetWeightedClusters().GetClusters(); len(w) == 1 {
			if err := only(w[0], "name", "weight", "request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove"); err != nil {
				return err
			}
			cluster = w[0].GetName()
			changes = append([]headerChanges{w[0]}, changes...)
		} else if len(w) > 1 {
			return unknown("a route to several clusters")
		}
		for _, ch := range changes {
			if err := req.change(ch); err != nil {
				return err
			}
		}
		if req.method() == "CONNECT" {
			// With connect_config the proxy ends the tunnel and sends on what comes through it.
			if u := a.Route.GetUpgradeConfigs(); len(u) != 1 || u[0].GetUpgradeType() != "CONNECT" || u[0].GetConnectConfig() == nil {
				return unknown("CONNECT to an upstream")
			}
			if c.bytes = req.Tunnel; c.bytes == nil {
				c.bytes = Raw{}
			}
			return j.forward(c, cluster, nil)
		}
		c.bytes = *req
		return j.forward(c, cluster, req)
	}
	return unknown("route action %T", r.GetAction())
}

// headerChanges is what changes a request's headers on its way to an upstream.
type headerChanges interface {
	GetRequestHeadersToAdd() []*corev3.HeaderValueOption
	GetRequestHeadersToRemove() []string
}

// change removes headers, and then adds headers.
func (h *HTTP) change(ch headerChanges) error {
	h.Headers = maps.Clone(h.Headers)
	if h.Headers == nil {
		h.Headers = map[string]string{}
	}
	for _, name := range ch.GetRequestHeadersToRemove() {
		delete(h.Headers, strings.ToLower(name))
	}
	for _, o := range ch.GetRequestHeadersToAdd() {
		if err := only(o, "header", "append_action", "keep_empty_value"); err != nil {
			return err
		}
		name, value := strings.ToLower(o.GetHeader().GetKey()), o.GetHeader().GetValue()
		if name == "host" || strings.HasPrefix(name, ":") || strings.Contains(value, "%") || value == "" {
			return unknown("a route that sets %s to %q", name, value)
		}
		old, present := h.Headers[name]
		switch o.GetAppendAction() {
		case corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
			if present {
				value = old + "," + value // as matchers see a header that comes twice
			}
		case corev3.HeaderValueOption_ADD_IF_ABSENT:
			if present {
				continue
			}
		case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS:
			if !present {
				continue
			}
		}
		h.Headers[name] = value
	}
	return nil
}

// forwardTarget returns where an HTTP forward proxy sends a request: to the host, and to the port in the Host header if there is one.
func forwardTarget(req *HTTP, defaultPort uint16) (host string, port uint16) {
	host, port, ok := splitPort(req.Authority)
	if !ok {
		port = defaultPort
	}
	return strings.ToLower(strings.Trim(host, "[]")), port
}

func literal(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(host)
	return a, err == nil
}
