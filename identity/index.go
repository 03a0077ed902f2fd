package identity

import (
	"slices"
	"strings"
)

// An Index finds the selectors that select a workload without asking all of them. Each term is filed under one thing that it asks for by
// exact name, the rarest that it has: a service account in a namespace before a label, a label before a namespace. Terms that name
// nothing exactly are asked for every workload. An Index is immutable and safe for concurrent use; the zero Index is empty.
type Index struct {
	selectors []Selector
	everyone  []int                      // select everything
	filed     map[handle][]int           // have a term filed under the handle
	unfiled   []int                      // have a term that is filed under nothing
	kinds     [byNamespaceLabel + 1]bool // the kinds of handles in use
}

// A handle is something that a term asks for by exact name.
type handle struct {
	kind        handleKind
	namespace   string
	name, value string // of a service account; or key and value of a label
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
)

// maxHandles bounds the handles of one term, which are the product of its lists. A term with more is asked for every workload.
const maxHandles = 256

// NewIndex returns the index of selectors, which are called by their number in the list.
func NewIndex(selectors []Selector) *Index {
	x := &Index{selectors: slices.Clone(selectors), filed: map[handle][]int{}}
	for n, s := range x.selectors {
		if s.IsEverything() {
			x.everyone = append(x.everyone, n)
		}
		for i := range s.terms() {
			handles := s.terms()[i].handles()
			if handles == nil {
				x.unfiled = append(x.unfiled, n)
			}
			for _, h := range handles {
				x.filed[h] = append(x.filed[h], n)
				x.kinds[h.kind] = true
			}
		}
	}
	return x
}

// handles returns handles of one kind, one of which every workload that c selects has; nil when c names nothing exactly.
func (c *term) handles() []handle {
	var namespaces, accounts []string
	if c.namespaces.named() {
		namespaces = c.namespaces.names
	}
	if c.accounts.named() {
		accounts = c.accounts.names
	}
	label, labelled := c.podLabels.exact()
	space, spaceLabelled := c.namespaceLabels.exact()
	switch {
	case namespaces != nil && accounts != nil:
		return handlesOf(byAccountInNamespace, namespaces, accounts, nil)
	case namespaces != nil && labelled:
		return handlesOf(byLabelInNamespace, namespaces, []string{label.key}, label.values)
	case accounts != nil:
		return handlesOf(byAccount, []string{""}, accounts, nil)
	case labelled:
		return handlesOf(byLabel, []string{""}, []string{label.key}, label.values)
	case namespaces != nil:
		return handlesOf(byNamespace, namespaces, []string{""}, nil)
	case spaceLabelled:
		return handlesOf(byNamespaceLabel, []string{""}, []string{space.key}, space.values)
	}
	return nil
}

// exact returns the condition that lists the fewest values, of those that a workload without the label does not meet.
func (cs conditions) exact() (least condition, ok bool) {
	for _, c := range cs {
		if !c.absent && !c.others && (!ok || len(c.values) < len(least.values)) {
			least, ok = c, true
		}
	}
	return least, ok
}

// handlesOf returns the handles of all combinations; nil values stand for one that is not looked at, and nil for too many handles.
func handlesOf(kind handleKind, namespaces, names, values []string) []handle {
	if values == nil {
		values = []string{""}
	}
	if len(namespaces)*len(names)*len(values) > maxHandles {
		return nil
	}
	var out []handle
	for _, ns := range namespaces {
		for _, n := range names {
			for _, v := range values {
				out = append(out, handle{kind, ns, n, v})
			}
		}
	}
	return out
}

// Matching appends to buf the numbers of the selectors that select w, in ascending order. It allocates only where buf is too small.
func (x *Index) Matching(w Workload, buf []int) []int {
	from := len(buf)
	buf = append(buf, x.everyone...)
	buf = x.ask(buf, x.unfiled, &w)
	buf = x.look(buf, &w, handle{byAccountInNamespace, w.Namespace, w.ServiceAccount, ""})
	buf = x.look(buf, &w, handle{byAccount, "", w.ServiceAccount, ""})
	buf = x.look(buf, &w, handle{byNamespace, w.Namespace, "", ""})
	if x.kinds[byLabel] || x.kinds[byLabelInNamespace] {
		for k, v := range w.Labels { // in any order: the numbers are sorted below
			buf = x.look(buf, &w, handle{byLabelInNamespace, w.Namespace, k, v})
			buf = x.look(buf, &w, handle{byLabel, "", k, v})
		}
	}
	if x.kinds[byNamespaceLabel] {
		for k, v := range w.NamespaceLabels {
			buf = x.look(buf, &w, handle{byNamespaceLabel, "", k, v})
		}
	}
	slices.Sort(buf[from:])
	return buf[:from+len(slices.Compact(buf[from:]))]
}

func (x *Index) look(buf []int, w *Workload, h handle) []int {
	if !x.kinds[h.kind] {
		return buf
	}
	return x.ask(buf, x.filed[h], w)
}

func (x *Index) ask(buf, candidates []int, w *Workload) []int {
	for _, n := range candidates {
		if x.selectors[n].Matches(*w) {
			buf = append(buf, n)
		}
	}
	return buf
}

// Covering appends to buf the numbers of the selectors that cover s, as [Selector.Covers] reports, in ascending order.
func (x *Index) Covering(s Selector, buf []int) []int {
	sample, ok := s.sample()
	if !ok {
		for n := range x.selectors {
			if x.selectors[n].Covers(s) {
				buf = append(buf, n)
			}
		}
		return buf
	}
	for _, n := range x.Matching(sample, nil) { // whatever covers s selects its sample
		if x.selectors[n].Covers(s) {
			buf = append(buf, n)
		}
	}
	return buf
}

// sample returns a workload that s selects, with as little known of it as possible, and false when none comes to mind.
func (s Selector) sample() (Workload, bool) {
	var w Workload
	if len(s.terms()) > 0 {
		c := &s.terms()[0]
		w = Workload{Cluster: c.clusters.sample(), Namespace: c.namespaces.sample(), ServiceAccount: c.accounts.sample(),
			Labels: c.podLabels.sample(), NamespaceLabels: c.namespaceLabels.sample()}
	}
	return w, s.Matches(w)
}

// sample returns a name of s, and the unknown one for the set of all names.
func (s nameSet) sample() string {
	switch {
	case len(s.names) > 0:
		return s.names[0]
	case len(s.globs) > 0:
		return strings.NewReplacer("?", "x", "*", "x").Replace(s.globs[0].text)
	}
	return ""
}

// sample returns labels that meet the conditions, with as few of them as possible.
func (cs conditions) sample() map[string]string {
	out := map[string]string{}
	for _, c := range cs {
		switch {
		case c.absent:
		case !c.others:
			out[c.key] = c.values[0]
		default: // longer than all that are excluded
			out[c.key] = strings.Join(c.values, "") + "x"
		}
	}
	return out
}
