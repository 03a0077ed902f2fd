package walk

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	matcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	networkinputv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// chainByMatcher returns the chain that a listener's matcher names, and nil when it names none.
func chainByMatcher(l *listenerv3.Listener, c *conn) (*listenerv3.FilterChain, error) {
	name, err := evaluate(l.GetFilterChainMatcher(), c)
	if err != nil || name == "" {
		return nil, err
	}
	for _, ch := range l.GetFilterChains() {
		if ch.GetName() == name {
			return ch, nil
		}
	}
	return nil, unknown("listener %s: no filter chain %q", l.GetName(), name)
}

// evaluate returns the name that a matcher decides on, and "" when it does not decide.
func evaluate(m *matcherv3.Matcher, c *conn) (string, error) {
	if m == nil {
		return "", nil
	}
	if err := only(m, "matcher_tree", "on_no_match"); err != nil {
		return "", err
	}
	name, err := evaluateTree(m.GetMatcherTree(), c)
	if err != nil || name != "" || m.GetOnNoMatch() == nil {
		return name, err
	}
	return follow(m.GetOnNoMatch(), c)
}

func follow(on *matcherv3.Matcher_OnMatch, c *conn) (string, error) {
	if on == nil {
		return "", nil
	}
	if err := only(on, "matcher", "action"); err != nil {
		return "", err
	}
	if m := on.GetMatcher(); m != nil {
		return evaluate(m, c)
	}
	var name wrapperspb.StringValue
	if !unpackAs(on.GetAction().GetTypedConfig(), &name) {
		return "", unknown("action of a matcher")
	}
	return name.GetValue(), nil
}

func evaluateTree(t *matcherv3.Matcher_MatcherTree, c *conn) (string, error) {
	input, err := unpack(t.GetInput().GetTypedConfig())
	if err != nil {
		return "", err
	}
	switch input.(type) {
	case *networkinputv3.DestinationPortInput:
		if !c.local.IsValid() || t.GetExactMatchMap() == nil {
			return "", nil
		}
		return follow(t.GetExactMatchMap().GetMap()[strconv.Itoa(int(c.local.Port()))], c)
	case *networkinputv3.DestinationIPInput:
		var ip matcherv3.IPMatcher
		if !unpackAs(t.GetCustomMatch().GetTypedConfig(), &ip) {
			return "", unknown("matcher of a destination address")
		}
		if !c.local.IsValid() {
			return "", nil
		}
		return evaluateIP(&ip, c)
	case *networkinputv3.ApplicationProtocolInput:
		// The input is the list of protocols, each in quotation marks.
		var list string
		for i, p := range c.alpn {
			if i > 0 {
				list += ","
			}
			list += "'" + p + "'"
		}
		if list == "" || t.GetExactMatchMap() == nil {
			return "", nil
		}
		return follow(t.GetExactMatchMap().GetMap()[list], c)
	}
	return "", unknown("matcher input %s", t.GetInput().GetTypedConfig().GetTypeUrl())
}

// evaluateIP asks the most specific range first. One that leads to no decision lets a wider one decide, unless it is exclusive.
func evaluateIP(m *matcherv3.IPMatcher, c *conn) (string, error) {
	type candidate struct {
		bits int
		on   *matcherv3.IPMatcher_IPRangeMatcher
	}
	var fit []candidate
	for _, r := range m.GetRangeMatchers() {
		for _, cidr := range r.GetRanges() {
			p, err := xdsPrefix(cidr)
			if err != nil {
				return "", err
			}
			if p.Contains(c.local.Addr()) {
				fit = append(fit, candidate{p.Bits(), r})
			}
		}
	}
	slices.SortStableFunc(fit, func(a, b candidate) int { return cmp.Compare(b.bits, a.bits) })
	for _, f := range fit {
		if name, err := follow(f.on.GetOnMatch(), c); err != nil || name != "" || f.on.GetExclusive() {
			return name, err
		}
	}
	return "", nil
}

func xdsPrefix(r *xdscorev3.CidrRange) (netip.Prefix, error) {
	a, err := netip.ParseAddr(r.GetAddressPrefix())
	if err != nil {
		return netip.Prefix{}, unknown("address prefix %q", r.GetAddressPrefix())
	}
	return a.Prefix(int(r.GetPrefixLen().GetValue()))
}
