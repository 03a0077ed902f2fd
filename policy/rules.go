package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
)

// drafts are the rules of one policy on their way to EffectiveRules: checked, and those without a name still without one.
type drafts struct {
	*compiler
	policy string
	list   []draft
}

type draft struct {
	name    string // as given; empty: to be derived
	given   *Rule  // nil for a boundary, which is made of several
	to      extent
	at      locus
	expired bool
}

// says returns the canonical text of effect, source and destinations.
func (d *drafts) says(f *draft) string {
	to := make([]Destination, f.to.n)
	for i, held := range d.store.destinations(f.to) {
		to[i] = d.store.whole(held)
	}
	return f.at.list.String() + " " + f.at.in.source.key() + " " + joinedBy(to, " or ")
}

// notes returns what else a rule holds.
func (f *draft) notes() notes {
	if f.given == nil {
		return notes{at: *f.at.own}
	}
	return f.given.notes()
}

func (r *Rule) notes() notes { return notes{r.Reason, r.Owner, r.Expires, r.At} }

// String returns the canonical text of all but the position.
func (n notes) String() string {
	return strings.Join([]string{n.reason, n.owner, day(n.expires)}, "\x00")
}

// An origin is the section of a policy that rules are from: who they speak for, and where it stands.
type origin struct {
	source sourceName
	group  int32
	at     Position
}

// A locus is where a rule stands: at its own position or, when that is unknown, at an index of a list of its section. Its text is made
// when there is something to report.
type locus struct {
	own   *Position
	in    *origin
	list  Effect
	index int
}

// position returns the position of the rule, or of one of its fields.
func (l *locus) position(field string) Position {
	at := *l.own
	if at == (Position{}) {
		at = within(l.in.at, fmt.Sprintf("%s[%d]", l.list, l.index))
	}
	if field == "" {
		return at
	}
	return within(at, field)
}

func (d *drafts) section(source sourceName, from identity.Selector, s *Section, at Position) {
	if len(s.Allow)+len(s.Deny) == 0 && s.Within == nil {
		return
	}
	in := &origin{source, d.group(from), at}
	d.list = slices.Grow(d.list, len(s.Allow)+len(s.Deny)+1)
	for i := range s.Allow {
		d.rule(&s.Allow[i], locus{&s.Allow[i].At, in, Allow, i})
	}
	for i := range s.Deny {
		d.rule(&s.Deny[i], locus{&s.Deny[i].At, in, Deny, i})
	}
	if s.Within != nil {
		d.boundary(in, s.Within)
	}
}

func (d *drafts) rule(r *Rule, at locus) {
	d.checkRule(r, &at)
	first := len(d.store.to)
	d.store.add(&r.To, at.list)
	d.list = append(d.list, draft{name: r.Name, given: r, to: extent{int32(first), 1}, at: at, expired: r.expired(d.now)})
}

func (d *drafts) boundary(in *origin, rules []Rule) {
	if len(rules) == 0 {
		d.report("empty-within", within(in.at, "within"), "the boundary is empty: nothing could be allowed", "leave within out, or name what is inside")
		return
	}
	b := draft{name: in.source.boundary(), at: locus{own: &rules[0].At, in: in, list: Within}}
	first := len(d.store.to)
	for i := range rules {
		r := &rules[i]
		d.checkRule(r, &locus{&r.At, in, Within, i})
		if r.At.Compare(*b.at.own) < 0 {
			b.at.own = &r.At
		}
		if !r.expired(d.now) {
			d.store.add(&r.To, Within)
		}
	}
	to := d.store.to[first:]
	compare := func(a, b heldDestination) int {
		return strings.Compare(d.store.whole(a).String(), d.store.whole(b).String())
	}
	slices.SortFunc(to, compare)
	to = slices.CompactFunc(to, func(a, b heldDestination) bool { return compare(a, b) == 0 })
	d.store.to = d.store.to[:first+len(to)]
	b.to = extent{int32(first), int32(len(to))}
	d.list = append(d.list, b)
}

// finish names the rules, collapses those that say the same, and reports those that only have the same name.
func (d *drafts) finish() {
	d.deriveNames()
	ids := d.newIDs()
	var o *draft // the last one with a name of its own
	for _, n := range d.sorted() {
		f := &d.list[n]
		if o != nil && f.name == o.name {
			if d.says(f) != d.says(o) || f.notes().String() != o.notes().String() {
				d.duplicate(f, o)
			}
			continue
		}
		o = f
		r := heldRule{id: ids.of(f), group: f.at.in.group, to: f.to, notes: d.store.addNotes(f.notes()), effect: f.at.list}
		if f.expired {
			d.compiler.expired = append(d.compiler.expired, r)
		} else {
			d.rules = append(d.rules, r)
		}
	}
}

// sorted returns the numbers of the drafts in order of name and, of those with one name, of position.
func (d *drafts) sorted() []int32 {
	order := slices.Grow(d.order[:0], len(d.list))
	for n := range d.list {
		order = append(order, int32(n))
	}
	slices.SortFunc(order, func(n, m int32) int {
		a, b := &d.list[n], &d.list[m]
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return cmp.Or(a.at.own.Compare(*b.at.own), cmp.Compare(n, m))
	})
	d.order = order
	return order
}

// ids makes the IDs of a policy's rules in one piece of memory: one for each would be much of what the garbage collector has to find.
type ids struct {
	policy string
	text   strings.Builder // with room for all
}

func (d *drafts) newIDs() *ids {
	size := 0
	for i := range d.list {
		size += len(d.policy) + 1 + len(d.list[i].name)
	}
	b := &ids{policy: d.policy}
	b.text.Grow(size)
	return b
}

func (b *ids) of(f *draft) RuleID {
	start := b.text.Len()
	b.text.WriteString(b.policy)
	b.text.WriteByte('/')
	b.text.WriteString(f.name)
	return RuleID(b.text.String()[start:])
}

// duplicate reports f, the later one of two rules of one name, or the one whose author can change the name.
func (d *drafts) duplicate(f, o *draft) {
	if f.given == nil && o.given != nil {
		f, o = o, f
	}
	switch {
	case f.given == nil:
		d.report("duplicate-boundary", within(f.at.in.at, "within"), fmt.Sprintf("there is another boundary named %q%s", f.name, seenAt(*o.at.own)),
			"give each source of a policy a name of its own, other than cluster")
	case o.given == nil:
		d.report("duplicate-rule", f.at.position("name"), fmt.Sprintf("a boundary is named %q%s", f.name, seenAt(*o.at.own)), "give the rule another name")
	default:
		d.report("duplicate-rule", f.at.position("name"), fmt.Sprintf("there is another rule named %q%s", f.name, seenAt(*o.at.own)), "give each rule of a policy a name of its own")
	}
}

// expired reports whether r is inert: from the start of its expiry day, in UTC.
func (r *Rule) expired(now time.Time) bool {
	return !r.Expires.IsZero() && !now.Before(startOfDay(r.Expires))
}

func startOfDay(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// day returns the date of an expiry, and "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}
