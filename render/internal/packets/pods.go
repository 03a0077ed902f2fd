package packets

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/render"
)

// Pods is pods of any namespace by requirements that must all hold. Its keys tell what they are about: [NamespaceKey] and [LabelKey] stand before
// a label of the namespace or the pod, and [AccountKey] is the name of the service account. The namespace's own name is its label
// [identity.NamespaceNameLabel]. No requirements choose all pods; the field Namespace is not used.
type Pods = identity.PodSelector

// What the keys of [Pods] are about.
const (
	NamespaceKey = "namespace:"
	LabelKey     = "label:"
	AccountKey   = "account"
)

// maxSelectors bounds what one source may turn into when others are taken from it.
const maxSelectors = 64

// A Speller says sources by what a target knows of pods.
type Speller struct {
	Accounts bool // the target knows service accounts
}

// Pods says a source: as its selector does where the target knows what that asks for, and otherwise by service accounts or labels, as the plan's inventory has
// them. ok is false, with the reason, when it cannot.
func (s Speller) Pods(source render.Source) (pods []Pods, why string, ok bool) {
	if source.Selector.IsEverything() {
		return []Pods{{}}, "", true
	}
	if pods, ok := s.terms(source.Selector.Terms()); ok {
		return pods, "", true
	}
	globs := slices.ContainsFunc(source.Accounts, func(a identity.AccountSelector) bool { return isGlob(a.Namespace + a.ServiceAccount) })
	switch {
	case s.Accounts && source.AccountsOK && !globs:
		for _, a := range source.Accounts {
			pods = add(pods, in(NamespaceKey+identity.NamespaceNameLabel, a.Namespace), in(AccountKey, a.ServiceAccount))
		}
	case source.PodsOK:
		for _, p := range source.Pods {
			pods = add(pods, in(NamespaceKey+identity.NamespaceNameLabel, p.Namespace), prefixed(LabelKey, p.Labels))
		}
	default:
		return nil, source.PodsWhy, false
	}
	return pods, "", true
}

// FromInventory reports whether a source is said by what the inventory shows today rather than by what its selector asks for.
func (s Speller) FromInventory(source render.Source) bool {
	_, ok := s.terms(source.Selector.Terms())
	return !ok && !source.Selector.IsEverything()
}

// terms says terms as they are.
func (s Speller) terms(terms []identity.Term) (pods []Pods, ok bool) {
	for _, t := range terms {
		namespaces, accounts := named(t.Namespaces), named(t.ServiceAccounts)
		if len(t.Clusters) > 0 || isGlob(strings.Join(namespaces, "")) || isGlob(strings.Join(accounts, "")) || len(accounts) > 0 && !s.Accounts {
			return nil, false
		}
		pods = add(pods, in(NamespaceKey+identity.NamespaceNameLabel, namespaces...), in(AccountKey, accounts...),
			prefixed(NamespaceKey, requirements(t.NamespaceLabels)), prefixed(LabelKey, requirements(t.PodLabels)))
	}
	return pods, true
}

// named returns the names of a term, none for all.
func named(names []string) []string {
	if slices.Contains(names, "*") {
		return nil
	}
	return names
}

func isGlob(name string) bool { return strings.ContainsAny(name, "*?") }

// in asks for one of the values; none, and the empty one, ask for nothing.
func in(key string, values ...string) []identity.LabelRequirement {
	if len(values) == 0 || slices.Equal(values, []string{""}) {
		return nil
	}
	return []identity.LabelRequirement{{Key: key, Operator: string(metav1.LabelSelectorOpIn), Values: values}}
}

func prefixed(prefix string, rs []identity.LabelRequirement) []identity.LabelRequirement {
	out := slices.Clone(rs)
	for i := range out {
		out[i].Key = prefix + out[i].Key
	}
	return out
}

func requirements(s *metav1.LabelSelector) (out []identity.LabelRequirement) {
	if s == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		out = append(out, identity.LabelRequirement{Key: key, Operator: string(metav1.LabelSelectorOpIn), Values: []string{s.MatchLabels[key]}})
	}
	for _, e := range s.MatchExpressions {
		out = append(out, identity.LabelRequirement{Key: e.Key, Operator: string(e.Operator), Values: e.Values})
	}
	return out
}

// add adds the pods that meet all requirements, in canonical form, unless none can.
func add(pods []Pods, requirements ...[]identity.LabelRequirement) []Pods {
	if p, ok := (Pods{}).With(slices.Concat(requirements...)...); ok {
		pods = append(pods, p)
	}
	return pods
}

// Labelled returns the pods of a namespace that have all the labels. An empty namespace stands for all.
func Labelled(namespace string, labels map[string]string) Pods {
	rs := in(NamespaceKey+identity.NamespaceNameLabel, namespace)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		rs = append(rs, in(LabelKey+key, labels[key])...)
	}
	p, _ := (Pods{}).With(rs...) // one value a key: nothing contradicts
	return p
}

// InNamespaces returns the pods of the namespaces named.
func InNamespaces(names []string) Pods {
	return Pods{Labels: in(NamespaceKey+identity.NamespaceNameLabel, names...)}
}

// Minus returns selectors of the pods that some of p choose and none of others does, in canonical order; false when that takes more than a
// reasonable number.
func Minus(p, others []Pods) ([]Pods, bool) {
	sets := p
	for _, o := range others {
		var next []Pods
		for _, s := range sets {
			next = append(next, s.Minus(o)...)
		}
		if len(next) > maxSelectors {
			return nil, false
		}
		sets = next
	}
	return canonical(sets), true
}

// canonical sorts and drops what another one covers.
func canonical(pods []Pods) []Pods {
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b Pods) int { return strings.Compare(a.String(), b.String()) })
	pods = slices.CompactFunc(pods, func(a, b Pods) bool { return a.String() == b.String() })
	if len(pods) > maxSelectors {
		return pods
	}
	var out []Pods
	for i, p := range pods {
		covers := func(o Pods) bool { return o.Covers(p) }
		if !slices.ContainsFunc(out, covers) && !slices.ContainsFunc(pods[i+1:], covers) {
			out = append(out, p)
		}
	}
	return out
}

// Text is the canonical text of pods.
func Text(pods []Pods) string { return fmt.Sprintf("%q", canonical(pods)) } // quoted: all pods have the empty text

// title shortens what names of objects would repeat. It tells apart all that the text of pods does: no key or value of a label has a colon.
var title = strings.NewReplacer(NamespaceKey+identity.NamespaceNameLabel, "namespace", LabelKey, ":")

// Title is a short text of pods for the name of an object; empty for all pods. No two selectors share one.
func Title(p Pods) string { return title.Replace(strings.TrimPrefix(p.String(), "/")) }

// Split returns the requirements by what they are about, each sorted by key, as the target's own keys.
func Split(p Pods) (namespace, account, labels []identity.LabelRequirement) {
	for _, r := range p.Labels {
		switch {
		case strings.HasPrefix(r.Key, NamespaceKey):
			r.Key = strings.TrimPrefix(r.Key, NamespaceKey)
			namespace = append(namespace, r)
		case strings.HasPrefix(r.Key, LabelKey):
			r.Key = strings.TrimPrefix(r.Key, LabelKey)
			labels = append(labels, r)
		default:
			account = append(account, r)
		}
	}
	return namespace, account, labels
}
