package networkpolicy

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/policy"
)

func TestProfilesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		field  string
		change func(*Profile)
	}{
		{"gateways[0].namespace", func(p *Profile) { p.Gateways[0].Namespace = "" }},
		{"gateways[0].namespace", func(p *Profile) { p.Gateways[0].Namespace = "Istio" }},
		{"gateways[0].namespace", func(p *Profile) { p.Gateways[0].Namespace = "istio.system" }},
		{"gateways[0].podLabels", func(p *Profile) { p.Gateways[0].PodLabels = nil }},
		{"gateways[0].podLabels", func(p *Profile) { p.Gateways[0].PodLabels = Labels{"a b": "c"} }},
		{"gateways[0].podLabels", func(p *Profile) { p.Gateways[0].PodLabels = Labels{"app": "-"} }},
		{"gateways[0].ports", func(p *Profile) { p.Gateways[0].Ports = nil }},
		{"gateways[0].ports[0]", func(p *Profile) { p.Gateways[0].Ports = ports(0) }},
		{"gateways[0].ports[1]", func(p *Profile) { p.Gateways[0].Ports[1] = intstr.FromString("9000-8000") }},
		{"unroutable[0]", func(p *Profile) { p.Unroutable = []netip.Prefix{{}} }},
		{"unroutable[0]", func(p *Profile) { p.Unroutable = []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8")} }},
		{"unroutable[0]", func(p *Profile) { p.Unroutable = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} }},
		{"gateways[1]", func(p *Profile) { p.Gateways = append(p.Gateways, p.Gateways[0]) }},
		{"mesh.dataPlane", func(p *Profile) { p.Mesh.DataPlane = "sidecars" }},
		{"mesh.members", func(p *Profile) { p.Mesh.Members = "some" }},
		{"mesh.controlPlane.ports", func(p *Profile) { p.Mesh.ControlPlane.Ports = nil }},
		{"dns.namespace", func(p *Profile) { p.DNS.Namespace = "" }},
		{"dns.ports", func(p *Profile) { p.DNS.Ports = nil }},
		{"dns.nodeLocal", func(p *Profile) { p.DNS.NodeLocal = netip.MustParseAddr("0.0.0.0") }},
		{"inCluster", func(p *Profile) { p.InCluster = "ajar" }},
		{"unfiltered[1]", func(p *Profile) { p.Unfiltered[1] = "*" }},
		{"apiServer.addresses", func(p *Profile) { p.APIServer = &Endpoint{Ports: ports(6443)} }},
		{"metadata.ports", func(p *Profile) {
			p.Metadata = &Endpoint{Addresses: []netip.Prefix{netip.MustParsePrefix("169.254.169.254/32")}}
		}},
	} {
		p := DefaultProfile()
		p.Gateways = []Gateway{{Namespace: "istio-system", PodLabels: Labels{"istio": "egressgateway"}, Ports: ports(8080, 8443)}}
		c.change(&p)
		if _, err := New(p); err == nil {
			t.Errorf("%s: accepted", c.field)
			continue
		}
		found := p.Validate()
		if len(found) != 1 || found[0].Position.Field != Target+"."+c.field || found[0].Severity != policy.Error {
			t.Errorf("%s: %v", c.field, found)
		}
	}
	for name, p := range map[string]Profile{"zero": {}, "default": DefaultProfile()} {
		if _, err := New(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProfilesAreChangedByDocuments: a document changes what it names. What it names is replaced and not mixed with the defaults.
func TestProfilesAreChangedByDocuments(t *testing.T) {
	got := DefaultProfile()
	document := `
gateways:
- namespace: egress
  podLabels: {app: waypoint}
  ports: [15008, "8000-8100"]
mesh: {dataPlane: ambient}
dns: {podLabels: {dns: default}, nodeLocal: 169.254.20.10}
metadata: {addresses: [169.254.169.254/32], ports: [80]}
inCluster: closed
`
	if err := yaml.UnmarshalStrict([]byte(document), &got); err != nil {
		t.Fatal(err)
	}
	want := DefaultProfile()
	want.Gateways = []Gateway{{Namespace: "egress", PodLabels: Labels{"app": "waypoint"}, Ports: []intstr.IntOrString{intstr.FromInt32(15008), intstr.FromString("8000-8100")}}}
	want.Mesh.DataPlane = Ambient
	want.DNS.PodLabels, want.DNS.NodeLocal = Labels{"dns": "default"}, netip.MustParseAddr("169.254.20.10")
	want.Metadata = &Endpoint{Addresses: []netip.Prefix{netip.MustParsePrefix("169.254.169.254/32")}, Ports: ports(80)}
	want.InCluster = Closed
	compare := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addresses := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, got, compare, addresses); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// And back again.
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again Profile
	if err := yaml.UnmarshalStrict(data, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again, compare, addresses); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, wrong := range []string{`{gateways: [{namespace: a, podLabel: {}}]}`, `{gateway: {}}`} {
		p := DefaultProfile()
		if err := yaml.UnmarshalStrict([]byte(wrong), &p); err == nil {
			t.Errorf("%s: accepted", wrong)
		}
	}
	// Empty is not nil: no gateways rather than those of the stack.
	none := DefaultProfile()
	if err := yaml.UnmarshalStrict([]byte("{gateways: [], unroutable: []}"), &none); err != nil || none.Gateways == nil || none.Unroutable == nil {
		t.Errorf("none: %v, %v, %v", none.Gateways, none.Unroutable, err)
	}
	r, err := New(none)
	if err != nil || r.profile.Gateways == nil || r.profile.Unroutable == nil {
		t.Errorf("none: %v, %v", r, err)
	}
}

// TestRendererKeepsACopy: what happens to a profile after New does not matter.
func TestRendererKeepsACopy(t *testing.T) {
	p := DefaultProfile()
	p.Gateways = []Gateway{{Namespace: "istio-system", PodLabels: Labels{"istio": "egressgateway"}, Ports: ports(8080, 8443)}}
	p.Unroutable = NotPublic()
	p.APIServer = &Endpoint{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, Ports: ports(6443)}
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(r.profile)
	p.Gateways[0].PodLabels["istio"] = "other"
	p.Unroutable[0] = netip.Prefix{}
	p.Gateways[0].Ports[0] = intstr.FromInt32(1)
	p.Mesh.ControlPlane.PodLabels["app"] = "other"
	p.Mesh.ControlPlane.Ports[0] = intstr.FromInt32(1)
	p.DNS.PodLabels["k8s-app"] = "other"
	p.DNS.Ports[0] = intstr.FromInt32(1)
	p.Unfiltered[0] = "other"
	p.APIServer.Addresses[0] = netip.Prefix{}
	p.APIServer.Ports[0] = intstr.FromInt32(1)
	if after, _ := json.Marshal(r.profile); string(before) != string(after) {
		t.Errorf("before %s\nafter %s", before, after)
	}
}
