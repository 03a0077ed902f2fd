package cilium_test

import (
	"slices"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/cilium"
)

// TestSCTPIsAssumed: Cilium passes SCTP only where it is told to, which the result says if it is needed and not otherwise.
func TestSCTPIsAssumed(t *testing.T) {
	target, err := cilium.New(cilium.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to   policy.Destination
		want bool
	}{
		{policy.MustAddresses("203.0.113.0/24").SCTP(3868), true},
		{policy.MustAddresses("203.0.113.0/24").TCP(3868), false},
	} {
		p := &policy.Policy{Name: "p", Sources: []policy.Source{{From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}), Section: policy.Section{Allow: policy.Rules(c.to)}}}}
		engine, err := policy.Compile([]*policy.Policy{p})
		if err != nil {
			t.Fatal(err)
		}
		result, err := render.Render(render.NewPlan(engine, ""), render.Stack{target})
		if err != nil || len(result.Losses) > 0 {
			t.Fatalf("%s: %v %v", c.to, result.Losses, err)
		}
		if got := slices.ContainsFunc(result.Assumptions, func(a render.Assumption) bool { return a.Code == "sctp" }); got != c.want {
			t.Errorf("%s: assumed %t, want %t", c.to, got, c.want)
		}
	}
}
