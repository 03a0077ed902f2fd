package walk

import (
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	httpinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
)

// outboundListener returns the listener that takes a redirected connection: that of the original destination, else that of its port
// at any address, else the one that the redirection goes to.
func (p *Proxy) outboundListener(to netip.AddrPort) (*listenerv3.Listener, error) {
	if l := p.listenerAt(to); l != nil {
		return l, nil
	}
	for _, l := range p.config.Listeners {
		if l.GetUseOriginalDst().GetValue() && l.GetTrafficDirection() == corev3.TrafficDirection_OUTBOUND {
			return l, nil
		}
	}
	return nil, deny("no listener takes redirected connections")
}

// boundListener returns the listener that takes a connection to one of the proxy's own addresses.
func (p *Proxy) boundListener(to netip.AddrPort) (*listenerv3.Listener, error) {
	l := p.listenerAt(to)
	if l == nil || !bound(l) {
		return nil, deny("nothing listens at %v", to)
	}
	return l, nil
}

func bound(l *listenerv3.Listener) bool {
	return l.GetBindToPort() == nil || l.GetBindToPort().GetValue()
}

// listenerAt returns the listener of an address, else that of its port at any address of its family.
func (p *Proxy) listenerAt(to netip.AddrPort) *listenerv3.Listener {
	anywhere := netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port())
	if to.Addr().Is6() {
		anywhere = netip.AddrPortFrom(netip.IPv6Unspecified(), to.Port())
	}
	for _, at := range []netip.AddrPort{to, anywhere} {
		for _, l := range p.config.Listeners {
			if slices.Contains(addresses(l), at) {
				return l
			}
		}
	}
	return nil
}

func (p *Proxy) internalListener(name string) *listenerv3.Listener {
	for _, l := range p.config.Listeners {
		if l.GetInternalListener() != nil && l.GetName() == name {
			return l
		}
	}
	return nil
}

func addresses(l *listenerv3.Listener) []netip.AddrPort {
	var out []netip.AddrPort
	add := func(a *corev3.Address) {
		s := a.GetSocketAddress()
		if addr, err := netip.ParseAddr(s.GetAddress()); err == nil {
			out = append(out, netip.AddrPortFrom(addr, uint16(s.GetPortValue())))
		}
	}
	add(l.GetAddress())
	for _, a := range l.GetAdditionalAddresses() {
		add(a.GetAddress())
	}
	return out
}

// conn is a connection that a proxy has taken, as its filters see it.
type conn struct {
	proxy    *Proxy
	remote   netip.Addr
	local    netip.AddrPort // zero for a connection to an internal listener
	restored bool           // local is where the client meant to go before it was redirected
	bytes    Bytes          // what is still to be read

	transport string // as listener filters found out; never empty once they have run
	sni       string // lower case
	alpn      []string

	tls   bool   // the proxy terminated TLS
	peer  string // the identity that the client has proved to the proxy; empty: none
	state filterState

	forwardHost string // where the SNI forward proxy sends the connection
	forwardPort uint16
}

// accept takes a connection on a listener and follows it through the filter chain that matches.
func (j *journey) accept(c *conn, l *listenerv3.Listener) error {
	if len(j.out.Hops) == maxHops {
		return unknown("more than %d hops", maxHops)
	}
	j.out.Hops = append(j.out.Hops, Hop{Proxy: c.proxy.Identity, Listener: l.GetName()})
	if err := only(l, "name", "address", "additional_addresses", "filter_chains", "default_filter_chain", "listener_filters", "use_original_dst", "bind_to_port",
		"filter_chain_matcher", "internal_listener",
		"listener_filters_timeout", "continue_on_listener_filters_timeout", "traffic_direction", "max_connections_to_accept_per_socket_event", "stat_prefix", "access_log",
		"connection_balance_config", "enable_reuse_port", "per_connection_buffer_limit_bytes", "metadata"); err != nil {
		return err
	}
	if err := c.inspect(l); err != nil {
		return err
	}
	chain, err := matchChain(l, c)
	if err != nil {
		return err
	}
	if chain == nil {
		return deny("no filter chain of listener %s takes sni=%q %s", l.GetName(), c.sni, c.transport)
	}
	j.note("%s: listener %s, chain %q %v", c.proxy.name(), l.GetName(), chain.GetName(), chain.GetFilterChainMatch())
	return j.filters(c, chain)
}

// inspect runs the listener filters, which tell chains apart by what the client sends first.
func (c *conn) inspect(l *listenerv3.Listener) error {
	first, isTLS := c.bytes.(TLS)
	for _, f := range l.GetListenerFilters() {
		if disabled, err := filterDisabled(f.GetFilterDisabled(), c); err != nil {
			return err
		} else if disabled {
			continue
		}
		m, err := unpack(f.GetTypedConfig())
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *tlsinspectorv3.TlsInspector:
			if err := only(m, "initial_read_buffer_size", "enable_ja3_fingerprinting"); err != nil {
				return err
			}
			if isTLS {
				c.transport, c.sni, c.alpn = "tls", strings.ToLower(first.SNI), first.ALPN
			}
		case *httpinspectorv3.HttpInspector:
			if h, ok := c.bytes.(HTTP); ok && c.transport == "" {
				c.alpn = []string{"http/1.1"}
				if h.HTTP2 {
					c.alpn = []string{"h2c"}
				}
			}
		case *originaldstv3.OriginalDst:
			// Of an internal connection, whoever opened it says where it was bound for. For others, redirection has been undone already.
			if to, err := netip.ParseAddrPort(c.state[originalDestination].value); err == nil && !c.local.IsValid() {
				c.local, c.restored = to, true
			}
		default:
			return unknown("listener filter %s", f.GetName())
		}
	}
	if c.transport == "" {
		c.transport = "raw_buffer"
	}
	if isTLS && c.transport != "tls" && readsHello(l) {
		return unknown("listener %s has chains for TLS and no inspector that is enabled", l.GetName())
	}
	return nil
}

// readsHello reports whether chains are chosen by what only the TLS inspector can tell. Envoy once added that filter by itself.
func readsHello(l *listenerv3.Listener) bool {
	return slices.ContainsFunc(l.GetFilterChains(), func(f *listenerv3.FilterChain) bool {
		m := f.GetFilterChainMatch()
		return len(m.GetServerNames()) > 0 || m.GetTransportProtocol() == "tls"
	})
}

func filterDisabled(m *listenerv3.ListenerFilterChainMatchPredicate, c *conn) (bool, error) {
	anyOf := func(set *listenerv3.ListenerFilterChainMatchPredicate_MatchSet, want bool) (bool, error) {
		for _, r := range set.GetRules() {
			if ok, err := filterDisabled(r, c); err != nil || ok == want {
				return ok, err
			}
		}
		return !want, nil
	}
	switch r := m.GetRule().(type) {
	case nil:
		return false, nil
	case *listenerv3.ListenerFilterChainMatchPredicate_AnyMatch:
		return r.AnyMatch, nil
	case *listenerv3.ListenerFilterChainMatchPredicate_NotMatch:
		ok, err := filterDisabled(r.NotMatch, c)
		return !ok, err
	case *listenerv3.ListenerFilterChainMatchPredicate_OrMatch:
		return anyOf(r.OrMatch, true)
	case *listenerv3.ListenerFilterChainMatchPredicate_AndMatch:
		return anyOf(r.AndMatch, false)
	case *listenerv3.ListenerFilterChainMatchPredicate_DestinationPortRange:
		port := int32(c.local.Port())
		return r.DestinationPortRange.GetStart() <= port && port < r.DestinationPortRange.GetEnd(), nil
	}
	return false, unknown("listener filter predicate %T", m.GetRule())
}

// matchChain returns the chain that takes c, and nil when there is none. Criteria are asked in a fixed order, and at each step only the
// chains with the most specific value that fits stay; a chain that names no value is the least specific. There is no way back: a chain that
// fits all criteria is lost when another one fits an earlier criterion better. (FilterChainMatch in listener_components.proto.)
//
// A listener with a matcher of its own asks that instead.
func matchChain(l *listenerv3.Listener, c *conn) (*listenerv3.FilterChain, error) {
	if l.GetFilterChainMatcher() != nil {
		ch, err := chainByMatcher(l, c)
		if ch == nil && err == nil {
			ch = l.GetDefaultFilterChain()
		}
		return ch, err
	}
	chains := l.GetFilterChains()
	for _, ch := range chains {
		if err := only(orEmpty(ch.GetFilterChainMatch()), "destination_port", "prefix_ranges", "server_names", "transport_protocol", "application_protocols"); err != nil {
			return nil, err
		}
	}
	for _, rank := range []func(*listenerv3.FilterChainMatch, *conn) int{rankPort, rankAddress, rankServerName, rankTransport, rankApplication} {
		best := none
		var kept []*listenerv3.FilterChain
		for _, ch := range chains {
			switch r := rank(ch.GetFilterChainMatch(), c); {
			case r > best:
				best, kept = r, []*listenerv3.FilterChain{ch}
			case r == best && r != none:
				kept = append(kept, ch)
			}
		}
		chains = kept
	}
	switch len(chains) {
	case 0:
		return l.GetDefaultFilterChain(), nil
	case 1:
		return chains[0], nil
	}
	return nil, unknown("listener %s has %d chains that match alike", l.GetName(), len(chains))
}

func orEmpty(m *listenerv3.FilterChainMatch) *listenerv3.FilterChainMatch {
	if m == nil {
		return &listenerv3.FilterChainMatch{}
	}
	return m
}

// Ranks of a criterion: it does not fit, it is not asked for, and from there on the more the better.
const (
	none  = -1
	unset = 0
)

func rankPort(m *listenerv3.FilterChainMatch, c *conn) int {
	switch {
	case m.GetDestinationPort() == nil:
		return unset
	case m.GetDestinationPort().GetValue() == uint32(c.local.Port()):
		return 1
	}
	return none
}

func rankAddress(m *listenerv3.FilterChainMatch, c *conn) int {
	if len(m.GetPrefixRanges()) == 0 {
		return unset
	}
	best := none
	for _, r := range m.GetPrefixRanges() {
		if p, err := prefix(r); err == nil && p.Contains(c.local.Addr()) {
			best = max(best, 1+p.Bits())
		}
	}
	return best
}

func rankServerName(m *listenerv3.FilterChainMatch, c *conn) int {
	if len(m.GetServerNames()) == 0 {
		return unset
	}
	best := none
	for _, name := range m.GetServerNames() {
		name = strings.ToLower(name)
		suffix, wildcard := strings.CutPrefix(name, "*")
		switch {
		case !wildcard && name == c.sni:
			return 1 << 16
		case wildcard && len(c.sni) > len(suffix) && strings.HasSuffix(c.sni, suffix):
			best = max(best, 1+len(suffix))
		}
	}
	return best
}

func rankTransport(m *listenerv3.FilterChainMatch, c *conn) int {
	switch m.GetTransportProtocol() {
	case "":
		return unset
	case c.transport:
		return 1
	}
	return none
}

func rankApplication(m *listenerv3.FilterChainMatch, c *conn) int {
	if len(m.GetApplicationProtocols()) == 0 {
		return unset
	}
	for i, p := range c.alpn {
		if slices.Contains(m.GetApplicationProtocols(), p) {
			return len(c.alpn) - i
		}
	}
	return none
}

func prefix(r *corev3.CidrRange) (netip.Prefix, error) {
	a, err := netip.ParseAddr(r.GetAddressPrefix())
	if err != nil {
		return netip.Prefix{}, unknown("address prefix %q", r.GetAddressPrefix())
	}
	return a.Prefix(int(r.GetPrefixLen().GetValue()))
}
