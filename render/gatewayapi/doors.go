package gatewayapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// maxDoors is how many gateways the portable profile has for some sources each, beside the one for everybody: every one is pods that run.
const maxDoors = 16

// A door is a gateway of the portable profile: of those that the same sources may come to. Routes know no sources, so that only who keeps others from
// a gateway tells them apart.
type door struct {
	gateway  string // its name
	sources  render.SourceSet
	everyone bool
}

// doors returns the gateways for a plan, the one for everybody first, by the canonical text of their sources; and for sources that have none, why not.
func (p Profile) doors(plan *render.Plan, ports []portClasses) (doors map[string]*door, none map[string]string) {
	doors, none = map[string]*door{}, map[string]string{}
	all := map[string]*door{}
	for _, pc := range ports {
		for _, c := range pc.classes {
			key := c.Sources.Key()
			switch {
			case c.Nobody():
			case everybody(c):
				doors[key] = &door{p.Gateway, c.Sources, true}
			case !plan.Guarded():
				none[key] = "routes know no sources"
			case !told(c.Sources):
				none[key] = "routes know no sources, and pod labels do not tell these"
			default:
				// The name is told by the sources, and stays when others come and go.
				name := render.Name("sources", key)
				all[key] = &door{p.Gateway + name[strings.LastIndexByte(name, '-'):], c.Sources, false}
			}
		}
	}
	for i, key := range slices.Sorted(maps.Keys(all)) {
		if i < maxDoors {
			doors[key] = all[key]
		} else {
			none[key] = fmt.Sprintf("there are gateways for %d sets of sources at most", maxDoors)
		}
	}
	return doors, none
}

// told reports whether namespaces and pod labels tell a set of sources.
func told(set render.SourceSet) bool {
	return !slices.ContainsFunc(slices.Concat(set.Any, set.Except), func(s render.Source) bool { return !s.PodsOK && !s.Selector.IsEverything() })
}

// holds reports whether all sources of one set are among those of another. True is certain.
func holds(outer, inner render.SourceSet) bool {
	for _, a := range inner.Any {
		if !slices.ContainsFunc(outer.Any, func(s render.Source) bool { return s.Selector.Covers(a.Selector) }) {
			return false
		}
		for _, e := range outer.Except {
			if e.Selector.Overlaps(a.Selector) && !slices.ContainsFunc(inner.Except, func(s render.Source) bool { return s.Selector.Covers(e.Selector) }) {
				return false
			}
		}
	}
	return true
}

// portableGateways returns the pods of the portable profile's gateways, labelled as Gateway API has implementations label what they make for one
// (well_known_labels.go).
func (p Profile) portableGateways(plan *render.Plan) []render.Gateway {
	ports := byPort(plan)
	doors, _ := p.doors(plan, ports)
	var out []render.Gateway
	for _, key := range slices.Sorted(maps.Keys(doors)) {
		d := doors[key]
		g := render.Gateway{
			Namespace: p.podNamespace(),
			PodLabels: map[string]string{gateway.GatewayNameLabelKey: d.gateway},
			Ports:     match.PortsOf(p.PodPorts...),
		}
		if plan.Guarded() {
			g.Sources = &d.sources
		}
		for _, b := range p.Backends {
			if b.Port != 0 {
				g.Upstream = g.Upstream.Union(match.PortsOf(b.Port))
			}
		}
		for _, pc := range ports {
			for _, c := range pc.classes {
				if c.Nobody() || c.Sources.Key() != key {
					continue
				}
				if len(p.PodPorts) == 0 {
					g.Ports = g.Ports.Union(match.PortsOf(pc.port))
				}
				for _, grant := range c.Grants {
					g.Grants = append(g.Grants, grant.ID)
				}
			}
		}
		out = append(out, g)
	}
	return out
}
