package istio

import (
	"fmt"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	telemetry "istio.io/api/telemetry/v1alpha1"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// TestLog has the gateway and every listener inside it write accesses, or none where the profile says so.
func TestLog(t *testing.T) {
	for _, provider := range []string{"envoy", "ours", ""} {
		p := DefaultProfile()
		p.AccessLog = provider
		r, err := New(p)
		if err != nil {
			t.Fatal(err)
		}
		rec := build(t, r, known{}, []render.NameClass{names(policy.TLS, 443, "a.foo.com", "a/*", ""), names(policy.TLS, 8443, "b.foo.com", "a/*", "")}, nil, nil)
		providers, listeners, logs := "", 0, 0
		for _, o := range rec.objects {
			switch spec := o.Spec.(type) {
			case *telemetry.Telemetry:
				providers += spec.AccessLogging[0].Providers[0].Name
				if fmt.Sprint(spec.Selector.MatchLabels) != "map[istio:egressgateway]" {
					t.Errorf("the log of %v", spec.Selector)
				}
			case *networking.EnvoyFilter:
				for _, patch := range spec.ConfigPatches {
					if patch.ApplyTo != networking.EnvoyFilter_LISTENER {
						continue
					}
					listeners++
					text := fmt.Sprint(patch.Patch.Value.AsMap()["access_log"])
					if strings.Contains(text, identityKey) && strings.Contains(text, "%REQUESTED_SERVER_NAME%") {
						logs++
					}
				}
			}
		}
		want := listeners
		if provider == "" {
			want = 0
		}
		if listeners != 2 || logs != want || providers != provider || (rec.assumed["access-log"] != "") != (provider != "") {
			t.Errorf("%q: provider %q, and %d of %d listeners log", provider, providers, logs, listeners)
		}
	}
}
