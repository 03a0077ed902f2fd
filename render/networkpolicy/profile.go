package networkpolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A Profile is what the target assumes of the cluster. [DefaultProfile] is the usual one; a document decoded into it changes what it
// names and keeps the rest. Ports are numbers, or ranges such as "8000-8100". The zero Profile is valid too: everything is closed but what
// policies allow by address, and the gateways of the stack.
type Profile struct {
	// Gateways are the ways out for traffic by name. Pods reach them on their ports alone, and only pods that another layer of a stack
	// allows a name. Nil: those of the stack's other layers; empty: none, so that names are not for this cluster's packet filter.
	Gateways []Gateway `json:"gateways,omitzero"`

	// Unroutable are networks that gateways must not reach whatever name leads there. Nil: [NotPublic]; empty: none.
	Unroutable []netip.Prefix `json:"unroutable,omitzero"`

	// Mesh tells what pods need to take part in the mesh.
	Mesh Mesh `json:"mesh,omitzero"`

	// DNS tells where names are resolved.
	DNS DNS `json:"dns,omitzero"`

	// InCluster tells whether traffic between pods stays open. Empty: closed.
	InCluster InCluster `json:"inCluster,omitempty"`

	// Unfiltered are namespaces whose pods, gateways aside, may reach anything, because the cluster itself depends on them. It applies to those
	// of the namespaces that the cluster is known to have.
	Unfiltered []string `json:"unfiltered,omitempty"`

	// APIServer opens the Kubernetes API server to every pod. Its addresses are those of its endpoints rather than that of its service, since
	// packet filters look at addresses after services are resolved. Nil: closed.
	APIServer *Endpoint `json:"apiServer,omitempty"`

	// Metadata opens the cloud's metadata service to every pod, such as 169.254.169.254 on port 80. Nil: closed.
	Metadata *Endpoint `json:"metadata,omitempty"`
}

// A Gateway is pods through which traffic leaves the cluster by name, such as an egress gateway or a waypoint.
type Gateway struct {
	Namespace string               `json:"namespace"`
	PodLabels Labels               `json:"podLabels"`
	Ports     []intstr.IntOrString `json:"ports"` // that its pods listen on, which need not be those of its service
}

// UnmarshalJSON decodes a gateway strictly, and keeps nothing of what g was: encoding/json would mix the gateways of a list into those that were
// there before.
func (g *Gateway) UnmarshalJSON(data []byte) error {
	type plain Gateway
	var p plain
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return err
	}
	*g = Gateway(p)
	return nil
}

// NotPublic returns the networks that are no one's on the Internet: of nodes, pods and services, and of the metadata service with its
// credentials. They are where a name leads a gateway to whose owner is after the inside of the cluster.
func NotPublic() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range [...]string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
		"::/127", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// A Mesh is what pods need to take part in a mesh.
type Mesh struct {
	DataPlane    DataPlane     `json:"dataPlane,omitempty"`    // empty: none
	ControlPlane *ControlPlane `json:"controlPlane,omitempty"` // what sidecars and gateways speak to; nil: nothing

	// Members tells which pods reach gateways and the control plane. Empty: labelled.
	Members Members `json:"members,omitempty"`
}

// A ControlPlane is the pods that configure proxies and issue their certificates.
type ControlPlane struct {
	Namespace string               `json:"namespace"`
	PodLabels Labels               `json:"podLabels"`
	Ports     []intstr.IntOrString `json:"ports"` // TCP
}

// DataPlane is how pods take part in the mesh.
type DataPlane string

const (
	NoMesh  DataPlane = "none"
	Sidecar DataPlane = "sidecar"
	Ambient DataPlane = "ambient" // pods also reach gateways by HBONE, TCP 15008
)

// Members is how pods are known to take part in the mesh.
type Members string

const (
	// Labelled pods are those of namespaces that the inventory shows with the mesh's label (istio-injection=enabled or istio.io/rev for
	// sidecars, istio.io/dataplane-mode=ambient), and elsewhere those that ask for themselves (sidecar.istio.io/inject=true, or the same
	// label). Where the inventory shows no namespace with such a label, or there is none, all pods are members.
	Labelled Members = "labelled"
	// AllPods takes part.
	AllPods Members = "all"
)

// DNS is where names are resolved. The zero DNS leaves all resolvers closed.
type DNS struct {
	Namespace string               `json:"namespace,omitempty"`
	PodLabels Labels               `json:"podLabels,omitempty"`
	Ports     []intstr.IntOrString `json:"ports,omitempty"` // of the pods, UDP and TCP; 5353 on OpenShift

	// NodeLocal is the address of a resolver on each node, such as 169.254.20.10; the zero Addr: there is none.
	NodeLocal netip.Addr `json:"nodeLocal,omitzero"`
}

// InCluster is what happens to traffic between pods, which policies do not speak about.
type InCluster string

const (
	// Open leaves traffic to pods of the cluster open, gateways aside: who has to reach them otherwise, to collect metrics say, needs a
	// NetworkPolicy for that.
	Open InCluster = "open"
	// Closed leaves it to other NetworkPolicies. With ambient mode, those have to open HBONE, TCP 15008.
	Closed InCluster = "closed"
)

// An Endpoint is addresses and the TCP ports that are open on them.
type Endpoint struct {
	Addresses []netip.Prefix       `json:"addresses"`
	Ports     []intstr.IntOrString `json:"ports"`
}

// Labels are labels of pods. Decoding JSON replaces them rather than adding to what is there.
type Labels map[string]string

// UnmarshalJSON decodes an object of strings.
func (l *Labels) UnmarshalJSON(data []byte) error {
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*l = m
	return nil
}

// DefaultProfile returns what the documentation of the field assumes: Istio with sidecars and istiod in istio-system, DNS by the pods
// k8s-app=kube-dns in kube-system, traffic between pods open, and kube-system and istio-system unfiltered but for gateways. The gateways are those of
// the stack.
func DefaultProfile() Profile {
	return Profile{
		Mesh: Mesh{
			DataPlane:    Sidecar,
			ControlPlane: &ControlPlane{Namespace: "istio-system", PodLabels: Labels{"app": "istiod"}, Ports: ports(15012)},
			Members:      Labelled,
		},
		DNS:        DNS{Namespace: "kube-system", PodLabels: Labels{"k8s-app": "kube-dns"}, Ports: ports(53)},
		InCluster:  Open,
		Unfiltered: []string{"istio-system", "kube-system"},
	}
}

// clone returns a copy that shares nothing with p.
func (p Profile) clone() Profile {
	p.Gateways = slices.Clone(p.Gateways)
	for i, g := range p.Gateways {
		p.Gateways[i].PodLabels, p.Gateways[i].Ports = maps.Clone(g.PodLabels), slices.Clone(g.Ports)
	}
	p.Unroutable = slices.Clone(p.Unroutable)
	if c := p.Mesh.ControlPlane; c != nil {
		p.Mesh.ControlPlane = &ControlPlane{c.Namespace, maps.Clone(c.PodLabels), slices.Clone(c.Ports)}
	}
	p.DNS.PodLabels, p.DNS.Ports = maps.Clone(p.DNS.PodLabels), slices.Clone(p.DNS.Ports)
	p.Unfiltered = slices.Clone(p.Unfiltered)
	p.APIServer, p.Metadata = p.APIServer.clone(), p.Metadata.clone()
	return p
}

func (e *Endpoint) clone() *Endpoint {
	if e == nil {
		return nil
	}
	return &Endpoint{slices.Clone(e.Addresses), slices.Clone(e.Ports)}
}

// Validate returns what is wrong with p, with the path of each field; nothing when it can be used.
func (p Profile) Validate() policy.Diagnostics {
	var v validator
	seen := map[string]bool{}
	for i, g := range p.Gateways {
		at := fmt.Sprintf("gateways[%d]", i)
		v.pods(at, g.Namespace, g.PodLabels, g.Ports)
		if len(g.PodLabels) == 0 {
			v.fail(at+".podLabels", "no labels", "name labels that only the gateway's pods have, such as istio: egressgateway")
		}
		if key := labelled(g.Namespace, g.PodLabels).String(); seen[key] {
			v.fail(at, "the same pods as those of another gateway", "give the gateway all of its ports in one entry")
		} else {
			seen[key] = true
		}
	}
	v.prefixes("unroutable", p.Unroutable)
	switch p.Mesh.DataPlane {
	case "", NoMesh, Sidecar, Ambient:
	default:
		v.fail("mesh.dataPlane", strconv.Quote(string(p.Mesh.DataPlane))+" is not a data plane", "write sidecar, ambient or none")
	}
	switch p.Mesh.Members {
	case "", Labelled, AllPods:
	default:
		v.fail("mesh.members", strconv.Quote(string(p.Mesh.Members))+" does not tell members", "write labelled or all")
	}
	if c := p.Mesh.ControlPlane; c != nil {
		v.pods("mesh.controlPlane", c.Namespace, c.PodLabels, c.Ports)
	}
	switch {
	case p.DNS.Namespace != "":
		v.pods("dns", p.DNS.Namespace, p.DNS.PodLabels, p.DNS.Ports)
	case len(p.DNS.PodLabels)+len(p.DNS.Ports) > 0:
		v.fail("dns.namespace", "no namespace", "name the namespace of the resolver's pods, such as kube-system")
	}
	if a := p.DNS.NodeLocal; a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.Zone() != "") {
		v.fail("dns.nodeLocal", a.String()+" is not the address of a resolver", "write an address such as 169.254.20.10")
	}
	switch p.InCluster {
	case "", Open, Closed:
	default:
		v.fail("inCluster", strconv.Quote(string(p.InCluster))+" is neither open nor closed", "write open or closed")
	}
	for i, namespace := range p.Unfiltered {
		v.name(fmt.Sprintf("unfiltered[%d]", i), namespace)
	}
	for _, e := range []struct {
		at string
		*Endpoint
	}{{"apiServer", p.APIServer}, {"metadata", p.Metadata}} {
		if e.Endpoint == nil {
			continue
		}
		if len(e.Addresses) == 0 {
			v.fail(e.at+".addresses", "no addresses", "name the addresses to open, such as 192.0.2.10/32")
		}
		v.prefixes(e.at+".addresses", e.Addresses)
		v.ports(e.at+".ports", e.Ports)
	}
	v.found.Sort()
	return v.found
}

// validator collects what is wrong.
type validator struct{ found policy.Diagnostics }

func (v *validator) fail(field, message, advice string) {
	v.found = append(v.found, policy.Diagnostic{
		Severity: policy.Error, Code: "bad-profile", Position: policy.Position{Field: Target + "." + field}, Message: message, Advice: advice,
	})
}

func (v *validator) pods(at, namespace string, labels Labels, ports []intstr.IntOrString) {
	v.name(at+".namespace", namespace)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		for _, problem := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(labels[key])...) {
			v.fail(at+".podLabels", fmt.Sprintf("%s=%s: %s", key, labels[key], problem), "")
		}
	}
	v.ports(at+".ports", ports)
}

func (v *validator) name(at, name string) {
	if err := identity.ValidateName(name); err != nil {
		v.fail(at, err.Error(), "")
	} else if len(name) > 63 || strings.Contains(name, ".") {
		v.fail(at, strconv.Quote(name)+" is not the name of a namespace: it has a dot or more than 63 bytes", "")
	}
}

func (v *validator) ports(at string, ports []intstr.IntOrString) {
	if len(ports) == 0 {
		v.fail(at, "no ports", "name the ports that the pods listen on")
	}
	for i, port := range ports {
		if _, err := match.ParsePortRange(port.String()); err != nil {
			v.fail(fmt.Sprintf("%s[%d]", at, i), err.Error(), "")
		}
	}
}

func (v *validator) prefixes(at string, prefixes []netip.Prefix) {
	for i, p := range prefixes {
		field := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case !p.IsValid():
			v.fail(field, "no prefix", "write addresses such as 192.0.2.0/24")
		case p != p.Masked():
			v.fail(field, p.String()+" has bits set after its length", "write "+p.Masked().String())
		case p.Addr().Is4In6():
			v.fail(field, p.String()+" is an IPv4 address in IPv6", "write it as IPv4")
		}
	}
}

func ports(numbers ...int32) []intstr.IntOrString {
	out := make([]intstr.IntOrString, len(numbers))
	for i, n := range numbers {
		out[i] = intstr.FromInt32(n)
	}
	return out
}

// portSet reads ports that Validate has seen.
func portSet(list []intstr.IntOrString) match.Ports {
	var all match.Ports
	for _, p := range list {
		if r, err := match.ParsePortRange(p.String()); err == nil {
			all = all.Union(match.NewPorts(r))
		}
	}
	return all
}
