package identity_test

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestIndexAgreesWithALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(selectors(true), 0, 20).Draw(t, "selectors")
		x := identity.NewIndex(list)
		w, s := workloads().Draw(t, "workload"), selectors(true).Draw(t, "s")
		matching, covering := []int{99}, []int{99} // what is in the buffer stays
		for i := range list {
			if list[i].Matches(w) {
				matching = append(matching, i)
			}
			if list[i].Covers(s) {
				covering = append(covering, i)
			}
		}
		if got := x.Matching(w, []int{99}); !slices.Equal(got, matching) {
			t.Fatalf("%+v is selected by %v, not %v of %v", w, got, matching, list)
		}
		if got := x.Covering(s, []int{99}); !slices.Equal(got, covering) {
			t.Fatalf("%v is covered by %v, not %v of %v", s, got, covering, list)
		}
	})
}

// One selector alone is found by whatever it asks for, and by the lack of it.
func TestIndexOfOne(t *testing.T) {
	absent := matchExpression("app", metav1.LabelSelectorOpDoesNotExist)
	var many []string
	for i := range 300 { // more than are filed one by one
		many = append(many, fmt.Sprint("v", i))
	}
	for _, term := range []identity.Term{
		{Namespaces: []string{"a"}, PodLabels: absent}, {PodLabels: absent}, {NamespaceLabels: absent}, {ServiceAccounts: []string{"x"}, PodLabels: absent},
		{Namespaces: []string{"a"}, PodLabels: matchLabels("tier", "1")}, {PodLabels: matchLabels("tier", "1")}, {NamespaceLabels: matchLabels("tier", "1")},
		{Namespaces: []string{"a"}, PodLabels: matchExpression("app", metav1.LabelSelectorOpNotIn, "1")}, {NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "a")},
		{NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "b")},
		{Namespaces: slices.Concat(many, []string{"a"})}, {ServiceAccounts: slices.Concat(many, []string{"x"})}, {PodLabels: matchExpression("tier", metav1.LabelSelectorOpIn, slices.Concat(many, []string{"1"})...)}, {Clusters: []string{"c"}},
	} {
		x := identity.NewIndex([]identity.Selector{identity.MustSelector(term)})
		w := identity.Workload{Cluster: "c", Namespace: "a", ServiceAccount: "x", Labels: map[string]string{"tier": "1"}, NamespaceLabels: map[string]string{"tier": "1"}}
		if got := x.Matching(w, nil); len(got) != 1 {
			t.Errorf("%.200v is not found", term)
		}
		if got := x.Matching(identity.Workload{Namespace: "b", Labels: map[string]string{"app": "1"}, NamespaceLabels: map[string]string{"app": "1"}}, nil); len(got) != 0 {
			t.Errorf("%.200v is found", term)
		}
	}
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
