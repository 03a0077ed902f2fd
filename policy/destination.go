package policy

import (
	"slices"

	"github.com/egresskit/egress/match"
)

// contains reports whether a is in d.
func (d *Destination) contains(a *Access) bool {
	return d.Protocol.Contains(a.Protocol) && (d.Ports.IsEmpty() || d.Ports.Contains(a.Port)) && d.containsPlace(a) && d.containsCall(a)
}

// containsPlace judges host and address: a host rule never matches a request without a host, and an address rule matches by address
// whatever the host.
func (d *Destination) containsPlace(a *Access) bool {
	for _, p := range d.Hosts {
		if p.Matches(a.Host) {
			return true
		}
	}
	return d.Addresses.Contains(a.Address)
}

// containsCall judges method and path.
func (d *Destination) containsCall(a *Access) bool { return d.containsMethod(a) && d.containsPath(a) }

func (d *Destination) containsMethod(a *Access) bool {
	return len(d.Methods) == 0 || slices.Contains(d.Methods, a.Method)
}

func (d *Destination) containsPath(a *Access) bool {
	return len(d.Paths) == 0 || slices.ContainsFunc(d.Paths, func(p Path) bool { return p.Matches(a.Path) })
}

// sameButHosts reports whether d and o, whose lists are in canonical order, differ in hosts at most.
func (d *Destination) sameButHosts(o *Destination) bool {
	return d.Protocol == o.Protocol && d.Ports.Equal(o.Ports) && d.Addresses.Equal(o.Addresses) && slices.Equal(d.Methods, o.Methods) &&
		slices.Equal(d.Paths, o.Paths) &&
		(d.OriginateTLS == o.OriginateTLS || d.OriginateTLS != nil && o.OriginateTLS != nil && *d.OriginateTLS == *o.OriginateTLS)
}

// defaultPorts returns the ports of an allow that names none, and no ports for protocols that have no default.
func defaultPorts(p Protocol) match.Ports {
	switch p {
	case TLS:
		return port443
	case HTTP:
		return port80
	}
	return match.Ports{}
}

var port443, port80 = match.PortsOf(443), match.PortsOf(80)
