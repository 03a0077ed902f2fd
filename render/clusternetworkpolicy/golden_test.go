package clusternetworkpolicy_test

import (
	"testing"

	"github.com/egresskit/egress/internal/golden"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
)

// TestGolden shows what the quickstart's policy comes to.
func TestGolden(t *testing.T) {
	target, err := clusternetworkpolicy.New(clusternetworkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/quickstart.yaml", golden.Quickstart(t, target))
}
