package identity

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Term is one alternative of a Selector: a workload must match every field that is given, and any one of the entries of a list.
// Lists hold names, or globs with '*' and '?'; '*' also stands for nothing and for dots. An empty list and a label selector without
// conditions are not given, and at least one field must be.
type Term struct {
	Clusters        []string // see [ValidateCluster]
	Namespaces      []string
	ServiceAccounts []string
	NamespaceLabels *metav1.LabelSelector // NamespaceNameLabel is implied
	PodLabels       *metav1.LabelSelector
}

// A Selector is a set of workloads: the union of its terms. The zero Selector selects nothing; everything is spelled out by [Everything].
// A Selector is as small as a pointer.
type Selector struct {
	_  [0]func()
	by *choice // nil: selects nothing
}

// A choice is what selectors that are copies of one another share.
type choice struct {
	terms []term // sorted by text, no duplicates; none: selects everything
	text  string // what String returns
}

// A term is a Term taken apart. Fields that are not given hold for every workload.
type term struct {
	clusters, namespaces, accounts nameSet
	namespaceLabels, podLabels     conditions
	text                           string // the same text, the same meaning
}

// Everything returns the selector of every workload of every cluster.
func Everything() Selector { return Selector{by: everything} }

var everything = &choice{text: "everything"}

// NewSelector returns the union of the terms. No terms give the zero Selector. The error names the first bad term by its index, and its
// bad field: a name or glob that no workload can have, an invalid label selector, one whose conditions contradict each other, or
// no field at all.
func NewSelector(terms ...Term) (Selector, error) {
	compiled := make([]term, 0, len(terms))
	for i, t := range terms {
		c, err := compileTerm(t)
		if err != nil {
			return Selector{}, fmt.Errorf("term %d: %w", i, err)
		}
		compiled = append(compiled, c)
	}
	return union(compiled), nil
}

// MustSelector is NewSelector for constants. It panics on an error.
func MustSelector(terms ...Term) Selector {
	s, err := NewSelector(terms...)
	if err != nil {
		panic(err)
	}
	return s
}

// union returns the selector of terms, which it keeps, in canonical form. A term that asks for nothing selects everything.
func union(terms []term) Selector {
	if len(terms) == 0 {
		return Selector{}
	}
	for i := range terms {
		terms[i].text = terms[i].describe()
		if terms[i].text == "" {
			return Everything()
		}
	}
	slices.SortFunc(terms, func(a, b term) int { return strings.Compare(a.text, b.text) })
	terms = slices.CompactFunc(terms, func(a, b term) bool { return a.text == b.text })
	texts := make([]string, len(terms))
	for i, t := range terms {
		texts[i] = t.text
	}
	return Selector{by: &choice{terms, strings.Join(texts, " or ")}}
}

func compileTerm(t Term) (c term, err error) {
	if c.clusters, err = newNameSet(t.Clusters, ValidateCluster, clusterByte); err != nil {
		return term{}, fmt.Errorf("clusters: %w", err)
	}
	if c.namespaces, err = newNameSet(t.Namespaces, ValidateName, nameByte); err != nil {
		return term{}, fmt.Errorf("namespaces: %w", err)
	}
	if c.accounts, err = newNameSet(t.ServiceAccounts, ValidateName, nameByte); err != nil {
		return term{}, fmt.Errorf("serviceAccounts: %w", err)
	}
	if c.namespaceLabels, err = compileLabels(t.NamespaceLabels); err != nil {
		return term{}, fmt.Errorf("namespaceLabels: %w", err)
	}
	if c.podLabels, err = compileLabels(t.PodLabels); err != nil {
		return term{}, fmt.Errorf("podLabels: %w", err)
	}
	if err := c.nameNamespaces(); err != nil {
		return term{}, err
	}
	if c.describe() == "" {
		return term{}, fmt.Errorf("selects every workload; name namespaces, service accounts or labels, or use the cluster section")
	}
	return c, nil
}

// nameNamespaces applies the condition on the label for names of namespaces to the names that the term has, so that there is one way to
// say a thing: names that the condition lists become the names, and what stays a condition is names left out of globs or of all names.
func (c *term) nameNamespaces() error {
	on := c.namespaceLabels.on(NamespaceNameLabel)
	given := !c.namespaces.any()
	switch {
	case on.absent && on.others && len(on.values) == 0: // no condition
		return nil
	case on.others:
		c.namespaces.names = slices.DeleteFunc(c.namespaces.names, func(n string) bool { return !on.holds(n, true) })
		if !given && !on.absent {
			c.namespaces.globs = []nameGlob{everyName()}
		}
	default:
		var names nameSet
		for _, v := range on.values {
			if ValidateName(v) == nil && c.namespaces.contains(v) {
				names.names = append(names.names, v)
			}
		}
		given, c.namespaces = true, names
	}
	if given && c.namespaces.any() {
		return fmt.Errorf("namespaceLabels: the condition on label %s leaves no namespace", NamespaceNameLabel)
	}
	without := c.namespaceLabels.without(NamespaceNameLabel)
	if !c.namespaces.named() && len(on.values) > 0 {
		on.absent = true // of a given name, absence is no question
		without = merge(without, conditions{on})
	}
	c.namespaceLabels = without
	return nil
}

// describe returns the canonical text of a term, "" for one that holds for every workload.
func (c *term) describe() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("clusters", strings.Join(c.clusters.entries(), ","))
	add("namespaces", strings.Join(c.namespaces.entries(), ","))
	add("serviceAccounts", strings.Join(c.accounts.entries(), ","))
	add("namespaceLabels", c.namespaceLabels.String())
	add("podLabels", c.podLabels.String())
	return strings.Join(parts, " ")
}

// source returns the term as a caller would write it.
func (c *term) source() Term {
	t := Term{Clusters: c.clusters.entries(), Namespaces: c.namespaces.entries(), ServiceAccounts: c.accounts.entries()}
	if len(c.namespaceLabels) > 0 {
		t.NamespaceLabels = labelSelector(c.namespaceLabels.requirements())
	}
	if len(c.podLabels) > 0 {
		t.PodLabels = labelSelector(c.podLabels.requirements())
	}
	return t
}

// Matches reports whether w is selected. It does not allocate.
func (s Selector) Matches(w Workload) bool {
	if s.IsEverything() {
		return true
	}
	for i := range s.terms() {
		if s.terms()[i].matches(&w) {
			return true
		}
	}
	return false
}

func (c *term) matches(w *Workload) bool {
	return c.clusters.contains(w.Cluster) && c.namespaces.contains(w.Namespace) && c.accounts.contains(w.ServiceAccount) &&
		c.namespaceLabels.matchesNamespace(w.Namespace, w.NamespaceLabels) && c.podLabels.matches(w.Labels)
}

// IsEverything reports whether s is [Everything].
func (s Selector) IsEverything() bool { return s.by == everything }

// IsZero reports whether s selects nothing by construction.
func (s Selector) IsZero() bool { return s.by == nil }

// terms returns the terms; none for the zero Selector and for Everything.
func (s Selector) terms() []term {
	if s.by == nil {
		return nil
	}
	return s.by.terms
}

// Terms returns the terms in canonical order and form, which selects the same and may be written otherwise than it was given: lists are
// sorted, labels with one value are matchLabels, and [NamespaceNameLabel] with given values is a list of namespaces. There are none for
// the zero Selector and for Everything.
func (s Selector) Terms() []Term {
	out := make([]Term, len(s.terms()))
	for i := range s.terms() {
		out[i] = s.terms()[i].source()
	}
	return out
}

// Union returns the selector of what s or o selects.
func (s Selector) Union(o Selector) Selector {
	if s.IsEverything() || o.IsEverything() {
		return Everything()
	}
	return union(slices.Concat(s.terms(), o.terms()))
}

// InNamespace returns the part of s that lies in one namespace: what a policy of that namespace may speak for. It is the zero Selector
// when there can be no namespace of that name.
func (s Selector) InNamespace(namespace string) Selector {
	if ValidateName(namespace) != nil {
		return Selector{}
	}
	only := nameSet{names: []string{namespace}}
	if s.IsEverything() {
		return union([]term{{namespaces: only}})
	}
	var terms []term
	for _, t := range s.terms() {
		if t.namespaces.contains(namespace) && t.namespaceLabels.on(NamespaceNameLabel).holds(namespace, true) {
			t.namespaces, t.namespaceLabels = only, t.namespaceLabels.without(NamespaceNameLabel)
			terms = append(terms, t)
		}
	}
	return union(terms)
}

// WithClusters returns the part of s in clusters that match one of the names or globs; s itself when there are none. A term that names
// clusters keeps those that both lists hold, and goes when there are none. Besides a bad name, two globs that overlap without one
// holding all of the other are an error, since no list of names and globs says what both match.
func (s Selector) WithClusters(clusters ...string) (Selector, error) {
	if len(clusters) == 0 {
		return s, nil
	}
	given, err := newNameSet(clusters, ValidateCluster, clusterByte)
	if err != nil {
		return Selector{}, fmt.Errorf("clusters: %w", err)
	}
	if s.IsEverything() {
		return union([]term{{clusters: given}}), nil
	}
	var terms []term
	for _, t := range s.terms() {
		both, err := t.clusters.intersect(given)
		if err != nil {
			return Selector{}, fmt.Errorf("clusters: %w", err)
		}
		if !both.any() {
			t.clusters = both
			terms = append(terms, t)
		}
	}
	return union(terms), nil
}

// InCluster returns what s means in one cluster: terms for other clusters are dropped, and clusters are no longer asked for. In a cluster
// whose name is not known (""), terms that ask for one are dropped.
func (s Selector) InCluster(cluster string) Selector {
	if s.IsEverything() {
		return s
	}
	var terms []term
	for _, t := range s.terms() {
		if t.clusters.contains(cluster) {
			t.clusters = nameSet{}
			terms = append(terms, t)
		}
	}
	return union(terms)
}

// Equal reports whether s and o have the same canonical text.
func (s Selector) Equal(o Selector) bool { return s.by == o.by || s.String() == o.String() }

// Compare orders selectors by text.
func (s Selector) Compare(o Selector) int { return strings.Compare(s.String(), o.String()) }

// String returns the canonical text: "everything", "nothing", or the terms joined by " or ". Terms in another order, lists in another
// order and label selectors in another form give the same text. It does not allocate.
func (s Selector) String() string {
	if s.by == nil {
		return "nothing"
	}
	return s.by.text
}
