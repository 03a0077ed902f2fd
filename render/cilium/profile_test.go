package cilium

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/match"
)

func TestProfile(t *testing.T) {
	if _, err := New(DefaultProfile()); err != nil {
		t.Errorf("the default profile: %v", err)
	}
	for text, want := range map[string]string{
		`{version: "1.14"}`:    "cilium.version",
		`{version: "2.0"}`:     "cilium.version",
		`{version: ""}`:        "cilium.version",
		`{unfiltered: [a, a]}`: "cilium.unfiltered[1]",
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

func TestFQDN(t *testing.T) {
	for _, c := range []struct{ pattern, deep, old string }{
		{"www.foo.com", "www.foo.com", "www.foo.com"},
		{"*.foo.com", "**.foo.com", ""},
		{"?*.foo.com", "*.foo.com", "*.foo.com"},
		{"api-*.foo.com", "api-*.foo.com", "api-*.foo.com"},
		{"sqs.*.foo.com", "sqs.*.foo.com", "sqs.*.foo.com"},
		{"*.api-*.foo.com", "**.api-*.foo.com", ""},
		{"a?.foo.com", "", ""},
		{"a?*.foo.com", "", ""},
	} {
		for deep, want := range map[bool]string{true: c.deep, false: c.old} {
			got, ok := fqdn(match.MustParsePattern(c.pattern), deep)
			if got.text() != want || ok != (want != "") {
				t.Errorf("%s, **. for any number of labels %t: %q, %t; want %q", c.pattern, deep, got.text(), ok, want)
			}
		}
	}
}
