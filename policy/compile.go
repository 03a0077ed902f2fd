package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// An Option changes how Compile reads policies.
type Option func(*options)

type options struct {
	now   time.Time
	trust *identity.TrustDomains
}

// At sets the time at which expiry is judged. Without it, Compile uses the current time.
func At(t time.Time) Option { return func(o *options) { o.now = t } }

// TrustDomains limits the policies to workloads of the given trust domains: a primary one and, while a mesh moves from one to another, its aliases.
// Workloads of other trust domains may reach nothing. Without it, trust domains are not looked at.
func TrustDomains(t identity.TrustDomains) Option { return func(o *options) { o.trust = &t } }

// Compile checks policies and returns their engine. It keeps no reference to them. The error is a Diagnostics with all mistakes found.
// The order of the policies, of their sources and of their rules changes nothing.
func Compile(policies []*Policy, opts ...Option) (*Engine, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.now.IsZero() {
		o.now = time.Now()
	}
	c := compiler{now: o.now}
	c.checkPolicyNames(policies)
	for i, p := range policies {
		if p == nil {
			c.report("nil-policy", Position{Field: fmt.Sprintf("policies[%d]", i)}, "the policy is nil", "")
			continue
		}
		c.policy(p)
	}
	c.found.Sort()
	if err := c.found.Err(); err != nil {
		return nil, err
	}
	sortByID(c.rules)
	sortByID(c.expired)
	return newEngine(c.rules, c.expired, o.trust)
}

func sortByID(rules []*EffectiveRule) {
	slices.SortFunc(rules, func(a, b *EffectiveRule) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// A compiler collects what Compile makes of policies.
type compiler struct {
	now     time.Time
	rules   []*EffectiveRule
	expired []*EffectiveRule
	found   Diagnostics
}

func (c *compiler) report(code string, at Position, message, advice string) {
	c.found = append(c.found, Diagnostic{Severity: Error, Code: code, Position: at, Message: message, Advice: advice})
}

// checkPolicyNames reports policies that share a name: their rules would too.
func (c *compiler) checkPolicyNames(policies []*Policy) {
	type key struct{ namespace, name string }
	first := map[key]*Policy{}
	for _, p := range policies {
		if p == nil {
			continue
		}
		k := key{p.Namespace, p.Name}
		o, seen := first[k]
		if !seen {
			first[k] = p
			continue
		}
		if p.At.Compare(o.At) < 0 {
			first[k], p, o = p, o, p
		}
		c.report("duplicate-policy", within(p.position(), "metadata.name"), fmt.Sprintf("there is another policy named %q%s", p.id(), seenAt(o.At)), "give each policy a name of its own")
	}
}

// seenAt completes a message with the place of the other occurrence, where that is known.
func seenAt(at Position) string {
	if at == (Position{}) {
		return ""
	}
	return " at " + at.String()
}

// id returns the part of the policy's rule IDs that names the policy.
func (p *Policy) id() string {
	if p.Namespace != "" {
		return p.Namespace + "/" + p.Name
	}
	return p.Name
}

// position returns where p stands; for policies built in Go, a text that names it.
func (p *Policy) position() Position {
	if p.At != (Position{}) {
		return p.At
	}
	return Position{Field: fmt.Sprintf("policy %q", p.id())}
}

// within returns the position of a field of what stands at at.
func within(at Position, field string) Position {
	if at.Field != "" {
		at.Field += "."
	}
	at.Field += field
	return at
}

// or returns at, or other when at is unknown.
func (at Position) or(other Position) Position {
	if at == (Position{}) {
		return other
	}
	return at
}

func (c *compiler) policy(p *Policy) {
	at := p.position()
	c.checkName("policy", p.Name, maxPolicyName, within(at, "metadata.name"))
	limit := limits{namespace: p.Namespace, clusters: p.Clusters}
	if p.Namespace != "" {
		if err := identity.ValidateName(p.Namespace); err != nil {
			c.report("bad-namespace", within(at, "metadata.namespace"), err.Error(), "")
			limit.namespace = ""
		}
		if s := p.Cluster; len(s.Allow)+len(s.Deny)+len(s.Within) > 0 || s.Within != nil {
			c.report("cluster-section", within(at, "spec.cluster"), "a policy with a namespace has no cluster section: it speaks for the workloads of its namespace alone",
				"move the rules to a source, or to a policy without a namespace")
		}
	}
	if len(p.Clusters) > 0 {
		if _, err := identity.NewSelector(identity.Term{Clusters: p.Clusters}); err != nil {
			c.report("bad-cluster", within(at, "spec.clusters"), err.Error(), "")
			limit.clusters = nil
		}
	}

	d := drafts{compiler: c, policy: p.id()}
	if p.Namespace == "" {
		if everyone, err := identity.Everything().WithClusters(limit.clusters...); err == nil {
			d.section(clusterSource, everyone, p.Cluster, within(at, "spec.cluster"))
		}
	}
	names := map[string]Position{}
	for i := range p.Sources {
		s := &p.Sources[i]
		at := s.At.or(within(at, fmt.Sprintf("sources[%d]", i)))
		source := sourceName{text: s.Name}
		if s.Name == "" {
			source = deriveSourceName(s.From)
		} else {
			c.checkName("source", s.Name, maxName, within(at, "name"))
			if o, dup := names[s.Name]; dup {
				c.report("duplicate-source", within(at, "name"), fmt.Sprintf("there is another source named %q%s", s.Name, seenAt(o)), "give each source of a policy a name of its own")
			}
			names[s.Name] = at
		}
		d.section(source, c.sources(s.From, limit, at), s.Section, at)
	}
	d.finish()
}

// limits are what a policy may speak for.
type limits struct {
	namespace string
	clusters  []string
}

// sources returns the part of s that a policy may speak for, and reports what its author may have thought that it speaks for.
func (c *compiler) sources(s identity.Selector, l limits, at Position) identity.Selector {
	at = within(at, "from")
	if s.IsZero() {
		c.report("missing-from", at, "the source selects nothing", "write from with namespaces, serviceAccounts or labels; rules for every workload go to the cluster section")
		return s
	}
	for _, t := range s.Terms() {
		if l.namespace != "" && !speaksFor(t, l.namespace) {
			c.report("foreign-namespace", at, fmt.Sprintf("the policy speaks for namespace %q alone, and not for %s", l.namespace, strings.Join(t.Namespaces, ", ")),
				"leave namespaces out, or use a policy without a namespace")
		}
	}
	if l.namespace != "" {
		s = s.InNamespace(l.namespace)
	}
	limited, err := s.WithClusters(l.clusters...)
	switch {
	case err != nil:
		c.report("source-clusters", at, "the clusters of the source don't go with those of the policy: "+err.Error(), "name clusters in the policy or in the source, not in both")
	case limited.IsZero() && !s.IsZero():
		c.report("source-clusters", at, "the source names only clusters that the policy is not for", "name clusters in the policy or in the source, not in both")
	}
	return limited
}

// speaksFor reports whether a term stays within a namespace: it names no other one, and globs that match it.
func speaksFor(t identity.Term, namespace string) bool {
	for _, n := range t.Namespaces {
		s, err := identity.NewSelector(identity.Term{Namespaces: []string{n}})
		if err != nil || !s.Matches(identity.Workload{Namespace: namespace}) {
			return false
		}
	}
	return true
}

// drafts are the rules of one policy before those without a name get one.
type drafts struct {
	*compiler
	policy string
	list   []draft
}

// A draft is a rule on its way to an EffectiveRule.
type draft struct {
	name    string // as given; empty: derive it from what follows
	says    string // canonical text of effect, source and destinations
	notes   string // canonical text of the rest
	at      Position
	rule    *EffectiveRule
	expired bool
}

func (d *drafts) section(source sourceName, from identity.Selector, s Section, at Position) {
	for i, r := range s.Allow {
		d.rule(Allow, source, from, r, r.At.or(within(at, fmt.Sprintf("allow[%d]", i))))
	}
	for i, r := range s.Deny {
		d.rule(Deny, source, from, r, r.At.or(within(at, fmt.Sprintf("deny[%d]", i))))
	}
	if s.Within == nil {
		return
	}
	if len(s.Within) == 0 {
		d.report("empty-within", within(at, "within"), "the boundary is empty: nothing could be allowed", "leave within out, or name what is inside")
	}
	b := &EffectiveRule{Effect: Within, Sources: from}
	for i, r := range s.Within {
		at := r.At.or(within(at, fmt.Sprintf("within[%d]", i)))
		d.checkRule(Within, r, at)
		if i == 0 || r.At.Compare(b.At) < 0 {
			b.At = r.At
		}
		if !r.expired(d.now) {
			b.To = append(b.To, r.To.canonical(Within))
		}
	}
	b.To = sortedUnique(b.To, func(a, b Destination) int { return strings.Compare(a.String(), b.String()) })
	d.list = append(d.list, draft{name: source.boundary(), says: Within.String() + " " + source.key() + " " + joined(b.To), at: within(at, "within"), rule: b})
}

func (d *drafts) rule(effect Effect, source sourceName, from identity.Selector, r Rule, at Position) {
	d.checkRule(effect, r, at)
	to := r.To.canonical(effect)
	d.list = append(d.list, draft{
		name:    r.Name,
		says:    effect.String() + " " + source.key() + " " + to.String(),
		notes:   strings.Join([]string{r.Reason, r.Owner, day(r.Expires)}, "\x00"),
		at:      at,
		expired: r.expired(d.now),
		rule: &EffectiveRule{Effect: effect, Sources: from, To: []Destination{to}, Reason: r.Reason, Owner: r.Owner, Expires: r.Expires,
			At: r.At},
	})
}

// finish names the rules, collapses those that say the same, and reports those that only have the same name.
func (d *drafts) finish() {
	d.deriveNames()
	slices.SortStableFunc(d.list, func(a, b draft) int { return cmp.Or(a.rule.At.Compare(b.rule.At), a.at.Compare(b.at)) })
	seen := map[string]*draft{}
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
		case f.says != o.says || f.notes != o.notes:
			d.report("duplicate-rule", within(f.at, "name"), fmt.Sprintf("there is another rule named %q%s", f.name, seenAt(o.at)), "give each rule of a policy a name of its own")
		}
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

// canonical returns a copy of d that shares nothing with it, with lists in order and, in an allow, the default ports spelled out.
func (d Destination) canonical(effect Effect) Destination {
	d.Hosts = sortedUnique(d.Hosts, match.Pattern.Compare)
	d.Methods = sortedUnique(d.Methods, strings.Compare)
	d.Paths = sortedUnique(d.Paths, func(a, b Path) int { return strings.Compare(a.text, b.text) })
	if effect == Allow && d.Ports.IsEmpty() {
		d.Ports = defaultPorts(d.Protocol)
	}
	if d.OriginateTLS != nil {
		o := *d.OriginateTLS
		d.OriginateTLS = &o
	}
	return d
}

// defaultPorts returns the ports of an allow that names none, and no ports for protocols that have no default.
func defaultPorts(p Protocol) match.Ports {
	switch p {
	case TLS:
		return match.PortsOf(443)
	case HTTP:
		return match.PortsOf(80)
	}
	return match.Ports{}
}
