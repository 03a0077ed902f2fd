package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// A heldRule is an EffectiveRule as an engine holds it, which takes a fraction of the memory: engines hold many rules, and show few.
type heldRule struct {
	id      RuleID
	effect  Effect
	sources identity.Selector
	to      []heldDestination
	notes   *notes // nil: there are none
}

// A heldDestination is a Destination apart from its hosts, in which it often differs alone from others, and these.
type heldDestination struct {
	hosts []match.Pattern
	rest  *Destination // without hosts; shared
}

// notes are what a rule holds for people.
type notes struct {
	reason, owner string
	expires       time.Time
	at            Position
}

// effective returns the rule as it is shown. The lists of its destinations are those of r.
func (r *heldRule) effective() *EffectiveRule {
	e := &EffectiveRule{ID: r.id, Effect: r.effect, Sources: r.sources}
	if len(r.to) > 0 {
		e.To = make([]Destination, len(r.to))
	}
	for i := range r.to {
		e.To[i] = r.to[i].whole()
	}
	if n := r.notes; n != nil {
		e.Reason, e.Owner, e.Expires, e.At = n.reason, n.owner, n.expires, n.at
	}
	return e
}

func (d *heldDestination) whole() Destination {
	w := *d.rest
	w.Hosts = d.hosts
	return w
}

// String returns the canonical text of the destination.
func (d heldDestination) String() string { return d.whole().String() }

// storage makes what an engine holds of policies, in few pieces of memory: rules live and die together.
type storage struct {
	to    []heldDestination
	hosts []match.Pattern
	rest  *Destination // the last one made; rules next to each other mostly differ in hosts alone
	notes *notes       // the last ones
}

// newStorage returns storage with room for what policies hold, and how many rules that is.
func newStorage(policies []*Policy) (s storage, rules int) {
	var to, hosts int
	count := func(s *Section) {
		rules += len(s.Allow) + len(s.Deny)
		if s.Within != nil {
			rules++
		}
		for _, list := range [...][]Rule{s.Allow, s.Deny, s.Within} {
			to += len(list)
			for i := range list {
				hosts += len(list[i].To.Hosts)
			}
		}
	}
	for _, p := range policies {
		count(&p.Cluster)
		for i := range p.Sources {
			count(&p.Sources[i].Section)
		}
	}
	return storage{to: make([]heldDestination, 0, to), hosts: make([]match.Pattern, 0, hosts)}, rules
}

// destination returns a list of one: what is in d, without sharing anything with it, lists in order and, in an allow, with the default
// ports spelled out.
func (s *storage) destination(d *Destination, effect Effect) []heldDestination {
	h := len(s.hosts)
	s.hosts = append(s.hosts, d.Hosts...)
	hosts := slices.Clip(s.hosts[h:])
	if len(hosts) > 1 {
		slices.SortFunc(hosts, match.Pattern.Compare)
		hosts = slices.CompactFunc(hosts, match.Pattern.Equal)
	}
	n := len(s.to)
	s.to = append(s.to, heldDestination{hosts, s.restOf(d, effect)})
	return s.to[n : n+1 : n+1]
}

// restOf returns d without hosts.
func (s *storage) restOf(d *Destination, effect Effect) *Destination {
	r := *d
	r.Hosts = nil
	r.Methods = sortedUnique(d.Methods, strings.Compare)
	r.Paths = sortedUnique(d.Paths, Path.Compare)
	if effect == Allow && d.Ports.IsEmpty() {
		r.Ports = defaultPorts(d.Protocol)
	}
	if s.rest == nil || !s.rest.sameButHosts(&r) {
		if r.OriginateTLS != nil {
			o := *r.OriginateTLS
			r.OriginateTLS = &o
		}
		s.rest = new(r)
	}
	return s.rest
}

// notesOf returns the notes of a draft.
func (s *storage) notesOf(f *draft) *notes {
	n := notes{at: *f.at.own}
	if f.given != nil {
		n.reason, n.owner, n.expires = f.given.Reason, f.given.Owner, f.given.Expires
	}
	if n == (notes{}) {
		return nil
	}
	if s.notes == nil || *s.notes != n {
		s.notes = new(n)
	}
	return s.notes
}
