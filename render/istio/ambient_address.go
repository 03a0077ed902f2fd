package istio

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

const (
	// maxRegions limits the parts that networks are cut into, and maxAmbientPrefixes the networks of a destination. Classes that would make more
	// are lost.
	maxRegions         = 1024
	maxAmbientPrefixes = 256

	maxTargetRefs = 16 // of an AuthorizationPolicy, by its definition
)

// A region is addresses that the same classes hold. ztunnel and the waypoint choose an entry by address alone, the one of the narrowest
// network, so that each address has to be in one entry, which has the ports of all the classes.
type region struct {
	addresses match.Prefixes
	classes   []*addressClass
}

// An addressClass is a render.AddressClass as a waypoint says it.
type addressClass struct {
	render.AddressClass
	who accounts
}

// regions cuts the addresses of classes. It returns the classes for which there was no room.
func regions(classes []*addressClass) (out []region, over []*addressClass) {
	for _, c := range classes {
		var next []region
		rest := c.Addresses.Subtract(unspecified)
		for _, r := range out {
			both := r.addresses.Intersect(rest)
			if both.IsEmpty() {
				next = append(next, r)
				continue
			}
			next = append(next, region{both, append(slices.Clip(r.classes), c)})
			if less := r.addresses.Subtract(both); !less.IsEmpty() {
				next = append(next, region{less, r.classes})
			}
			rest = rest.Subtract(both)
		}
		if !rest.IsEmpty() {
			next = append(next, region{rest, []*addressClass{c}})
		}
		if len(next) > maxRegions {
			over = append(over, c)
			continue
		}
		out = next
	}
	return out, over
}

// emitAmbientAddresses writes entries for the addresses that somebody may reach, and who.
func (b *builder) emitAmbientAddresses(classes []render.AddressClass) error {
	var all []*addressClass
	for _, c := range classes {
		who, err := accountsOf(c.Sources)
		if err != nil {
			return err
		}
		lose := func(feature render.Feature, why string) {
			for _, g := range c.Grants {
				b.out.Skip(g, feature, why)
			}
		}
		switch _, _, why := b.principals(who); {
		case why != "":
			lose(render.SourceAccountGlob, why)
		case len(addressTexts(c.Addresses)) == 0:
			lose(render.TCPByAddress, "0.0.0.0 and :: are no destinations")
		default:
			if slices.ContainsFunc(who.any, needsSpelling) {
				b.spell(c.Grants, needsSpelling, render.SourceAccountGlob)
			}
			all = append(all, &addressClass{c, who})
		}
	}
	cut, over := regions(all)
	for _, c := range over {
		for _, g := range c.Grants {
			b.out.Skip(g, render.TCPByAddress, fmt.Sprintf("it cuts the networks into more than %d parts that different sources may reach", maxRegions))
		}
	}
	for _, r := range cut {
		b.emitRegion(r)
	}
	return nil
}

// emitRegion writes the entries of a region, and who may reach them.
func (b *builder) emitRegion(r region) {
	var parts []string
	var ports []*networking.ServicePort
	var rules []*security.Rule
	var covers []*render.Grant
	for _, c := range r.classes {
		if n := len(ports) + c.Ports.Len(); n > maxInEntry {
			for _, g := range c.Grants {
				b.out.Skip(g, render.PortRanges, fmt.Sprintf("%d ports of %s, and an entry takes %d", n, r.addresses, maxInEntry))
			}
			continue
		}
		parts = append(parts, c.Ports.String(), c.Sources.Key())
		covers = append(covers, c.Grants...)
		to := &security.Operation{}
		for _, ranges := range c.Ports.Ranges() {
			for port := int(ranges.First); port <= int(ranges.Last); port++ {
				ports = append(ports, servicePort(policy.TCP.String(), uint16(port)))
				to.Ports = append(to.Ports, strconv.Itoa(port))
			}
		}
		principals, except, _ := b.principals(c.who) // can be said: emitAmbientAddresses has asked
		rules = append(rules, b.certs.rule(principals, except, []*security.Rule_To{{Operation: to}}, nil))
	}
	covers = unique(covers)
	for _, g := range covers {
		// Unlike names, addresses are what a packet filter opens, too: past ztunnel a pod gets there without its certificate.
		b.out.Assure(g, render.Assurance{EnforcedAt: "waypoint", Holds: render.Advisory,
			Why: "the waypoint asks for the source's certificate; a pod outside of ztunnel dials the address itself, where a packet filter lets it"})
	}
	slices.SortFunc(ports, func(a, b *networking.ServicePort) int { return int(a.Number) - int(b.Number) })
	if len(rules) == 0 {
		return
	}
	// Of an entry with several addresses, a waypoint takes the first alone.
	var entries []string
	for _, address := range addressTexts(r.addresses) {
		name := b.out.Name("egress-address", address)
		entries = append(entries, name)
		b.emitEntry(name, &networking.ServiceEntry{
			Hosts: []string{name + "." + directDomain}, Addresses: []string{address}, Ports: ports, Resolution: networking.ServiceEntry_NONE,
		}, covers)
	}
	for i, entries := range chunk(entries, maxTargetRefs) {
		b.emitAmbientPolicy(b.out.Name("egress-address", strings.Join(parts, "\x00"), strconv.Itoa(i)), security.AuthorizationPolicy_ALLOW, rules, covers, entries...)
	}
}
