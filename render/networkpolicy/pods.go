package networkpolicy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
)

// maxSelectors bounds what one selector may turn into when others are taken from it.
const maxSelectors = 64

// labelled returns the pods of a namespace that have all the labels.
func labelled(namespace string, labels map[string]string) identity.PodSelector {
	s := identity.PodSelector{Namespace: namespace}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		s.Labels = append(s.Labels, identity.LabelRequirement{Key: key, Operator: "In", Values: []string{labels[key]}})
	}
	return s
}

// minus returns selectors of the pods that p chooses and none of others does, in canonical order; false when that takes more than maxSelectors.
func minus(p identity.PodSelector, others []identity.PodSelector) ([]identity.PodSelector, bool) {
	rest, ok := p.With()
	if !ok {
		return nil, true
	}
	sets := []identity.PodSelector{rest}
	for _, o := range others {
		var next []identity.PodSelector
		for _, s := range sets {
			next = append(next, s.Minus(o)...)
		}
		if len(next) > maxSelectors {
			return nil, false
		}
		sets = next
	}
	slices.SortFunc(sets, comparePods)
	return sets, true
}

// comparePods orders selectors by namespace, those without labels first.
func comparePods(a, b identity.PodSelector) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), cmp.Compare(min(len(a.Labels), 1), min(len(b.Labels), 1)), strings.Compare(a.String(), b.String()))
}

// widest sorts selectors and drops those that another one covers. Where a namespace has more than maxSelectors it drops only duplicates, and all that a
// selector of the whole namespace covers.
func widest(selectors []identity.PodSelector) []identity.PodSelector {
	slices.SortFunc(selectors, comparePods)
	selectors = slices.CompactFunc(selectors, func(a, b identity.PodSelector) bool { return a.String() == b.String() })
	var out []identity.PodSelector
	for len(selectors) > 0 {
		group := within(selectors, selectors[0].Namespace)
		selectors = selectors[len(group):]
		switch {
		case len(group[0].Labels) == 0:
			out = append(out, group[0])
		case len(group) > maxSelectors:
			out = append(out, group...)
		default:
			for i, s := range group {
				covers := func(o identity.PodSelector) bool { return o.Covers(s) }
				if !slices.ContainsFunc(group[:i], covers) && !slices.ContainsFunc(group[i+1:], covers) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// within returns the selectors of one namespace out of sorted ones.
func within(sorted []identity.PodSelector, namespace string) []identity.PodSelector {
	first, _ := slices.BinarySearchFunc(sorted, namespace, func(p identity.PodSelector, n string) int { return strings.Compare(p.Namespace, n) })
	last := first
	for last < len(sorted) && sorted[last].Namespace == namespace {
		last++
	}
	return sorted[first:last]
}
