package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/render/internal/registry"
)

// TestOnly writes the spec and reads it back: the mode is there, and nothing is lost.
func TestOnly(t *testing.T) {
	spec := registry.NewOnly()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"egress":                []any{map[string]any{"hosts": []any{"*/*"}}},
		"outboundTrafficPolicy": map[string]any{"mode": "REGISTRY_ONLY"},
	}
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var back networking.Sidecar
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&back, spec.Sidecar) {
		t.Errorf("%v, want %v", &back, spec.Sidecar)
	}
}
