package clusternetworkpolicy

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestProfile(t *testing.T) {
	if _, err := New(DefaultProfile()); err != nil {
		t.Errorf("the default profile: %v", err)
	}
	for text, want := range map[string]string{
		`{tier: Middle}`:                                             "clusternetworkpolicy.tier",
		`{priority: 997}`:                                            "clusternetworkpolicy.priority",
		`{priority: -1}`:                                             "clusternetworkpolicy.priority",
		`{trustLearnedAddresses: true}`:                              "clusternetworkpolicy.trustLearnedAddresses",
		`{dns: {namespace: "", ports: [53]}}`:                        "clusternetworkpolicy.dns.namespace",
		`{dns: {namespace: dns, ports: []}}`:                         "clusternetworkpolicy.dns.ports",
		`{dns: {podLabels: {"a b": c}}}`:                             "clusternetworkpolicy.dns.podLabels",
		`{inCluster: ajar}`:                                          "clusternetworkpolicy.inCluster",
		`{unfiltered: [a, a]}`:                                       "clusternetworkpolicy.unfiltered[1]",
		`{unfiltered: ["a.b"]}`:                                      "clusternetworkpolicy.unfiltered[0]",
		`{apiServer: {addresses: [], ports: [1]}}`:                   "clusternetworkpolicy.apiServer.addresses",
		`{metadata: {addresses: [169.254.169.254/16], ports: [80]}}`: "clusternetworkpolicy.metadata.addresses[0]",
		`{metadata: {addresses: [169.254.169.254/32], ports: [0]}}`:  "clusternetworkpolicy.metadata.ports",
	} {
		p := DefaultProfile()
		if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := New(p); err == nil || !strings.Contains(err.Error(), want+":") {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

// TestKeptProfile: the renderer keeps a copy of its profile.
func TestKeptProfile(t *testing.T) {
	p := DefaultProfile()
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	p.DNS.Ports[0], p.DNS.PodLabels["k8s-app"], p.Unfiltered[0] = 1, "other", "other"
	if d := r.profile.DNS; d.Ports[0] != 53 || d.PodLabels["k8s-app"] != "kube-dns" || r.profile.Unfiltered[0] != "kube-system" {
		t.Errorf("the renderer's profile has changed: %+v", r.profile)
	}
}
