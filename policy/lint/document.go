package lint

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A site is a rule as its author wrote it.
type site struct {
	rule   *policy.Rule
	effect policy.Effect
	at     policy.Position
}

// document looks at each rule of a policy by itself.
func (c *checker) document(p *policy.Policy) {
	c.section(&p.Cluster)
	for i := range p.Sources {
		c.section(&p.Sources[i].Section)
	}
}

func (c *checker) section(s *policy.Section) {
	for _, l := range []struct {
		effect policy.Effect
		rules  []policy.Rule
	}{{policy.Allow, s.Allow}, {policy.Deny, s.Deny}, {policy.Within, s.Within}} {
		for i := range l.rules {
			r := site{&l.rules[i], l.effect, l.rules[i].At}
			c.expiry(r)
			c.plainHTTP(r)
			c.hosts(r)
			if l.effect == policy.Allow {
				c.written[r.at] = r.rule
			}
		}
	}
}

// String names the rule in a message.
func (r site) String() string {
	if r.rule.Name != "" {
		return fmt.Sprintf("%s rule %q", r.effect, r.rule.Name)
	}
	return fmt.Sprintf("%s rule for %.200s", r.effect, r.rule.To)
}

func (c *checker) expiry(r site) {
	if r.rule.Expires.IsZero() {
		return
	}
	day := r.rule.Expires.UTC().Truncate(24 * time.Hour)
	switch {
	case !c.now.Before(day):
		c.report(policy.Warning, Expired, field(r.at, "expires"), fmt.Sprintf("the %s expired on %s", r, day.Format(time.DateOnly)), "remove it, or extend it after a review")
	case !c.now.Add(c.soon).Before(day):
		c.report(policy.Info, ExpiresSoon, field(r.at, "expires"), fmt.Sprintf("the %s expires on %s", r, day.Format(time.DateOnly)), "review it, and extend or remove it")
	}
}

func (c *checker) plainHTTP(r site) {
	if r.effect == policy.Allow && r.rule.To.Protocol == policy.HTTP && r.rule.To.OriginateTLS == nil {
		c.report(policy.Warning, PlainHTTP, field(r.at, "protocol"), fmt.Sprintf("the %s lets plain text leave the cluster", r), "write originateTLS, or protocol: TLS where the application speaks it")
	}
}

// hosts looks at each pattern of a rule.
func (c *checker) hosts(r site) {
	if len(r.rule.To.Hosts) == 0 {
		return
	}
	inner := covered(r.rule.To.Hosts)
	for i, p := range r.rule.To.Hosts {
		at := field(r.at, fmt.Sprintf("hosts[%d]", i))
		if o, ok := inner[i]; ok {
			c.report(policy.Info, DuplicateHost, at, fmt.Sprintf("%s is in the rule already, by %s", p, o), "leave it out")
		}
		if why := c.ofCluster(p); why != "" {
			c.report(policy.Warning, ClusterHost, at, fmt.Sprintf("%s %s; egress rules do not decide about it", p, why), "leave it out; traffic inside the cluster has policies of its own")
		} else if why := openToAnyone(p); why != "" && r.effect != policy.Deny {
			c.report(policy.Warning, PublicSuffix, at, fmt.Sprintf("%s matches names that anybody can get: %s", p, why), "name the domains that are meant")
		}
		if r.effect == policy.Allow {
			for _, l := range c.lists {
				for _, n := range l.names {
					if p.Overlaps(n) {
						what := p.String()
						if !p.Equal(n) {
							what = fmt.Sprintf("%s takes in %s", p, n)
						}
						c.report(policy.Warning, l.code, at, what+": "+l.why, "leave it out unless it is meant")
						break
					}
				}
			}
		}
	}
}

// covered returns, by index, the pattern that makes another one of the list superfluous. Of equal ones, the first stays.
func covered(list []match.Pattern) map[int]match.Pattern {
	out := map[int]match.Pattern{}
	if len(list) == 1 {
		return out
	}
	first := map[string]bool{}
	var b match.Builder[struct{}]
	for i, p := range list {
		if first[p.String()] {
			out[i] = p
			continue
		}
		first[p.String()] = true
		b.Add(p, struct{}{})
	}
	x, _ := b.Build() // of patterns that compiled, each once
	for i, p := range list {
		h, ok := p.Witness(match.Pattern{})
		if _, duplicate := out[i]; duplicate || !ok {
			continue
		}
		for q := range x.Matching(h) {
			if !q.Equal(p) && q.Covers(p) { // patterns that cover each other are equal
				out[i] = q
				break
			}
		}
	}
	return out
}

// ofCluster says why p is a name of the cluster itself, and "" when it is not.
func (c *checker) ofCluster(p match.Pattern) string {
	name := p.String()
	switch {
	case name == c.domain || strings.HasSuffix(name, "."+c.domain):
		return "is in the cluster's domain " + c.domain
	case strings.HasSuffix(name, ".svc"):
		return "is the short name of a service"
	case !strings.Contains(name, "."):
		return "has one label, as services of the cluster have"
	}
	return ""
}

// sharedDomains are domains that are no public suffixes themselves but hold many: under them, as under a public suffix, anybody can have a
// name. The list of public suffixes can't be asked for what lies below a domain.
var sharedDomains = [...]string{"amazonaws.com", "windows.net", "core.windows.net", "fastly.net"}

// openToAnyone says why wildcards of p stand for names that anybody can register, and "" when they do not.
func openToAnyone(p match.Pattern) string {
	suffix := p.Suffix()
	if p.Kind() == match.Exact {
		return ""
	}
	if suffix == "" {
		return "it names no domain"
	}
	if public, _ := publicsuffix.PublicSuffix(suffix); public == suffix {
		return suffix + " is a public suffix"
	}
	// Rules such as *.compute.amazonaws.com make every name below a domain a public suffix.
	child := "x." + suffix
	if public, _ := publicsuffix.PublicSuffix(child); public == child {
		return "all names below " + suffix + " are public suffixes"
	}
	for _, d := range sharedDomains {
		if suffix == d {
			return suffix + " holds public suffixes"
		}
	}
	return ""
}

// sources reports sources that select nothing of the inventory.
func (c *checker) sources(policies []*policy.Policy) {
	if c.inventory == nil {
		return
	}
	type place struct {
		name string
		at   policy.Position
	}
	var selectors []identity.Selector
	var places []place
	for _, p := range policies {
		for i := range p.Sources {
			s := &p.Sources[i]
			from := s.From
			if p.Namespace != "" {
				from = from.InNamespace(p.Namespace)
			}
			limited, _ := from.WithClusters(p.Clusters...) // they compiled
			if limited.InCluster(c.cluster).IsZero() {
				continue // of another cluster
			}
			selectors, places = append(selectors, limited), append(places, place{s.Name, field(s.At, "from")})
		}
	}
	matched := make([]bool, len(selectors))
	index := identity.NewIndex(selectors)
	var buf []int
	for _, w := range c.inventory.Workloads(c.cluster, "") {
		buf = index.Matching(w, buf[:0])
		for _, n := range buf {
			matched[n] = true
		}
	}
	for n, p := range places {
		if !matched[n] {
			c.report(policy.Warning, NoSource, p.at, fmt.Sprintf("source %q selects nothing of the inventory: %s", p.name, selectors[n]), "check the names and labels")
		}
	}
}
