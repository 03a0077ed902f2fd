package reference

import (
	"cmp"
	"slices"
	"strings"
)

// MatchesHost reports whether host, a normalised name, falls under pattern, a canonical text: label by label, a leading '*' standing for one
// label or more.
func MatchesHost(pattern, host string) bool {
	if pattern == "" || host == "" {
		return false
	}
	p, h := strings.Split(pattern, "."), strings.Split(host, ".")
	if p[0] == "*" {
		if len(h) < len(p) {
			return false
		}
		p, h = p[1:], h[len(h)-len(p)+1:]
	}
	return slices.EqualFunc(p, h, globMatches)
}

// MatchingPatterns returns the patterns that host falls under, most specific first: the exact one; then by the length of the labels that
// come after the last wildcard, longest first; of these the one that has only a leading '*'; then by the number of bytes that are no
// wildcard, most first; then by text.
func MatchingPatterns(patterns []string, host string) []string {
	out := slices.DeleteFunc(slices.Clone(patterns), func(p string) bool { return !MatchesHost(p, host) })
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(
			-compareBool(!hasWildcard(a), !hasWildcard(b)),
			-cmp.Compare(literalSuffix(a), literalSuffix(b)),
			-compareBool(isSubdomains(a), isSubdomains(b)),
			-cmp.Compare(literalBytes(a), literalBytes(b)),
			cmp.Compare(a, b),
		)
	})
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func hasWildcard(s string) bool { return strings.ContainsAny(s, "*?") }

func isSubdomains(s string) bool { return strings.HasPrefix(s, "*.") && !hasWildcard(s[2:]) }

func literalBytes(s string) int { return len(s) - strings.Count(s, "*") - strings.Count(s, "?") }

// literalSuffix returns the length of the labels after the last one with a wildcard.
func literalSuffix(s string) int {
	labels := strings.Split(s, ".")
	n := 0
	for i := len(labels) - 1; i >= 0 && !hasWildcard(labels[i]); i-- {
		n += len(labels[i]) + 1
	}
	return n
}
