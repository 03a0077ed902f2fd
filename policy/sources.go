package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
)

// A group is the rules that select the same sources.
type group struct {
	sources    identity.Selector
	table      *table
	boundaries []boundary
}

// A boundary is a rule with effect Within and a table of what is inside.
type boundary struct {
	rule   int32
	inside *table
}

// Groups find the groups that select a workload. Each term of a selector is filed under one thing that it asks for by exact name, the
// rarest that it has, so that resolving a workload means evaluating the few selectors that ask for its names, not all.
type groups struct {
	all      []group
	everyone []int32            // groups that select everything
	filed    map[handle][]int32 // groups with a term filed under the handle
	unfiled  []int32            // groups with a term that names nothing exactly
	kinds    [handleKinds]bool  // the kinds of handles in use
}

// A handle is something that a term asks for by exact name.
type handle struct {
	kind             handleKind
	namespace        string
	name, labelValue string // of a service account; or key and value of a label
}

type handleKind uint8

// From the rarest to the most common.
const (
	byAccountInNamespace handleKind = iota
	byLabelInNamespace
	byAccount
	byLabel
	byNamespace
	byNamespaceLabel
	handleKinds
)

// handles returns handles of the rarest kind that t has, which together no workload that t selects is without; none when t
// names nothing exactly.
func handles(t identity.Term) []handle {
	namespaces, accounts := exactNames(t.Namespaces), exactNames(t.ServiceAccounts)
	key, value, labelled := exactLabel(t)
	var out []handle
	switch {
	case len(accounts) > 0 && len(namespaces) > 0:
		for _, ns := range namespaces {
			for _, a := range accounts {
				out = append(out, handle{kind: byAccountInNamespace, namespace: ns, name: a})
			}
		}
	case labelled && len(namespaces) > 0:
		for _, ns := range namespaces {
			out = append(out, handle{kind: byLabelInNamespace, namespace: ns, name: key, labelValue: value})
		}
	case len(accounts) > 0:
		for _, a := range accounts {
			out = append(out, handle{kind: byAccount, name: a})
		}
	case labelled:
		out = append(out, handle{kind: byLabel, name: key, labelValue: value})
	case len(namespaces) > 0:
		for _, ns := range namespaces {
			out = append(out, handle{kind: byNamespace, namespace: ns})
		}
	case t.NamespaceLabels != nil && len(t.NamespaceLabels.MatchLabels) > 0:
		key := leastKey(t.NamespaceLabels.MatchLabels)
		out = append(out, handle{kind: byNamespaceLabel, name: key, labelValue: t.NamespaceLabels.MatchLabels[key]})
	}
	return out
}

// exactNames returns list when it holds no globs, and nothing otherwise.
func exactNames(list []string) []string {
	if slices.ContainsFunc(list, func(n string) bool { return strings.ContainsAny(n, "*?") }) {
		return nil
	}
	return list
}

// exactLabel returns one label that the pods of t must have.
func exactLabel(t identity.Term) (key, value string, ok bool) {
	if t.PodLabels == nil || len(t.PodLabels.MatchLabels) == 0 {
		return "", "", false
	}
	key = leastKey(t.PodLabels.MatchLabels)
	return key, t.PodLabels.MatchLabels[key], true
}

func leastKey(m map[string]string) string { return slices.Min(slices.Collect(maps.Keys(m))) }

// gather makes a group of the rules of each selector, and returns the group of each rule.
func (gs *groups) gather(rules []*EffectiveRule) []int32 {
	groupOf := make([]int32, len(rules))
	ids := map[string]int32{} // by selector
	for n, r := range rules {
		if n > 0 && r.Sources.Equal(rules[n-1].Sources) {
			groupOf[n] = groupOf[n-1]
			continue
		}
		id, seen := ids[r.Sources.String()]
		if !seen {
			id = int32(len(gs.all))
			ids[r.Sources.String()] = id
			gs.all = append(gs.all, group{sources: r.Sources})
		}
		groupOf[n] = id
	}
	return groupOf
}

// file files the groups. The number of handles of a term with many namespaces and many accounts is their product; beyond maxHandles it is
// left to be evaluated.
func (gs *groups) file() {
	gs.filed = map[handle][]int32{}
	for i := range gs.all {
		id, s := int32(i), gs.all[i].sources
		if s.IsEverything() {
			gs.everyone = append(gs.everyone, id)
		}
		for _, t := range s.Terms() {
			hs := handles(t)
			if len(hs) == 0 || len(hs) > maxHandles {
				gs.unfiled = append(gs.unfiled, id)
				continue
			}
			for _, h := range hs {
				gs.filed[h] = append(gs.filed[h], id)
				gs.kinds[h.kind] = true
			}
		}
	}
}

const maxHandles = 256

// selecting appends to buf the groups that select w, each once, in no particular order.
func (gs *groups) selecting(w *identity.Workload, buf []int32) []int32 {
	buf = append(buf, gs.everyone...)
	buf = gs.matching(buf, gs.unfiled, w)
	buf = gs.look(buf, w, handle{kind: byAccountInNamespace, namespace: w.Namespace, name: w.ServiceAccount})
	buf = gs.look(buf, w, handle{kind: byAccount, name: w.ServiceAccount})
	buf = gs.look(buf, w, handle{kind: byNamespace, namespace: w.Namespace})
	if gs.kinds[byLabel] || gs.kinds[byLabelInNamespace] {
		for k, v := range w.Labels {
			buf = gs.look(buf, w, handle{kind: byLabelInNamespace, namespace: w.Namespace, name: k, labelValue: v})
			buf = gs.look(buf, w, handle{kind: byLabel, name: k, labelValue: v})
		}
	}
	if gs.kinds[byNamespaceLabel] {
		for k, v := range w.NamespaceLabels {
			buf = gs.look(buf, w, handle{kind: byNamespaceLabel, name: k, labelValue: v})
		}
	}
	slices.Sort(buf)
	return slices.Compact(buf)
}

func (gs *groups) look(buf []int32, w *identity.Workload, h handle) []int32 {
	if !gs.kinds[h.kind] {
		return buf
	}
	return gs.matching(buf, gs.filed[h], w)
}

func (gs *groups) matching(buf, candidates []int32, w *identity.Workload) []int32 {
	for _, id := range candidates {
		if gs.all[id].sources.Matches(*w) {
			buf = append(buf, id)
		}
	}
	return buf
}
