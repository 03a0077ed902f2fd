package policy

import "github.com/egresskit/egress/identity"

// newEngine indexes rules, which are sorted by ID: numbers of rules are in the order in which rules are reported.
func newEngine(rules, expired []heldRule, trust *identity.TrustDomains) (*Engine, error) {
	e := &Engine{rules: rules, expired: expired, trust: trust}
	s := surveyorOf(rules)
	var outer []int32
	var err error
	if e.places, outer, err = s.survey(); err != nil {
		return nil, err
	}
	e.table = newTable(rules, e.groups.scopes(rules, e.places.globs.Len() > 0), s, outer)
	return e, nil
}
