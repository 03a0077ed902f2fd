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
	// maxListeners is Gateway API's limit of listeners a Gateway (gateway_types.go, GatewaySpec.Listeners) and a ListenerSet.
	maxListeners = 64
	// maxSets is how many ListenerSets add to a Gateway. Istio writes the access rules of all names of a gateway into the chain of each, so
	// that its configuration grows with the square of the names: about 2 MB for a full gateway.
	maxSets = 3
	// firstTLSPort starts the block of gateway ports for TLS names, one a name: unprivileged and clear of Istio's own ports (15000 to 15090).
	firstTLSPort = 10000
	// ownPorts is how many listeners of a Gateway itself are for TLS names; the rest are for HTTP, one a destination port.
	ownPorts = 48
	// tlsPorts is the size of the block of one Gateway with its ListenerSets.
	tlsPorts = ownPorts + maxSets*maxListeners
)

// endpoint is a name on one port that some sources may reach.
type endpoint struct {
	host     string
	port     uint16
	protocol policy.Protocol  // TLS or HTTP
	sources  render.SourceSet // that may make every call
	calls    []render.Call    // HTTP: what others may ask for
	denies   []*render.Grant  // HTTP: calls that are taken from all of these
	origin   *policy.TLSOrigination
	grants   []*render.Grant
	slot     slot // TLS: where on which gateway the name is taken in
}

// byPath reports whether rules tell requests to the name apart by their path.
func (e endpoint) byPath() bool {
	return slices.ContainsFunc(e.calls, func(c render.Call) bool { return len(c.Paths) > 0 }) ||
		slices.ContainsFunc(e.denies, func(d *render.Grant) bool { return len(d.To.Paths) > 0 })
}

// slot is a port of a gateway.
type slot struct {
	gateway int
	set     int // 0: of the Gateway itself; otherwise of its ListenerSet of that number
	port    uint16
}

// newSlot returns the i-th slot for TLS names.
func newSlot(i int) slot {
	s := slot{gateway: i / tlsPorts, port: firstTLSPort + uint16(i%tlsPorts)}
	if n := i % tlsPorts; n >= ownPorts {
		s.set = 1 + (n-ownPorts)/maxListeners
	}
	return s
}

// slotsFor returns how many slots n TLS names are spread over: those of a Gateway, with its ListenerSets as far as they are needed; or of
// several with all of theirs.
func slotsFor(n int) int {
	slots := ownPorts
	for slots < min(n, tlsPorts) {
		slots += maxListeners
	}
	if n > tlsPorts {
		slots = (n + tlsPorts - 1) / tlsPorts * tlsPorts
	}
	return slots
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
		taken[c.Port] = taken[c.Port] || !c.Nobody()
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
		case !listeners[c.Port] && len(listeners) == maxListeners-ownPorts:
			why = fmt.Sprintf("the gateway has room for %d HTTP ports", maxListeners-ownPorts)
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
	if c.Nobody() {
		return // nothing is open above it: this target opens no wildcards
	}
	feature := render.HTTPByName
	if why == "" && !c.Sources.Nobody() {
		feature, why = b.unsayable(c.Sources)
	}
	for _, call := range c.Calls {
		if why == "" {
			feature, why = b.unsayable(call.Sources)
		}
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
			b.endpoints = append(b.endpoints, endpoint{host: p.String(), port: c.Port, protocol: c.Protocol, sources: c.Sources, calls: c.Calls, denies: c.Denies,
				origin: c.OriginateTLS, grants: covering(c.Grants, p)})
		}
	}
}

// allocate gives every TLS endpoint a port of its own on a gateway: the one that its name hashes to, or the next free one, so that adding a
// name moves few others.
func (b *builder) allocate() {
	n := 0
	for _, e := range b.endpoints {
		if e.protocol == policy.TLS {
			n++
		}
	}
	taken := make([]bool, slotsFor(n))
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
		e.slot = newSlot(at)
	}
	// A Gateway must have a listener itself. It has, but for names chosen against it: then one of them moves there.
	own := map[int]bool{}
	for _, e := range b.endpoints {
		own[e.slot.gateway] = own[e.slot.gateway] || e.slot.set == 0
	}
	for i := range b.endpoints {
		if e := &b.endpoints[i]; !own[e.slot.gateway] {
			own[e.slot.gateway] = true
			e.slot = newSlot(e.slot.gateway * tlsPorts)
		}
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

// setName returns the name of the ListenerSet of a slot.
func (b *builder) setName(s slot) string {
	return fmt.Sprintf("%s-listeners-%d", b.gatewayName(s.gateway), s.set)
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
