package walk

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	dfpclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	dfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/dynamic_forward_proxy/v3"
	httpdfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_forward_proxy/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	snidfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Config is what one Envoy was told.
type Config struct {
	Identity  string // the SPIFFE ID in its certificate
	Listeners []*listenerv3.Listener
	Clusters  []*clusterv3.Cluster
	Routes    []*routev3.RouteConfiguration
	Endpoints []*endpointv3.ClusterLoadAssignment
}

// A Proxy is an Envoy that took its configuration. It is immutable and safe for concurrent use.
type Proxy struct {
	Identity  string
	config    Config
	clusters  map[string]*clusterv3.Cluster
	routes    map[string]*routev3.RouteConfiguration
	endpoints map[string]*endpointv3.ClusterLoadAssignment
}

// NewProxy returns the Envoy that was told c. The error joins a *RejectedError for each resource that Envoy is known to refuse, although the
// control plane sent it.
func NewProxy(c Config) (*Proxy, error) {
	p := &Proxy{
		Identity:  c.Identity,
		config:    c,
		clusters:  map[string]*clusterv3.Cluster{},
		routes:    map[string]*routev3.RouteConfiguration{},
		endpoints: map[string]*endpointv3.ClusterLoadAssignment{},
	}
	var errs []error
	for _, cl := range c.Clusters {
		p.clusters[cl.GetName()] = cl
	}
	for _, l := range c.Listeners {
		errs = append(errs, checkListener(l))
	}
	for _, r := range c.Routes {
		p.routes[r.GetName()] = r
		errs = append(errs, checkRoutes(r))
	}
	for _, e := range c.Endpoints {
		p.endpoints[e.GetClusterName()] = e
	}
	errs = append(errs, checkCaches(c))
	return p, errors.Join(errs...)
}

// Config returns what the proxy was told.
func (p *Proxy) Config() Config { return p.config }

// name returns a short name for traces.
func (p *Proxy) name() string { return p.Identity[strings.LastIndexByte(p.Identity, '/')+1:] }

// checkListener finds chains that cannot be told apart and names that cannot be matched, for which Envoy rejects the whole listener.
func checkListener(l *listenerv3.Listener) error {
	reject := func(format string, args ...any) error {
		return &RejectedError{"listener " + l.GetName(), fmt.Sprintf(format, args...)}
	}
	if l.GetFilterChainMatcher() != nil {
		return nil // chains are chosen by their names, and their own matches are not asked
	}
	seen := map[string]bool{}
	for _, ch := range l.GetFilterChains() {
		m := ch.GetFilterChainMatch()
		names := slices.Clone(m.GetServerNames())
		for i, name := range names {
			if strings.Contains(strings.TrimPrefix(name, "*."), "*") {
				return reject("partial wildcard %q in server_names", name)
			}
			names[i] = strings.ToLower(name)
		}
		// A chain stands for each combination of the values that it lists.
		rest := &listenerv3.FilterChainMatch{}
		if m != nil {
			rest = proto.Clone(m).(*listenerv3.FilterChainMatch)
		}
		rest.ServerNames, rest.PrefixRanges, rest.ApplicationProtocols = nil, nil, nil
		other, err := proto.MarshalOptions{Deterministic: true}.Marshal(rest)
		if err != nil {
			return err
		}
		var prefixes []string
		for _, r := range m.GetPrefixRanges() {
			prefixes = append(prefixes, fmt.Sprintf("%s/%d", r.GetAddressPrefix(), r.GetPrefixLen().GetValue()))
		}
		for _, name := range orNone(names) {
			for _, prefix := range orNone(prefixes) {
				for _, alpn := range orNone(m.GetApplicationProtocols()) {
					key := strings.Join([]string{name, prefix, alpn, string(other)}, "\x00")
					if seen[key] {
						return reject("filter chains with the same match: server name %q, prefix %q, protocol %q", name, prefix, alpn)
					}
					seen[key] = true
				}
			}
		}
	}
	return nil
}

// orNone lets a criterion without values count as one value.
func orNone(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

func checkRoutes(r *routev3.RouteConfiguration) error {
	seen := map[string]bool{}
	for _, v := range r.GetVirtualHosts() {
		for _, d := range v.GetDomains() {
			if d = strings.ToLower(d); seen[d] {
				return &RejectedError{"routes " + r.GetName(), fmt.Sprintf("domain %q twice", d)}
			} else if inner := strings.TrimSuffix(strings.TrimPrefix(d, "*"), "*"); strings.Contains(inner, "*") {
				return &RejectedError{"routes " + r.GetName(), fmt.Sprintf("domain %q", d)}
			}
			seen[d] = true
		}
	}
	return nil
}

// checkCaches finds DNS caches of one name that are configured in two ways.
func checkCaches(c Config) error {
	caches := map[string]*dfpv3.DnsCacheConfig{}
	add := func(where string, cache *dfpv3.DnsCacheConfig) error {
		if cache == nil {
			return nil
		}
		if other, ok := caches[cache.GetName()]; ok && !proto.Equal(other, cache) {
			return &RejectedError{where, fmt.Sprintf("DNS cache %q is configured in two ways", cache.GetName())}
		}
		caches[cache.GetName()] = cache
		return nil
	}
	var errs []error
	for _, cl := range c.Clusters {
		var d dfpclusterv3.ClusterConfig
		if unpackAs(cl.GetClusterType().GetTypedConfig(), &d) {
			errs = append(errs, add("cluster "+cl.GetName(), d.GetDnsCacheConfig()))
		}
	}
	for _, l := range c.Listeners {
		for _, ch := range l.GetFilterChains() {
			for _, f := range ch.GetFilters() {
				var sni snidfpv3.FilterConfig
				if unpackAs(f.GetTypedConfig(), &sni) {
					errs = append(errs, add("listener "+l.GetName(), sni.GetDnsCacheConfig()))
				}
				var hcm hcmv3.HttpConnectionManager
				if !unpackAs(f.GetTypedConfig(), &hcm) {
					continue
				}
				for _, h := range hcm.GetHttpFilters() {
					var d httpdfpv3.FilterConfig
					if unpackAs(h.GetTypedConfig(), &d) {
						errs = append(errs, add("listener "+l.GetName(), d.GetDnsCacheConfig()))
					}
				}
			}
		}
	}
	return errors.Join(errs...)
}

func unpackAs(a *anypb.Any, m proto.Message) bool { return a.MessageIs(m) && a.UnmarshalTo(m) == nil }

// unpack returns the message in a, of whatever type.
func unpack(a *anypb.Any) (proto.Message, error) {
	if a == nil {
		return nil, nil
	}
	m, err := a.UnmarshalNew()
	if err != nil {
		return nil, unknown("%s: %v", a.GetTypeUrl(), err)
	}
	return m, nil
}
