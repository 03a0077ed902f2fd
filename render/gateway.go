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
}

// A Gatekeeper is a Renderer whose target lets traffic out through gateways. The other layers of a stack learn of them by [Plan.Gateways], so that
// a packet filter lets pods out to the gateways that are there.
type Gatekeeper interface {
	// Gateways returns the gateways that the target may use for a plan, in any order.
	Gateways(p *Plan) []Gateway
}

// Gateways returns the gateways of the stack that is being rendered, in canonical order, each once with all of its ports. There are none in a plan
// that is not being rendered.
func (p *Plan) Gateways() []Gateway {
	out := slices.Clone(p.gateways)
	for i, g := range out {
		out[i].PodLabels = maps.Clone(g.PodLabels)
	}
	return out
}

// withGateways returns p with the gateways of a stack.
func (p *Plan) withGateways(stack Stack) *Plan {
	var all []Gateway
	for _, r := range stack {
		if k, ok := r.(Gatekeeper); ok {
			all = append(all, k.Gateways(p)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Gateway) int { return strings.Compare(a.pods(), b.pods()) })
	q := *p
	q.gateways = nil
	for _, g := range all {
		if last := len(q.gateways) - 1; last >= 0 && q.gateways[last].pods() == g.pods() {
			q.gateways[last].Ports = q.gateways[last].Ports.Union(g.Ports)
			continue
		}
		q.gateways = append(q.gateways, g)
	}
	return &q
}

// pods is the canonical text of the gateway's pods.
func (g Gateway) pods() string {
	labels := slices.Sorted(maps.Keys(g.PodLabels))
	for i, key := range labels {
		labels[i] = fmt.Sprintf("%s=%s", key, g.PodLabels[key])
	}
	return g.Namespace + "/" + strings.Join(labels, ",")
}
