package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// drafts are the rules of one policy on their way to EffectiveRules: checked, and those without a name still without one.
type drafts struct {
	*compiler
	policy string
	list   []draft
}

type draft struct {
	name    string // as given; empty: to be derived
	source  *sourceName
	at      locus
	rule    *EffectiveRule
	expired bool
}

// says returns the canonical text of effect, source and destinations.
func (f *draft) says() string {
	return f.rule.Effect.String() + " " + f.source.key() + " " + joinedBy(f.rule.To, " or ")
}

// notes returns the canonical text of what else a rule holds.
func (f *draft) notes() string {
	return strings.Join([]string{f.rule.Reason, f.rule.Owner, day(f.rule.Expires)}, "\x00")
}

// A locus is where a rule stands: at its own position or, when that is unknown, at an index of a list of its section. Its text is made
// when there is something to report.
type locus struct {
	own     Position
	section *Position
	list    Effect
	index   int
}

// position returns the position of the rule, or of one of its fields.
func (l *locus) position(field string) Position {
	at := l.own
	if at == (Position{}) {
		at = within(*l.section, fmt.Sprintf("%s[%d]", l.list, l.index))
	}
	if field == "" {
		return at
	}
	return within(at, field)
}

func (d *drafts) section(source sourceName, from identity.Selector, s *Section, at Position) {
	n := len(s.Allow) + len(s.Deny)
	if n == 0 && s.Within == nil {
		return
	}
	// Rules of a section live and die together; one piece of memory each for rules, destinations and hosts is a third of the work.
	store := storage{make([]EffectiveRule, 0, n+1), make([]Destination, 0, n), make([]match.Pattern, 0, countHosts(s))}
	for i := range s.Allow {
		d.rule(&store, &source, from, &s.Allow[i], locus{s.Allow[i].At, &at, Allow, i})
	}
	for i := range s.Deny {
		d.rule(&store, &source, from, &s.Deny[i], locus{s.Deny[i].At, &at, Deny, i})
	}
	if s.Within != nil {
		d.boundary(&store, &source, from, s.Within, &at)
	}
}

// storage is room for the rules of one section.
type storage struct {
	rules []EffectiveRule
	to    []Destination
	hosts []match.Pattern
}

func countHosts(s *Section) (n int) {
	for _, rules := range [][]Rule{s.Allow, s.Deny, s.Within} {
		for i := range rules {
			n += len(rules[i].To.Hosts)
		}
	}
	return n
}

func (s *storage) rule(r EffectiveRule) *EffectiveRule {
	s.rules = append(s.rules, r)
	return &s.rules[len(s.rules)-1]
}

func (s *storage) destination(d Destination) []Destination {
	n := len(s.to)
	s.to = append(s.to, d)
	return s.to[n : n+1 : n+1]
}

func (d *drafts) rule(store *storage, source *sourceName, from identity.Selector, r *Rule, at locus) {
	d.checkRule(at.list, r, &at)
	d.list = append(d.list, draft{
		name: r.Name, source: source, at: at, expired: r.expired(d.now),
		rule: store.rule(EffectiveRule{Effect: at.list, Sources: from, To: store.destination(r.To.canonical(at.list, store)),
			Reason: r.Reason, Owner: r.Owner, Expires: r.Expires, At: r.At}),
	})
}

func (d *drafts) boundary(store *storage, source *sourceName, from identity.Selector, rules []Rule, section *Position) {
	if len(rules) == 0 {
		d.report("empty-within", within(*section, "within"), "the boundary is empty: nothing could be allowed", "leave within out, or name what is inside")
		return
	}
	b := store.rule(EffectiveRule{Effect: Within, Sources: from, At: rules[0].At})
	for i := range rules {
		r := &rules[i]
		d.checkRule(Within, r, &locus{r.At, section, Within, i})
		if r.At.Compare(b.At) < 0 {
			b.At = r.At
		}
		if !r.expired(d.now) {
			b.To = append(b.To, r.To.canonical(Within, store))
		}
	}
	b.To = sortedUnique(b.To, func(a, b Destination) int { return strings.Compare(a.String(), b.String()) })
	d.list = append(d.list, draft{name: source.boundary(), source: source, at: locus{section: section, list: Within, own: b.At}, rule: b})
}

// finish names the rules, collapses those that say the same, and reports those that only have the same name.
func (d *drafts) finish() {
	d.deriveNames()
	start, startExpired := len(d.rules), len(d.compiler.expired)
	d.rules = slices.Grow(d.rules, len(d.list))
	seen := make(map[string]*draft, len(d.list))
	for i := range d.list {
		f := &d.list[i]
		o, dup := seen[f.name]
		switch {
		case !dup:
			seen[f.name] = f
			f.rule.ID = RuleID(d.policy + "/" + f.name)
			if f.expired {
				d.compiler.expired = append(d.compiler.expired, f.rule)
			} else {
				d.rules = append(d.rules, f.rule)
			}
		case f.says() != o.says() || f.notes() != o.notes():
			d.duplicate(f, o)
		case f.rule.At.Compare(o.rule.At) < 0: // they say the same; the first place is reported
			o.rule.At = f.rule.At
		}
	}
	sortByID(d.rules[start:])
	sortByID(d.compiler.expired[startExpired:])
}

// duplicate reports the later one of two rules of one name, or the one whose author can change the name.
func (d *drafts) duplicate(f, o *draft) {
	if f.rule.At.Compare(o.rule.At) < 0 {
		f, o = o, f
	}
	if f.rule.Effect == Within && o.rule.Effect != Within {
		f, o = o, f
	}
	switch {
	case f.rule.Effect == Within:
		d.report("duplicate-boundary", within(*f.at.section, "within"), fmt.Sprintf("there is another boundary named %q%s", f.name, seenAt(o.rule.At)),
			"give each source of a policy a name of its own, other than cluster")
	case o.rule.Effect == Within:
		d.report("duplicate-rule", f.at.position("name"), fmt.Sprintf("a boundary is named %q%s", f.name, seenAt(o.rule.At)), "give the rule another name")
	default:
		d.report("duplicate-rule", f.at.position("name"), fmt.Sprintf("there is another rule named %q%s", f.name, seenAt(o.rule.At)), "give each rule of a policy a name of its own")
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
