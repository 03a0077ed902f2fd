package cilium_test

import (
	"testing"

	"github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/rendertest"
)

// TestFaithful: the renderer is faithful to each version's dialect.
func TestFaithful(t *testing.T) {
	old := cilium.DefaultProfile()
	old.Version = "1.18"
	for name, profile := range map[string]cilium.Profile{"1.20": cilium.DefaultProfile(), "1.18": old} {
		t.Run(name, func(t *testing.T) {
			target, err := cilium.New(profile)
			if err != nil {
				t.Fatal(err)
			}
			rendertest.Run(t, target, documented{})
		})
	}
}
