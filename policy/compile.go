package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egresskit/egress/identity"
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
	c := compiler{now: o.now, groups: map[string]int32{}}
	policies = c.sorted(policies)
	c.rules = make([]heldRule, 0, c.store.reserve(policies))
	for _, p := range policies {
		c.policy(p)
	}
	c.found.Sort()
	if err := c.found.Err(); err != nil {
		return nil, err
	}
	sortByID(c.rules) // sorted already, unless policies and namespaces have the same names
	sortByID(c.expired)
	return newEngine(c.rules, c.expired, c.store, o.trust)
}

func sortByID(rules []heldRule) {
	slices.SortFunc(rules, func(a, b heldRule) int { return strings.Compare(string(a.id), string(b.id)) })
}

// A compiler collects what Compile makes of policies.
type compiler struct {
	now     time.Time
	rules   []heldRule
	expired []heldRule
	found   Diagnostics
	store   storage
	groups  map[string]int32 // by selector

	drafts []draft // memory for those of the next policy
	order  []int32 // the same
}

func (c *compiler) report(code string, at Position, message, advice string) {
	c.found = append(c.found, Diagnostic{Severity: Error, Code: code, Position: at, Message: message, Advice: advice})
}

// group returns the number of a selector, which is the same for all that select the same.
func (c *compiler) group(s identity.Selector) int32 {
	n, seen := c.groups[s.String()]
	if !seen {
		n = int32(len(c.groups))
		c.groups[s.String()] = n
		c.store.selectors = append(c.store.selectors, s)
	}
	return n
}

// sorted returns the policies in the order of their rules' IDs, and reports those that are nil or share a name: their rules would too.
func (c *compiler) sorted(policies []*Policy) []*Policy {
	type begun struct {
		*Policy
		ids string // what the IDs begin with
	}
	list := make([]begun, 0, len(policies))
	for i, p := range policies {
		if p == nil {
			c.report("nil-policy", Position{Field: fmt.Sprintf("policies[%d]", i)}, "the policy is nil", "")
			continue
		}
		list = append(list, begun{p, p.id() + "/"})
	}
	slices.SortStableFunc(list, func(a, b begun) int {
		return cmp.Or(strings.Compare(a.ids, b.ids), strings.Compare(a.Name, b.Name), a.At.Compare(b.At))
	})
	out := make([]*Policy, len(list))
	for i, p := range list {
		out[i] = p.Policy
		if i > 0 && p.ids == list[i-1].ids && p.Name == list[i-1].Name {
			c.report("duplicate-policy", within(p.position(), "metadata.name"), fmt.Sprintf("there is another policy named %q%s", p.id(), seenAt(list[i-1].At)), "give each policy a name of its own")
		}
	}
	return out
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

	d := drafts{compiler: c, policy: p.id(), list: c.drafts[:0]}
	if p.Namespace == "" {
		if everyone, err := identity.Everything().WithClusters(limit.clusters...); err == nil {
			d.section(clusterSource, everyone, &p.Cluster, within(at, "spec.cluster"))
		}
	}
	names := map[string]Position{}
	for i := range p.Sources {
		s := &p.Sources[i]
		at := s.At.or(within(at, fmt.Sprintf("spec.sources[%d]", i)))
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
		d.section(source, c.sources(s.From, limit, at), &s.Section, at)
	}
	d.finish()
	c.drafts = d.list
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
	if l.namespace != "" {
		for i, t := range s.Terms() {
			term := at
			term.Field += fmt.Sprintf("[%d]", i)
			c.checkSpeaksFor(l.namespace, t, term)
		}
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

// checkSpeaksFor reports where a term leaves a namespace, of which it names no other and no globs that do not match it. Terms and names are
// counted in the order that identity.Selector.Terms has them in, which is known even of a selector that was built in Go.
func (c *compiler) checkSpeaksFor(namespace string, t identity.Term, at Position) {
	const advice = "leave namespaces out, or use a policy without a namespace"
	stays := true
	for j, n := range t.Namespaces {
		s, err := identity.NewSelector(identity.Term{Namespaces: []string{n}})
		if err != nil || !s.Matches(identity.Workload{Namespace: namespace}) {
			stays = false
			c.report("foreign-namespace", within(at, fmt.Sprintf("namespaces[%d]", j)), fmt.Sprintf("the policy speaks for namespace %q alone, and not for %q", namespace, n), advice)
		}
	}
	if s, err := identity.NewSelector(t); stays && err == nil && s.InNamespace(namespace).IsZero() {
		c.report("foreign-namespace", within(at, "namespaceLabels"), fmt.Sprintf("the policy speaks for namespace %q alone, which the conditions leave out", namespace), advice)
	}
}
