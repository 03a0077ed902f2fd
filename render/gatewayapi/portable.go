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

// portable emits Gateways and routes that any implementation takes. Routes know no sources: what is not open to every workload is said
// only where another layer of the stack tells the workloads apart.
type portable struct {
	profile  Profile
	backends map[string]Backend // by pattern
	out      *render.Emitter
	grants   map[string]*crossing
}

// A crossing is a reference from the gateway's namespace to a Service of another.
type crossing struct {
	backend Backend
	kinds   []string
	covers  []*render.Grant
}

func (b *portable) render(p *render.Plan) {
	var listeners []gateway.Listener
	var covers []*render.Grant
	taken := map[uint16]bool{}
	for _, pc := range byPort(p) {
		why := ""
		switch {
		case taken[pc.port]:
			why = fmt.Sprintf("port %d is taken by names of protocol TLS, and listeners of both would conflict", pc.port)
		case len(listeners) == maxListeners:
			why = fmt.Sprintf("a Gateway has %d listeners at most", maxListeners)
		}
		if why != "" {
			for _, c := range pc.classes {
				skipAll(b.out, c, render.HTTPByName, why)
			}
			continue
		}
		said := b.emitPort(pc)
		if len(said) == 0 {
			continue
		}
		taken[pc.port] = true
		l := gateway.Listener{Name: b.section(pc), Port: gateway.PortNumber(pc.port), Protocol: gateway.HTTPProtocolType}
		if pc.protocol == policy.TLS {
			l.Protocol, l.TLS = gateway.TLSProtocolType, &gateway.ListenerTLSConfig{Mode: ptr(gateway.TLSModePassthrough)}
		}
		listeners = append(listeners, l)
		covers = append(covers, said...)
	}
	if len(listeners) == 0 {
		return
	}
	b.out.Emit(render.Object{
		APIVersion: gatewayAPI, Kind: "Gateway", Namespace: b.profile.Namespace, Name: b.profile.Gateway,
		Spec: &gateway.GatewaySpec{GatewayClassName: gateway.ObjectName(b.profile.GatewayClass), Listeners: listeners},
	}, fidelityOf(covers), covers...)
	b.emitReferenceGrants()
	for _, g := range covers {
		b.out.Assure(g, render.Assurance{EnforcedAt: "egress gateway", Holds: render.Advisory, Why: "routes lead to the gateway, and nothing in them keeps a pod from going round it"})
	}
	b.out.Assume("gateway-api-crds", fmt.Sprintf("the Gateway API CRDs are of release %s or later, and gateway class %s implements Gateway, HTTPRoute and TLSRoute", b.profile.release(), b.profile.GatewayClass))
	b.out.Assume("backends", "the backends that the profile names lead to the names that they are given for, and to no others")
	b.out.Assume("way-to-the-gateway", "applications come to the gateway by means that the platform provides, such as name servers")
}

func (b *portable) section(pc portClasses) gateway.SectionName {
	return gateway.SectionName(fmt.Sprintf("%s-%d", strings.ToLower(pc.protocol.String()), pc.port))
}

func skipAll(out *render.Emitter, c *portClass, f render.Feature, why string) {
	for _, g := range c.Grants {
		out.Skip(g, f, why)
	}
}

// fidelityOf returns how well an object says grants: wider when another layer has to tell some apart.
func fidelityOf(grants []*render.Grant) render.Fidelity {
	if slices.ContainsFunc(grants, func(g *render.Grant) bool { return g.Admit }) {
		return render.Wider
	}
	return render.Same
}

// emitPort emits the routes of one listener, and returns the grants that they say.
func (b *portable) emitPort(pc portClasses) []*render.Grant {
	backends := map[string]Backend{} // by pattern of the classes
	open := func(c *portClass) bool { return !c.Nobody() && (everybody(c) || admitted(c)) }
	ready := func(c *portClass) bool {
		if !open(c) {
			return false
		}
		for _, p := range c.Patterns {
			backend, ok := b.backend(p)
			if !ok {
				return false
			}
			backends[p.String()] = backend
		}
		return true
	}
	keep, dropped := routable(pc.classes, ready)
	for _, d := range dropped {
		lost, why := render.HostSubdomains, "names below it are closed, and routes have no way to leave them out"
		switch {
		case !open(d.class):
			lost, why = render.SourceEveryone, "routes know no sources"
		case !ready(d.class):
			lost, why = render.HostExact, "the profile has no backend for its names"
		}
		for _, g := range d.class.grants(d.pattern) {
			b.out.Skip(g, lost, why)
		}
	}
	type group struct {
		backend Backend
		covers  []*render.Grant
		names   []routed
	}
	groups := map[string]*group{}
	var order []string
	for _, r := range keep {
		backend := backends[r.pattern]
		key := backend.key()
		if groups[key] == nil {
			groups[key] = &group{backend: backend}
			order = append(order, key)
		}
		groups[key].names = append(groups[key].names, r)
		groups[key].covers = append(groups[key].covers, r.class.grants(r.pattern)...)
	}
	var said []*render.Grant
	slices.Sort(order)
	for _, key := range order {
		g := groups[key]
		said = append(said, g.covers...)
		ref := b.reference(pc, g.backend, g.covers)
		parent := gateway.ParentReference{Name: gateway.ObjectName(b.profile.Gateway), SectionName: ptr(b.section(pc))}
		emitRoutes(b.out, routes{
			protocol: pc.protocol, namespace: b.profile.Namespace, parent: parent, backend: ref, names: g.names,
			name: []string{string(b.section(pc)), key}, about: func(*portClass, *render.Grant) bool { return true },
		})
	}
	return said
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
		b.out.Emit(render.Object{
			APIVersion: experimental.GroupName + "/v1alpha1", Kind: "XBackend", Namespace: b.profile.Namespace, Name: name,
			Spec: &experimental.BackendSpec{
				Type: experimental.BackendTypeExternalHostname, Port: experimental.BackendPort{Port: experimental.PortNumber(pc.port)}, Protocol: &protocol,
				ExternalHostname: &experimental.ExternalHostnameBackend{Hostname: gateway.PreciseHostname(backend.Host)},
			},
		}, fidelityOf(covers), covers...)
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
		b.out.Emit(render.Object{
			// v1beta1 is served and stored by every release; v1 is the same, and newer.
			APIVersion: "gateway.networking.k8s.io/v1beta1", Kind: "ReferenceGrant", Namespace: c.backend.Namespace,
			Name: render.Name("from", b.profile.Namespace, c.backend.Service), Spec: spec,
		}, fidelityOf(c.covers), c.covers...)
	}
}
