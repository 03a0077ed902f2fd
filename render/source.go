package render

import (
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
)

// newSource spells a selector out in the ways that targets know.
func newSource(s identity.Selector, inv *identity.Inventory) Source {
	src := Source{Selector: s}
	src.Accounts, src.AccountsWhy, src.AccountsOK = inv.Accounts(s)
	src.Pods, src.PodsWhy, src.PodsOK = inv.PodSelectors(s)
	return src
}

// sayable returns how well a target can say the source, and for anything but Same the feature that is missing and why.
func (s *Source) sayable(f Features) (best Fidelity, lost Feature, why string) {
	accounts, told := SourceAccounts, "service accounts"
	if slices.ContainsFunc(s.Accounts, func(a identity.AccountSelector) bool { return strings.ContainsAny(a.Namespace+a.ServiceAccount, "*?") }) {
		accounts, told = SourceAccountGlob, "globs of service accounts"
	}
	everyone := s.Selector.IsEverything()
	for _, way := range []struct {
		open    bool
		feature Feature
	}{{everyone, SourceEveryone}, {s.AccountsOK, accounts}, {s.PodsOK, SourcePods}} {
		if way.open {
			best = better(best, f[way.feature])
		}
	}
	switch {
	case best == Same:
		return Same, "", ""
	case everyone:
		return best, SourceEveryone, "its source is every workload"
	case f[SourceAccounts] == Same && !s.AccountsOK:
		return best, SourceAccounts, s.AccountsWhy
	case f[SourcePods] == Same:
		return best, SourcePods, s.PodsWhy
	case s.AccountsOK:
		return best, accounts, "its source, " + s.Selector.String() + ", is told by " + told
	case s.PodsOK:
		return best, SourcePods, "its source, " + s.Selector.String() + ", is told by namespaces and pod labels"
	}
	return best, SourceAccounts, s.AccountsWhy
}

// better returns the more exact of Same, Wider and 0, which is nothing.
func better(a, b Fidelity) Fidelity {
	switch {
	case a == Same || b == Same:
		return Same
	case a == Wider || b == Wider:
		return Wider
	}
	return 0
}

// worse returns the less exact of Same, Wider and 0, which is nothing.
func worse(a, b Fidelity) Fidelity {
	switch {
	case a == Same && b == Same:
		return Same
	case a == 0 || b == 0:
		return 0
	}
	return Wider
}

// A SourceSet is the sources of a class: what one of Any selects and none of Except does. An empty Any is nobody.
type SourceSet struct {
	Any    []Source // canonical order; a source that another one covers is left out
	Except []Source // canonical order; only those that take something from Any
}

// Nobody reports whether the set is empty by construction.
func (s SourceSet) Nobody() bool { return len(s.Any) == 0 }

// Key returns the canonical text: equal keys, equal sets. It is "nobody" for the empty set.
func (s SourceSet) Key() string {
	if s.Nobody() {
		return "nobody"
	}
	key := joinSources(s.Any)
	if len(s.Except) > 0 {
		key += " except " + joinSources(s.Except)
	}
	return key
}

func joinSources(list []Source) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = s.Selector.String()
	}
	return strings.Join(texts, " or ")
}

// Matches reports whether w is in the set.
func (s SourceSet) Matches(w identity.Workload) bool {
	matches := func(src Source) bool { return src.Selector.Matches(w) }
	return slices.ContainsFunc(s.Any, matches) && !slices.ContainsFunc(s.Except, matches)
}
