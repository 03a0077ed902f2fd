package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Merge returns one policy that says what all of its parts say, for policies that come in fragments. The parts must have the same name,
// namespace and clusters, and sources of one name must select the same. Rules are put together and not looked at: [Compile] collapses
// those that say the same. A boundary is what may be allowed at most, so two boundaries of one source can't be put together: one part
// may have it, or all the same one. The position is that of the first part by position. The order of the parts does not change what the
// result means, which shares hosts and paths with the parts. The error is a Diagnostics with all conflicts; no parts give an empty policy.
func Merge(parts ...*Policy) (*Policy, error) {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p *Policy) bool { return p == nil })
	slices.SortStableFunc(parts, func(a, b *Policy) int { return a.At.Compare(b.At) })
	m := &Policy{}
	if len(parts) == 0 {
		return m, nil
	}
	var found Diagnostics
	conflict := func(at Position, message, advice string) {
		found = append(found, Diagnostic{Severity: Error, Code: "merge-conflict", Position: at, Message: message, Advice: advice})
	}
	first := parts[0]
	m.Name, m.Namespace, m.Clusters, m.At = first.Name, first.Namespace, sortedUnique(first.Clusters, strings.Compare), first.At
	byName := map[string]int{} // in m.Sources
	for _, p := range parts {
		if p.Name != m.Name || p.Namespace != m.Namespace || !slices.Equal(sortedUnique(p.Clusters, strings.Compare), m.Clusters) {
			conflict(p.position(), fmt.Sprintf("policy %q and policy %q differ in name, namespace or clusters", p.id(), m.id()), "merge parts of one policy only")
			continue
		}
		if !m.Cluster.merge(&p.Cluster) {
			conflict(within(p.position(), "spec.cluster.within"), "another part has a boundary of the cluster too", "name everything that is inside in one part")
		}
		for i := range p.Sources {
			s := &p.Sources[i]
			at := s.At.or(within(p.position(), fmt.Sprintf("spec.sources[%d]", i)))
			name := s.Name
			if name == "" { // sources without a name are one when they select the same
				name = "/" + s.From.String()
			}
			n, seen := byName[name]
			if !seen {
				n = len(m.Sources)
				byName[name] = n
				m.Sources = append(m.Sources, Source{Name: s.Name, From: s.From, At: s.At})
			}
			switch o := &m.Sources[n]; {
			case !o.From.Equal(s.From):
				conflict(within(at, "from"), fmt.Sprintf("source %q selects something else in another part%s", s.Name, seenAt(o.At)), "give each source a name of its own, or one selector")
			case !o.Section.merge(&s.Section):
				conflict(within(at, "within"), fmt.Sprintf("source %q has another boundary in another part%s", s.Name, seenAt(o.At)), "name everything that is inside in one part")
			}
		}
	}
	found.Sort()
	return m, found.Err()
}

// merge adds what o says to s, and reports whether that can be said: false when both have a boundary and not the same.
func (s *Section) merge(o *Section) bool {
	s.Allow = slices.Concat(s.Allow, o.Allow)
	s.Deny = slices.Concat(s.Deny, o.Deny)
	switch {
	case o.Within == nil:
		return true
	case s.Within == nil:
		s.Within = slices.Clone(o.Within)
		return true
	}
	return slices.Equal(boundaryTexts(s.Within), boundaryTexts(o.Within))
}

// boundaryTexts returns what the rules of a boundary say, in canonical order.
func boundaryTexts(rules []Rule) []string {
	texts := make([]string, len(rules))
	for i, r := range rules {
		texts[i] = r.To.String() + " until " + day(r.Expires)
	}
	return sortedUnique(texts, strings.Compare)
}
