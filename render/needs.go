package render

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A missing is why a target cannot say a grant exactly.
type missing struct {
	feature Feature
	why     string
}

// needs returns what an allow asks of a target besides its source, the most telling first. ranged tells whether it takes port ranges.
func needs(g *Grant, ranged bool) []missing {
	var out []missing
	add := func(f Feature, format string, args ...any) {
		out = append(out, missing{f, fmt.Sprintf(format, args...)})
	}
	if len(g.To.Hosts) > 0 {
		add(byName(g.To.Protocol), "%s by name", g.To.Protocol)
		switch host := g.To.Hosts[0]; host.Kind() {
		case match.Exact:
			add(HostExact, "single names")
		case match.Subdomains:
			add(HostSubdomains, "all names below a domain, as in %s", host)
		default:
			add(HostGlob, "wildcards inside a label, as in %s", host)
		}
	} else {
		add(byAddress(g.To.Protocol), "%s by address", g.To.Protocol)
	}
	if ranged {
		add(PortRanges, "so many ports (%d, and the limit is %d for %s)", g.To.Ports.Len(), MaxListedPorts, portLimit(g))
	}
	for _, f := range callFeatures(&g.To) {
		add(f, "rules by HTTP method or path")
	}
	if o := g.To.OriginateTLS; o != nil {
		add(originFeature(o), "originating TLS (%s)", o.Mode)
	}
	return out
}

func portLimit(g *Grant) string {
	if len(g.To.Hosts) > 0 {
		return "all names of a protocol"
	}
	return "a rule"
}

// byName returns the feature of a protocol by name.
func byName(p policy.Protocol) Feature {
	switch p {
	case policy.TLS:
		return TLSByName
	case policy.HTTP:
		return HTTPByName
	case policy.UDP:
		return UDPByName
	}
	return TCPByName
}

// fidelity returns how well a target says an allow, and for anything but Same why not.
func (l *layer) fidelity(p *Plan, g *Grant, ranged bool) (Fidelity, missing) {
	if l.overlooks(g) {
		return Wider, missing{byAddress(g.To.Protocol), "it lets all of " + g.To.Protocol.String() + " pass"}
	}
	if calls := callFeatures(&g.To); len(g.To.Hosts) == 0 && len(calls) > 0 {
		return 0, missing{calls[0], "methods and paths are told apart by name alone"}
	}
	f, worst := Same, missing{}
	lower := func(to Fidelity, why missing) {
		if w := worse(f, to); w != f {
			f, worst = w, why
		}
	}
	for _, n := range needs(g, ranged) {
		switch l.features[n.feature] {
		case Same:
		case Wider:
			lower(Wider, missing{n.feature, "it takes " + n.why + " only by letting more pass"})
		default:
			lower(0, missing{n.feature, "it does not take " + n.why})
		}
	}
	source, lost, why := g.Source.sayable(l.features)
	lower(source, missing{lost, why})
	if r, ok := l.renderer.(Refiner); ok && f != 0 {
		refined, lost, why := r.Refine(p, g)
		lower(refined, missing{lost, why})
	}
	return f, worst
}

// overlooks reports whether what an allow lets pass passes by the target unseen, whoever sends it.
func (l *layer) overlooks(g *Grant) bool {
	if len(g.To.Hosts) > 0 || l.features[byAddress(g.To.Protocol)] != 0 {
		return false
	}
	return l.features[NamesAlone] == Same || l.features[TCPAlone] == Same && g.To.Protocol.Transport() != policy.TCP
}

// ranged returns the allows, which are in canonical order, that take port ranges. By name, ports are listed for all names of a protocol
// together: the allows with the fewest ports come first, and those with which there would be too many take a range.
func ranged(allows []*Grant) map[GrantID]bool {
	out := map[GrantID]bool{}
	sorted := slices.Clone(allows)
	slices.SortStableFunc(sorted, func(a, b *Grant) int { return cmp.Compare(a.To.Ports.Len(), b.To.Ports.Len()) })
	listed := map[policy.Protocol]match.Ports{} // of requests
	for _, g := range sorted {
		if g.To.Ports.Len() > MaxListedPorts {
			out[g.ID] = true
			continue
		}
		if len(g.To.Hosts) == 0 {
			continue
		}
		for _, protocol := range requestProtocols {
			if g.To.Protocol.Contains(protocol) && listed[protocol].Union(g.To.Ports).Len() > MaxListedPorts {
				out[g.ID] = true
			}
		}
		for _, protocol := range requestProtocols {
			if g.To.Protocol.Contains(protocol) && !out[g.ID] {
				listed[protocol] = listed[protocol].Union(g.To.Ports)
			}
		}
	}
	return out
}

// requestProtocols are the protocols that requests are of.
var requestProtocols = [...]policy.Protocol{policy.TLS, policy.HTTP, policy.TCP, policy.UDP, policy.SCTP}
