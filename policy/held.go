package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// A heldRule is an EffectiveRule as an engine holds it: in a fraction of the memory, and with next to nothing for the garbage collector to
// follow, because engines hold many rules and show few. What it says is in storage, by number.
type heldRule struct {
	id     RuleID
	group  int32 // of the sources
	scope  int32 // whom its clauses are for: the group or, of a boundary, it alone
	to     extent
	notes  int32 // none: there are none
	effect Effect
}

// A heldDestination is a Destination apart from its hosts, in which alone it often differs from others, and these.
type heldDestination struct {
	hosts extent
	rest  int32
}

// An extent is a part of a list: n entries from first on.
type extent struct{ first, n int32 }

// notes are what a rule holds for people.
type notes struct {
	reason, owner string
	expires       time.Time
	at            Position
}

// storage is what rules say, in lists that they share. It grows while policies are compiled.
type storage struct {
	selectors []identity.Selector // by group
	to        []heldDestination
	hosts     []match.Pattern
	rests     []Destination // without hosts
	notes     []notes
}

// effective returns a rule as it is shown. The lists of its destinations are those of the storage.
func (s *storage) effective(r *heldRule) *EffectiveRule {
	e := &EffectiveRule{ID: r.id, Effect: r.effect, Sources: s.selectors[r.group]}
	if r.to.n > 0 {
		e.To = make([]Destination, r.to.n)
	}
	for i, d := range s.destinations(r.to) {
		e.To[i] = s.whole(d)
	}
	if r.notes != none {
		n := &s.notes[r.notes]
		e.Reason, e.Owner, e.Expires, e.At = n.reason, n.owner, n.expires, n.at
	}
	return e
}

func (s *storage) destinations(to extent) []heldDestination { return s.to[to.first : to.first+to.n] }

func (s *storage) hostsOf(d heldDestination) []match.Pattern {
	end := d.hosts.first + d.hosts.n
	return s.hosts[d.hosts.first:end:end]
}

func (s *storage) whole(d heldDestination) Destination {
	w := s.rests[d.rest]
	w.Hosts = s.hostsOf(d)
	return w
}

// reserve makes room for what policies say, and returns the number of their rules.
func (s *storage) reserve(policies []*Policy) (rules int) {
	var to, hosts, noted int
	count := func(s *Section) {
		rules += len(s.Allow) + len(s.Deny)
		if s.Within != nil {
			rules++
		}
		for _, list := range [...][]Rule{s.Allow, s.Deny, s.Within} {
			to += len(list)
			for i := range list {
				hosts += len(list[i].To.Hosts)
				if list[i].notes() != (notes{}) {
					noted++
				}
			}
		}
	}
	for _, p := range policies {
		count(&p.Cluster)
		for i := range p.Sources {
			count(&p.Sources[i].Section)
		}
	}
	s.to, s.hosts, s.notes = make([]heldDestination, 0, to), make([]match.Pattern, 0, hosts), make([]notes, 0, noted)
	return rules
}

// add adds what is in d, without sharing anything with it, lists in order and, in an allow, with the default ports spelled out.
func (s *storage) add(d *Destination, effect Effect) {
	first := len(s.hosts)
	s.hosts = append(s.hosts, d.Hosts...)
	if hosts := s.hosts[first:]; len(hosts) > 1 {
		slices.SortFunc(hosts, match.Pattern.Compare)
		s.hosts = s.hosts[:first+len(slices.CompactFunc(hosts, match.Pattern.Equal))]
	}
	s.to = append(s.to, heldDestination{extent{int32(first), int32(len(s.hosts) - first)}, s.addRest(d, effect)})
}

// addRest adds d without hosts, unless it is what was added last: rules next to each other mostly differ in hosts alone.
func (s *storage) addRest(d *Destination, effect Effect) int32 {
	r := *d
	r.Hosts = nil
	r.Methods = sortedUnique(d.Methods, strings.Compare)
	r.Paths = sortedUnique(d.Paths, Path.Compare)
	if effect == Allow && d.Ports.IsEmpty() {
		r.Ports = defaultPorts(d.Protocol)
	}
	last := len(s.rests) - 1
	if last >= 0 && s.rests[last].sameButHosts(&r) {
		return int32(last)
	}
	if r.OriginateTLS != nil {
		r.OriginateTLS = new(*r.OriginateTLS)
	}
	s.rests = append(s.rests, r)
	return int32(last + 1)
}

// addNotes adds notes, unless there are none, or they are those that were added last.
func (s *storage) addNotes(n notes) int32 {
	if n == (notes{}) {
		return none
	}
	last := len(s.notes) - 1
	if last < 0 || s.notes[last] != n {
		s.notes = append(s.notes, n)
		last++
	}
	return int32(last)
}
