// Package world describes the cluster that configuration is judged in: workloads with sidecars and egress gateways, at fixed addresses.
package world

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
)

// ClusterID is the name that Istio gives a cluster that is given none; proxies and registries must agree on it.
const ClusterID = "Kubernetes"

// A World is a cluster. The zero World has no workloads, allows all outbound traffic, and takes Istio's names for the rest.
type World struct {
	Namespaces []string // those that there may be nothing in
	Workloads  []Workload
	Gateways   []Gateway
	Waypoints  []Waypoint

	// Ambient has workloads captured by ztunnel and not by sidecars, and turns on what Pilot needs for it, wildcard entries for TLS
	// included.
	Ambient bool

	RegistryOnly bool   // mesh-wide outboundTrafficPolicy REGISTRY_ONLY instead of ALLOW_ANY
	DNSCapture   bool   // sidecars answer DNS, and client traffic goes to allocated addresses
	TrustDomain  string // empty: cluster.local
	Root         string // mesh root namespace; empty: istio-system
}

// A Workload is one pod with a sidecar.
type Workload struct {
	Namespace      string
	ServiceAccount string
	Labels         map[string]string
}

// A Gateway is an egress gateway's pod behind its Service.
type Gateway struct {
	Namespace      string
	Name           string // of the Service, the pod and the service account
	Labels         map[string]string
	ServiceAccount string // empty: Name
	Ports          []Port
}

// A Port of a gateway's Service.
type Port struct {
	Name   string
	Number uint16
	Target uint16 // the pod's port
}

// A Waypoint is the pod of a waypoint behind its Service. The Gateway object is not part of the world.
type Waypoint struct{ Namespace, Name string }

// HBONE is the port that waypoints are spoken to on.
const HBONE = 15008

// asGateway is what Istio's deployment controller makes of a waypoint.
func (p Waypoint) asGateway() Gateway {
	return Gateway{
		Namespace: p.Namespace,
		Name:      p.Name,
		Labels:    map[string]string{"gateway.networking.k8s.io/gateway-name": p.Name, "gateway.istio.io/managed": "istio.io-mesh-controller"},
		Ports:     []Port{{"mesh", HBONE, HBONE}},
	}
}

// Labels returns the labels of the waypoint's pod.
func (p Waypoint) Labels() map[string]string { return p.asGateway().Labels }

// Host returns the DNS name of the waypoint's Service.
func (p Waypoint) Host() string { return p.asGateway().Host() }

// ClassicGateway is the gateway of Istio's own installation: 80 to 8080 and 443 to 8443.
func ClassicGateway() Gateway {
	return Gateway{
		Namespace:      "istio-system",
		Name:           "istio-egressgateway",
		ServiceAccount: "istio-egressgateway-service-account",
		Labels:         map[string]string{"istio": "egressgateway", "app": "istio-egressgateway"},
		Ports:          []Port{{"http2", 80, 8080}, {"https", 443, 8443}},
	}
}

// ManagedGateway is what Istio's deployment controller makes of a Gateway API gateway: ports are not translated.
func ManagedGateway(namespace, name string, ports ...uint16) Gateway {
	g := Gateway{
		Namespace: namespace,
		Name:      name + "-istio",
		Labels:    map[string]string{"gateway.networking.k8s.io/gateway-name": name, "gateway.networking.k8s.io/gateway-class-name": "istio"},
		Ports:     []Port{{"status-port", 15021, 15021}},
	}
	for _, p := range ports {
		g.Ports = append(g.Ports, Port{fmt.Sprintf("port-%d", p), p, p})
	}
	return g
}

// SPIFFE returns the identity in the workload's certificate.
func (w *World) SPIFFE(p Workload) string { return w.spiffe(p.Namespace, p.ServiceAccount) }

// GatewaySPIFFE returns the identity in the gateway's certificate.
func (w *World) GatewaySPIFFE(g Gateway) string { return w.spiffe(g.Namespace, g.account()) }

func (w *World) spiffe(namespace, account string) string {
	return identity.SPIFFEID{TrustDomain: w.Domain(), Namespace: namespace, ServiceAccount: account}.String()
}

// Domain returns the trust domain.
func (w *World) Domain() string {
	if w.TrustDomain == "" {
		return identity.DefaultTrustDomain
	}
	return w.TrustDomain
}

// RootNamespace returns the mesh root namespace.
func (w *World) RootNamespace() string {
	if w.Root == "" {
		return "istio-system"
	}
	return w.Root
}

// WorkloadIP returns the address of the i-th workload's pod.
func (w *World) WorkloadIP(i int) netip.Addr { return numbered(netip.MustParseAddr("10.1.0.0"), i) }

// GatewayIP returns the address of the i-th gateway's pod.
func (w *World) GatewayIP(i int) netip.Addr { return numbered(netip.MustParseAddr("10.2.0.0"), i) }

// WaypointIP returns the address of the i-th waypoint's pod.
func (w *World) WaypointIP(i int) netip.Addr { return w.GatewayIP(len(w.Gateways) + i) }

// WaypointSPIFFE returns the identity in the waypoint's certificate.
func (w *World) WaypointSPIFFE(p Waypoint) string { return w.spiffe(p.Namespace, p.Name) }

// ServiceIP returns the cluster address of the i-th gateway's Service.
func (w *World) ServiceIP(i int) netip.Addr { return numbered(netip.MustParseAddr("10.96.0.0"), i) }

func numbered(base netip.Addr, i int) netip.Addr {
	a := base.As4()
	n := i + 10
	a[2], a[3] = byte(n>>8), byte(n)
	return netip.AddrFrom4(a)
}

func (g Gateway) account() string {
	if g.ServiceAccount == "" {
		return g.Name
	}
	return g.ServiceAccount
}

// Host returns the DNS name of the gateway's Service.
func (g Gateway) Host() string { return g.Name + "." + g.Namespace + ".svc.cluster.local" }

// Objects returns the world's namespaces, service accounts, pods, services and endpoint slices.
func (w *World) Objects() ([]*objects.Object, error) {
	var b strings.Builder
	namespaces := append([]string{w.RootNamespace(), "istio-system"}, w.Namespaces...)
	for _, p := range w.Workloads {
		namespaces = append(namespaces, p.Namespace)
	}
	gateways := slices.Clone(w.Gateways)
	for _, p := range w.Waypoints {
		gateways = append(gateways, p.asGateway())
	}
	for _, g := range gateways {
		namespaces = append(namespaces, g.Namespace)
	}
	slices.Sort(namespaces)
	for _, ns := range slices.Compact(namespaces) {
		injection := "enabled"
		if ns == "istio-system" || w.Ambient {
			injection = "disabled"
		}
		fmt.Fprintf(&b, namespaceYAML, ns, injection)
		if w.Ambient {
			b.WriteString("    istio.io/dataplane-mode: ambient\n")
		}
	}
	for i, p := range w.Workloads {
		annotations := "{}"
		if w.Ambient {
			annotations = "{ambient.istio.io/redirection: enabled}"
		}
		fmt.Fprintf(&b, podYAML, p.Namespace, WorkloadName(i), flow(p.Labels), p.ServiceAccount, w.WorkloadIP(i), annotations)
	}
	for i, g := range gateways {
		fmt.Fprintf(&b, podYAML, g.Namespace, g.Name, flow(g.Labels), g.account(), w.GatewayIP(i), "{}")
		fmt.Fprintf(&b, serviceYAML, g.Namespace, g.Name, flow(g.Labels), w.ServiceIP(i))
		for _, p := range g.Ports {
			protocol := ""
			if p.Number == HBONE {
				protocol = ", appProtocol: hbone"
			}
			fmt.Fprintf(&b, "  - {name: %s, port: %d, targetPort: %d, protocol: TCP%s}\n", p.Name, p.Number, p.Target, protocol)
		}
		fmt.Fprintf(&b, endpointsYAML, g.Namespace, g.Name, w.GatewayIP(i))
		for _, p := range g.Ports {
			fmt.Fprintf(&b, "- {name: %s, port: %d, protocol: TCP}\n", p.Name, p.Target)
		}
	}
	return objects.Parse([]byte(b.String()))
}

// WorkloadName returns the name of the i-th workload's pod.
func WorkloadName(i int) string { return fmt.Sprintf("workload-%d", i) }

func flow(labels map[string]string) string {
	var parts []string
	for k, v := range labels {
		parts = append(parts, fmt.Sprintf("%q: %q", k, v))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

const (
	namespaceYAML = `---
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels:
    istio-injection: %[2]s
    kubernetes.io/metadata.name: %[1]s
`
	podYAML = `---
apiVersion: v1
kind: Pod
metadata: {namespace: %[1]s, name: %[2]s, labels: %[3]s, annotations: %[6]s}
spec:
  serviceAccountName: %[4]q
  containers: [{name: istio-proxy, image: proxyv2}]
status:
  phase: Running
  podIP: %[5]s
  podIPs: [{ip: %[5]s}]
  conditions: [{type: Ready, status: "True"}]
`
	serviceYAML = `---
apiVersion: v1
kind: Service
metadata: {namespace: %[1]s, name: %[2]s, labels: %[3]s}
spec:
  clusterIP: %[4]s
  clusterIPs: [%[4]s]
  selector: %[3]s
  ports:
`
	endpointsYAML = `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  namespace: %[1]s
  name: %[2]s
  labels: {kubernetes.io/service-name: %[2]s}
addressType: IPv4
endpoints:
- addresses: [%[3]s]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: %[2]s, namespace: %[1]s}
ports:
`
)
