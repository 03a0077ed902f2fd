package policy_test

import (
	"sync"
	"testing"

	"github.com/egresskit/egress/policy"
)

// Decisions that run while engines are swapped come from one engine or the other. The race detector watches.
func TestLiveSwapsConcurrently(t *testing.T) {
	open := compile(t, []*policy.Policy{with(func(*policy.Policy, *policy.Source, *policy.Rule) {})})
	shut := compile(t, nil)
	r := request("shop", "a", "www.foo.com")
	var live policy.Live
	if d := live.Decide(r); d.Allowed || live.Load() != nil {
		t.Fatalf("before the first load: %+v", d)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if d := live.Decide(r); d != (policy.Decision{}) && d != (policy.Decision{Allowed: true, Reason: policy.Allowed, Rule: "p/r"}) {
					t.Errorf("decided %+v", d)
				}
			}
		})
	}
	for i := range 1000 {
		live.Store([]*policy.Engine{open, shut, nil}[i%3])
	}
	live.Store(open)
	wg.Wait()
	if d := live.For(r.Source).Decide(r.Access); !d.Allowed {
		t.Errorf("after the last load: %+v", d)
	}
}
