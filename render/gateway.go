package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
)

// A Gateway is pods of the cluster through which a target lets traffic out by name.
type Gateway struct {
	Namespace string
	PodLabels map[string]string // that its pods have, and no other pods of the namespace
	Ports     match.Ports       // of its pods, TCP, that those come to whom it lets out
	Upstream  match.Ports       // TCP, that it goes out to besides the ports of the names

	// A gateway that does not know its callers says here whom it is for, and the allows that it carries for them; a layer with
	// [GuardsGateways] keeps all others from it. Nil and none for a gateway that asks its callers who they are.
	Sources *SourceSet
	Grants  []GrantID
}

// A Gatekeeper is a Renderer whose target lets traffic out through gateways. The other layers of a stack learn of them by [Plan.Gateways], so that
// a packet filter lets pods out to the gateways that are there.
type Gatekeeper interface {
	// Gateways returns the gateways that the target may use for a plan, in any order. It is asked about all rules while it is worked out
	// which of them the stack can say, and about those that the target is given before it renders them.
	Gateways(p *Plan) []Gateway
}

// Gateways returns the gateways of the stack that is being rendered, in canonical order, each once with all of its ports and grants. There are
// none in a plan that is not being rendered.
func (p *Plan) Gateways() []Gateway {
	out := slices.Clone(p.gateways)
	for i, g := range out {
		out[i].PodLabels = maps.Clone(g.PodLabels)
	}
	return out
}

// Guarded reports whether a layer of the stack that is being rendered keeps pods from gateways that are not for them: see [GuardsGateways].
func (p *Plan) Guarded() bool { return p.guarded }

// gatewaysOf returns the gateways that layers have for their plans, each once.
func gatewaysOf(layers []layer, planOf func(*layer) *Plan) []Gateway {
	var all []Gateway
	for i := range layers {
		if k, ok := layers[i].renderer.(Gatekeeper); ok {
			all = append(all, k.Gateways(planOf(&layers[i]))...)
		}
	}
	slices.SortStableFunc(all, func(a, b Gateway) int { return strings.Compare(a.key(), b.key()) })
	var out []Gateway
	for _, g := range all {
		if last := len(out) - 1; last >= 0 && out[last].key() == g.key() {
			out[last].Ports = out[last].Ports.Union(g.Ports)
			out[last].Upstream = out[last].Upstream.Union(g.Upstream)
			out[last].Grants = slices.Concat(out[last].Grants, g.Grants)
			continue
		}
		out = append(out, g)
	}
	for i, g := range out {
		out[i].Grants = slices.Compact(slices.Sorted(slices.Values(g.Grants)))
	}
	return out
}

// key is the canonical text of the gateway's pods, and of whom they are for.
func (g Gateway) key() string {
	key := g.pods()
	if g.Sources != nil {
		key += " for " + g.Sources.Key()
	}
	return key
}

// pods is the canonical text of the gateway's pods.
func (g Gateway) pods() string {
	labels := slices.Sorted(maps.Keys(g.PodLabels))
	for i, key := range labels {
		labels[i] = fmt.Sprintf("%s=%s", key, g.PodLabels[key])
	}
	return g.Namespace + "/" + strings.Join(labels, ",")
}
