package packets

import (
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                                         "",
		`{dns: {namespace: "", ports: [53]}}`:                        "dns.namespace",
		`{dns: {namespace: dns, ports: []}}`:                         "dns.ports",
		`{dns: {podLabels: {"a b": c}}}`:                             "dns.podLabels",
		`{dns: {nodeLocal: "0.0.0.0"}}`:                              "dns.nodeLocal",
		`{dns: {nodeLocal: "169.254.20.10"}}`:                        "",
		`{inCluster: ajar}`:                                          "inCluster",
		`{unfiltered: [a, a]}`:                                       "unfiltered[1]",
		`{unfiltered: ["a.b"]}`:                                      "unfiltered[0]",
		`{apiServer: {addresses: [], ports: [1]}}`:                   "apiServer.addresses",
		`{metadata: {addresses: [169.254.169.254/16], ports: [80]}}`: "metadata.addresses[0]",
		`{metadata: {addresses: [169.254.169.254/32], ports: [0]}}`:  "metadata.ports",
		`{metadata: {addresses: [169.254.169.254/32], ports: [80]}}`: "",
	} {
		o := DefaultOpenings()
		if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		p := Problems{Target: "target"}
		p.Check(o)
		if err := p.Found.Err(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "target."+want+":")) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

// TestClone: what is changed in openings is not changed in their copy.
func TestClone(t *testing.T) {
	o := DefaultOpenings()
	o.APIServer = &Endpoint{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}, Ports: []uint16{6443}}
	c := o.Clone()
	o.DNS.Ports[0], o.DNS.PodLabels["k8s-app"], o.Unfiltered[0] = 1, "other", "other"
	o.APIServer.Addresses[0], o.APIServer.Ports[0] = netip.Prefix{}, 1
	o.DNS.Namespace = "other"
	if c.DNS.Ports[0] != 53 || c.DNS.PodLabels["k8s-app"] != "kube-dns" || c.DNS.Namespace != "kube-system" || c.Unfiltered[0] != "kube-system" {
		t.Errorf("DNS %+v, unfiltered %v", c.DNS, c.Unfiltered)
	}
	if !c.APIServer.Addresses[0].IsValid() || c.APIServer.Ports[0] != 6443 {
		t.Errorf("API server %+v", c.APIServer)
	}
}
