package identity_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestIndexAgreesWithALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(selectors(true), 0, 20).Draw(t, "selectors")
		x := identity.NewIndex(list)
		w, s := workloads().Draw(t, "workload"), selectors(true).Draw(t, "s")
		matching, covering := []int{-1}, []int{-1} // what is in the buffer stays
		for i := range list {
			if list[i].Matches(w) {
				matching = append(matching, i)
			}
			if list[i].Covers(s) {
				covering = append(covering, i)
			}
		}
		if got := x.Matching(w, []int{-1}); !slices.Equal(got, matching) {
			t.Fatalf("%+v is selected by %v, not %v of %v", w, got, matching, list)
		}
		if got := x.Covering(s, []int{-1}); !slices.Equal(got, covering) {
			t.Fatalf("%v is covered by %v, not %v of %v", s, got, covering, list)
		}
	})
}

func TestIndexDoesNotAllocate(t *testing.T) {
	x := identity.NewIndex([]identity.Selector{
		identity.Everything(),
		identity.MustSelector(identity.Term{Namespaces: []string{"a", "b"}, ServiceAccounts: []string{"x"}}),
		identity.MustSelector(identity.Term{PodLabels: matchLabels("app", "x")}),
		identity.MustSelector(identity.Term{Namespaces: []string{"a*"}}),
	})
	w := identity.Workload{Namespace: "a", ServiceAccount: "x", Labels: map[string]string{"app": "x", "tier": "y"}}
	var buf [4]int
	var got []int
	if n := testing.AllocsPerRun(100, func() { got = x.Matching(w, buf[:0]) }); n != 0 || !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("%v allocations for %v", n, got)
	}
	if got := new(identity.Index).Matching(w, nil); got != nil {
		t.Errorf("the zero index finds %v", got)
	}
}
