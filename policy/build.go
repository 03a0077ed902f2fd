package policy

import "github.com/egresskit/egress/identity"

// newEngine indexes rules, which are sorted by ID: numbers of rules are in the order in which rules are reported.
func newEngine(rules, expired []heldRule, store storage, trust *identity.TrustDomains) (*Engine, error) {
	e := &Engine{rules: rules, expired: expired, store: store, trust: trust}
	s := surveyorOf(rules, &e.store)
	var outer []int32
	var err error
	if e.places, outer, err = s.survey(); err != nil {
		return nil, err
	}
	e.groups = newGroups(store.selectors)
	e.groups.scope(rules, &e.store, e.places.globs.Len() > 0)
	e.table = newTable(rules, &e.store, s, outer)
	return e, nil
}
