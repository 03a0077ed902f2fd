package reference

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
)

// selects reads a selector term by term.
func selects(s identity.Selector, w identity.Workload) bool {
	if s.IsEverything() {
		return true
	}
	for _, t := range s.Terms() {
		if nameIn(t.Clusters, w.Cluster) && nameIn(t.Namespaces, w.Namespace) && nameIn(t.ServiceAccounts, w.ServiceAccount) &&
			labelsMatch(t.NamespaceLabels, namespaceLabels(w)) && labelsMatch(t.PodLabels, w.Labels) {
			return true
		}
	}
	return false
}

func namespaceLabels(w identity.Workload) map[string]string {
	labels := map[string]string{}
	for k, v := range w.NamespaceLabels {
		labels[k] = v
	}
	labels[identity.NamespaceNameLabel] = w.Namespace
	return labels
}

// nameIn reports whether one of the names or globs stands for name; none stand for all names, and only no globs for an unknown one.
func nameIn(list []string, name string) bool {
	return len(list) == 0 || name != "" && slices.ContainsFunc(list, func(g string) bool { return globMatches(g, name) })
}

// globMatches tries every length for every '*'.
func globMatches(glob, s string) bool {
	if glob == "" {
		return s == ""
	}
	if glob[0] == '*' {
		for i := 0; i <= len(s); i++ {
			if globMatches(glob[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	return s != "" && (glob[0] == '?' || glob[0] == s[0]) && globMatches(glob[1:], s[1:])
}

func labelsMatch(s *metav1.LabelSelector, labels map[string]string) bool {
	if s == nil {
		return true
	}
	for k, v := range s.MatchLabels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		got, has := labels[e.Key]
		in := has && slices.Contains(e.Values, got)
		ok := false
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			ok = in
		case metav1.LabelSelectorOpNotIn:
			ok = !in
		case metav1.LabelSelectorOpExists:
			ok = has
		case metav1.LabelSelectorOpDoesNotExist:
			ok = !has
		}
		if !ok {
			return false
		}
	}
	return true
}
