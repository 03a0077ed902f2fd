package istio

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"istio.io/api/security/v1beta1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/render"
)

type accountSelector = identity.AccountSelector

// accounts is a set of service accounts: those of one of any and none of except.
type accounts struct{ any, except []accountSelector }

// accountsOf says a set of sources by service accounts. Sources that cannot be said by them are kept away from this target, so one among
// them is an error.
func accountsOf(s render.SourceSet) (accounts, error) {
	var a accounts
	for _, side := range []struct {
		from []render.Source
		to   *[]accountSelector
	}{{s.Any, &a.any}, {s.Except, &a.except}} {
		for _, source := range side.from {
			if !source.AccountsOK {
				return accounts{}, fmt.Errorf("istio: source %s cannot be said by service accounts: %s", source.Selector, source.AccountsWhy)
			}
			*side.to = append(*side.to, source.Accounts...)
		}
	}
	return a, nil
}

func isGlob(s string) bool { return strings.ContainsAny(s, "*?") }

// certificates says sets of accounts by what certificates of a mesh hold.
type certificates struct{ trust identity.TrustDomains }

// identityKey is where the gateway notes the SPIFFE ID of a client for the listener inside. Istio's own waypoints use the same key.
const identityKey = "io.istio.peer_principal"

// envoy returns the principals of an Envoy RBAC policy that match what is noted of a client of the set. Patterns are exact, globs included.
func (c certificates) envoy(a accounts) []any {
	ids := c.matchers(a.any)
	if len(a.except) == 0 {
		return ids
	}
	return list(fields{"and_ids": fields{"ids": list(
		orIDs(ids),
		fields{"not_id": orIDs(c.matchers(a.except))},
	)}})
}

func orIDs(ids []any) fields {
	if len(ids) == 1 {
		return ids[0].(fields)
	}
	return fields{"or_ids": fields{"ids": ids}}
}

func (c certificates) matchers(as []accountSelector) []any {
	var out []any
	for _, a := range as {
		for _, td := range c.trust.Names() {
			out = append(out, fields{"filter_state": fields{"key": identityKey, "string_match": spiffeMatcher(td, a)}})
		}
	}
	return out
}

// spiffeMatcher returns Envoy's string matcher for the SPIFFE IDs of accounts.
func spiffeMatcher(trustDomain string, a accountSelector) fields {
	if p, ok := principal(trustDomain, a); ok {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return fields{"prefix": "spiffe://" + prefix}
		}
		return fields{"exact": "spiffe://" + p}
	}
	part := func(glob string) string {
		if glob == "" {
			glob = "*"
		}
		// Names have no '/', so that a wildcard stays inside its part of the ID.
		return strings.NewReplacer(`\*`, `[^/]*`, `\?`, `[^/]`).Replace(regexp.QuoteMeta(glob))
	}
	return fields{"safe_regex": fields{"regex": regexp.QuoteMeta("spiffe://"+trustDomain+"/ns/") + part(a.Namespace) + "/sa/" + part(a.ServiceAccount)}}
}

// principal says accounts as AuthorizationPolicy does: a SPIFFE ID without its scheme, with one '*' at the end at most. ok is false for
// other globs.
func principal(trustDomain string, a accountSelector) (p string, ok bool) {
	ns, sa := a.Namespace, a.ServiceAccount
	switch {
	case ns == "" && sa == "":
		return trustDomain + "/ns/*", true
	case sa == "" && isGlob(ns):
		// A prefix may run on over the rest of the ID.
		return trustDomain + "/ns/" + ns, isPrefix(ns)
	case ns == "" || isGlob(ns):
		return "", false
	case sa == "":
		sa = "*"
	}
	return trustDomain + "/ns/" + ns + "/sa/" + sa, !isGlob(sa) || isPrefix(sa)
}

// isPrefix reports whether a glob is a prefix and '*'.
func isPrefix(glob string) bool {
	prefix, ok := strings.CutSuffix(glob, "*")
	return ok && !isGlob(prefix)
}

// suffixPrincipal says accounts of all namespaces as AuthorizationPolicy does, with '*' at the start: in every trust domain.
func suffixPrincipal(a accountSelector) (p string, ok bool) {
	if a.Namespace != "" || a.ServiceAccount == "" {
		return "", false
	}
	// Names have no '/', so that the end of an ID that has none is the end of the name.
	if suffix, ok := strings.CutPrefix(a.ServiceAccount, "*"); ok {
		return a.ServiceAccount, suffix != "" && !isGlob(suffix)
	}
	return "*/sa/" + a.ServiceAccount, !isGlob(a.ServiceAccount)
}

// needsSpelling reports whether AuthorizationPolicy cannot say the namespaces that a asks for, by glob or all of them, but one by one.
func needsSpelling(a accountSelector) bool {
	_, said := principal("", a)
	_, saidBySuffix := suffixPrincipal(a)
	return !said && !saidBySuffix && anyNamespace(a)
}

// anyNamespace reports whether a asks for namespaces by glob, or for all.
func anyNamespace(a accountSelector) bool { return a.Namespace == "" || isGlob(a.Namespace) }

// spellOut returns the accounts with known namespaces in place of those that need spelling. What was spelled out does not take in later
// namespaces.
func spellOut(as []accountSelector, namespaces []string) (out []accountSelector) {
	for _, a := range as {
		if !needsSpelling(a) {
			out = append(out, a)
			continue
		}
		for _, ns := range namespaces {
			if inNamespace(a, ns) {
				out = append(out, accountSelector{Namespace: ns, ServiceAccount: a.ServiceAccount})
			}
		}
	}
	return out
}

// inNamespace reports whether a may choose accounts of a namespace.
func inNamespace(a accountSelector, namespace string) bool {
	return accountSelector{Namespace: a.Namespace}.Matches(namespace, "")
}

// principals returns the accounts as principals of AuthorizationPolicy, in order, or the first one that it cannot say. Those of
// all namespaces are of every trust domain, unless [certificates.rule] says otherwise.
func (c certificates) principals(as []accountSelector) (out []string, unsaid *accountSelector) {
	for _, a := range as {
		if p, ok := suffixPrincipal(a); ok {
			out = append(out, p)
			continue
		}
		for _, td := range c.trust.Names() {
			p, ok := principal(td, a)
			if !ok {
				return nil, &a
			}
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// rule returns an access rule for clients with one of the principals and none of the exceptions, of the trust domains. A nil condition is
// none.
func (c certificates) rule(principals, except []string, to []*v1beta1.Rule_To, when *v1beta1.Condition) *v1beta1.Rule {
	r := &v1beta1.Rule{
		From: []*v1beta1.Rule_From{{Source: &v1beta1.Source{Principals: principals, NotPrincipals: except}}},
		To:   to,
	}
	if when != nil {
		r.When = append(r.When, when)
	}
	if slices.ContainsFunc(principals, func(p string) bool { return strings.HasPrefix(p, "*") }) {
		pin := &v1beta1.Condition{Key: "source.principal"}
		for _, td := range c.trust.Names() {
			pin.Values = append(pin.Values, td+"/ns/*")
		}
		r.When = append(r.When, pin)
	}
	return r
}

// gate returns principals that hold all the accounts, and more where they cannot be said: fit for a first gate before an exact one.
func (c certificates) gate(as []accountSelector) []string {
	wide := make([]accountSelector, len(as))
	for i, a := range as {
		if _, unsaid := c.principals([]accountSelector{a}); unsaid != nil {
			a.ServiceAccount = ""
			if isGlob(a.Namespace) && !isPrefix(a.Namespace) {
				a.Namespace = ""
			}
		}
		if a == (accountSelector{}) {
			wide = []accountSelector{a}
			break
		}
		wide[i] = a
	}
	out, _ := c.principals(wide)
	return out
}

// A scope is the namespaces that an object is exported to. The zero scope is none.
type scope struct {
	all        bool
	namespaces []string // sorted; none when all
}

// scopeOf returns the narrowest scope known that holds all namespaces of the accounts. What excludes accounts does not narrow it.
func scopeOf(as []accountSelector, cluster known) scope {
	var s scope
	for _, a := range as {
		switch {
		case a.Namespace == "", anyNamespace(a) && !cluster.complete:
			return scope{all: true}
		case anyNamespace(a):
			for _, ns := range cluster.namespaces {
				if inNamespace(a, ns) {
					s.namespaces = append(s.namespaces, ns)
				}
			}
		default:
			s.namespaces = append(s.namespaces, a.Namespace)
		}
	}
	slices.Sort(s.namespaces)
	s.namespaces = slices.Compact(s.namespaces)
	return s
}

func (s scope) union(o scope) scope {
	if s.all || o.all {
		return scope{all: true}
	}
	out := slices.Concat(s.namespaces, o.namespaces)
	slices.Sort(out)
	return scope{namespaces: slices.Compact(out)}
}

func (s scope) isZero() bool { return !s.all && len(s.namespaces) == 0 }

// exportTo returns the scope as Istio writes it.
func (s scope) exportTo() []string {
	if s.all {
		return []string{"*"}
	}
	return s.namespaces
}

func (s scope) String() string { return strings.Join(s.exportTo(), ",") }

// known is what is known of a cluster's namespaces.
type known struct {
	namespaces []string // sorted
	complete   bool     // by an inventory, and not only by the names in policies
}

// wholly returns the namespaces whose accounts are all in the set, and partly those with some that are and some that may not be. Both are
// scopes; with exceptions, or globs of namespaces that are spelled out, spelled reports that later namespaces are not in them.
func (a accounts) wholly(cluster known) (whole, part scope, spelled bool) {
	everyone := slices.ContainsFunc(a.any, func(s accountSelector) bool { return s == accountSelector{} })
	if everyone && len(a.except) == 0 {
		return scope{all: true}, scope{}, false
	}
	candidates := slices.Clone(cluster.namespaces)
	for _, s := range a.any {
		if anyNamespace(s) {
			spelled = true
		} else {
			candidates = append(candidates, s.Namespace)
		}
	}
	slices.Sort(candidates)
	for _, ns := range slices.Compact(candidates) {
		some, all, less, none := false, false, false, false
		for _, s := range a.any {
			some = some || inNamespace(s, ns)
			all = all || inNamespace(s, ns) && s.ServiceAccount == ""
		}
		for _, s := range a.except {
			less = less || inNamespace(s, ns)
			none = none || inNamespace(s, ns) && s.ServiceAccount == ""
		}
		switch {
		case !some || none:
		case all && !less:
			whole.namespaces = append(whole.namespaces, ns)
		default:
			part.namespaces = append(part.namespaces, ns)
		}
	}
	return whole, part, spelled
}
