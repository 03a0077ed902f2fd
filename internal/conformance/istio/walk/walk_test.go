package walk

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/echo/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"
)

// read reads a message from YAML, in Envoy's own spelling.
func read[M proto.Message](t *testing.T, text string, m M) M {
	t.Helper()
	js, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(js, m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

const (
	tcpProxy = `{name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: x, cluster: %s}}`
	inspect  = `listener_filters: [{name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]`
)

func tcpTo(cluster string) string { return strings.ReplaceAll(tcpProxy, "%s", cluster) }

// proxy returns a proxy with one listener at any address and port 443, and clusters that lead to the hosts of their names.
func proxy(t *testing.T, listener string, clusters ...string) (*Proxy, error) {
	t.Helper()
	c := Config{Identity: "spiffe://cluster.local/ns/egress/sa/gateway"}
	c.Listeners = append(c.Listeners, read(t, "name: l\naddress: {socket_address: {address: 0.0.0.0, port_value: 443}}\n"+listener, &listenerv3.Listener{}))
	for _, name := range clusters {
		c.Clusters = append(c.Clusters, read(t, strings.ReplaceAll(`
name: NAME
type: STRICT_DNS
load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: NAME.test, port_value: 443}}}}]}]}`, "NAME", name), &clusterv3.Cluster{}))
	}
	return NewProxy(c)
}

var (
	pod     = netip.MustParseAddr("10.1.0.1")
	gateway = netip.MustParseAddr("10.2.0.1")
)

// send returns where bytes end that are sent to a proxy's port 443.
func send(t *testing.T, p *Proxy, b Bytes) string {
	t.Helper()
	n := &Network{Proxies: map[netip.Addr]*Proxy{gateway: p}}
	out, err := n.Dialled(pod, netip.AddrPortFrom(gateway, 443), b)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case !out.Reached():
		return "denied: " + out.Denied
	case out.Host != "":
		return out.Host
	}
	return out.Addr.String()
}

func TestFilterChainMatch(t *testing.T) {
	p, err := proxy(t, inspect+`
filter_chains:
- {filter_chain_match: {server_names: [www.foo.com]}, filters: [`+tcpTo("exact")+`]}
- {filter_chain_match: {server_names: ["*.foo.com"], application_protocols: [h2]}, filters: [`+tcpTo("h2")+`]}
- {filter_chain_match: {server_names: ["*.foo.com"], application_protocols: [http/1.1]}, filters: [`+tcpTo("h1")+`]}
- {filter_chain_match: {server_names: ["*.deep.foo.com"], transport_protocol: raw_buffer}, filters: [`+tcpTo("never")+`]}
- {filter_chain_match: {transport_protocol: tls}, filters: [`+tcpTo("tls")+`]}
- {filter_chain_match: {destination_port: 444}, filters: [`+tcpTo("port")+`]}
default_filter_chain: {filters: [`+tcpTo("default")+`]}`, "exact", "h2", "h1", "never", "tls", "port", "default")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		bytes Bytes
		want  string
	}{
		{TLS{SNI: "www.foo.com"}, "exact.test"},
		{TLS{SNI: "WWW.FOO.com"}, "exact.test"},
		{TLS{SNI: "a.b.foo.com", ALPN: []string{"h2", "http/1.1"}}, "h2.test"},
		{TLS{SNI: "a.foo.com", ALPN: []string{"http/1.1", "h2"}}, "h1.test"},
		{TLS{SNI: "foo.com"}, "tls.test"},
		{TLS{SNI: "xfoo.com"}, "tls.test"},
		{TLS{SNI: "a.foo.com."}, "tls.test"},
		{TLS{}, "tls.test"},
		// The more specific name has won by the time the protocols are asked for, and there is no way back.
		{TLS{SNI: "a.foo.com"}, "default.test"},
		{TLS{SNI: "a.deep.foo.com"}, "default.test"},
		{Raw{}, "default.test"},
		{HTTP{Authority: "www.foo.com"}, "default.test"},
	} {
		if got := send(t, p, tt.bytes); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.bytes, got, tt.want)
		}
	}
}

func TestFilterChainMatchByAddress(t *testing.T) {
	p, err := proxy(t, `
use_original_dst: true
traffic_direction: OUTBOUND
filter_chains:
- {filter_chain_match: {prefix_ranges: [{address_prefix: 203.0.113.0, prefix_len: 24}]}, filters: [`+tcpTo("wide")+`]}
- {filter_chain_match: {prefix_ranges: [{address_prefix: 203.0.113.8, prefix_len: 29}, {address_prefix: 198.51.100.1, prefix_len: 32}]}, filters: [`+tcpTo("narrow")+`]}
- {filter_chain_match: {destination_port: 444}, filters: [`+tcpTo("port")+`]}
- {filters: [`+tcpTo("rest")+`]}`, "wide", "narrow", "port", "rest")
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"203.0.113.1:443": "wide.test", "203.0.113.9:443": "narrow.test", "198.51.100.1:443": "narrow.test", "192.0.2.1:443": "rest.test",
		"203.0.113.1:444": "port.test",
	} {
		out, err := new(Network).Captured(p, pod, netip.MustParseAddrPort(to), Raw{})
		if err != nil || out.Host != want {
			t.Errorf("%s: %v, %v, want %s", to, out, err, want)
		}
	}
}

func TestRejections(t *testing.T) {
	for want, listener := range map[string]string{
		"server name \"a.foo.com\"":   `filter_chains: [{filter_chain_match: {server_names: [a.foo.com, b.foo.com]}}, {filter_chain_match: {server_names: [A.foo.com]}}]`,
		"server name \"\"":            `filter_chains: [{}, {filter_chain_match: {}}]`,
		"protocol \"h2\"":             `filter_chains: [{filter_chain_match: {application_protocols: [h2]}}, {filter_chain_match: {application_protocols: [h2, http/1.1]}}]`,
		"partial wildcard \"*a.com\"": `filter_chains: [{filter_chain_match: {server_names: ["*a.com"]}}]`,
		"partial wildcard \"*\"":      `filter_chains: [{filter_chain_match: {server_names: ["*"]}}]`,
	} {
		_, err := proxy(t, listener)
		var rejected *RejectedError
		if !errors.As(err, &rejected) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", listener, err, want)
		}
	}
	for _, routes := range []string{
		`virtual_hosts: [{name: a, domains: [foo.com, FOO.com]}]`,
		`virtual_hosts: [{name: a, domains: ["*"]}, {name: b, domains: ["*"]}]`,
		`virtual_hosts: [{name: a, domains: ["a*b.com"]}]`,
	} {
		_, err := NewProxy(Config{Routes: []*routev3.RouteConfiguration{read(t, routes, &routev3.RouteConfiguration{})}})
		var rejected *RejectedError
		if !errors.As(err, &rejected) {
			t.Errorf("%s: %v", routes, err)
		}
	}
	cache := func(ttl string) *clusterv3.Cluster {
		return read(t, `
name: c
cluster_type:
  name: envoy.clusters.dynamic_forward_proxy
  typed_config: {"@type": type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig, dns_cache_config: {name: cache, host_ttl: `+ttl+`}}`, &clusterv3.Cluster{})
	}
	if _, err := NewProxy(Config{Clusters: []*clusterv3.Cluster{cache("60s"), cache("60s")}}); err != nil {
		t.Error(err)
	}
	if _, err := NewProxy(Config{Clusters: []*clusterv3.Cluster{cache("60s"), cache("61s")}}); err == nil {
		t.Error("one DNS cache configured in two ways is accepted")
	}
}

// TestUnknown asks for an error wherever configuration says more than the walk reads.
func TestUnknown(t *testing.T) {
	for want, listener := range map[string]string{
		"Listener.transparent":             "transparent: true\nfilter_chains: [{filters: [" + tcpTo("c") + "]}]",
		"FilterChainMatch.source_ports":    "filter_chains: [{filter_chain_match: {source_ports: [1]}, filters: [" + tcpTo("c") + "]}]",
		"TcpProxy.tunneling_config":        "filter_chains: [{filters: [" + strings.Replace(tcpTo("c"), "cluster: c", "cluster: c, tunneling_config: {hostname: x}", 1) + "]}]",
		"network filter envoy.extensions":  `filter_chains: [{filters: [{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}]`,
		"without a terminal filter":        `filter_chains: [{filters: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config}}]}]`,
		"listener filter proxy":            "listener_filters: [{name: proxy, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}]\nfilter_chains: [{filters: [" + tcpTo("c") + "]}]",
		"no inspector that is enabled":     "filter_chains: [{filter_chain_match: {server_names: [a.com]}, filters: [" + tcpTo("c") + "]}]",
		"filter state \"envoy.tcp_proxy":   `filter_chains: [{filters: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config, on_new_connection: [{object_key: envoy.tcp_proxy.cluster, format_string: {text_format_source: {inline_string: x}}}]}}, ` + tcpTo("c") + `]}]`,
		"format \"%DOWNSTREAM_PEER_SUBJEC": `filter_chains: [{filters: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config, on_new_connection: [{object_key: a, factory_key: envoy.string, format_string: {text_format_source: {inline_string: "%DOWNSTREAM_PEER_SUBJECT%"}}}]}}, ` + tcpTo("c") + `]}]`,
	} {
		p, err := proxy(t, listener, "c")
		if err != nil {
			t.Fatal(err)
		}
		n := &Network{Proxies: map[netip.Addr]*Proxy{gateway: p}}
		var unknown *UnknownError
		if out, err := n.Dialled(pod, netip.AddrPortFrom(gateway, 443), TLS{SNI: "a.com"}); !errors.As(err, &unknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, out, err)
		}
	}
}

func TestVirtualHosts(t *testing.T) {
	domains := []string{"www.foo.com", "*.foo.com", "*-a.foo.com", "*.deep.foo.com", "foo.*", "*", "port.com:8080", "anyport.com:*"}
	host := func(ignorePort bool, authority string) string {
		rc := &routev3.RouteConfiguration{IgnorePortInHostMatching: ignorePort}
		for _, d := range domains {
			rc.VirtualHosts = append(rc.VirtualHosts, &routev3.VirtualHost{Name: d, Domains: []string{d}})
		}
		return virtualHost(rc, authority).GetName()
	}
	for authority, want := range map[string]string{
		"www.foo.com": "www.foo.com", "WWW.foo.COM": "www.foo.com", "a.foo.com": "*.foo.com", "x-a.foo.com": "*-a.foo.com", "a.b.foo.com": "*.foo.com",
		"x.deep.foo.com": "*.deep.foo.com", "foo.com": "foo.*", "foo.org": "foo.*", "xfoo.com": "*", ".foo.com": "*", "www.foo.com.": "*",
		"www.foo.com:443": "*", "port.com:8080": "port.com:8080", "port.com": "*", "anyport.com:1": "anyport.com:*",
	} {
		if got := host(false, authority); got != want {
			t.Errorf("%s: %s, want %s", authority, got, want)
		}
	}
	for authority, want := range map[string]string{"www.foo.com:443": "www.foo.com", "a.foo.com:1": "*.foo.com", "port.com:8080": "*", "www.foo.com:x": "*"} {
		if got := host(true, authority); got != want {
			t.Errorf("%s without port: %s, want %s", authority, got, want)
		}
	}
}

func TestAccessRules(t *testing.T) {
	c := &conn{sni: "a.foo.com", tls: true, peer: "spiffe://cluster.local/ns/a/sa/b", local: netip.MustParseAddrPort("10.2.0.1:8443"), remote: pod,
		state: filterState{"k": {value: "v"}}}
	req := &HTTP{Authority: "www.foo.com:80", Path: "/v1/x?q", Headers: map[string]string{"x-a": "1"}}
	for rule, want := range map[string]bool{
		`any: true`: true,
		`requested_server_name: {suffix: .foo.com}`:                                                                 true,
		`requested_server_name: {exact: A.foo.com}`:                                                                 false, // case-sensitive, and Envoy lower-cases what clients send
		`destination_port: 8443`:                                                                                    true,
		`destination_port: 443`:                                                                                     false, // the pod's port counts, not the Service's
		`destination_port_range: {start: 8000, end: 8443}`:                                                          false,
		`destination_port_range: {start: 8443, end: 8444}`:                                                          true,
		`destination_ip: {address_prefix: 10.2.0.0, prefix_len: 16}`:                                                true,
		`header: {name: ":authority", string_match: {suffix: .FOO.com, ignore_case: true}}`:                         false, // the port belongs to it
		`header: {name: ":authority", string_match: {prefix: "WWW.foo.com:", ignore_case: true}}`:                   true,
		`header: {name: ":method", string_match: {exact: GET}}`:                                                     true,
		`header: {name: X-A, present_match: true}`:                                                                  true,
		`header: {name: x-b, present_match: false}`:                                                                 true,
		`header: {name: x-b, string_match: {exact: "1"}, invert_match: true}`:                                       false, // an absent header matches nothing
		`header: {name: x-a, string_match: {exact: "2"}, invert_match: true}`:                                       true,
		`url_path: {path: {prefix: /v1/}}`:                                                                          true,
		`url_path: {path: {exact: /v1/x}}`:                                                                          true,
		`url_path: {path: {safe_regex: {regex: "/v1"}}}`:                                                            false,
		`and_rules: {rules: [{any: true}, {not_rule: {any: true}}]}`:                                                false,
		`or_rules: {rules: [{not_rule: {any: true}}, {destination_port: 8443}]}`:                                    true,
		`and_rules: {rules: [{or_rules: {rules: [{destination_port: 1}, {any: true}]}}, {destination_port: 8443}]}`: true,
	} {
		if got, err := (subject{c, req}).permission(read(t, rule, &rbacv3.Permission{})); err != nil || got != want {
			t.Errorf("permission %s: %v, %v", rule, got, err)
		}
	}
	for rule, want := range map[string]bool{
		`any: true`:         true,
		`authenticated: {}`: true,
		`authenticated: {principal_name: {exact: "spiffe://cluster.local/ns/a/sa/b"}}`: true,
		`authenticated: {principal_name: {exact: cluster.local/ns/a/sa/b}}`:            false,
		`authenticated: {principal_name: {safe_regex: {regex: ".*/ns/a/.*"}}}`:         true,
		`filter_state: {key: k, string_match: {exact: v}}`:                             true,
		`filter_state: {key: l, string_match: {exact: v}}`:                             false,
		`not_id: {filter_state: {key: l, string_match: {exact: v}}}`:                   true,
		`direct_remote_ip: {address_prefix: 10.1.0.0, prefix_len: 16}`:                 true,
		`and_ids: {ids: [{any: true}, {not_id: {any: true}}]}`:                         false,
		`or_ids: {ids: [{not_id: {any: true}}, {any: true}]}`:                          true,
	} {
		if got, err := (subject{c, req}).principal(read(t, rule, &rbacv3.Principal{})); err != nil || got != want {
			t.Errorf("principal %s: %v, %v", rule, got, err)
		}
	}
	// Nobody is authenticated without TLS, not even anybody; and rules on connections see no headers.
	if ok, err := (subject{&conn{}, nil}).principal(read(t, `authenticated: {}`, &rbacv3.Principal{})); ok || err != nil {
		t.Error(ok, err)
	}
	for _, rule := range []string{`header: {name: ":authority", present_match: true}`, `url_path: {path: {prefix: /}}`} {
		if ok, err := (subject{c, nil}).permission(read(t, rule, &rbacv3.Permission{})); ok || err != nil {
			t.Error(rule, ok, err)
		}
	}
}

func TestStringMatch(t *testing.T) {
	for m, want := range map[string]bool{
		`exact: aB`: true, `exact: ab`: false, `{exact: AB, ignore_case: true}`: true, `prefix: a`: true, `suffix: B`: true, `contains: aB`: true, `contains: x`: false,
		`safe_regex: {regex: "a."}`: true, `safe_regex: {regex: "a"}`: false, `safe_regex: {regex: "x|aB"}`: true,
	} {
		if got, err := matchString(read(t, m, &matcherv3.StringMatcher{}), "aB"); err != nil || got != want {
			t.Errorf("%s: %v, %v", m, got, err)
		}
	}
}

const httpManager = `filter_chains:
- filters:
  - name: http
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: x
      route_config:
        ignore_port_in_host_matching: true
        virtual_hosts:
        - name: a
          domains: [a.com]
          routes:
          - {match: {path: /exact}, route: {cluster: exact}}
          - {match: {path_separated_prefix: /sep}, route: {cluster: sep}}
          - {match: {prefix: /post, headers: [{name: ":method", string_match: {exact: POST}}]}, route: {cluster: post}}
          - {match: {safe_regex: {regex: "/r[0-9]+"}}, route: {cluster: regex}}
          - {match: {prefix: /gone}, direct_response: {status: 410}}
          - {match: {prefix: /missing}, route: {cluster: missing}}
          - {match: {prefix: /moved}, redirect: {host_redirect: b.com}}
          - {match: {prefix: /two}, route: {weighted_clusters: {clusters: [{name: exact, weight: 1}, {name: sep, weight: 1}]}}}
        - {name: tls, domains: [tls.com], require_tls: ALL, routes: [{match: {prefix: /}, route: {cluster: exact}}]}
        - {name: any, domains: ["*.any.com"], routes: [{match: {prefix: /}, route: {cluster: forward}}]}
        - {name: plain, domains: ["127.0.0.1"], routes: [{match: {prefix: /}, route: {cluster: forward}}]}
      http_filters:
      - name: rbac
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
          rules:
            action: DENY
            policies:
              bad: {permissions: [{header: {name: x-bad, present_match: true}}], principals: [{any: true}]}
      - name: router
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
`

func TestHTTP(t *testing.T) {
	p, err := proxy(t, httpManager, "exact", "sep", "post", "regex")
	if err != nil {
		t.Fatal(err)
	}
	p.clusters["forward"] = read(t, `
name: forward
cluster_type:
  name: envoy.clusters.dynamic_forward_proxy
  typed_config: {"@type": type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig, dns_cache_config: {name: cache}}`, &clusterv3.Cluster{})
	for _, tt := range []struct {
		bytes Bytes
		want  string
	}{
		{HTTP{Authority: "a.com", Path: "/exact?q"}, "exact.test"},
		{HTTP{Authority: "A.com:8080", Path: "/sep/x"}, "sep.test"},
		{HTTP{Authority: "a.com", Path: "/sepx"}, "denied: gateway has no route"},
		{HTTP{Authority: "a.com", Path: "/post", Method: "POST"}, "post.test"},
		{HTTP{Authority: "a.com", Path: "/post"}, "denied: gateway has no route"},
		{HTTP{Authority: "a.com", Path: "/r12"}, "regex.test"},
		{HTTP{Authority: "a.com", Path: "/r12x"}, "denied: gateway has no route"},
		{HTTP{Authority: "a.com", Path: "/gone"}, "denied: gateway answers 410"},
		{HTTP{Authority: "a.com", Path: "/moved"}, "denied: gateway redirects"},
		{HTTP{Authority: "a.com", Path: "/missing"}, "denied: gateway has no cluster"},
		{HTTP{Authority: "a.com", Path: "/two"}, "error: unknown to the walk: a route to several clusters"},
		{HTTP{Authority: "a.com", Path: "/a/../exact"}, "error: unknown to the walk: normalisation"},
		{HTTP{Authority: "b.com"}, "denied: gateway has no route"},
		{HTTP{Authority: "tls.com"}, "denied: gateway redirects to TLS"},
		{HTTP{Authority: "a.com", Path: "/exact", Headers: map[string]string{"x-bad": ""}}, "denied: access rule bad"},
		{HTTP{Authority: "a.com", Method: "CONNECT"}, "denied: gateway does not accept CONNECT"},
		{TLS{SNI: "a.com"}, "denied: gateway expects HTTP"},
		{Raw{}, "denied: gateway expects HTTP"},
		{HTTP{}, "denied: HTTP request without a host"},
		{HTTP{Authority: "x.any.com"}, "x.any.com"},
		{HTTP{Authority: "127.0.0.1"}, "127.0.0.1"},
	} {
		if got := send(t, p, tt.bytes); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v: %s, want %s", tt.bytes, got, tt.want)
		}
	}
	// A forward proxy takes the port from the Host header.
	for authority, port := range map[string]uint16{"x.any.com": 80, "x.any.com:22": 22} {
		n := &Network{Proxies: map[netip.Addr]*Proxy{gateway: p}}
		if out, err := n.Dialled(pod, netip.AddrPortFrom(gateway, 443), HTTP{Authority: authority}); err != nil || out.Port != port {
			t.Errorf("%s: %v, %v", authority, out, err)
		}
	}
}

// TestEndpointsMustAgree asks for an error where a load balancer may choose between a place that denies and one that does not.
func TestEndpointsMustAgree(t *testing.T) {
	p, err := proxy(t, "filter_chains: [{filters: ["+tcpTo("two")+"]}]")
	if err != nil {
		t.Fatal(err)
	}
	two := func(second string) *clusterv3.Cluster {
		return read(t, `
name: two
type: STATIC
load_assignment: {endpoints: [{lb_endpoints: [
  {endpoint: {address: {socket_address: {address: 203.0.113.1, port_value: 443}}}},
  {endpoint: {address: {socket_address: {address: `+second+`, port_value: 443}}}, health_status: HEALTHY},
  {endpoint: {address: {socket_address: {address: 203.0.113.3, port_value: 443}}}, health_status: DRAINING}]}]}`, &clusterv3.Cluster{})
	}
	p.clusters["two"] = two("203.0.113.1")
	if got := send(t, p, Raw{}); got != "203.0.113.1" {
		t.Error(got)
	}
	p.clusters["two"] = two("203.0.113.2")
	if got := send(t, p, Raw{}); !strings.Contains(got, "lead to different places") {
		t.Error(got)
	}
}
