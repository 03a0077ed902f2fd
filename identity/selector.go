package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// A Term is one alternative of a Selector: a workload must match every field that is given, and any one of the entries of a list.
// Lists hold names, or globs with '*' and '?'. At least one field must be given.
type Term struct {
	Clusters        []string
	Namespaces      []string
	ServiceAccounts []string
	NamespaceLabels *metav1.LabelSelector
	PodLabels       *metav1.LabelSelector
}

// A Selector is a set of workloads: the union of its terms. The zero Selector selects nothing; everything is spelled out by [Everything].
type Selector struct {
	_     [0]func()
	all   bool
	terms []term // sorted by text, no duplicates; empty when all
}

type term struct {
	clusters, namespaces, accounts nameSet
	namespaceLabels, podLabels     labels.Selector // nil: any
	source                         Term            // canonical: sorted lists
	text                           string
}

// Everything returns the selector of every workload of every cluster.
func Everything() Selector { return Selector{all: true} }

// NewSelector returns the union of the terms. No terms give the zero Selector. The error names the first bad term.
func NewSelector(terms ...Term) (Selector, error) {
	var s Selector
	for i, t := range terms {
		c, err := compileTerm(t)
		if err != nil {
			return Selector{}, fmt.Errorf("term %d: %w", i, err)
		}
		s.terms = append(s.terms, c)
	}
	return s.canonical(), nil
}

// MustSelector is NewSelector for constants. It panics on an error.
func MustSelector(terms ...Term) Selector {
	s, err := NewSelector(terms...)
	if err != nil {
		panic(err)
	}
	return s
}

func (s Selector) canonical() Selector {
	if s.all {
		return Everything()
	}
	slices.SortFunc(s.terms, func(a, b term) int { return strings.Compare(a.text, b.text) })
	s.terms = slices.CompactFunc(s.terms, func(a, b term) bool { return a.text == b.text })
	return s
}

func compileTerm(t Term) (term, error) {
	var c term
	var err error
	t = t.clone()
	for _, f := range []struct {
		name string
		in   []string
		out  *nameSet
	}{{"clusters", t.Clusters, &c.clusters}, {"namespaces", t.Namespaces, &c.namespaces}, {"serviceAccounts", t.ServiceAccounts, &c.accounts}} {
		if *f.out, err = newNameSet(f.in); err != nil {
			return term{}, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if c.namespaceLabels, err = compileLabels(t.NamespaceLabels); err != nil {
		return term{}, fmt.Errorf("namespaceLabels: %w", err)
	}
	if c.podLabels, err = compileLabels(t.PodLabels); err != nil {
		return term{}, fmt.Errorf("podLabels: %w", err)
	}
	c.source = t
	c.text = c.describe()
	if c.text == "" {
		return term{}, fmt.Errorf("selects every workload; name namespaces, service accounts or labels, or use the cluster section")
	}
	return c, nil
}

func compileLabels(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return nil, nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

func (t Term) clone() Term {
	c := Term{Clusters: sorted(t.Clusters), Namespaces: sorted(t.Namespaces), ServiceAccounts: sorted(t.ServiceAccounts)}
	if t.NamespaceLabels != nil {
		c.NamespaceLabels = t.NamespaceLabels.DeepCopy()
	}
	if t.PodLabels != nil {
		c.PodLabels = t.PodLabels.DeepCopy()
	}
	return c
}

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

// describe returns the canonical text of a term: the same text, the same meaning.
func (c term) describe() string {
	var parts []string
	add := func(name, value string, given bool) {
		if given {
			parts = append(parts, name+"="+value)
		}
	}
	add("clusters", strings.Join(c.source.Clusters, ","), len(c.source.Clusters) > 0)
	add("namespaces", strings.Join(c.source.Namespaces, ","), len(c.source.Namespaces) > 0)
	add("serviceAccounts", strings.Join(c.source.ServiceAccounts, ","), len(c.source.ServiceAccounts) > 0)
	if c.namespaceLabels != nil {
		add("namespaceLabels", c.namespaceLabels.String(), true)
	}
	if c.podLabels != nil {
		add("podLabels", c.podLabels.String(), true)
	}
	return strings.Join(parts, " ")
}

// Matches reports whether w is selected. It does not allocate when the selector has no labels.
func (s Selector) Matches(w Workload) bool {
	if s.all {
		return true
	}
	for i := range s.terms {
		if s.terms[i].matches(w) {
			return true
		}
	}
	return false
}

func (c *term) matches(w Workload) bool {
	return c.clusters.contains(w.Cluster) && c.namespaces.contains(w.Namespace) && c.accounts.contains(w.ServiceAccount) &&
		(c.namespaceLabels == nil || c.namespaceLabels.Matches(namespaceLabels{w})) &&
		(c.podLabels == nil || c.podLabels.Matches(labels.Set(w.Labels)))
}

// namespaceLabels are the labels of w's namespace, with the name that the API server puts among them.
type namespaceLabels struct{ w Workload }

func (n namespaceLabels) Has(key string) bool { _, ok := n.Lookup(key); return ok }

func (n namespaceLabels) Get(key string) string { v, _ := n.Lookup(key); return v }

func (n namespaceLabels) Lookup(key string) (string, bool) {
	if key == NamespaceNameLabel {
		return n.w.Namespace, true
	}
	v, ok := n.w.NamespaceLabels[key]
	return v, ok
}

// IsEverything reports whether s is [Everything].
func (s Selector) IsEverything() bool { return s.all }

// IsZero reports whether s selects nothing by construction.
func (s Selector) IsZero() bool { return !s.all && len(s.terms) == 0 }

// Terms returns a copy of the terms in canonical order; none for the zero Selector and for Everything.
func (s Selector) Terms() []Term {
	out := make([]Term, len(s.terms))
	for i, t := range s.terms {
		out[i] = t.source.clone()
	}
	return out
}

// Union returns the selector of what s or o selects.
func (s Selector) Union(o Selector) Selector {
	return Selector{all: s.all || o.all, terms: slices.Concat(s.terms, o.terms)}.canonical()
}

// InNamespace returns the part of s that lies in one namespace: what a policy of that namespace may speak for.
func (s Selector) InNamespace(namespace string) Selector {
	if s.all {
		return MustSelector(Term{Namespaces: []string{namespace}})
	}
	var terms []Term
	for _, t := range s.terms {
		if t.namespaces.contains(namespace) {
			n := t.source.clone()
			n.Namespaces = []string{namespace}
			terms = append(terms, n)
		}
	}
	return MustSelector(terms...)
}

// WithClusters returns the part of s in clusters that match one of the names or globs; s itself when there are none. Terms that
// name clusters already keep their own.
func (s Selector) WithClusters(clusters ...string) (Selector, error) {
	if len(clusters) == 0 {
		return s, nil
	}
	if s.all {
		return NewSelector(Term{Clusters: clusters})
	}
	terms := s.Terms()
	for i := range terms {
		if len(terms[i].Clusters) == 0 {
			terms[i].Clusters = clusters
		}
	}
	return NewSelector(terms...)
}

// InCluster returns what s means in one cluster: terms for other clusters are dropped, and clusters are no longer asked for.
func (s Selector) InCluster(cluster string) Selector {
	if s.all {
		return s
	}
	var terms []Term
	for _, t := range s.terms {
		if !t.clusters.contains(cluster) {
			continue
		}
		n := t.source.clone()
		n.Clusters = nil
		if len(n.Namespaces)+len(n.ServiceAccounts) == 0 && n.NamespaceLabels == nil && n.PodLabels == nil {
			return Everything()
		}
		terms = append(terms, n)
	}
	return MustSelector(terms...)
}

// Equal reports whether s and o have the same canonical text.
func (s Selector) Equal(o Selector) bool { return s.String() == o.String() }

// Compare orders selectors by text.
func (s Selector) Compare(o Selector) int { return strings.Compare(s.String(), o.String()) }

// String returns the canonical text: "everything", "nothing", or the terms joined by " or ".
func (s Selector) String() string {
	switch {
	case s.all:
		return "everything"
	case len(s.terms) == 0:
		return "nothing"
	}
	texts := make([]string, len(s.terms))
	for i, t := range s.terms {
		texts[i] = t.text
	}
	return strings.Join(texts, " or ")
}

// nameSet is a set of names and globs; the empty one stands for all names.
type nameSet struct {
	names []string
	globs []*glob.Pattern
}

func newNameSet(entries []string) (nameSet, error) {
	var s nameSet
	for _, e := range entries {
		if !strings.ContainsAny(e, "*?") {
			if err := ValidateName(e); err != nil {
				return nameSet{}, err
			}
			s.names = append(s.names, e)
			continue
		}
		if err := validateGlob(e); err != nil {
			return nameSet{}, err
		}
		g, err := glob.Compile(e)
		if err != nil {
			return nameSet{}, err
		}
		s.globs = append(s.globs, g)
	}
	return s, nil
}

// validateGlob allows what a name may hold, '*' and '?', so that every glob has one reading.
func validateGlob(e string) error {
	if len(e) > 253 {
		return fmt.Errorf("glob longer than 253 bytes")
	}
	if strings.Contains(e, "**") {
		return fmt.Errorf("%q: write one '*'", e)
	}
	for i := 0; i < len(e); i++ {
		c := e[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-.*?", c) >= 0) {
			return fmt.Errorf("%q is not a name or glob: use lower-case letters, digits, '-', '.', '*' and '?'", e)
		}
	}
	return nil
}

func (s nameSet) contains(name string) bool {
	if len(s.names) == 0 && len(s.globs) == 0 {
		return true
	}
	if name == "" {
		return false
	}
	for _, n := range s.names {
		if n == name {
			return true
		}
	}
	for _, g := range s.globs {
		if g.Match(name) {
			return true
		}
	}
	return false
}
