package v1alpha1

import (
	"slices"
	"strings"
)

// adviceForUnknown says what may have been meant by an unknown field of the mapping at p.
func (p *place) adviceForUnknown(name string, known []string) string {
	if s := nearest(name, known); s != "" {
		return "did you mean " + s + "?"
	}
	if p.src.config {
		return "known here: " + strings.Join(known, ", ")
	}
	in := p.name
	if s := otherName(name); slices.Contains(known, s) {
		return "did you mean " + s + "?"
	}
	switch {
	case in == "metadata":
		return "leave it out: of metadata, files hold " + strings.Join(known, ", ")
	case name == "status":
		return "leave it out: a policy has no status"
	case in == "podLabels" || in == "namespaceLabels":
		return "write " + in + ": {matchLabels: {…}}"
	case name == "allow" || name == "deny" || name == "within":
		return name + " belongs below cluster, or below an entry of sources"
	}
	return "known here: " + strings.Join(known, ", ")
}

// otherName returns our name for what other systems, or people, call by another one.
func otherName(name string) string {
	switch name {
	case "addresses", "ip", "ips", "ipBlock", "ipBlocks", "networks":
		return "cidrs"
	case "domains", "domainNames", "fqdn", "fqdns", "names", "toFQDNs":
		return "hosts"
	case "podSelector", "labels", "matchLabels":
		return "podLabels"
	case "namespaceSelector":
		return "namespaceLabels"
	case "principals":
		return "serviceAccounts"
	case "boundary":
		return "within"
	case "expiry":
		return "expires"
	case "tls":
		return "originateTLS"
	}
	return ""
}

// nearest returns the one of known that name is a likely misspelling of, and "" when there is none. Of several, the first of the nearest.
func nearest(name string, known []string) string {
	const longest = 32 // of our names, with room for mistakes
	if len(name) > longest {
		return ""
	}
	best, at := "", len(name)/3+2
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		if d := distance(name, k); d < at && d < len(k)/2+1 {
			best, at = k, d
		}
	}
	return best
}

// distance returns how many bytes must be added, dropped, changed or swapped with their neighbour to turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
