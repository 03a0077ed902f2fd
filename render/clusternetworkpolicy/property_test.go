package clusternetworkpolicy_test

import (
	"testing"

	"github.com/egresskit/egress/render/clusternetworkpolicy"
	"github.com/egresskit/egress/render/rendertest"
)

// TestFaithful: the renderer is faithful, with names and without.
func TestFaithful(t *testing.T) {
	names := clusternetworkpolicy.DefaultProfile()
	names.DomainNames = true
	for name, profile := range map[string]clusternetworkpolicy.Profile{"names": names, "addresses": clusternetworkpolicy.DefaultProfile()} {
		t.Run(name, func(t *testing.T) {
			target, err := clusternetworkpolicy.New(profile)
			if err != nil {
				t.Fatal(err)
			}
			rendertest.Run(t, target, documented{})
		})
	}
}
