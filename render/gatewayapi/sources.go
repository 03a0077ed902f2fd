package gatewayapi

import (
	"fmt"
	"slices"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/render"
)

// unsayable returns why a set of sources can't be said, and the feature that it takes; why is empty for one that can.
func (b *builder) unsayable(s render.SourceSet) (lost render.Feature, why string) {
	switch from, why := b.peers(s); {
	case why != "":
		return render.SourceAccountGlob, why
	case len(from) == 0:
		// A rule without sources would be one for every source.
		return render.SourceAccounts, "no service account that is known is among its sources"
	}
	return "", ""
}

// peers says a set of sources as the sources of one AuthorizationPolicy rule, any of which may match. Why tells what can't be said.
func (b *builder) peers(s render.SourceSet) (from []*security.Rule_From, why string) {
	var notPrincipals, notNamespaces []string
	for _, e := range s.Except {
		if e.Selector.IsEverything() {
			return nil, "every source is denied"
		}
		for _, a := range e.Accounts {
			principal, namespace, why := b.pattern(a)
			switch {
			case a == (identity.AccountSelector{}):
				return nil, "every source is denied"
			case why != "":
				return nil, why
			case principal != "" && namespace != "":
				return nil, fmt.Sprintf("an AuthorizationPolicy can't take %q of namespaces %q from other sources", principal, namespace)
			case principal != "":
				notPrincipals = append(notPrincipals, principal)
			default:
				notNamespaces = append(notNamespaces, namespace)
			}
		}
	}
	add := func(principal, namespace string) {
		src := &security.Source{NotPrincipals: compact(notPrincipals), NotNamespaces: compact(notNamespaces)}
		if principal != "" {
			src.Principals = []string{principal}
		}
		if namespace != "" {
			src.Namespaces = []string{namespace}
		}
		from = append(from, &security.Rule_From{Source: src})
	}
	for _, any := range s.Any {
		if any.Selector.IsEverything() {
			add("*", "") // any certificate of the mesh, and no plain connection
			continue
		}
		for _, a := range any.Accounts {
			principal, namespace, why := b.pattern(a)
			if why != "" {
				return nil, why
			}
			if a == (identity.AccountSelector{}) {
				principal = "*" // said by a glob of all namespaces
			}
			add(principal, namespace)
		}
	}
	return from, ""
}

func compact(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

// pattern says an account selector as a principal and a namespace that must both match; either may be empty. AuthorizationPolicy takes
// a '*' at the start or the end of a value alone. Principals are without their spiffe://, which Istio adds.
func (b *builder) pattern(a identity.AccountSelector) (principal, namespace, why string) {
	exact := func(s string) bool { return s != "" && !strings.ContainsAny(s, "*?") }
	switch {
	case exact(a.Namespace) && exact(a.ServiceAccount):
		return identity.SPIFFEID{TrustDomain: b.profile.TrustDomain, Namespace: a.Namespace, ServiceAccount: a.ServiceAccount}.Principal(), "", ""
	case exact(a.Namespace) && suffixGlobless(a.ServiceAccount):
		// Everything after the namespace is the account: a prefix says it exactly.
		return b.profile.TrustDomain + "/ns/" + a.Namespace + "/sa/" + strings.TrimSuffix(a.ServiceAccount, "*") + "*", "", ""
	}
	if a.ServiceAccount != "" {
		switch {
		case exact(a.ServiceAccount):
			principal = "*/sa/" + a.ServiceAccount
		case simpleGlob(a.ServiceAccount) && strings.HasPrefix(a.ServiceAccount, "*"):
			// The account is what ends the principal; "/" is not in a name, but the glob's '*' would also stand for the parts before the account.
			return "", "", fmt.Sprintf("service account %q: AuthorizationPolicy matches a '*' across the whole principal", a.ServiceAccount)
		default:
			return "", "", fmt.Sprintf("service account %q: AuthorizationPolicy takes a '*' at the end alone, in a namespace that is named", a.ServiceAccount)
		}
	}
	if a.Namespace != "" {
		if !exact(a.Namespace) && !simpleGlob(a.Namespace) {
			return "", "", fmt.Sprintf("namespace %q: AuthorizationPolicy takes one '*' at the start or the end alone", a.Namespace)
		}
		namespace = a.Namespace
	}
	return principal, namespace, ""
}

// suffixGlobless reports whether s is empty or a name with one '*' at its end.
func suffixGlobless(s string) bool {
	return !strings.ContainsAny(strings.TrimSuffix(s, "*"), "*?")
}

// simpleGlob reports whether s has one '*', at its start or its end, and no '?'.
func simpleGlob(s string) bool {
	return strings.Count(s, "*") == 1 && !strings.Contains(s, "?") && (strings.HasPrefix(s, "*") || strings.HasSuffix(s, "*"))
}

// exportTo returns the namespaces that sources of the sets may be in, and the gateway's: who must see a name. It is "*" where that is not known.
func (b *builder) exportTo(sets ...render.SourceSet) []string {
	out := []string{b.profile.Namespace}
	for _, s := range sets {
		for _, src := range s.Any {
			if src.Selector.IsEverything() {
				return []string{"*"}
			}
			for _, a := range src.Accounts {
				if a.Namespace == "" || strings.ContainsAny(a.Namespace, "*?") {
					return []string{"*"}
				}
				out = append(out, a.Namespace)
			}
		}
	}
	return compact(out)
}
