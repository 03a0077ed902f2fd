package policy

import (
	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// newEngine indexes rules, which are sorted by ID: numbers of rules are in the order in which rules are reported.
func newEngine(rules, expired []*EffectiveRule, trust *identity.TrustDomains) (*Engine, error) {
	e := &Engine{rules: rules, expired: expired, trust: trust}
	e.ids = make([]RuleID, len(rules))
	hosts := 0
	for n, r := range rules {
		e.ids[n] = r.ID
		hosts += r.countHosts()
	}
	s := newSurveyor(hosts)
	ids := make([]int32, 0, hosts) // the surveyor's, of all patterns of all rules in order
	for _, r := range rules {
		ids = s.add(r, ids)
	}
	found, err := s.survey()
	if err != nil {
		return nil, err
	}
	e.places = found.places

	groupOf := e.groups.gather(rules)
	drafts := make([]tableDraft, len(e.groups.all))
	sizes := make([]int, len(e.groups.all))
	for n, r := range rules {
		if r.Effect != Within {
			sizes[groupOf[n]] += r.countHosts()
		}
	}
	for n, r := range rules {
		g, d := &e.groups.all[groupOf[n]], &drafts[groupOf[n]]
		if r.Effect != Within {
			if d.placed == nil {
				d.placed = make([]placed, 0, sizes[groupOf[n]])
			}
			ids = d.add(int32(n), r, found, ids)
			continue
		}
		var inside tableDraft
		ids = inside.add(int32(n), r, found, ids)
		t, err := inside.table(found.last)
		if err != nil {
			return nil, err
		}
		g.boundaries = append(g.boundaries, boundary{int32(n), t})
	}
	for i := range drafts {
		if e.groups.all[i].table, err = drafts[i].table(found.last); err != nil {
			return nil, err
		}
		drafts[i] = tableDraft{} // memory for the next
	}
	return e, nil
}

func (r *EffectiveRule) countHosts() (n int) {
	for i := range r.To {
		n += len(r.To[i].Hosts)
	}
	return n
}

// add takes note of what r names and appends the indices of its patterns to ids; none for globs, which are no places.
func (s *surveyor) add(r *EffectiveRule, ids []int32) []int32 {
	for i := range r.To {
		d := &r.To[i]
		for _, p := range d.Hosts {
			id := int32(none)
			if p.Kind() != match.Glob {
				id = s.addHost(p)
			}
			ids = append(ids, id)
		}
		for _, p := range d.Addresses.Prefixes() {
			s.prefixes[p] = struct{}{}
		}
	}
	return ids
}

// add adds what r says. The first ids are those of r's patterns; add returns the others.
func (d *tableDraft) add(n int32, r *EffectiveRule, found *survey, ids []int32) []int32 {
	var buf [4]clause
	for i := range r.To {
		to := &r.To[i]
		clauses := appendClauses(buf[:0], n, r.Effect == Deny, to)
		for j, p := range to.Hosts {
			for _, c := range clauses {
				if ids[j] == none {
					d.globs = append(d.globs, globbed{p, c})
				} else {
					d.placed = append(d.placed, placed{found.number[ids[j]], c})
				}
			}
		}
		ids = ids[len(to.Hosts):]
		for _, p := range to.Addresses.Prefixes() {
			for _, c := range clauses {
				d.placed = append(d.placed, placed{found.prefixes[p], c})
			}
		}
	}
	return ids
}
