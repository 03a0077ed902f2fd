package policy

import (
	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// newEngine indexes rules, which are sorted by ID: numbers of rules are in the order in which rules are reported.
func newEngine(rules, expired []*EffectiveRule, trust *identity.TrustDomains) (*Engine, error) {
	e := &Engine{rules: rules, expired: expired, trust: trust}
	s := newSurveyor()
	var hosts []int32 // what addHost returned, in order
	for _, r := range rules {
		for i := range r.To {
			for _, p := range r.To[i].Hosts {
				if p.Kind() != match.Glob {
					hosts = append(hosts, s.addHost(p))
				}
			}
			for _, p := range r.To[i].Addresses.Prefixes() {
				s.prefixes[p] = struct{}{}
			}
		}
	}
	found, err := s.survey()
	if err != nil {
		return nil, err
	}
	e.places = found.places

	ids := map[string]int32{} // of groups, by selector
	var drafts []*tableDraft  // of the groups' tables
	for n, r := range rules {
		id, seen := ids[r.Sources.String()]
		if !seen {
			id = int32(len(e.groups.all))
			ids[r.Sources.String()] = id
			e.groups.all = append(e.groups.all, group{sources: r.Sources})
			drafts = append(drafts, &tableDraft{})
		}
		d := drafts[id]
		if r.Effect == Within {
			d = &tableDraft{}
		}
		for i := range r.To {
			hosts = d.add(int32(n), r.Effect == Deny, &r.To[i], found, hosts)
		}
		if r.Effect == Within {
			inside, err := d.table(found.last)
			if err != nil {
				return nil, err
			}
			e.groups.all[id].boundaries = append(e.groups.all[id].boundaries, boundary{int32(n), inside})
		}
	}
	for id, d := range drafts {
		if e.groups.all[id].table, err = d.table(found.last); err != nil {
			return nil, err
		}
	}
	e.groups.file()
	return e, nil
}

// add adds what a destination says. Hosts are the indices of the host patterns from this destination on; add returns the rest.
func (d *tableDraft) add(rule int32, deny bool, to *Destination, found *survey, hosts []int32) []int32 {
	clauses := clausesOf(rule, deny, to)
	for _, p := range to.Hosts {
		place := int32(none)
		if p.Kind() != match.Glob {
			place, hosts = found.number[hosts[0]], hosts[1:]
		}
		for _, c := range clauses {
			if place == none {
				d.globs = append(d.globs, globbed{p, c})
			} else {
				d.placed = append(d.placed, placed{place, c})
			}
		}
	}
	for _, p := range to.Addresses.Prefixes() {
		for _, c := range clauses {
			d.placed = append(d.placed, placed{found.prefixes[p], c})
		}
	}
	return hosts
}
