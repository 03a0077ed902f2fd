package identity

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/selection"
)

// A LabelRequirement is one condition on a label, with the operators of Kubernetes label selectors: In, NotIn, Exists, DoesNotExist.
// NotIn holds for a missing label too, as in Kubernetes.
type LabelRequirement struct {
	Key, Operator string
	Values        []string // sorted; none for Exists and DoesNotExist
}

// Matches reports whether the requirement holds for labels. An unknown operator holds for nothing.
func (r LabelRequirement) Matches(labels map[string]string) bool {
	v, ok := labels[r.Key]
	switch metav1.LabelSelectorOperator(r.Operator) {
	case metav1.LabelSelectorOpIn:
		return ok && slices.Contains(r.Values, v)
	case metav1.LabelSelectorOpNotIn:
		return !ok || !slices.Contains(r.Values, v)
	case metav1.LabelSelectorOpExists:
		return ok
	case metav1.LabelSelectorOpDoesNotExist:
		return !ok
	}
	return false
}

// String returns the requirement as kubectl writes it: "app=web", "app in (api,web)", "app notin (web)", "app" and "!app".
func (r LabelRequirement) String() string {
	switch metav1.LabelSelectorOperator(r.Operator) {
	case metav1.LabelSelectorOpIn:
		if len(r.Values) == 1 {
			return r.Key + "=" + r.Values[0]
		}
		return r.Key + " in (" + strings.Join(r.Values, ",") + ")"
	case metav1.LabelSelectorOpNotIn:
		return r.Key + " notin (" + strings.Join(r.Values, ",") + ")"
	case metav1.LabelSelectorOpExists:
		return r.Key
	case metav1.LabelSelectorOpDoesNotExist:
		return "!" + r.Key
	}
	return r.Key + " " + r.Operator + "?"
}

// labelSelector returns the requirements in the form of the Kubernetes API: one value as matchLabels, the rest as matchExpressions.
func labelSelector(rs []LabelRequirement) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	for _, r := range rs {
		if r.Operator == string(metav1.LabelSelectorOpIn) && len(r.Values) == 1 {
			if s.MatchLabels == nil {
				s.MatchLabels = make(map[string]string)
			}
			s.MatchLabels[r.Key] = r.Values[0]
			continue
		}
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: slices.Clone(r.Values),
		})
	}
	return s
}

// A condition is what one label may be: missing, if absent, or a value: one of values, or with others any value but those. The
// conditions of Kubernetes label selectors have this form, and so has the conjunction of two of them, which makes every question
// about them exact.
type condition struct {
	key            string
	absent, others bool
	values         []string // sorted, no duplicates
}

// conditions is a label selector: all hold, sorted by key, one a key. The empty one holds for all labels.
type conditions []condition

// compileLabels returns the conditions of s, none for nil. A selector that nothing can meet is an error.
func compileLabels(s *metav1.LabelSelector) (conditions, error) {
	if s == nil {
		return nil, nil
	}
	compiled, err := metav1.LabelSelectorAsSelector(s) // checks operators, keys and values
	if err != nil {
		return nil, err
	}
	requirements, _ := compiled.Requirements()
	all := make(conditions, 0, len(requirements))
	for _, r := range requirements {
		c := condition{key: r.Key(), values: sorted(r.ValuesUnsorted())}
		switch r.Operator() {
		case selection.NotIn:
			c.absent, c.others = true, true
		case selection.Exists:
			c.others = true
		case selection.DoesNotExist:
			c.absent = true
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b condition) int { return strings.Compare(a.key, b.key) })
	var out conditions
	for _, c := range all {
		if last := len(out) - 1; last >= 0 && out[last].key == c.key {
			out[last] = out[last].and(c)
		} else {
			out = append(out, c)
		}
	}
	for _, c := range out {
		if c.empty() {
			return nil, fmt.Errorf("the conditions on label %q contradict each other: nothing meets them", c.key)
		}
	}
	return out, nil
}

// holds reports whether the label may be this value, or missing when it is not present.
func (c condition) holds(value string, present bool) bool {
	if !present {
		return c.absent
	}
	_, listed := slices.BinarySearch(c.values, value)
	return listed != c.others
}

// and returns the condition of c and d on the same label.
func (c condition) and(d condition) condition {
	out := condition{key: c.key, absent: c.absent && d.absent}
	switch {
	case c.others && d.others:
		out.others = true
		out.values = sorted(slices.Concat(c.values, d.values))
	case c.others:
		out.values = d.only(c)
	default:
		out.values = c.only(d)
	}
	return out
}

// only returns the values of c, a list of what a label may be, that d takes too.
func (c condition) only(d condition) []string {
	return slices.DeleteFunc(slices.Clone(c.values), func(v string) bool { return !d.holds(v, true) })
}

// empty reports whether the label can be nothing.
func (c condition) empty() bool { return !c.absent && !c.others && len(c.values) == 0 }

// within reports whether all that c takes d takes too.
func (c condition) within(d condition) bool {
	if c.absent && !d.absent {
		return false
	}
	if c.others {
		// All values but a few are within all values but some of those few.
		return d.others && !slices.ContainsFunc(d.values, func(v string) bool { return c.holds(v, true) })
	}
	return len(c.only(d)) == len(c.values)
}

// requirements returns c in the operators of Kubernetes: one, or Exists and NotIn.
func (c condition) requirements() []LabelRequirement {
	one := func(op metav1.LabelSelectorOperator) []LabelRequirement {
		r := LabelRequirement{Key: c.key, Operator: string(op)}
		if op == metav1.LabelSelectorOpIn || op == metav1.LabelSelectorOpNotIn {
			r.Values = slices.Clone(c.values)
		}
		return []LabelRequirement{r}
	}
	switch {
	case c.absent && !c.others: // no operator takes a missing label and a listed value, nor does a conjunction
		return one(metav1.LabelSelectorOpDoesNotExist)
	case c.absent:
		return one(metav1.LabelSelectorOpNotIn)
	case !c.others:
		return one(metav1.LabelSelectorOpIn)
	case len(c.values) == 0:
		return one(metav1.LabelSelectorOpExists)
	}
	return append(one(metav1.LabelSelectorOpExists), one(metav1.LabelSelectorOpNotIn)...)
}

func (cs conditions) requirements() []LabelRequirement {
	var out []LabelRequirement
	for _, c := range cs {
		out = append(out, c.requirements()...)
	}
	return out
}

// matches reports whether all conditions hold for labels.
func (cs conditions) matches(labels map[string]string) bool {
	for i := range cs {
		v, ok := labels[cs[i].key]
		if !cs[i].holds(v, ok) {
			return false
		}
	}
	return true
}

// matchesNamespace is matches for the labels of a namespace, with the name that the API server puts among them.
func (cs conditions) matchesNamespace(name string, labels map[string]string) bool {
	for i := range cs {
		v, ok := labels[cs[i].key]
		if cs[i].key == NamespaceNameLabel {
			v, ok = name, name != ""
		}
		if !cs[i].holds(v, ok) {
			return false
		}
	}
	return true
}

// on returns the condition on key; without one, anything goes.
func (cs conditions) on(key string) condition {
	i, ok := slices.BinarySearchFunc(cs, key, func(c condition, key string) int { return strings.Compare(c.key, key) })
	if !ok {
		return condition{key: key, absent: true, others: true}
	}
	return cs[i]
}

// without returns the conditions on other labels than key.
func (cs conditions) without(key string) conditions {
	return slices.DeleteFunc(slices.Clone(cs), func(c condition) bool { return c.key == key })
}

func (cs conditions) String() string { return joinRequirements(cs.requirements()) }

func joinRequirements(rs []LabelRequirement) string {
	texts := make([]string, len(rs))
	for i, r := range rs {
		texts[i] = r.String()
	}
	return strings.Join(texts, ",")
}
