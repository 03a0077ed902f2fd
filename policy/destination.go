package policy

import (
	"slices"
	"strings"

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

// canonical returns a copy of d that shares nothing with it, with lists in order and, in an allow, the default ports spelled out. Hosts are
// put into store.
func (d Destination) canonical(effect Effect, store *storage) Destination {
	n := len(store.hosts)
	store.hosts = append(store.hosts, d.Hosts...)
	d.Hosts = slices.Clip(store.hosts[n:])
	slices.SortFunc(d.Hosts, match.Pattern.Compare)
	d.Hosts = slices.CompactFunc(d.Hosts, match.Pattern.Equal)
	d.Methods = sortedUnique(d.Methods, strings.Compare)
	d.Paths = sortedUnique(d.Paths, Path.Compare)
	if effect == Allow && d.Ports.IsEmpty() {
		d.Ports = defaultPorts(d.Protocol)
	}
	if d.OriginateTLS != nil {
		o := *d.OriginateTLS
		d.OriginateTLS = &o
	}
	return d
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
