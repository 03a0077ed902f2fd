package gatewayapi

import (
	"slices"
	"strconv"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

const (
	maxHTTPHostnames = 16   // of an HTTPRoute (httproute_types.go)
	maxTLSHostnames  = 1024 // of a TLSRoute (tlsroute_types.go)
)

// routes is names of one listener or network that go to the same backend.
type routes struct {
	protocol  policy.Protocol
	namespace string
	name      []string // what distinguishes them within the namespace
	parent    gateway.ParentReference
	backend   gateway.BackendRef
	names     []routed
	about     func(*portClass, *render.Grant) bool // which grants of their classes the routes say
}

func routeKind(p policy.Protocol) string {
	if p == policy.HTTP {
		return "HTTPRoute"
	}
	return "TLSRoute"
}

// emitRoutes emits as many routes as the limits of hostnames ask for. No route is without hostnames: it would be one for every name.
func emitRoutes(out *render.Emitter, r routes) {
	var exact, wider []routed
	for _, n := range r.names {
		if admitted(n.class) {
			wider = append(wider, n)
		} else {
			exact = append(exact, n)
		}
	}
	// An object says all of its grants alike.
	emitAlike(out, r, exact, render.Same, r.name)
	emitAlike(out, r, wider, render.Wider, append(slices.Clone(r.name), "admitted"))
}

func emitAlike(out *render.Emitter, r routes, names []routed, f render.Fidelity, name []string) {
	limit := maxTLSHostnames
	if r.protocol == policy.HTTP {
		limit = maxHTTPHostnames
	}
	i := 0
	for some := range slices.Chunk(names, limit) {
		var hostnames []gateway.Hostname
		var covers []*render.Grant
		for _, n := range some {
			hostnames = append(hostnames, gateway.Hostname(n.pattern))
			for _, g := range n.class.grants(n.pattern) {
				if r.about(n.class, g) {
					covers = append(covers, g)
				}
			}
		}
		var spec any = &gateway.TLSRouteSpec{
			CommonRouteSpec: gateway.CommonRouteSpec{ParentRefs: []gateway.ParentReference{r.parent}}, Hostnames: hostnames,
			Rules: []gateway.TLSRouteRule{{BackendRefs: []gateway.BackendRef{r.backend}}},
		}
		if r.protocol == policy.HTTP {
			spec = &gateway.HTTPRouteSpec{
				CommonRouteSpec: gateway.CommonRouteSpec{ParentRefs: []gateway.ParentReference{r.parent}}, Hostnames: hostnames,
				Rules: []gateway.HTTPRouteRule{{BackendRefs: []gateway.HTTPBackendRef{{BackendRef: r.backend}}}},
			}
		}
		out.Emit(render.Object{
			APIVersion: gatewayAPI, Kind: routeKind(r.protocol), Namespace: r.namespace,
			Name: render.Name("egress", append(slices.Clone(name), strconv.Itoa(i))...), Spec: spec,
		}, f, covers...)
		i++
	}
}
