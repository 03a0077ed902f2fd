package policy

import (
	"net/netip"

	"github.com/egresskit/egress/match"
)

// Hosts returns the destination of all hosts that one of the patterns matches, by any protocol on any port, as denies and boundaries take
// it. For an allow, say the protocol too: Hosts(p).TLS().
func Hosts(patterns ...match.Pattern) Destination { return Destination{Hosts: patterns} }

// MustHosts is [Hosts] for constants. It panics when a text is not a pattern.
func MustHosts(patterns ...string) Destination {
	var d Destination
	for _, p := range patterns {
		d.Hosts = append(d.Hosts, match.MustParsePattern(p))
	}
	return d
}

// Addresses returns the destination of all addresses of a set, by any protocol on any port.
func Addresses(set match.Prefixes) Destination { return Destination{Addresses: set} }

// MustAddresses is [Addresses] for constants. It panics when a text is not a prefix.
func MustAddresses(prefixes ...string) Destination {
	var include []netip.Prefix
	for _, p := range prefixes {
		include = append(include, netip.MustParsePrefix(p))
	}
	return Addresses(match.NewPrefixes(include, nil))
}

// TLS returns d limited to TLS, on the ports if any are given. In an allow, no ports stand for 443.
func (d Destination) TLS(ports ...uint16) Destination { return d.by(TLS, ports) }

// HTTP returns d limited to HTTP, on the ports if any are given. In an allow, no ports stand for 80.
func (d Destination) HTTP(ports ...uint16) Destination { return d.by(HTTP, ports) }

// TCP returns d limited to TCP and what runs on it, on the ports if any are given. An allow must name them.
func (d Destination) TCP(ports ...uint16) Destination { return d.by(TCP, ports) }

// UDP returns d limited to UDP, on the ports if any are given. An allow must name them.
func (d Destination) UDP(ports ...uint16) Destination { return d.by(UDP, ports) }

// SCTP returns d limited to SCTP, on the ports if any are given. An allow must name them. Only for addresses.
func (d Destination) SCTP(ports ...uint16) Destination { return d.by(SCTP, ports) }

func (d Destination) by(p Protocol, ports []uint16) Destination {
	d.Protocol = p
	if len(ports) > 0 {
		d.Ports = match.PortsOf(ports...)
	}
	return d
}

// Originating returns d with TLS originated on the way, to a port of the destination. Only for allows of HTTP by host.
func (d Destination) Originating(port uint16) Destination {
	d.OriginateTLS = &TLSOrigination{Port: port, Mode: SimpleTLS}
	return d
}

// OriginatingMutual is [Destination.Originating] by mutual TLS, with a client certificate from the named credential.
func (d Destination) OriginatingMutual(port uint16, credential string) Destination {
	d.OriginateTLS = &TLSOrigination{Port: port, Mode: MutualTLS, CredentialName: credential}
	return d
}

// Rules returns a rule for each destination, without a name: it is derived.
func Rules(to ...Destination) []Rule {
	rules := make([]Rule, len(to))
	for i, d := range to {
		rules[i].To = d
	}
	return rules
}
