package istio

import (
	"fmt"
	"slices"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	istiotype "istio.io/api/type/v1beta1"

	"github.com/egresskit/egress/render"
)

const securityV1 = "security.istio.io/v1"

// httpPort is the name of the gateway's port for HTTP, part of the names of its routes.
const httpPort = "http"

// emitGateway writes the gateway's servers, and the first gate at them.
func (b *builder) emitGateway() {
	gateway := &networking.Gateway{Selector: b.profile.Gateway.PodLabels}
	if b.inside() {
		for _, classes := range byPort(b.tls) {
			port := classes[0].Port
			gateway.Servers = append(gateway.Servers, b.server(tlsSubset(port), b.profile.Gateway.TLS, "TLS", tlsMarker(port)))
		}
		b.emitGate()
	} else {
		b.emitOuterNames()
		b.emitOuterGate()
	}
	if len(b.http) > 0 {
		gateway.Servers = append(gateway.Servers, b.server(httpPort, b.profile.Gateway.HTTP, "HTTPS", "*"))
	}
	if len(gateway.Servers) > 0 {
		b.emit(networkingV1, "Gateway", "egress-gateway", gateway)
	}
}

func (b *builder) server(name string, port Port, protocol, host string) *networking.Server {
	return &networking.Server{
		Port:  &networking.Port{Number: uint32(port.Port), Name: name, Protocol: protocol},
		Hosts: []string{"./" + host}, // only routes of this namespace
		Tls:   &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_ISTIO_MUTUAL},
	}
}

// emit writes an object of the gateway's namespace that no grant is the reason of by itself.
func (b *builder) emit(apiVersion, kind, role string, spec any, covers ...*render.Grant) {
	b.out.Emit(render.Object{
		APIVersion: apiVersion, Kind: kind, Namespace: b.profile.Gateway.Namespace, Name: b.out.Name(role), Spec: spec,
	}, render.Same, covers...)
}

// gatewayName is how VirtualServices name the gateway.
func (b *builder) gatewayName() string {
	return b.profile.Gateway.Namespace + "/" + b.out.Name("egress-gateway")
}

// emitGate closes the gateway to all but sources of some name. For TLS this is not yet what decides; it keeps everybody else from having
// anything looked at. It also holds the ports apart: a certificate that is good for TLS to some port is none for HTTP.
func (b *builder) emitGate() {
	gate := &security.AuthorizationPolicy{Selector: b.gatewayPods(), Action: security.AuthorizationPolicy_ALLOW}
	covers := slices.Clone(b.baseline)
	for _, c := range slices.Concat(b.tls, b.http) {
		if c.nobody() {
			covers = append(covers, c.Grants...) // of sources without a pod
		}
		covers = append(covers, c.Denies...) // where no rule lets anything pass, this takes all
	}
	for _, classes := range byPort(b.tls) {
		var all []accountSelector
		for _, c := range classes {
			all = append(all, c.who.any...)
		}
		if len(all) == 0 {
			continue
		}
		here := &security.Operation{Ports: []string{strconv.Itoa(int(b.profile.Gateway.TLS.TargetPort))}}
		gate.Rules = append(gate.Rules, b.certs.rule(b.certs.gate(all), nil, []*security.Rule_To{{Operation: here}},
			&security.Condition{Key: "connection.sni", Values: []string{tlsMarker(classes[0].Port)}}))
	}
	b.emit(securityV1, "AuthorizationPolicy", "egress-tls", gate, unique(covers)...)
}

func (b *builder) gatewayPods() *istiotype.WorkloadSelector {
	return &istiotype.WorkloadSelector{MatchLabels: b.profile.Gateway.PodLabels}
}

// assume says what must be true of the mesh.
func (b *builder) assume() {
	p := &b.profile
	b.assumeSidecars()
	if len(b.tls) > 0 {
		if b.inside() {
			b.out.Assume("shape", "names of TLS are told apart by a listener inside the gateway, which an EnvoyFilter adds: wildcards and the application's own server name are checked there")
		} else {
			b.out.Assume("shape", "names of TLS are told apart by the server name that sidecars ask the gateway for, one a name: a listener inside the gateway would take wildcards "+
				"and check the application's own server name, but "+b.notInside())
		}
	}
	if len(b.tls)+len(b.http) > 0 {
		b.out.Assume("gateway", fmt.Sprintf("the pods %s of namespace %s are proxies of version %s or later, behind service %s, whose ports %d and %d are for nothing else",
			p.Gateway.PodLabels, p.Gateway.Namespace, b.version, p.Gateway.Service, p.Gateway.TLS.Port, p.Gateway.HTTP.Port))
		b.out.Assume("gateway-namespace", fmt.Sprintf("namespace %s is the platform's own: who may write there may open the gateway", p.Gateway.Namespace))
	}
	b.out.Assume("names-are-ours", "nobody else exports ServiceEntries or VirtualServices for names and addresses outside")
	if b.spelled {
		b.assumeNamespaces()
	}
}

func (b *builder) assumeSidecars() {
	b.out.Assume("sidecars", fmt.Sprintf("every pod has an Istio sidecar of version %s or later, and trust domain %s", b.version, b.certs.trust))
	b.out.Assume("tcp-only", "sidecars see TCP alone: something else keeps UDP and other protocols from leaving pods")
}

func (b *builder) assumeNamespaces() {
	b.out.Assume("namespaces-known", "the namespaces of the inventory, or without one those that policies name, are all there are; render again when there are more")
}
