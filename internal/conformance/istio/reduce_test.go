package istio

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
)

// reduce leaves out policies, sources and rules one by one while what is left still fails.
func reduce(policies []*policy.Policy, fails func([]*policy.Policy) bool) []*policy.Policy {
	for again := true; again; {
		again = false
		for less := range smaller(policies) {
			if fails(less) {
				policies, again = less, true
				break
			}
		}
	}
	return policies
}

// smaller yields what is left of policies without a policy, a source or a rule.
func smaller(policies []*policy.Policy) iter.Seq[[]*policy.Policy] {
	return func(yield func([]*policy.Policy) bool) {
		for i, p := range policies {
			if len(policies) > 1 && !yield(without(policies, i)) {
				return
			}
			with := func(q policy.Policy) bool {
				less := slices.Clone(policies)
				less[i] = &q
				return yield(less)
			}
			for s := range p.Sources {
				q := *p
				if q.Sources = without(p.Sources, s); !with(q) {
					return
				}
			}
			for section := range smallerSections(p.Cluster) {
				q := *p
				if q.Cluster = section; !with(q) {
					return
				}
			}
			for s := range p.Sources {
				for section := range smallerSections(p.Sources[s].Section) {
					q := *p
					q.Sources = slices.Clone(p.Sources)
					if q.Sources[s].Section = section; !with(q) {
						return
					}
				}
			}
		}
	}
}

// smallerSections yields s without one of its rules. A boundary without its last rule is none.
func smallerSections(s policy.Section) iter.Seq[policy.Section] {
	return func(yield func(policy.Section) bool) {
		for i := range s.Allow {
			less := s
			if less.Allow = without(s.Allow, i); !yield(less) {
				return
			}
		}
		for i := range s.Deny {
			less := s
			if less.Deny = without(s.Deny, i); !yield(less) {
				return
			}
		}
		for i := range s.Within {
			less := s
			if less.Within = without(s.Within, i); len(less.Within) == 0 {
				less.Within = nil
			}
			if !yield(less) {
				return
			}
		}
	}
}

func without[T any](list []T, i int) []T { return slices.Delete(slices.Clone(list), i, i+1) }

// describe returns the rules of policies, one a line.
func describe(policies []*policy.Policy) string {
	e, err := policy.Compile(policies, policy.At(gen.Now))
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for r := range e.Rules() {
		fmt.Fprintf(&b, "\t%s %v %s: %v\n", r.ID, r.Effect, r.Sources, r.To)
	}
	return b.String()
}
