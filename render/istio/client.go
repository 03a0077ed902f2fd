package istio

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

const networkingV1 = "networking.istio.io/v1"

// portHeader tells the gateway the port that an HTTP request was for. The sidecar sets it, whatever the application says, and the gateway
// removes it. A client that bypasses its sidecar may set it too: the gateway judges and forwards by what it says.
const portHeader = "x-egress-port"

// A use is what a name is asked by.
type use struct {
	protocol policy.Protocol
	port     uint16
}

func compareUses(a, b use) int {
	return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port))
}

// A steered name is one that sidecars send to the gateway. The gateway decides; steering only has to reach far enough.
type steered struct {
	name   match.Pattern
	to     scope
	uses   map[use]bool
	grants []*render.Grant
}

// Limits of what sidecars are told. Up to maxListed names and ports of one scope have a match each, which cannot clash with what others say about the
// same name; more are listed in one match, at a hundredth of the size, where the gateway tells them apart by itself.
const (
	maxListed   = 512
	namesABatch = 256
)

// emitClients sends the names from the sidecars of the namespaces that may reach them to the gateway.
func (b *builder) emitClients() {
	groups := map[string][]*steered{}
	for _, n := range b.steer() {
		groups[n.to.String()] = append(groups[n.to.String()], n)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		matches := 0
		for _, n := range groups[key] {
			matches += len(n.uses)
		}
		for i, batch := range deal(groups[key], namesABatch, func(n *steered) string { return n.name.String() }) {
			if len(batch) > 0 {
				b.emitClient(key, i, batch, !b.inside() || matches <= maxListed)
			}
		}
	}
	b.emitRoute()
}

// steer returns the names to send to the gateway in canonical order. No two of them overlap, since of two VirtualServices for one name
// Istio takes one alone: a wildcard takes over the names below it, with their ports and namespaces.
func (b *builder) steer() []*steered {
	names := map[string]*steered{}
	for _, side := range []struct {
		protocol policy.Protocol
		classes  []*nameClass
	}{{policy.TLS, b.tls}, {policy.HTTP, b.http}} {
		for _, c := range side.classes {
			to := scopeOf(c.everybody(), b.cluster)
			if to.isZero() {
				continue
			}
			for _, p := range c.Patterns {
				if b.profile.unsayable(p) != "" {
					continue // there for what lies above it, which steers it
				}
				n := names[p.String()]
				if n == nil {
					n = &steered{name: p, uses: map[use]bool{}}
					names[p.String()] = n
				}
				n.to = n.to.union(to)
				n.uses[use{side.protocol, c.Port}] = true
				n.grants = append(n.grants, c.Grants...)
			}
		}
	}
	var out []*steered
	for _, text := range slices.Sorted(maps.Keys(names)) {
		n := names[text]
		var top *steered
		for rest, ok := parent(text); ok; rest, ok = parent(rest) {
			if up := names["*."+rest]; up != nil {
				top = up
			}
		}
		if top == nil {
			out = append(out, n)
			continue
		}
		top.to = top.to.union(n.to)
		maps.Copy(top.uses, n.uses)
		top.grants = append(top.grants, n.grants...)
	}
	return out
}

// deal deals items into batches of about size by the hash of their keys, so that a new one moves no other. The number of batches is a power of two for the
// same reason. Batches may be empty.
func deal[T any](items []T, size int, key func(T) string) [][]T {
	n := 1
	for n*size < len(items) {
		n *= 2
	}
	out := make([][]T, n)
	for _, item := range items {
		h := fnv.New32a()
		h.Write([]byte(key(item)))
		i := h.Sum32() % uint32(n)
		out[i] = append(out[i], item)
	}
	return out
}

// emitClient writes the route of a batch of names of one scope, and the stubs without which sidecars would not listen on its ports.
func (b *builder) emitClient(key string, index int, batch []*steered, listEach bool) {
	uses := map[use]bool{}
	var grants []*render.Grant
	var hosts []string
	for _, n := range batch {
		maps.Copy(uses, n.uses)
		grants = append(grants, n.grants...)
		hosts = append(hosts, n.name.String())
	}
	grants = unique(grants)
	route := &networking.VirtualService{Gateways: []string{"mesh"}, ExportTo: batch[0].to.exportTo()}
	ports := map[policy.Protocol][]*networking.ServicePort{}
	for _, u := range slices.SortedFunc(maps.Keys(uses), compareUses) {
		ports[u.protocol] = append(ports[u.protocol], servicePort(u.protocol.String(), u.port))
		if u.protocol == policy.TLS {
			route.Tls = append(route.Tls, b.tlsRoutes(batch, u, listEach)...)
		} else {
			route.Http = append(route.Http, b.httpRoute(u))
		}
	}
	// A port may be used by both protocols, and an entry has it once.
	for _, protocol := range [...]policy.Protocol{policy.HTTP, policy.TLS} {
		if len(ports[protocol]) > 0 {
			stub := b.out.Name("egress-stub-"+strings.ToLower(protocol.String()), key, strconv.Itoa(index))
			route.Hosts = append(route.Hosts, stub+"."+stubDomain)
			b.emitStub(stub, stub+"."+stubDomain, ports[protocol], route.ExportTo, grants...)
		}
	}
	route.Hosts = append(route.Hosts, hosts...)
	b.out.Emit(render.Object{
		APIVersion: networkingV1, Kind: "VirtualService", Namespace: b.profile.Gateway.Namespace,
		Name: b.out.Name("egress-client", key, strconv.Itoa(index)), Spec: route,
	}, render.Same, grants...)
}

// emitStub writes a service without endpoints: what no route takes from it is closed. Resolution NONE would be a way to any address.
func (b *builder) emitStub(name, host string, ports []*networking.ServicePort, exportTo []string, covers ...*render.Grant) {
	b.out.Emit(render.Object{
		APIVersion: networkingV1, Kind: "ServiceEntry", Namespace: b.profile.Gateway.Namespace, Name: name,
		// With an address of its own, sidecars that answer DNS would listen there and nowhere else.
		Labels: map[string]string{"networking.istio.io/enable-autoallocate-ip": "false"},
		Spec: &networking.ServiceEntry{
			Hosts: []string{host}, Ports: ports, ExportTo: exportTo,
			Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_STATIC,
		},
	}, render.Same, covers...)
}

// servicePort returns a port of a ServiceEntry with the name that its protocol asks for.
func servicePort(protocol string, port uint16) *networking.ServicePort {
	return &networking.ServicePort{Number: uint32(port), Name: fmt.Sprintf("%s-%d", strings.ToLower(protocol), port), Protocol: protocol}
}

func (b *builder) httpRoute(u use) *networking.HTTPRoute {
	return &networking.HTTPRoute{
		Match: []*networking.HTTPMatchRequest{{Port: uint32(u.port)}},
		Headers: &networking.Headers{Request: &networking.Headers_HeaderOperations{
			Set: map[string]string{portHeader: strconv.Itoa(int(u.port))},
		}},
		Route: []*networking.HTTPRouteDestination{{Destination: b.gatewayAt(httpSubset, b.profile.Gateway.HTTP)}},
	}
}

// tlsRoutes returns the routes for names that are asked for by TLS on one port.
func (b *builder) tlsRoutes(batch []*steered, u use, listEach bool) []*networking.TLSRoute {
	to := func(subset string) []*networking.RouteDestination {
		return []*networking.RouteDestination{{Destination: b.gatewayAt(subset, b.profile.Gateway.TLS)}}
	}
	var routes []*networking.TLSRoute
	var all []string
	for _, n := range batch {
		if !n.uses[u] {
			continue
		}
		all = append(all, n.name.String())
		routes = append(routes, &networking.TLSRoute{
			Match: []*networking.TLSMatchAttributes{{Port: uint32(u.port), SniHosts: []string{n.name.String()}}},
			Route: to(b.tlsSubset(n.name, u.port)),
		})
	}
	if listEach {
		return routes
	}
	return []*networking.TLSRoute{{Match: []*networking.TLSMatchAttributes{{Port: uint32(u.port), SniHosts: all}}, Route: to(tlsSubset(u.port))}}
}

// tlsSubset returns the subset of the gateway's service that a name asked for by TLS is sent to.
func (b *builder) tlsSubset(name match.Pattern, port uint16) string {
	if b.inside() {
		return tlsSubset(port)
	}
	return b.nameLabel(name, port)
}

func (b *builder) gatewayAt(subset string, port Port) *networking.Destination {
	return &networking.Destination{Host: b.profile.host(), Subset: subset, Port: &networking.PortSelector{Number: uint32(port.Port)}}
}

// emitRoute says by which server name sidecars ask the gateway for what.
func (b *builder) emitRoute() {
	rule := &networking.DestinationRule{Host: b.profile.host()}
	if b.inside() {
		for _, classes := range byPort(b.tls) {
			rule.Subsets = append(rule.Subsets, subset(tlsSubset(classes[0].Port), tlsMarker(classes[0].Port)))
		}
	} else {
		b.emitOuterSubsets()
	}
	if len(b.http) > 0 {
		rule.Subsets = append(rule.Subsets, subset(httpSubset, httpMarker))
	}
	if len(rule.Subsets) == 0 {
		return
	}
	b.out.Emit(render.Object{
		APIVersion: networkingV1, Kind: "DestinationRule", Namespace: b.profile.Gateway.Namespace, Name: b.out.Name("egress-gateway"), Spec: rule,
	}, render.Same)
}

func subset(name, marker string) *networking.Subset {
	return &networking.Subset{Name: name, TrafficPolicy: &networking.TrafficPolicy{
		Tls: &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_ISTIO_MUTUAL, Sni: marker},
	}}
}

// unique returns the grants in canonical order, each once.
func unique(grants []*render.Grant) []*render.Grant {
	slices.SortFunc(grants, func(a, b *render.Grant) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Compact(grants)
}
