package gatewayapi

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

const (
	// maxListeners is Gateway API's limit of listeners a Gateway (gateway_types.go, GatewaySpec.Listeners).
	maxListeners = 64
	// firstTLSPort starts the block of gateway ports for TLS names, one a name: unprivileged and clear of Istio's own ports (15000 to 15090).
	firstTLSPort = 10000
	// tlsPorts is the size of the block of one Gateway; the rest of its listeners are for HTTP, one a destination port.
	tlsPorts = 48
)

// endpoint is a name on one port that some sources may reach.
type endpoint struct {
	host     string
	port     uint16
	protocol policy.Protocol // TLS or HTTP
	sources  render.SourceSet
	origin   *policy.TLSOrigination
	grants   []*render.Grant
	slot     slot // TLS: where on which gateway the name is taken in
}

// slot is a port of a gateway.
type slot struct {
	gateway int
	port    uint16
}

// builder collects the endpoints of a plan and emits the objects for them.
type builder struct {
	profile   Profile
	plan      *render.Plan
	out       *render.Emitter
	endpoints []endpoint // in order of host, port and protocol
}

// collect reads the classes of the plan, and skips what can't be said of them.
func (b *builder) collect() {
	tls := b.plan.NameClasses(policy.TLS)
	http := b.plan.NameClasses(policy.HTTP)
	taken := map[uint16]bool{}
	for _, c := range tls {
		taken[c.Port] = taken[c.Port] || !c.Sources.Nobody()
		b.add(c, "")
	}
	listeners := map[uint16]bool{}
	for _, c := range http {
		why := ""
		switch {
		case taken[c.Port]:
			why = fmt.Sprintf("port %d is taken by names of protocol TLS, and a sidecar's listener takes one protocol", c.Port)
		case c.Port >= firstTLSPort && c.Port < firstTLSPort+tlsPorts || c.Port >= 15000 && c.Port <= 15090:
			why = fmt.Sprintf("port %d is used by the gateway itself", c.Port)
		case !listeners[c.Port] && len(listeners) == maxListeners-tlsPorts:
			why = fmt.Sprintf("the gateway has room for %d HTTP ports", maxListeners-tlsPorts)
		default:
			listeners[c.Port] = true
		}
		b.add(c, why)
	}
	slices.SortFunc(b.endpoints, func(a, b endpoint) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol))
	})
	b.allocate()
}

// add takes in the names of a class, or skips its grants for the reason given or because its sources can't be said.
func (b *builder) add(c render.NameClass, why string) {
	if c.Sources.Nobody() {
		return // nothing is open above it: this target opens no wildcards
	}
	feature := render.HTTPByName
	if why == "" {
		feature, why = b.unsayable(c.Sources)
	}
	for _, g := range c.Grants {
		if why != "" {
			b.out.Skip(g, feature, why)
		}
	}
	if why != "" {
		return
	}
	for _, p := range c.Patterns {
		if p.Kind() == match.Exact {
			b.endpoints = append(b.endpoints, endpoint{host: p.String(), port: c.Port, protocol: c.Protocol, sources: c.Sources, origin: c.OriginateTLS,
				grants: covering(c.Grants, p)})
		}
	}
}

// allocate gives every TLS endpoint a port of its own on a gateway: the one that its name hashes to, or the next free one, so that adding a
// name moves few others. There is a gateway for each tlsPorts names.
func (b *builder) allocate() {
	n := 0
	for _, e := range b.endpoints {
		if e.protocol == policy.TLS {
			n++
		}
	}
	taken := make([]bool, (n+tlsPorts-1)/tlsPorts*tlsPorts)
	for i := range b.endpoints {
		e := &b.endpoints[i]
		if e.protocol != policy.TLS {
			continue
		}
		h := fnv.New64a()
		fmt.Fprintf(h, "%s:%d", e.host, e.port)
		at := int(h.Sum64() % uint64(len(taken)))
		for taken[at] {
			at = (at + 1) % len(taken)
		}
		taken[at] = true
		e.slot = slot{at / tlsPorts, firstTLSPort + uint16(at%tlsPorts)}
	}
}

// of yields the endpoints of a protocol.
func (b *builder) of(protocol policy.Protocol) iter.Seq[endpoint] {
	return func(yield func(endpoint) bool) {
		for _, e := range b.endpoints {
			if e.protocol == protocol && !yield(e) {
				return
			}
		}
	}
}

// listenPort returns the port of the gateway that takes in e.
func (e endpoint) listenPort() uint16 {
	if e.protocol == policy.HTTP {
		return e.port
	}
	return e.slot.port
}

// gatewayName returns the name of the i-th gateway. HTTP names are taken in by the first.
func (b *builder) gatewayName(i int) string {
	if i == 0 {
		return b.profile.Gateway
	}
	return fmt.Sprintf("%s-%d", b.profile.Gateway, i+1)
}

// covering returns the grants that hold the pattern.
func covering(grants []*render.Grant, p match.Pattern) []*render.Grant {
	var out []*render.Grant
	for _, g := range grants {
		if slices.ContainsFunc(g.To.Hosts, func(h match.Pattern) bool { return h.Covers(p) }) {
			out = append(out, g)
		}
	}
	return out
}
