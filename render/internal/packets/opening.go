package packets

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// Openings are what stays open whatever policies say. Each is an exemption of the plan. The zero Openings leave nothing open.
type Openings struct {
	// DNS tells where names are resolved. Nil: nowhere.
	DNS *DNS `json:"dns,omitempty"`

	// InCluster tells whether traffic between pods is left to others: other policies, and open where there are none. Empty: closed.
	InCluster InCluster `json:"inCluster,omitempty"`

	// Unfiltered are namespaces whose pods may reach anything, because the cluster itself depends on them.
	Unfiltered []string `json:"unfiltered,omitempty"`

	// APIServer opens the Kubernetes API server to every pod, by the addresses and ports of its endpoints. Nil: closed.
	APIServer *Endpoint `json:"apiServer,omitempty"`

	// Metadata opens the cloud's metadata service to every pod, such as 169.254.169.254 on port 80. Nil: closed.
	Metadata *Endpoint `json:"metadata,omitempty"`
}

// DNS is pods that resolve names.
type DNS struct {
	Namespace string   `json:"namespace"`
	PodLabels Labels   `json:"podLabels,omitempty"` // empty: all pods of the namespace
	Ports     []uint16 `json:"ports"`               // of the pods, UDP and TCP; 5353 on OpenShift

	// NodeLocal is the address of a resolver on each node, such as 169.254.20.10; the zero Addr: there is none.
	NodeLocal netip.Addr `json:"nodeLocal,omitzero"`
}

// Labels are labels of pods. Decoding JSON replaces them rather than adding to what is there.
type Labels map[string]string

// UnmarshalJSON decodes an object of strings.
func (l *Labels) UnmarshalJSON(data []byte) error {
	var m map[string]string
	err := json.Unmarshal(data, &m)
	*l = m
	return err
}

// InCluster is what happens to traffic between pods, which policies do not speak about.
type InCluster string

const (
	Open   InCluster = "open"
	Closed InCluster = "closed"
)

// An Endpoint is addresses and the TCP ports that are open on them.
type Endpoint struct {
	Addresses []netip.Prefix `json:"addresses"`
	Ports     []uint16       `json:"ports"`
}

// What exemptions lead to, as peers are named.
const (
	ClusterDNS   = "cluster DNS"
	NodeLocalDNS = "node-local DNS"
	APIServer    = "API server"
)

// DefaultOpenings are what the documentation of the field assumes: DNS by the pods k8s-app=kube-dns in kube-system, traffic between pods open, and
// kube-system unfiltered.
func DefaultOpenings() Openings {
	return Openings{
		DNS:       &DNS{Namespace: "kube-system", PodLabels: Labels{"k8s-app": "kube-dns"}, Ports: []uint16{53}},
		InCluster: Open, Unfiltered: []string{"kube-system"},
	}
}

// Clone returns a copy that shares nothing with o.
func (o Openings) Clone() Openings {
	if o.DNS != nil {
		d := *o.DNS
		d.PodLabels, d.Ports = make(Labels, len(o.DNS.PodLabels)), slices.Clone(d.Ports)
		for k, v := range o.DNS.PodLabels {
			d.PodLabels[k] = v
		}
		o.DNS = &d
	}
	o.Unfiltered = slices.Clone(o.Unfiltered)
	o.APIServer, o.Metadata = o.APIServer.clone(), o.Metadata.clone()
	return o
}

func (e *Endpoint) clone() *Endpoint {
	if e == nil {
		return nil
	}
	return &Endpoint{slices.Clone(e.Addresses), slices.Clone(e.Ports)}
}

// Exemptions returns the openings one by one.
func (o Openings) Exemptions() []render.Exemption {
	var out []render.Exemption
	add := func(name, why string, to render.Peer) {
		out = append(out, render.Exemption{Name: name, From: identity.Everything(), Peer: to, Why: why})
	}
	if d := o.DNS; d != nil {
		for _, protocol := range []policy.Protocol{policy.TCP, policy.UDP} {
			add(ClusterDNS+" over "+protocol.String(), "names are resolved in the cluster",
				render.Peer{Name: ClusterDNS, Namespace: d.Namespace, PodLabels: d.PodLabels, Protocol: protocol, Ports: match.PortsOf(d.Ports...)})
			if local := d.NodeLocal.Unmap(); local.IsValid() {
				add(NodeLocalDNS+" over "+protocol.String(), "names are resolved on the node",
					render.Peer{Name: NodeLocalDNS, Addresses: match.NewPrefixes([]netip.Prefix{netip.PrefixFrom(local, local.BitLen())}, nil), Protocol: protocol, Ports: match.PortsOf(53)})
			}
		}
	}
	if o.InCluster == Open {
		add("pods of the cluster", "policies speak about traffic that leaves the cluster", render.Peer{Name: "pods of the cluster"})
	}
	for _, e := range []struct {
		name, why string
		*Endpoint
	}{{APIServer, "pods ask the Kubernetes API", o.APIServer}, {"metadata service", "pods ask the cloud about themselves", o.Metadata}} {
		if e.Endpoint != nil {
			add(e.name, e.why, render.Peer{Name: e.name, Addresses: match.NewPrefixes(e.Addresses, nil), Protocol: policy.TCP, Ports: match.PortsOf(e.Ports...)})
		}
	}
	for _, namespace := range o.Unfiltered {
		if from, err := identity.NewSelector(identity.Term{Namespaces: []string{namespace}}); err == nil { // Validate has seen the name
			out = append(out, render.Exemption{Name: "unfiltered namespace " + namespace, From: from, Peer: render.Peer{Name: "anything", Anything: true}, Why: "the cluster depends on its pods"})
		}
	}
	return out
}

// Problems collects what is wrong with the profile of a target.
type Problems struct {
	Target string
	Found  policy.Diagnostics
}

// Add notes a problem of a field.
func (p *Problems) Add(field, message, advice string) {
	p.Found = append(p.Found, policy.Diagnostic{
		Severity: policy.Error, Code: "bad-profile", Position: policy.Position{Field: p.Target + "." + field}, Message: message, Advice: advice,
	})
}

// Check notes what is wrong with openings.
func (p *Problems) Check(o Openings) {
	if d := o.DNS; d != nil {
		p.namespace("dns.namespace", d.Namespace)
		for _, key := range slices.Sorted(maps.Keys(d.PodLabels)) {
			for _, problem := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(d.PodLabels[key])...) {
				p.Add("dns.podLabels", fmt.Sprintf("%s=%s: %s", key, d.PodLabels[key], problem), "")
			}
		}
		p.ports("dns.ports", d.Ports)
		if a := d.NodeLocal; a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.Zone() != "") {
			p.Add("dns.nodeLocal", a.String()+" is the address of no resolver", "write an address such as 169.254.20.10, without a zone")
		}
	}
	if o.InCluster != "" && o.InCluster != Open && o.InCluster != Closed {
		p.Add("inCluster", strconv.Quote(string(o.InCluster))+" is neither open nor closed", "write open or closed")
	}
	for i, namespace := range o.Unfiltered {
		field := fmt.Sprintf("unfiltered[%d]", i)
		p.namespace(field, namespace)
		if slices.Contains(o.Unfiltered[:i], namespace) {
			p.Add(field, namespace+" is named twice", "name it once")
		}
	}
	for _, e := range []struct {
		at string
		*Endpoint
	}{{"apiServer", o.APIServer}, {"metadata", o.Metadata}} {
		if e.Endpoint == nil {
			continue
		}
		if len(e.Addresses) == 0 {
			p.Add(e.at+".addresses", "no addresses", "name the addresses to open, such as 192.0.2.10/32")
		}
		for i, prefix := range e.Addresses {
			if !prefix.IsValid() || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
				p.Add(fmt.Sprintf("%s.addresses[%d]", e.at, i), prefix.String()+" is no prefix, or has bits set after its length", "write addresses such as 192.0.2.0/24")
			}
		}
		p.ports(e.at+".ports", e.Ports)
	}
	p.Found.Sort()
}

func (p *Problems) namespace(field, name string) {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		p.Add(field, fmt.Sprintf("%q is not the name of a namespace: %s", name, problems[0]), "")
	}
}

func (p *Problems) ports(field string, ports []uint16) {
	if len(ports) == 0 {
		p.Add(field, "no ports", "name the ports that are open")
	}
	if slices.Contains(ports, 0) {
		p.Add(field, "0 is not a port", "write a number from 1 to 65535")
	}
}
