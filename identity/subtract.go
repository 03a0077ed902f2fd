package identity

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// With returns the selector of the pods that p chooses and that meet the requirements too, in canonical form: sorted by key, what is said
// twice said once. ok is false when no pod can meet all of them.
func (p PodSelector) With(requirements ...LabelRequirement) (out PodSelector, ok bool) {
	all, ok := conditionsOf(p.Labels).and(conditionsOf(requirements)...)
	if !ok {
		return PodSelector{}, false
	}
	return PodSelector{p.Namespace, all.requirements()}, true
}

// Covers reports whether p chooses every pod that o can choose.
func (p PodSelector) Covers(o PodSelector) bool { return len(o.Minus(p)) == 0 }

// Minus returns selectors of what p chooses and o does not: no pod that o chooses, and every other one that p chooses by one selector alone.
// It is p in canonical form when the two have no pod in common, and none when o chooses all of p. Since the conditions of a selector
// must all hold, there may be one more for each of o's.
func (p PodSelector) Minus(o PodSelector) []PodSelector {
	rest, ok := conditionsOf(p.Labels).and()
	if !ok {
		return nil
	}
	whole := []PodSelector{{p.Namespace, rest.requirements()}}
	take, ok := conditionsOf(o.Labels).and()
	if !ok || p.Namespace != o.Namespace {
		return whole
	}
	// Walk down o's conditions: what fails the first; what meets it and fails the second; and so on.
	var out []PodSelector
	for _, c := range take {
		for _, n := range c.complement() {
			if part, ok := rest.and(n); ok {
				out = append(out, PodSelector{p.Namespace, part.requirements()})
			}
		}
		if rest, ok = rest.and(c); !ok {
			return whole
		}
	}
	return out
}

// conditionsOf returns the requirements one by one: in any order, several on a key.
func conditionsOf(rs []LabelRequirement) conditions {
	out := make(conditions, 0, len(rs))
	for _, r := range rs {
		c := condition{key: r.Key}
		switch metav1.LabelSelectorOperator(r.Operator) {
		case metav1.LabelSelectorOpIn:
			c.values = sorted(r.Values)
		case metav1.LabelSelectorOpNotIn:
			c.absent, c.others, c.values = true, true, sorted(r.Values)
		case metav1.LabelSelectorOpExists:
			c.others = true
		case metav1.LabelSelectorOpDoesNotExist:
			c.absent = true
		} // an unknown operator holds for nothing
		out = append(out, c)
	}
	return out
}

// and returns the conditions of all, sorted by key, one a key, none that holds whatever the label; and false when nothing can meet them.
func (cs conditions) and(more ...condition) (conditions, bool) {
	out := merge(nil, append(cs[:len(cs):len(cs)], more...))
	for _, c := range out {
		if c.empty() {
			return nil, false
		}
	}
	return dropAlways(out), true
}

func dropAlways(cs conditions) conditions {
	var out conditions
	for _, c := range cs {
		if !(c.absent && c.others && len(c.values) == 0) {
			out = append(out, c)
		}
	}
	return out
}

// complement returns conditions that labels meet, one of them alone, exactly when they do not meet c. They may be two, since no operator takes
// both a missing label and a listed value, and one of them may be empty.
func (c condition) complement() []condition {
	listed := condition{key: c.key, others: !c.others, values: c.values}
	switch {
	case c.absent:
		return []condition{listed}
	case !c.others: // In
		listed.absent = true
		return []condition{listed}
	}
	return []condition{{key: c.key, absent: true}, listed}
}
