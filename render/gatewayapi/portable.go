package gatewayapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
	experimental "sigs.k8s.io/gateway-api/apisx/v1alpha1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// portable emits Gateways and routes that any implementation takes. Routes know no sources: what is not open to every workload is said only
// where another layer of the stack keeps others from the gateway that it is said at.
type portable struct {
	profile   Profile
	plan      *render.Plan
	backends  map[string]Backend // by pattern
	out       *render.Emitter
	grants    map[string]*crossing // by namespace and service
	externals map[string]*external // by name
}

// A crossing is a reference from the gateways' namespace to a Service of another.
type crossing struct {
	backend Backend
	kinds   []string
	covers  []*render.Grant
}

// An external is a backend outside the cluster.
type external struct {
	spec   *experimental.BackendSpec
	covers []*render.Grant
}

func (b *portable) render() {
	ports := byPort(b.plan)
	doors, none := b.profile.doors(b.plan, ports)
	for _, pc := range ports {
		for _, c := range pc.classes {
			if why := none[c.Sources.Key()]; why != "" && !c.Nobody() {
				for _, g := range c.Grants {
					b.out.Skip(g, render.SourceEveryone, why)
				}
			}
		}
	}
	emitted := false
	for _, key := range slices.Sorted(maps.Keys(doors)) {
		if b.emitGateway(doors[key], ports) {
			emitted = true
		}
	}
	if emitted {
		b.emitReferenceGrants()
		b.emitExternals()
		b.assume()
	}
}

func (b *portable) assume() {
	b.out.Assume("gateway-api-crds", fmt.Sprintf("the Gateway API CRDs are of release %s or later, and gateway class %s implements Gateway, HTTPRoute and TLSRoute", b.profile.release(), b.profile.GatewayClass))
	b.out.Assume("backends", "the backends that the profile names lead to the names that they are given for, and to no others")
	b.out.Assume("way-to-the-gateway", "applications come to the gateway by means that the platform provides, such as name servers; where there are several, to one that has a route for the name and is for them")
	if b.plan.Guarded() {
		b.out.Assume("gateway-pods", fmt.Sprintf("the pods of each Gateway are in namespace %s and have the label %s, which no other pods there have", b.profile.podNamespace(), gateway.GatewayNameLabelKey))
		b.out.Assume("backends-outside", "the endpoints of the backends are outside the cluster, where nobody but a gateway gets to them")
	}
}

// emitGateway emits a gateway and its routes, and reports whether there are any. Names below a wildcard of the gateway's that more sources may
// reach are said beside it: what leads to them may be another backend.
func (b *portable) emitGateway(d *door, ports []portClasses) bool {
	var listeners []gateway.Listener
	var covers []*render.Grant
	taken := map[uint16]bool{}
	for _, pc := range ports {
		own := slices.ContainsFunc(pc.classes, d.owns)
		if !own {
			continue
		}
		why := ""
		switch {
		case taken[pc.port]:
			why = fmt.Sprintf("port %d is taken by names of protocol TLS, and listeners of both would conflict", pc.port)
		case len(listeners) == maxListeners:
			why = fmt.Sprintf("a Gateway has %d listeners at most", maxListeners)
		}
		if why != "" {
			for _, c := range pc.classes {
				if d.owns(c) {
					for _, g := range c.Grants {
						b.out.Skip(g, render.HTTPByName, why)
					}
				}
			}
			continue
		}
		said := b.emitPort(d, pc)
		if len(said) == 0 {
			continue
		}
		taken[pc.port] = true
		l := gateway.Listener{Name: section(pc), Port: gateway.PortNumber(pc.port), Protocol: gateway.HTTPProtocolType}
		if pc.protocol == policy.TLS {
			l.Protocol, l.TLS = gateway.TLSProtocolType, &gateway.ListenerTLSConfig{Mode: ptr(gateway.TLSModePassthrough)}
		}
		listeners = append(listeners, l)
		covers = append(covers, said...)
	}
	if len(listeners) == 0 {
		return false
	}
	b.emit(render.Object{
		APIVersion: gatewayAPI, Kind: "Gateway", Namespace: b.profile.Namespace, Name: d.gateway,
		Spec: &gateway.GatewaySpec{GatewayClassName: gateway.ObjectName(b.profile.GatewayClass), Listeners: listeners},
	}, covers)
	assurance := render.Assurance{EnforcedAt: "egress gateway", Holds: render.Advisory, Why: "routes lead to the gateway, and nothing in them keeps a pod from going round it"}
	if b.plan.Guarded() {
		assurance.Holds, assurance.Why = render.WithPacketFilter, "the gateway has routes for what its sources may reach; only a packet filter keeps others from it, and a pod from going round it"
	}
	for _, g := range covers {
		b.out.Assure(g, assurance)
	}
	return true
}

// owns reports whether a class is for the sources of the door.
func (d *door) owns(c *portClass) bool { return !c.Nobody() && c.Sources.Key() == d.sources.Key() }

func section(pc portClasses) gateway.SectionName {
	return gateway.SectionName(fmt.Sprintf("%s-%d", strings.ToLower(pc.protocol.String()), pc.port))
}

// emit emits an object that grants share. It says them all alike: where some are said exactly, those.
func (b *portable) emit(o render.Object, covers []*render.Grant) {
	f := render.Same
	exact := slices.DeleteFunc(slices.Clone(covers), func(g *render.Grant) bool { return g.Admit })
	if len(exact) == 0 {
		f, exact = render.Wider, covers
	}
	b.out.Emit(o, f, exact...)
}

// emitPort emits the routes of one listener, and returns the grants that they say.
func (b *portable) emitPort(d *door, pc portClasses) []*render.Grant {
	backends := map[string]Backend{} // by pattern of the classes
	unready := map[*portClass]bool{}
	ready := func(c *portClass) bool {
		if c.Nobody() || !holds(c.Sources, d.sources) {
			return false
		}
		for _, p := range c.Patterns {
			backend, ok := b.backend(p)
			if !ok {
				unready[c] = true
				return false
			}
			backends[p.String()] = backend
		}
		return true
	}
	keep, dropped := routable(pc.classes, ready)
	for _, r := range dropped {
		if !d.owns(r.class) {
			continue
		}
		lost, why := render.HostSubdomains, "names below it are closed, and routes have no way to leave them out"
		if unready[r.class] {
			lost, why = render.HostExact, "the profile has no backend for its names"
		}
		for _, g := range r.class.grants(r.pattern) {
			b.out.Skip(g, lost, why)
		}
	}
	wildcards := map[string]bool{} // that the door owns
	for _, r := range keep {
		wildcards[r.pattern] = d.owns(r.class)
	}
	groups := map[string]*group{}
	for _, r := range keep {
		if !wildcards[r.pattern] && !belowOwn(r.pattern, wildcards) {
			continue // said at another gateway
		}
		backend := backends[r.pattern]
		key := backend.key()
		if groups[key] == nil {
			groups[key] = &group{backend: backend}
		}
		groups[key].names = append(groups[key].names, r)
		groups[key].covers = append(groups[key].covers, r.class.grants(r.pattern)...)
	}
	var said []*render.Grant
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := groups[key]
		said = append(said, g.covers...)
		name := []string{string(section(pc)), key}
		if !d.everyone {
			name = append(name, d.gateway)
		}
		emitRoutes(b.out, routes{
			protocol: pc.protocol, namespace: b.profile.Namespace, name: name, names: g.names,
			parent:  gateway.ParentReference{Name: gateway.ObjectName(d.gateway), SectionName: ptr(section(pc))},
			backend: b.reference(pc, g.backend, g.covers),
			about:   func(*portClass, *render.Grant) bool { return true },
		})
	}
	return said
}

// A group is names of a listener that go to the same backend.
type group struct {
	backend Backend
	covers  []*render.Grant
	names   []routed
}

// belowOwn reports whether the nearest pattern above a name, or one above that, is among those that are set.
func belowOwn(pattern string, set map[string]bool) bool {
	for above, ok := nextAbove(pattern, set); ok; above, ok = nextAbove(above, set) {
		if set[above] {
			return true
		}
	}
	return false
}

// backend returns the backend for a pattern: the most specific one that the profile gives, or else, for a single name, one of the experimental
// channel.
func (b *portable) backend(p match.Pattern) (Backend, bool) {
	if backend, ok := b.backends[p.String()]; ok {
		return backend, true
	}
	if above, ok := nextAbove(p.String(), b.backends); ok {
		return b.backends[above], true
	}
	return Backend{Host: p.String()}, b.profile.ExternalHostnames && p.Kind() == match.Exact && !strings.HasSuffix(p.String(), ".cluster.local")
}

// reference returns the reference to a backend, and emits or notes what it takes.
func (b *portable) reference(pc portClasses, backend Backend, covers []*render.Grant) gateway.BackendRef {
	if backend.Service == "" {
		name := render.Name("external", backend.Host, strconv.Itoa(int(pc.port)), pc.protocol.String())
		protocol := experimental.BackendProtocolTCP
		if pc.protocol == policy.HTTP {
			protocol = experimental.BackendProtocolHTTP
		}
		if b.externals[name] == nil {
			b.externals[name] = &external{spec: &experimental.BackendSpec{
				Type: experimental.BackendTypeExternalHostname, Port: experimental.BackendPort{Port: experimental.PortNumber(pc.port)}, Protocol: &protocol,
				ExternalHostname: &experimental.ExternalHostnameBackend{Hostname: gateway.PreciseHostname(backend.Host)},
			}}
		}
		b.externals[name].covers = append(b.externals[name].covers, covers...)
		return gateway.BackendRef{BackendObjectReference: gateway.BackendObjectReference{
			Group: ptr(gateway.Group(experimental.GroupName)), Kind: ptr(gateway.Kind("XBackend")), Name: gateway.ObjectName(name), Port: ptr(gateway.PortNumber(pc.port)),
		}}
	}
	ref := gateway.BackendRef{BackendObjectReference: gateway.BackendObjectReference{Name: gateway.ObjectName(backend.Service), Port: ptr(gateway.PortNumber(cmp.Or(backend.Port, pc.port)))}}
	if backend.Namespace == "" || backend.Namespace == b.profile.Namespace {
		return ref
	}
	ref.Namespace = ptr(gateway.Namespace(backend.Namespace))
	key := backend.Namespace + "/" + backend.Service
	if b.grants[key] == nil {
		b.grants[key] = &crossing{backend: backend}
	}
	c := b.grants[key]
	c.kinds, c.covers = append(c.kinds, routeKind(pc.protocol)), append(c.covers, covers...)
	return ref
}

// emitReferenceGrants permits the routes to refer to Services of other namespaces.
func (b *portable) emitReferenceGrants() {
	for _, key := range slices.Sorted(maps.Keys(b.grants)) {
		c := b.grants[key]
		spec := &gateway.ReferenceGrantSpec{To: []gateway.ReferenceGrantTo{{Kind: "Service", Name: ptr(gateway.ObjectName(c.backend.Service))}}}
		for _, kind := range compact(c.kinds) {
			spec.From = append(spec.From, gateway.ReferenceGrantFrom{Group: gateway.GroupName, Kind: gateway.Kind(kind), Namespace: gateway.Namespace(b.profile.Namespace)})
		}
		b.emit(render.Object{
			// v1beta1 is served and stored by every release; v1 is the same, and newer.
			APIVersion: "gateway.networking.k8s.io/v1beta1", Kind: "ReferenceGrant", Namespace: c.backend.Namespace,
			Name: render.Name("from", b.profile.Namespace, c.backend.Service), Spec: spec,
		}, c.covers)
	}
}

// emitExternals emits the backends outside the cluster.
func (b *portable) emitExternals() {
	for _, name := range slices.Sorted(maps.Keys(b.externals)) {
		x := b.externals[name]
		b.emit(render.Object{APIVersion: experimental.GroupName + "/v1alpha1", Kind: "XBackend", Namespace: b.profile.Namespace, Name: name, Spec: x.spec}, x.covers)
	}
}
