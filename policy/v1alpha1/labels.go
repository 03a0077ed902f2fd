package v1alpha1

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/identity"
)

// checkMetadata checks labels and annotations as the API server does.
func (p *place) checkMetadata(m *Metadata) {
	label, annotation := p.field("labels").labels(), p.field("annotations").labels()
	for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
		label(k).onKey().checkLabelKey(k, CodeBadLabel)
		label(k).checkLabelValue(m.Labels[k], CodeBadLabel)
	}
	for _, k := range slices.Sorted(maps.Keys(m.Annotations)) {
		annotation(k).onKey().checkLabelKey(k, CodeBadLabel)
		annotation(k).checkCharacters(m.Annotations[k])
	}
}

// checkLabels checks a label selector that may be left out.
func (p *place) checkLabels(s *metav1.LabelSelector) bool {
	if s == nil || p.bad() {
		return !p.bad()
	}
	labels, expressions := p.field("matchLabels"), p.field("matchExpressions")
	ok := !labels.bad() && !expressions.bad()
	if ok && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 {
		p.report(CodeBadSelector, "an empty label selector selects everything", "write matchLabels or matchExpressions, or leave it out")
		return false
	}
	entry := labels.labels()
	for _, k := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		ok = entry(k).onKey().checkLabelKey(k, CodeBadSelector) && ok
		ok = entry(k).checkLabelValue(s.MatchLabels[k], CodeBadSelector) && ok
	}
	for i := range s.MatchExpressions {
		ok = expressions.index(i).checkRequirement(&s.MatchExpressions[i]) && ok
	}
	return ok
}

// checkOwn reports the conditions on the label for names of namespaces by which a policy would speak for others than its own, or not for its
// own: they mean the same as a list of namespaces.
func (p *place) checkOwn(s *metav1.LabelSelector, own string) bool {
	if s == nil {
		return true
	}
	ok := true
	if v, given := s.MatchLabels[identity.NamespaceNameLabel]; given && v != own {
		p.field("matchLabels").labels()(identity.NamespaceNameLabel).reportForeign(own, "and not for "+quote(v))
		ok = false
	}
	for i, r := range s.MatchExpressions {
		at := p.field("matchExpressions").index(i)
		switch {
		case r.Key != identity.NamespaceNameLabel:
		case r.Operator == metav1.LabelSelectorOpIn:
			for j, v := range r.Values {
				if v != own {
					at.field("values").index(j).reportForeign(own, "and not for "+quote(v))
					ok = false
				}
			}
		case r.Operator == metav1.LabelSelectorOpNotIn && slices.Contains(r.Values, own):
			at.field("values").index(slices.Index(r.Values, own)).reportForeign(own, "which this leaves out")
			ok = false
		}
	}
	return ok
}

// checkRequirement checks one condition of a label selector.
func (p *place) checkRequirement(r *metav1.LabelSelectorRequirement) bool {
	key, operator, values := p.field("key"), p.field("operator"), p.field("values")
	ok := !p.bad()
	switch {
	case !key.written(r.Key != ""):
		p.missing("key", CodeBadSelector, "a condition without key", "write the key of a label")
		ok = false
	case key.bad() || !key.checkLabelKey(r.Key, CodeBadSelector):
		ok = false
	}
	switch r.Operator {
	case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
		if len(r.Values) == 0 && !values.bad() {
			p.missing("values", CodeBadSelector, "a condition "+string(r.Operator)+" without values", "write at least one")
			ok = false
		}
		return values.checkEach(r.Values, func(at *place, v string) bool { return at.checkLabelValue(v, CodeBadSelector) }) && ok
	case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			values.report(CodeBadSelector, "a condition "+string(r.Operator)+" with values", "leave values out, or write operator: In or NotIn")
			ok = false
		}
		return ok && !values.bad()
	}
	const advice = "write In, NotIn, Exists or DoesNotExist"
	switch {
	case !operator.written(r.Operator != ""):
		p.missing("operator", CodeBadSelector, "a condition without operator", advice)
	case !operator.bad():
		operator.report(CodeBadSelector, quote(string(r.Operator))+" is no operator", advice)
	}
	return false
}

func (p *place) checkLabelKey(key, code string) bool {
	if len(validation.IsQualifiedName(key)) == 0 {
		return true
	}
	p.report(code, quote(key)+" is no key of a label",
		"write at most 63 letters, digits, '-', '_' and '.', and before them a DNS name and '/' if the key has them")
	return false
}

func (p *place) checkLabelValue(value, code string) bool {
	if len(validation.IsValidLabelValue(value)) == 0 {
		return true
	}
	p.report(code, quote(value)+" is no value of a label",
		"write at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit")
	return false
}
