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
		`{tier: Middle}`:                "clusternetworkpolicy.tier",
		`{priority: 997}`:               "clusternetworkpolicy.priority",
		`{priority: -1}`:                "clusternetworkpolicy.priority",
		`{trustLearnedAddresses: true}`: "clusternetworkpolicy.trustLearnedAddresses",
		`{unfiltered: [a, a]}`:          "clusternetworkpolicy.unfiltered[1]",
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
	p.Unfiltered[0] = "other"
	if r.profile.Unfiltered[0] != "kube-system" {
		t.Errorf("the renderer's profile has changed: %+v", r.profile)
	}
}
