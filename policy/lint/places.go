package lint

import (
	"fmt"
	"slices"

	"github.com/egresskit/egress/policy"
)

// placed returns copies of policies in which each source and each rule has a position: of one without, that of what encloses it, and the path
// from there. A policy without a position is told by its name. Nil policies stay, for Compile to report.
func placed(policies []*policy.Policy) []*policy.Policy {
	out := make([]*policy.Policy, len(policies))
	for i, p := range policies {
		if p == nil {
			continue
		}
		q := *p
		base := p.At
		if base == (policy.Position{}) {
			id := p.Name
			if p.Namespace != "" {
				id = p.Namespace + "/" + p.Name
			}
			base.Field = fmt.Sprintf("policy %q", id)
		}
		q.Cluster = placedSection(p.Cluster, field(base, "spec.cluster"))
		q.Sources = slices.Clone(p.Sources)
		for j := range q.Sources {
			s := &q.Sources[j]
			if s.At == (policy.Position{}) {
				s.At = field(base, fmt.Sprintf("spec.sources[%d]", j))
			}
			s.Section = placedSection(s.Section, s.At)
		}
		out[i] = &q
	}
	return out
}

func placedSection(s policy.Section, at policy.Position) policy.Section {
	return policy.Section{Allow: placedRules(s.Allow, at, policy.Allow), Deny: placedRules(s.Deny, at, policy.Deny), Within: placedRules(s.Within, at, policy.Within)}
}

func placedRules(rules []policy.Rule, at policy.Position, effect policy.Effect) []policy.Rule {
	out := slices.Clone(rules) // an empty boundary stays one
	for i := range out {
		if out[i].At == (policy.Position{}) {
			out[i].At = field(at, fmt.Sprintf("%s[%d]", effect, i))
		}
	}
	return out
}

// field returns the position of a field of what stands at at.
func field(at policy.Position, name string) policy.Position {
	if at.Field != "" {
		at.Field += "."
	}
	at.Field += name
	return at
}
