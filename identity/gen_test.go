package identity_test

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

// Small alphabets, so that what is drawn collides: a handful of clusters, namespaces, accounts and labels, and globs that match some.
var (
	clusters   = rapid.SampledFrom([]string{"a", "ab", "B_1"})
	names      = rapid.SampledFrom([]string{"a", "b", "ab", "ba", "aab"})
	nameGlobs  = rapid.SampledFrom([]string{"*", "a*", "*b", "?", "a?", "*a*", "?*b"})
	labelKeys  = rapid.SampledFrom([]string{"app", "app.kubernetes.io/name", "tier", "version", "z"})
	labelVals  = rapid.SampledFrom([]string{"", "x", "y"})
	anyLabels  = rapid.MapOfN(labelKeys, labelVals, 0, 3)
	someLabels = rapid.MapOfN(labelKeys, labelVals, 1, 2)
)

func workloads() *rapid.Generator[identity.Workload] {
	return rapid.Custom(func(t *rapid.T) identity.Workload {
		return identity.Workload{
			Cluster:         rapid.OneOf(clusters, rapid.Just("")).Draw(t, "cluster"),
			Namespace:       names.Draw(t, "namespace"),
			ServiceAccount:  rapid.OneOf(names, rapid.Just("")).Draw(t, "account"),
			Labels:          anyLabels.Draw(t, "labels"),
			NamespaceLabels: anyLabels.Draw(t, "namespace labels"),
		}
	})
}

func labelSelectors(keys *rapid.Generator[string], values *rapid.Generator[string]) *rapid.Generator[*metav1.LabelSelector] {
	expression := rapid.Custom(func(t *rapid.T) metav1.LabelSelectorRequirement {
		r := metav1.LabelSelectorRequirement{
			Key: keys.Draw(t, "key"),
			Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{
				metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
			}).Draw(t, "operator"),
		}
		if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
			r.Values = rapid.SliceOfN(values, 1, 2).Draw(t, "values")
		}
		return r
	})
	return rapid.Custom(func(t *rapid.T) *metav1.LabelSelector {
		return &metav1.LabelSelector{
			MatchLabels:      rapid.MapOfN(keys, values, 0, 1).Draw(t, "matchLabels"),
			MatchExpressions: rapid.SliceOfN(expression, 0, 2).Draw(t, "matchExpressions"),
		}
	})
}

// terms draws terms that NewSelector takes.
func terms(withClusters bool) *rapid.Generator[identity.Term] {
	entries := func(plain *rapid.Generator[string]) *rapid.Generator[[]string] {
		return rapid.SliceOfN(rapid.OneOf(plain, plain, nameGlobs), 0, 2)
	}
	namespaceKeys := rapid.OneOf(labelKeys, rapid.Just(identity.NamespaceNameLabel))
	return rapid.Custom(func(t *rapid.T) identity.Term {
		term := identity.Term{
			Namespaces:      entries(names).Draw(t, "namespaces"),
			ServiceAccounts: entries(names).Draw(t, "accounts"),
		}
		if withClusters {
			term.Clusters = entries(clusters).Draw(t, "clusters")
		}
		if rapid.Bool().Draw(t, "has pod labels") {
			term.PodLabels = labelSelectors(labelKeys, labelVals).Draw(t, "pod labels")
		}
		if rapid.Bool().Draw(t, "has namespace labels") {
			term.NamespaceLabels = labelSelectors(namespaceKeys, rapid.OneOf(labelVals, names)).Draw(t, "namespace labels")
		}
		return term
	}).Filter(func(t identity.Term) bool { _, err := identity.NewSelector(t); return err == nil })
}

func selectors(withClusters bool) *rapid.Generator[identity.Selector] {
	return rapid.Custom(func(t *rapid.T) identity.Selector {
		if rapid.IntRange(0, 19).Draw(t, "everything") == 19 {
			return identity.Everything()
		}
		return identity.MustSelector(rapid.SliceOfN(terms(withClusters), min(1, rapid.IntRange(0, 9).Draw(t, "something")), 3).Draw(t, "terms")...)
	})
}

// inventories draws clusters of a few namespaces whose pods often share accounts and labels.
func inventories() *rapid.Generator[*identity.Inventory] {
	return rapid.Custom(func(t *rapid.T) *identity.Inventory {
		given := rapid.MapOfN(names, anyLabels, 0, 3).Draw(t, "namespaces")
		var namespaces []identity.Namespace
		for _, n := range slices.Sorted(maps.Keys(given)) {
			namespaces = append(namespaces, identity.Namespace{Name: n, Labels: given[n]})
		}
		accounts := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) identity.ServiceAccount {
			return identity.ServiceAccount{Namespace: names.Draw(t, "namespace"), Name: names.Draw(t, "name")}
		}), 0, 4, rapid.ID).Draw(t, "accounts")
		var pods []identity.Pod
		for i := range rapid.IntRange(2, 8).Draw(t, "pods") {
			pods = append(pods, identity.Pod{
				Namespace:      rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "namespace"),
				Name:           fmt.Sprintf("pod-%d", i),
				ServiceAccount: rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "account"),
				Labels:         rapid.OneOf(anyLabels, someLabels, someLabels).Draw(t, "labels"),
			})
		}
		inv, err := identity.NewInventory(namespaces, accounts, pods)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	})
}

// workloadsOf returns the workload of each pod, in the order of Pods.
func workloadsOf(inv *identity.Inventory) []identity.Workload {
	labels := make(map[string]map[string]string)
	for _, n := range inv.Namespaces() {
		labels[n.Name] = n.Labels
	}
	var out []identity.Workload
	for _, p := range inv.Pods() {
		out = append(out, identity.Workload{
			Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, Labels: p.Labels, NamespaceLabels: labels[p.Namespace],
		})
	}
	return out
}
