package istio

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

// Small alphabets, so that what is drawn collides.
var (
	namesDrawn = rapid.SampledFrom([]string{"a", "b", "ab", "ba", "sa", "ns"})
	globsDrawn = rapid.SampledFrom([]string{"", "a", "b", "ab", "a*", "*b", "*ab", "?", "a?", "*a*"})
	anyAccount = rapid.Custom(func(t *rapid.T) accountSelector {
		return accountSelector{Namespace: globsDrawn.Draw(t, "namespace"), ServiceAccount: globsDrawn.Draw(t, "account")}
	})
	someAccounts = rapid.SliceOfN(anyAccount, 0, 3)
	anyID        = rapid.Custom(func(t *rapid.T) identity.SPIFFEID {
		td := rapid.SampledFrom([]string{"cluster.local", "old.example", "evil.example", "clusterxlocal"}).Draw(t, "trust domain")
		return identity.SPIFFEID{TrustDomain: td, Namespace: namesDrawn.Draw(t, "namespace"), ServiceAccount: namesDrawn.Draw(t, "account")}
	})
)

func someTrust(t testing.TB) certificates {
	td, err := identity.NewTrustDomains("cluster.local", "old.example")
	if err != nil {
		t.Fatal(err)
	}
	return certificates{td}
}

// has is the meaning of a set of accounts.
func (a accounts) has(c certificates, id identity.SPIFFEID) bool {
	matches := func(s accountSelector) bool { return s.Matches(id.Namespace, id.ServiceAccount) }
	return c.trust.Contains(id.TrustDomain) && slices.ContainsFunc(a.any, matches) && !slices.ContainsFunc(a.except, matches)
}

// TestEnvoyPrincipals reads what is written for Envoy by Envoy's rules: it is the set, whatever the globs.
func TestEnvoyPrincipals(t *testing.T) {
	certs := someTrust(t)
	rapid.Check(t, func(t *rapid.T) {
		who := accounts{rapid.SliceOfN(anyAccount, 1, 3).Draw(t, "any"), someAccounts.Draw(t, "except")}
		id := anyID.Draw(t, "id")
		got := slices.ContainsFunc(certs.envoy(who), func(p any) bool { return envoyMatches(t, p.(fields), id.String()) })
		if got != who.has(certs, id) {
			t.Fatalf("%v for %v: Envoy says %t", id, who, got)
		}
	})
}

// envoyMatches evaluates a principal of an Envoy RBAC policy.
func envoyMatches(t fataler, p fields, peer string) bool {
	ids := func(v any) []any { return v.(fields)["ids"].([]any) }
	matches := func(v any) bool { return envoyMatches(t, v.(fields), peer) }
	if len(p) != 1 {
		t.Fatalf("%d fields in %v", len(p), p)
	}
	for k, v := range p {
		switch k {
		case "and_ids":
			return !slices.ContainsFunc(ids(v), func(v any) bool { return !matches(v) })
		case "or_ids":
			return slices.ContainsFunc(ids(v), matches)
		case "not_id":
			return !matches(v)
		case "filter_state":
			if v.(fields)["key"] != identityKey {
				t.Fatalf("key %v", v)
			}
			return stringMatches(t, v.(fields)["string_match"].(fields), peer)
		}
		t.Fatalf("principal %s", k)
	}
	return false
}

func stringMatches(t fataler, m fields, s string) bool {
	for k, v := range m {
		switch k {
		case "exact":
			return s == v
		case "prefix":
			return strings.HasPrefix(s, v.(string))
		case "safe_regex":
			return regexp.MustCompile(`^(?:` + v.(fields)["regex"].(string) + `)$`).MatchString(s) // Envoy asks for the whole string
		}
		t.Fatalf("matcher %s", k)
	}
	return false
}

// principalMatches is how AuthorizationPolicy compares.
func principalMatches(p, id string) bool {
	if prefix, ok := strings.CutSuffix(p, "*"); ok {
		return strings.HasPrefix(id, prefix)
	}
	if suffix, ok := strings.CutPrefix(p, "*"); ok {
		return strings.HasSuffix(id, suffix)
	}
	return p == id
}

// TestPrincipals reads what is written for AuthorizationPolicy by its rules: spelled out it is the set in the known namespaces and nothing
// beside, and the gate lets all of the set pass.
func TestPrincipals(t *testing.T) {
	certs := someTrust(t)
	rapid.Check(t, func(t *rapid.T) {
		as := rapid.SliceOfN(anyAccount, 1, 3).Draw(t, "accounts")
		namespaces := rapid.SliceOfNDistinct(namesDrawn, 0, 4, rapid.ID).Draw(t, "namespaces")
		id := anyID.Draw(t, "id")
		set := accounts{any: as}
		passes := func(principals []string) bool {
			matches := func(p string) bool { return principalMatches(p, id.Principal()) }
			for _, c := range certs.rule(principals, nil, nil, nil).When {
				if !slices.ContainsFunc(c.Values, matches) {
					return false
				}
			}
			return slices.ContainsFunc(principals, matches)
		}
		if set.has(certs, id) && !passes(certs.gate(as)) {
			t.Fatalf("%v does not pass the gate %v of %v", id, certs.gate(as), set)
		}
		if !certs.trust.Contains(id.TrustDomain) && passes(certs.gate(as)) {
			t.Fatalf("%v of another trust domain passes the gate %v", id, certs.gate(as))
		}
		spelled, exact := spellOut(as, namespaces), !slices.ContainsFunc(as, needsSpelling)
		principals, unsaid := certs.principals(spelled)
		if unsaid != nil {
			if _, ok := suffixPrincipal(*unsaid); ok || !isGlob(unsaid.ServiceAccount) || isPrefix(unsaid.ServiceAccount) {
				t.Fatalf("%v of %v could be said", unsaid, as)
			}
			return
		}
		if got, want := passes(principals), set.has(certs, id); got && !want || want && !got && (exact || slices.Contains(namespaces, id.Namespace)) {
			t.Fatalf("%v for %v as %v: %t", id, set, principals, got)
		}
	})
}

// TestScopes compares the namespaces that sets of accounts reach with all namespaces, one by one.
func TestScopes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		who := accounts{rapid.SliceOfN(anyAccount, 1, 3).Draw(t, "any"), someAccounts.Draw(t, "except")}
		cluster := known{rapid.SliceOfNDistinct(namesDrawn, 0, 4, rapid.ID).Draw(t, "namespaces"), rapid.Bool().Draw(t, "complete")}
		slices.Sort(cluster.namespaces)
		ns := namesDrawn.Draw(t, "namespace")
		in := func(s scope) bool { return s.all || slices.Contains(s.namespaces, ns) }
		some := slices.ContainsFunc(who.any, func(a accountSelector) bool { return inNamespace(a, ns) })
		if s := scopeOf(who.any, cluster); some && !in(s) && (!cluster.complete || slices.Contains(cluster.namespaces, ns)) {
			t.Fatalf("%v reaches %s, and its scope is %v", who, ns, s)
		}

		whole, part, _ := who.wholly(cluster)
		if in(whole) && in(part) {
			t.Fatalf("%s is in both of %v", ns, who)
		}
		// An account whose name no one else is likely to have, and those that the set names.
		for _, sa := range []string{"zz", "a", "b", "ab", "ba"} {
			id := identity.SPIFFEID{TrustDomain: "cluster.local", Namespace: ns, ServiceAccount: sa}
			has := who.has(certificates{}, id) // cluster.local alone
			if in(whole) && !has {
				t.Fatalf("%s is wholly in %v, but %v is not", ns, who, id)
			}
			if has && !in(whole) && !in(part) && slices.Contains(cluster.namespaces, ns) {
				t.Fatalf("%v is in %v, and %s in neither of %v and %v", id, who, ns, whole, part)
			}
		}
	})
}
