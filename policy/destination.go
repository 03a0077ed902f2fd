package policy

import "slices"

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
