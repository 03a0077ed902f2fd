package istio_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render/istio"
)

func TestDefaultProfile(t *testing.T) {
	if ds := istio.DefaultProfile().Validate(); len(ds) > 0 {
		t.Errorf("the default profile has mistakes:\n%v", ds)
	}
}

// TestProfileDocument decodes a document into the default profile: what it names changes, and all else stays.
func TestProfileDocument(t *testing.T) {
	p := istio.DefaultProfile()
	doc := `{"version": "1.29.2", "trustAliases": ["old.example"], "gateway": {"namespace": "istio-egress", "podLabels": {"app": "exit"}, "tls": {"targetPort": 9443}}}`
	if err := json.Unmarshal([]byte(doc), &p); err != nil {
		t.Fatal(err)
	}
	if ds := p.Validate(); len(ds) > 0 {
		t.Error(ds)
	}
	if p.Gateway.Service != "istio-egressgateway" || p.Gateway.TLS != (istio.Port{Port: 443, TargetPort: 9443}) || !p.EnvoyFilter {
		t.Errorf("what the document does not name has changed: %+v", p)
	}
	if len(p.Gateway.PodLabels) != 1 || p.Gateway.PodLabels["app"] != "exit" {
		t.Errorf("labels are %v, want those of the document alone", p.Gateway.PodLabels)
	}
}

func TestProfileMistakes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*istio.Profile)
		field  string
	}{
		{"no version", func(p *istio.Profile) { p.Version = "" }, "version"},
		{"version of words", func(p *istio.Profile) { p.Version = "1.x" }, "version"},
		{"version with a leading zero", func(p *istio.Profile) { p.Version = "1.031" }, "version"},
		{"version of four", func(p *istio.Profile) { p.Version = "1.31.1.1" }, "version"},
		{"version too new", func(p *istio.Profile) { p.Version = "1.32" }, "version"},
		{"data plane", func(p *istio.Profile) { p.DataPlane = "sidecars" }, "dataPlane"},
		{"registry only", func(p *istio.Profile) { p.RegistryOnly = "no" }, "registryOnly"},
		{"ambient without DNS", func(p *istio.Profile) { p.DataPlane, p.DNSCapture = istio.Ambient, false }, "dnsCapture"},
		{"ambient with an old ztunnel", func(p *istio.Profile) { p.DataPlane, p.Version = istio.Ambient, "1.29.2" }, "version"},
		{"ambient with Sidecars", func(p *istio.Profile) { p.DataPlane, p.RegistryOnly = istio.Ambient, istio.ByMeshConfig }, "registryOnly"},
		{"egress", func(p *istio.Profile) { p.Egress = "sidecar" }, "egress"},
		{"ambient without a gateway", func(p *istio.Profile) { p.DataPlane, p.Egress = istio.Ambient, istio.Direct }, "egress"},
		{"direct without Sidecars", func(p *istio.Profile) { p.Egress, p.RegistryOnly = istio.Direct, istio.ByMeshConfig }, "registryOnly"},
		{"waypoint in the root namespace", func(p *istio.Profile) { p.Waypoint.Namespace = "istio-system" }, "waypoint.namespace"},
		{"waypoint", func(p *istio.Profile) { p.Waypoint.Name = "" }, "waypoint.name"},
		{"version too old", func(p *istio.Profile) { p.Version = "1.28.9" }, "version"},
		{"no root namespace", func(p *istio.Profile) { p.RootNamespace = "" }, "rootNamespace"},
		{"trust domain", func(p *istio.Profile) { p.TrustDomain = "spiffe://td" }, "trustDomain"},
		{"trust alias", func(p *istio.Profile) { p.TrustAliases = []string{"old.example", "*"} }, "trustAliases[1]"},
		{"no trust domain", func(p *istio.Profile) { p.TrustDomain = "" }, "trustDomain"},
		{"cluster domain", func(p *istio.Profile) { p.ClusterDomain = "Cluster.local." }, "clusterDomain"},
		{"no cluster domain", func(p *istio.Profile) { p.ClusterDomain = "" }, "clusterDomain"},
		{"gateway namespace", func(p *istio.Profile) { p.Gateway.Namespace = "a*" }, "gateway.namespace"},
		{"service", func(p *istio.Profile) { p.Gateway.Service = "a.b" }, "gateway.service"},
		{"no labels", func(p *istio.Profile) { p.Gateway.PodLabels = nil }, "gateway.podLabels"},
		{"label key", func(p *istio.Profile) { p.Gateway.PodLabels = istio.Labels{"a b": "c"} }, "gateway.podLabels"},
		{"label value", func(p *istio.Profile) { p.Gateway.PodLabels = istio.Labels{"a": "b c"} }, "gateway.podLabels"},
		{"no port", func(p *istio.Profile) { p.Gateway.TLS.Port = 0 }, "gateway.tls.port"},
		{"one port for both", func(p *istio.Profile) { p.Gateway.HTTP.TargetPort = p.Gateway.TLS.TargetPort }, "gateway.http.targetPort"},
		{"network with host bits", func(p *istio.Profile) { p.Unroutable = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/8")} }, "unroutable[0]"},
		{"no network", func(p *istio.Profile) { p.Unroutable = []netip.Prefix{{}} }, "unroutable[0]"},
		{"nothing", func(p *istio.Profile) { *p = istio.Profile{} }, "version"},
		{"one service port for both", func(p *istio.Profile) { p.Gateway.HTTP.Port = p.Gateway.TLS.Port }, "gateway.http.port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := istio.DefaultProfile()
			tt.change(&p)
			found := false
			for _, d := range p.Validate() {
				found = found || d.Position.Field == "istio."+tt.field
				if d.Severity != policy.Error || d.Code != "bad-profile" || !strings.HasPrefix(d.Position.Field, "istio.") || !strings.Contains(d.Message, "write ") {
					t.Errorf("odd diagnostic: %v", d)
				}
			}
			if !found {
				t.Errorf("no mistake at %s: %v", tt.field, p.Validate())
			}
			if _, err := istio.New(p); err == nil {
				t.Error("New takes it")
			}
		})
	}
}

// TestAllProfileMistakes finds them at once, in order of field, and lets each say what is there and what to write.
func TestAllProfileMistakes(t *testing.T) {
	p := istio.DefaultProfile()
	p.Version, p.TrustDomain, p.DataPlane, p.Gateway.Service, p.Gateway.TLS.Port = "1.28", "Bad", "mesh", "a.b", 0
	var got []string
	for _, d := range p.Validate() {
		got = append(got, d.Position.Field)
	}
	want := []string{"istio.dataPlane", "istio.gateway.service", "istio.gateway.tls.port", "istio.trustDomain", "istio.version"}
	if !slices.Equal(got, want) {
		t.Errorf("mistakes at %v, want %v", got, want)
	}
	for field, says := range map[string]string{
		"istio.dataPlane":        `"mesh" is none of its values; write one of sidecar, ambient`,
		"istio.gateway.tls.port": "0 is no port; write the Service's port for TLS, such as 443",
	} {
		found := false
		for _, d := range p.Validate() {
			found = found || d.Position.Field == field && d.Message == says
		}
		if !found {
			t.Errorf("nobody says at %s: %s\n%v", field, says, p.Validate())
		}
	}
}

// TestNewCopies changes a profile after New has taken it.
func TestNewCopies(t *testing.T) {
	p := istio.DefaultProfile()
	r, err := istio.New(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Gateway.PodLabels["istio"] = "changed"
	p.Unroutable[0] = netip.Prefix{}
	if got := r.Profile(); got.Gateway.PodLabels["istio"] != "egressgateway" || !got.Unroutable[0].IsValid() {
		t.Error("the renderer shares the profile with its caller")
	}
}
