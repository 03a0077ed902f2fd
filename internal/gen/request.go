package gen

import (
	"net/netip"
	"strings"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Request generates requests that the policies have something to say about, or nearly so.
func Request(policies []*policy.Policy) *rapid.Generator[policy.Request] {
	var named []policy.Destination
	for _, p := range policies {
		sections := []policy.Section{p.Cluster}
		for _, s := range p.Sources {
			sections = append(sections, s.Section)
		}
		for _, s := range sections {
			for _, rules := range [][]policy.Rule{s.Allow, s.Deny, s.Within} {
				for _, r := range rules {
					named = append(named, r.To)
				}
			}
		}
	}
	return rapid.Custom(func(t *rapid.T) policy.Request {
		return policy.Request{Source: Workload().Draw(t, "source"), Access: Access(named).Draw(t, "access")}
	})
}

// Access generates accesses to what the destinations name, or nearly so.
func Access(named []policy.Destination) *rapid.Generator[policy.Access] {
	return rapid.Custom(func(t *rapid.T) policy.Access {
		a := policy.Access{
			Protocol: pick(t, "protocol", policy.TLS, policy.HTTP, policy.TCP, policy.UDP, policy.SCTP),
			Port:     pick[uint16](t, "port", 443, 80, 444, 1, 65535, 8443),
			Method:   pick(t, "method", "", "GET", "POST", "PUT"),
			Path:     pick(t, "path", "", "/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "//a", "/a/../b", "/%61"),
		}
		var d policy.Destination
		if len(named) > 0 && !chance(t, "anything", 8) {
			d = rapid.SampledFrom(named).Draw(t, "destination")
			if d.Protocol != policy.AnyProtocol && !chance(t, "other protocol", 4) {
				a.Protocol = d.Protocol
			}
			if ranges := d.Ports.Ranges(); len(ranges) > 0 && !chance(t, "other port", 4) {
				r := rapid.SampledFrom(ranges).Draw(t, "range")
				a.Port = uint16(int(pick(t, "end", r.First, r.Last)) + pick(t, "beside", 0, 0, 0, -1, 1))
			}
		}
		if len(d.Hosts) > 0 {
			a.Host = nearHost(t, rapid.SampledFrom(d.Hosts).Draw(t, "pattern"))
		}
		if prefixes := d.Addresses.Prefixes(); len(prefixes) > 0 {
			a.Address = nearAddr(t, rapid.SampledFrom(prefixes).Draw(t, "prefix"))
		}
		if a.Host.IsZero() && chance(t, "host too", 3) {
			a.Host = Host().Draw(t, "host")
		}
		if !a.Address.IsValid() && chance(t, "address too", 3) {
			a.Address = nearAddr(t, Prefix().Draw(t, "prefix"))
		}
		if chance(t, "break", 30) {
			a.Protocol, a.Port = pick(t, "no protocol", policy.AnyProtocol, policy.SCTP+1, a.Protocol), pick(t, "no port", 0, a.Port)
		}
		return a
	})
}

// nearHost returns a host that p matches, or one that is a label away.
func nearHost(t *rapid.T, p match.Pattern) match.Host {
	labels := strings.Split(p.String(), ".")
	for i, l := range labels {
		if l == "*" {
			labels[i] = pick(t, "label", "a", "b", "ab")
		}
		labels[i] = strings.ReplaceAll(strings.ReplaceAll(labels[i], "*", pick(t, "star", "a", "", "b-b")), "?", pick(t, "one", "a", "b"))
	}
	switch rapid.IntRange(0, 7).Draw(t, "near") {
	case 5:
		labels = append([]string{pick(t, "before", "a", "b")}, labels...)
	case 6:
		labels = labels[1:]
	case 7:
		labels[0] = pick(t, "prefix", "evil", "a") + labels[0]
	}
	h, err := match.ParseHost(strings.Join(labels, "."))
	if err != nil {
		return match.Host{}
	}
	return h
}

// nearAddr returns an address of p, or one beside it.
func nearAddr(t *rapid.T, p netip.Prefix) netip.Addr {
	a := p.Masked().Addr()
	switch rapid.IntRange(0, 4).Draw(t, "near") {
	case 2:
		a = a.Next()
	case 3:
		a = a.Prev()
	case 4:
		b := a.AsSlice()
		for i := p.Bits(); i < len(b)*8; i++ {
			b[i/8] |= 1 << (7 - i%8)
		}
		a, _ = netip.AddrFromSlice(b)
		if chance(t, "after", 2) {
			a = a.Next()
		}
	}
	if a.Is4() && chance(t, "mapped", 4) {
		a = netip.AddrFrom16(a.As16())
	}
	return a
}
