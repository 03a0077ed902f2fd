package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/paths"
	"github.com/egresskit/egress/render/internal/registry"
)

const (
	gatewayAPI      = "gateway.networking.k8s.io/v1"
	istioNetworking = "networking.istio.io/v1"
	istioSecurity   = "security.istio.io/v1"

	// terminateMode makes Istio terminate the mesh's own mTLS at a listener (istio.io/istio pilot/pkg/config/kube/gateway).
	terminateMode = "gateway.istio.io/tls-terminate-mode"
	serviceType   = "networking.istio.io/service-type"
)

func (b *builder) emit() {
	b.emitBaseline()
	if len(b.endpoints) == 0 {
		return
	}
	b.assume()
	b.emitServiceEntries()
	for e := range b.of(policy.TLS) {
		b.emitTLSRoutes(e)
	}
	for e := range b.of(policy.HTTP) {
		b.emitHTTPRoutes(e)
	}
	b.emitOriginations()
	for i := range b.gateways() {
		b.emitGateway(i)
	}
	b.emitAccess()
	b.emitDenials()
	for _, e := range b.endpoints {
		for _, g := range e.grants {
			b.out.Assure(g, render.Assurance{EnforcedAt: "egress gateway", Holds: render.WithPacketFilter,
				Why: "the gateway asks for the source's certificate; only a packet filter keeps a pod from going round the gateway"})
		}
	}
}

// emitBaseline closes what no ServiceEntry names. Denies and boundaries are applied in the classes.
func (b *builder) emitBaseline() {
	var covers []*render.Grant
	for g := range b.plan.Grants() {
		if g.Kind != render.AllowGrant {
			covers = append(covers, g)
		}
	}
	b.out.Emit(render.Object{
		APIVersion: istioNetworking, Kind: "Sidecar", Namespace: b.profile.RootNamespace, Name: b.out.Name("registry-only"),
		Spec: registry.NewOnly(),
	}, render.Same, covers...)
	for _, g := range covers {
		b.out.Assure(g, render.Assurance{EnforcedAt: "sidecar", Holds: render.Advisory, Why: "a pod that bypasses its sidecar is not held by it"})
	}
	b.out.Assume("sidecars", "every source has an Istio sidecar; a pod without one is not held by this target")
	b.out.Assume("one-root-sidecar", fmt.Sprintf("no other Sidecar without a workload selector is in namespace %s, and none elsewhere sets an outbound traffic policy of its own", b.profile.RootNamespace))
}

func (b *builder) assume() {
	b.out.Assume("gateway-api-crds", fmt.Sprintf("the Gateway API CRDs are of release %s or later (standard channel), and Istio of release 1.31 or later implements them", b.profile.release()))
	b.out.Assume("names-are-ours", "nobody else defines ServiceEntries, VirtualServices or DestinationRules for the names of the policies")
	b.out.Assume("gateway-namespace", fmt.Sprintf("namespace %s is the platform's own: who may write there may open the gateway", b.profile.Namespace))
	b.out.Assume("trust-domain", fmt.Sprintf("the mesh's trust domain is %s", b.profile.TrustDomain))
}

// emitServiceEntries makes the names known to the sidecars of their sources and to the gateway: one entry a name with all of its ports.
func (b *builder) emitServiceEntries() {
	for rest := b.endpoints; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].host == rest[0].host {
			n++
		}
		b.emitServiceEntry(rest[:n])
		rest = rest[n:]
	}
}

// emitServiceEntry emits the entry of one name.
func (b *builder) emitServiceEntry(ports []endpoint) {
	entry := &networking.ServiceEntry{Hosts: []string{ports[0].host}, Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_DNS}
	var sets []render.SourceSet
	var covers []*render.Grant
	for _, e := range ports {
		port := &networking.ServicePort{Number: uint32(e.port), Name: portName(e), Protocol: e.protocol.String()}
		if e.origin != nil {
			port.TargetPort = uint32(e.origin.Port)
		}
		entry.Ports = append(entry.Ports, port)
		sets = append(sets, e.sources)
		for _, c := range e.calls {
			sets = append(sets, c.Sources)
		}
		covers = append(covers, e.grants...)
	}
	entry.ExportTo = b.exportTo(sets...)
	b.out.Emit(render.Object{APIVersion: istioNetworking, Kind: "ServiceEntry", Namespace: b.profile.Namespace, Name: entryName(ports[0].host), Spec: entry}, render.Same, covers...)
}

// portName returns the name of an endpoint's port in its ServiceEntry.
func portName(e endpoint) string {
	return fmt.Sprintf("%s-%d", strings.ToLower(e.protocol.String()), e.port)
}

// entryName returns the name of the ServiceEntry of a host.
func entryName(host string) string { return render.Name("host", host) }

// parent refers to the ServiceEntry of an endpoint on its port: the route applies where sidecars send to it.
func parent(e endpoint) gateway.ParentReference {
	return gateway.ParentReference{Group: ptr(gateway.Group("networking.istio.io")), Kind: ptr(gateway.Kind("ServiceEntry")), Name: gateway.ObjectName(entryName(e.host)), Port: ptr(gateway.PortNumber(e.port))}
}

// toGateway refers to the port of the gateway that takes in an endpoint.
func (b *builder) toGateway(e endpoint) gateway.BackendRef {
	return gateway.BackendRef{BackendObjectReference: gateway.BackendObjectReference{
		Name: gateway.ObjectName(b.gatewayName(e.slot.gateway) + "-" + b.profile.GatewayClass), Port: ptr(gateway.PortNumber(e.listenPort())),
	}}
}

// toHost refers to the name itself, which the gateway resolves.
func toHost(e endpoint) gateway.BackendRef {
	return gateway.BackendRef{BackendObjectReference: gateway.BackendObjectReference{
		Group: ptr(gateway.Group("networking.istio.io")), Kind: ptr(gateway.Kind("Hostname")), Name: gateway.ObjectName(e.host), Port: ptr(gateway.PortNumber(e.port)),
	}}
}

// atGateway refers to the listener of an endpoint.
func (b *builder) atGateway(e endpoint) gateway.ParentReference {
	if e.slot.set > 0 {
		return gateway.ParentReference{Group: ptr(gateway.Group(gateway.GroupName)), Kind: ptr(gateway.Kind("ListenerSet")), Name: gateway.ObjectName(b.setName(e.slot)), SectionName: ptr(listenerName(e))}
	}
	return gateway.ParentReference{Name: gateway.ObjectName(b.gatewayName(e.slot.gateway)), SectionName: ptr(listenerName(e))}
}

func listenerName(e endpoint) gateway.SectionName {
	return gateway.SectionName(fmt.Sprintf("%s-%d", strings.ToLower(e.protocol.String()), e.listenPort()))
}

func ptr[T any](v T) *T { return &v }

// emitTLSRoutes emits the way to the gateway and the way on.
func (b *builder) emitTLSRoutes(e endpoint) {
	port := strconv.Itoa(int(e.port))
	b.emitRoute("TLSRoute", render.Name("to-gateway", e.host, "tls", port), &gateway.TLSRouteSpec{
		CommonRouteSpec: gateway.CommonRouteSpec{ParentRefs: []gateway.ParentReference{parent(e)}},
		Hostnames:       []gateway.Hostname{gateway.Hostname(e.host)},
		Rules:           []gateway.TLSRouteRule{{BackendRefs: []gateway.BackendRef{b.toGateway(e)}}},
	}, e)
	b.emitRoute("TCPRoute", render.Name("from-gateway", e.host, "tls", port), &gateway.TCPRouteSpec{
		CommonRouteSpec: gateway.CommonRouteSpec{ParentRefs: []gateway.ParentReference{b.atGateway(e)}},
		Rules:           []gateway.TCPRouteRule{{BackendRefs: []gateway.BackendRef{toHost(e)}}},
	}, e)
}

// emitHTTPRoutes emits the way to the gateway and the way on.
func (b *builder) emitHTTPRoutes(e endpoint) {
	port := strconv.Itoa(int(e.port))
	route := func(parent gateway.ParentReference, to gateway.BackendRef, hostnames ...gateway.Hostname) *gateway.HTTPRouteSpec {
		return &gateway.HTTPRouteSpec{
			CommonRouteSpec: gateway.CommonRouteSpec{ParentRefs: []gateway.ParentReference{parent}},
			Hostnames:       hostnames,
			Rules:           []gateway.HTTPRouteRule{{BackendRefs: []gateway.HTTPBackendRef{{BackendRef: to}}}},
		}
	}
	b.emitRoute("HTTPRoute", render.Name("to-gateway", e.host, "http", port), route(parent(e), b.toGateway(e)), e)
	onward := route(b.atGateway(e), toHost(e), gateway.Hostname(e.host))
	if e.byPath() {
		onward.Rules[0].Matches = []gateway.HTTPRouteMatch{{Path: &gateway.HTTPPathMatch{Type: ptr(gateway.PathMatchRegularExpression), Value: ptr(paths.Unambiguous)}}}
	}
	b.emitRoute("HTTPRoute", render.Name("from-gateway", e.host, "http", port), onward, e)
}

func (b *builder) emitRoute(kind, name string, spec any, e endpoint) {
	b.out.Emit(render.Object{APIVersion: gatewayAPI, Kind: kind, Namespace: b.profile.Namespace, Name: name, Spec: spec}, render.Same, e.grants...)
}

// emitOriginations makes the gateway speak TLS to names that applications ask for in plain HTTP. It is one object a name: a
// BackendTLSPolicy where that can say it, and for client certificates a DestinationRule, of which Istio reads the first for a host and
// no other.
func (b *builder) emitOriginations() {
	for rest := b.endpoints; len(rest) > 0; {
		host := rest[0].host
		var ports []endpoint
		for ; len(rest) > 0 && rest[0].host == host; rest = rest[1:] {
			if rest[0].origin != nil {
				ports = append(ports, rest[0])
			}
		}
		mutual := func(e endpoint) bool { return e.origin.Mode == policy.MutualTLS }
		switch {
		case len(ports) == 0:
		case slices.ContainsFunc(ports, mutual) || len(ports) > maxTargets:
			b.emitDestinationRule(host, ports)
		default:
			b.emitBackendTLSPolicy(host, ports)
		}
	}
}

// maxTargets is Gateway API's limit of targets a BackendTLSPolicy (backendtlspolicy_types.go).
const maxTargets = 16

// emitBackendTLSPolicy originates TLS, verified by the authorities that the gateway's system trusts, on ports of a name.
func (b *builder) emitBackendTLSPolicy(host string, ports []endpoint) {
	spec := &gateway.BackendTLSPolicySpec{Validation: gateway.BackendTLSPolicyValidation{
		WellKnownCACertificates: ptr(gateway.WellKnownCACertificatesSystem), Hostname: gateway.PreciseHostname(host),
	}}
	var covers []*render.Grant
	for _, e := range ports {
		spec.TargetRefs = append(spec.TargetRefs, gateway.LocalPolicyTargetReferenceWithSectionName{
			LocalPolicyTargetReference: gateway.LocalPolicyTargetReference{Group: "networking.istio.io", Kind: "ServiceEntry", Name: gateway.ObjectName(entryName(host))},
			SectionName:                ptr(gateway.SectionName(portName(e))),
		})
		covers = append(covers, e.grants...)
	}
	b.out.Emit(render.Object{
		APIVersion: gatewayAPI, Kind: "BackendTLSPolicy", Namespace: b.profile.Namespace, Name: render.Name("originate-tls", host), Spec: spec,
	}, render.Same, covers...)
}

// emitDestinationRule originates TLS on ports of a name, some of them with a client's certificate.
func (b *builder) emitDestinationRule(host string, ports []endpoint) {
	spec := &networking.DestinationRule{Host: host, ExportTo: []string{"."}, TrafficPolicy: &networking.TrafficPolicy{}}
	var covers []*render.Grant
	for _, e := range ports {
		tls := &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_SIMPLE, Sni: host, SubjectAltNames: []string{host}}
		if e.origin.Mode == policy.MutualTLS {
			tls.Mode, tls.CredentialName = networking.ClientTLSSettings_MUTUAL, e.origin.CredentialName
		}
		spec.TrafficPolicy.PortLevelSettings = append(spec.TrafficPolicy.PortLevelSettings,
			&networking.TrafficPolicy_PortTrafficPolicy{Port: &networking.PortSelector{Number: uint32(e.port)}, Tls: tls})
		covers = append(covers, e.grants...)
	}
	b.out.Emit(render.Object{
		APIVersion: istioNetworking, Kind: "DestinationRule", Namespace: b.profile.Namespace, Name: render.Name("originate-tls", host), Spec: spec,
	}, render.Same, covers...)
}

// gateways returns how many gateways the endpoints need.
func (b *builder) gateways() int {
	n := 0
	for _, e := range b.endpoints {
		n = max(n, e.slot.gateway+1)
	}
	return n
}

// emitGateway emits a gateway, the listeners that it has no room for, and the rule that makes sidecars send their certificate to it.
func (b *builder) emitGateway(i int) {
	terminate := &gateway.ListenerTLSConfig{Mode: ptr(gateway.TLSModeTerminate), Options: map[gateway.AnnotationKey]gateway.AnnotationValue{terminateMode: "ISTIO_MUTUAL"}}
	var listeners [maxSets + 1][]gateway.Listener // of the Gateway, and of its ListenerSets
	var settings []*networking.TrafficPolicy_PortTrafficPolicy
	var covers [maxSets + 1][]*render.Grant
	seen := map[uint16]bool{}
	for _, e := range b.endpoints {
		if e.slot.gateway != i {
			continue
		}
		set := e.slot.set
		covers[set] = append(covers[set], e.grants...)
		port := e.listenPort()
		if seen[port] {
			continue
		}
		seen[port] = true
		l := gateway.Listener{Name: listenerName(e), Port: gateway.PortNumber(port), Protocol: gateway.HTTPSProtocolType, TLS: terminate}
		tls := &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_ISTIO_MUTUAL}
		if e.protocol == policy.TLS {
			l.Protocol, l.Hostname = gateway.TLSProtocolType, ptr(gateway.Hostname(e.host))
			tls.Sni = e.host
		}
		listeners[set] = append(listeners[set], l)
		settings = append(settings, &networking.TrafficPolicy_PortTrafficPolicy{Port: &networking.PortSelector{Number: uint32(port)}, Tls: tls})
	}
	for _, l := range listeners {
		slices.SortFunc(l, func(a, b gateway.Listener) int { return cmp.Compare(a.Port, b.Port) })
	}
	slices.SortFunc(settings, func(a, b *networking.TrafficPolicy_PortTrafficPolicy) int {
		return cmp.Compare(a.Port.Number, b.Port.Number)
	})
	name := b.gatewayName(i)
	spec := &gateway.GatewaySpec{GatewayClassName: gateway.ObjectName(b.profile.GatewayClass), Listeners: listeners[0]}
	for set := 1; set <= maxSets; set++ {
		if len(listeners[set]) == 0 {
			continue
		}
		spec.AllowedListeners = &gateway.AllowedListeners{Namespaces: &gateway.ListenerNamespaces{From: ptr(gateway.NamespacesFromSame)}}
		entries := make([]gateway.ListenerEntry, len(listeners[set]))
		for j, l := range listeners[set] {
			entries[j] = gateway.ListenerEntry{Name: l.Name, Hostname: l.Hostname, Port: l.Port, Protocol: l.Protocol, TLS: l.TLS}
		}
		b.out.Emit(render.Object{
			APIVersion: gatewayAPI, Kind: "ListenerSet", Namespace: b.profile.Namespace, Name: b.setName(slot{gateway: i, set: set}),
			Spec: &gateway.ListenerSetSpec{ParentRef: gateway.ParentGatewayReference{Name: gateway.ObjectName(name)}, Listeners: entries},
		}, render.Same, covers[set]...)
	}
	all := slices.Concat(covers[:]...)
	b.out.Emit(render.Object{
		APIVersion: gatewayAPI, Kind: "Gateway", Namespace: b.profile.Namespace, Name: name,
		Annotations: map[string]string{serviceType: "ClusterIP"},
		Spec:        spec,
	}, render.Same, all...)
	b.out.Emit(render.Object{
		APIVersion: istioNetworking, Kind: "DestinationRule", Namespace: b.profile.Namespace, Name: render.Name("to-gateway", name),
		Spec: &networking.DestinationRule{Host: b.profile.service(name), TrafficPolicy: &networking.TrafficPolicy{PortLevelSettings: settings}},
	}, render.Same, all...)
}
