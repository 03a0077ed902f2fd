package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

// podSelectors draws selectors as a caller may write them: in any order, with several requirements on a key, some that nothing meets.
func podSelectors() *rapid.Generator[identity.PodSelector] {
	requirement := rapid.Custom(func(t *rapid.T) identity.LabelRequirement {
		r := identity.LabelRequirement{
			Key:      rapid.SampledFrom([]string{"app", "tier"}).Draw(t, "key"),
			Operator: rapid.SampledFrom([]string{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator"),
		}
		if r.Operator == "In" || r.Operator == "NotIn" {
			r.Values = rapid.SliceOfN(labelVals, 0, 2).Draw(t, "values")
		}
		return r
	})
	return rapid.Custom(func(t *rapid.T) identity.PodSelector {
		return identity.PodSelector{
			Namespace: rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "namespace"),
			Labels:    rapid.SliceOfN(requirement, 0, 3).Draw(t, "requirements"),
		}
	})
}

// everyLabelling yields all the labellings that the requirements of podSelectors can tell apart.
func everyLabelling(yield func(map[string]string) bool) {
	values := []string{"missing", "", "x", "y", "another"}
	for _, app := range values {
		for _, tier := range values {
			labels := map[string]string{}
			if app != "missing" {
				labels["app"] = app
			}
			if tier != "missing" {
				labels["tier"] = tier
			}
			if !yield(labels) {
				return
			}
		}
	}
}

func TestMinusIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, o := podSelectors().Draw(t, "p"), podSelectors().Draw(t, "o")
		minus := p.Minus(o)
		covers := true
		for labels := range everyLabelling {
			want := p.Matches("a", labels) && !o.Matches("a", labels)
			covers = covers && !want
			n := 0
			for _, m := range minus {
				if m.Matches("a", labels) {
					n++
				}
			}
			if want && n != 1 || !want && n != 0 {
				t.Fatalf("%v minus %v: %d of %v choose %v", p, o, n, minus, labels)
			}
		}
		if p.Namespace == "a" && o.Covers(p) != covers {
			t.Fatalf("%v covers %v: %t, want %t", o, p, o.Covers(p), covers)
		}
	})
}

func TestWithIsExactAndCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, o := podSelectors().Draw(t, "p"), podSelectors().Draw(t, "o")
		both, ok := p.With(o.Labels...)
		possible := false
		for labels := range everyLabelling {
			want := p.Matches(p.Namespace, labels) && o.Matches(o.Namespace, labels)
			possible = possible || want
			if got := both.Matches(p.Namespace, labels); ok && got != want {
				t.Fatalf("%v with %v is %v, which for %v says %t", p, o, both, labels, got)
			}
		}
		if ok != possible {
			t.Fatalf("%v with %v: ok is %t", p, o, ok)
		}
		slices.Reverse(o.Labels)
		if again, _ := p.With(slices.Concat(o.Labels, o.Labels)...); again.String() != both.String() {
			t.Fatalf("%v with %v: %q and %q are one set", p, o, both, again)
		}
	})
}

func ExamplePodSelector_Minus() {
	shop := identity.PodSelector{Namespace: "shop"}
	gateway := identity.PodSelector{Namespace: "shop", Labels: []identity.LabelRequirement{
		{Key: "app", Operator: "In", Values: []string{"gateway"}},
		{Key: "tier", Operator: "Exists"},
	}}
	for _, rest := range shop.Minus(gateway) {
		fmt.Println(rest)
	}
	// Output:
	// shop/app notin (gateway)
	// shop/app=gateway,!tier
}
