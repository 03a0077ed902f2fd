package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// An Explanation tells how a decision came about, and what would have to change for the opposite one. String gives it as text.
type Explanation struct {
	Request  Request
	Decision Decision

	Matched    []Finding // the allows and denies that contain the request, in order of ID
	Boundaries []Finding // the boundaries that select the source, in order of ID; those with Misses do not contain the request
	// Nearest are, where no allow contains the request, the allows that miss by least, nearest first: of its host or address or, when there is
	// none, of a name like it; at most three.
	Nearest []Finding

	// Change says what would have to change for the opposite decision: all of it, or for an allowed request any one of it.
	Change []string
}

// A Finding is what one rule has to do with a request.
type Finding struct {
	Rule   *EffectiveRule // its lists are the engine's own; must not be changed
	Misses []Miss         // what keeps the rule from containing the request; none when it does
}

// A Miss is a field of a rule that a request does not meet.
type Miss struct {
	// Field is host, address, protocol, port, method or path; of the source: trust domain, cluster, namespace, service account, labels or
	// namespace labels; expires, of the rule itself; or boundary, when nothing is inside it any more.
	Field string `json:"field"`
	Want  string `json:"want"`           // what the rule says
	Got   string `json:"got,omitempty"`  // what the request says; empty: nothing
	Note  string `json:"note,omitempty"` // what authors often take the rule for, and it is not; empty: nothing to add
}

// Limits of what an explanation lists: more is no explanation.
const (
	maxNearest = 3 // near misses
	maxMisses  = 3 // fields that a near miss misses by
	maxListed  = 5 // hosts or prefixes of one rule
)

// Explain decides r and tells why. It looks at every rule, and is meant for people, tests and denials, not for every connection.
func (e *Engine) Explain(r Request) Explanation {
	x := Explanation{Request: r, Decision: e.Decide(r)}
	if x.Decision.Reason == InvalidRequest {
		x.Change = []string{"a valid request: " + r.Access.invalid()}
		return x
	}
	if e == nil {
		e = &Engine{}
	}
	allowed := false
	for n := range e.rules {
		if !e.selects(&e.rules[n], &r.Source) {
			continue
		}
		switch rule := e.store.effective(&e.rules[n]); {
		case rule.Effect == Within:
			x.Boundaries = append(x.Boundaries, Finding{rule, rule.misses(&r.Access)})
		case rule.To[0].contains(&r.Access):
			x.Matched = append(x.Matched, Finding{rule, nil})
			allowed = allowed || rule.Effect == Allow
		}
	}
	if !allowed {
		x.Nearest = e.nearest(&r)
	}
	x.Change = x.change()
	return x
}

// selects reports whether a rule applies to w.
func (e *Engine) selects(r *heldRule, w *identity.Workload) bool {
	return e.speaksFor(w) && e.store.selectors[r.group].Matches(*w)
}

// invalid says what keeps a from being judged.
func (a *Access) invalid() string {
	switch {
	case a.Protocol == AnyProtocol || a.Protocol > SCTP:
		return "the protocol must be TLS, HTTP, TCP, UDP or SCTP"
	case a.Port == 0:
		return "the port must be 1 to 65535"
	case a.Host.IsZero() && !a.Address.IsValid():
		return "a host or an address must be known"
	}
	return fmt.Sprintf("servers read the path %.80q in more than one way; normalise it first", a.Path)
}

// misses returns what keeps r from containing a: the misses of its nearest destination.
func (r *EffectiveRule) misses(a *Access) []Miss {
	var least []Miss
	for i := range r.To {
		m := r.To[i].misses(a)
		if len(m) == 0 {
			return nil
		}
		if least == nil || len(m) < len(least) {
			least = m
		}
	}
	if len(r.To) == 0 {
		return []Miss{{Field: "boundary", Want: "all that was inside has expired"}}
	}
	return least
}

func (d *Destination) misses(a *Access) []Miss {
	var out []Miss
	if !d.containsPlace(a) {
		if len(d.Hosts) > 0 {
			hosts, others := d.nearestHosts(a.Host)
			out = append(out, Miss{"host", joined(hosts) + others, a.Host.String(), wildcardNote(hosts, a.Host)})
		} else {
			got := ""
			if a.Address.IsValid() {
				got = a.Address.String()
			}
			prefixes, others := listed(d.Addresses.Prefixes())
			out = append(out, Miss{Field: "address", Want: joined(prefixes) + others, Got: got})
		}
	}
	if !d.Protocol.Contains(a.Protocol) {
		out = append(out, Miss{Field: "protocol", Want: d.Protocol.String(), Got: a.Protocol.String()})
	}
	if !d.Ports.IsEmpty() && !d.Ports.Contains(a.Port) {
		out = append(out, Miss{Field: "port", Want: d.Ports.String(), Got: fmt.Sprint(a.Port)})
	}
	if !d.containsMethod(a) {
		out = append(out, Miss{Field: "method", Want: strings.Join(d.Methods, ","), Got: a.Method})
	}
	if !d.containsPath(a) {
		out = append(out, Miss{Field: "path", Want: joined(d.Paths), Got: a.Path})
	}
	return out
}

// wildcardNote says why a wildcard does not match a host that it looks like matching.
func wildcardNote(hosts []match.Pattern, h match.Host) string {
	for _, p := range hosts {
		switch {
		case p.Kind() == match.Subdomains && p.Suffix() == h.String():
			return fmt.Sprintf("%s is the names below %s, without %s itself", p, h, h)
		case p.Kind() == match.Glob && strings.HasSuffix(h.String(), "."+p.Suffix()) && labels(p.String()) != labels(h.String()):
			return fmt.Sprintf("the wildcards of %s stay inside their label", p)
		}
	}
	return ""
}

func labels(name string) int { return strings.Count(name, ".") + 1 }

// sourceMisses returns what keeps s from selecting w, by the term that comes nearest.
func sourceMisses(s identity.Selector, w identity.Workload) []Miss {
	var least []Miss
	for _, t := range s.Terms() {
		if m := termMisses(t, w); least == nil || len(m) < len(least) {
			least = m
		}
	}
	return least
}

// termMisses asks for one field of the term at a time.
func termMisses(t identity.Term, w identity.Workload) []Miss {
	var out []Miss
	for _, f := range []struct {
		field, got string
		only       identity.Term
	}{
		{"cluster", w.Cluster, identity.Term{Clusters: t.Clusters}},
		{"namespace", w.Namespace, identity.Term{Namespaces: t.Namespaces}},
		{"service account", w.ServiceAccount, identity.Term{ServiceAccounts: t.ServiceAccounts}},
		{"namespace labels", labelText(w.NamespaceLabels), identity.Term{NamespaceLabels: t.NamespaceLabels}},
		{"labels", labelText(w.Labels), identity.Term{PodLabels: t.PodLabels}},
	} {
		s, err := identity.NewSelector(f.only)
		if err != nil || s.Matches(w) { // an error: the term does not ask for this field
			continue
		}
		_, want, _ := strings.Cut(s.String(), "=")
		out = append(out, Miss{Field: f.field, Want: want, Got: f.got})
	}
	return out
}

// nearest returns the allows that miss r by least: by fewest fields, then by how much of the host they share, then by ID. When some name
// its host or address, others are left out. One label in common, such as "com", is nothing in common.
func (e *Engine) nearest(r *Request) []Finding {
	type ranked struct {
		Finding
		shared int
	}
	var near []ranked
	most := 0
	for _, rules := range [][]heldRule{e.rules, e.expired} {
		for n := range rules {
			if rules[n].effect != Allow {
				continue
			}
			to := e.store.whole(e.store.to[rules[n].to.first])
			if shared := to.sharedLabels(&r.Access); shared >= 2 {
				rule := e.store.effective(&rules[n])
				if misses := e.allMisses(rule, r); shared == samePlace || len(misses) <= maxMisses {
					near = append(near, ranked{Finding{rule, misses}, shared})
					most = max(most, shared)
				}
			}
		}
	}
	if most == samePlace {
		near = slices.DeleteFunc(near, func(n ranked) bool { return n.shared < samePlace })
	}
	slices.SortStableFunc(near, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(len(a.Misses), len(b.Misses)), cmp.Compare(b.shared, a.shared), strings.Compare(string(a.Rule.ID), string(b.Rule.ID)))
	})
	near = near[:min(len(near), maxNearest)]
	out := make([]Finding, len(near))
	for i, n := range near {
		out[i] = n.Finding
	}
	return out
}

// allMisses returns what keeps an allow from allowing r: of the destination, of the source, and its expiry.
func (e *Engine) allMisses(rule *EffectiveRule, r *Request) []Miss {
	misses := rule.misses(&r.Access)
	switch {
	case !e.speaksFor(&r.Source):
		misses = append(misses, Miss{Field: "trust domain", Want: e.trust.String(), Got: r.Source.TrustDomain})
	case !rule.Sources.Matches(r.Source):
		misses = append(misses, sourceMisses(rule.Sources, r.Source)...)
	}
	if _, inForce := slices.BinarySearchFunc(e.rules, rule.ID, func(r heldRule, id RuleID) int { return cmp.Compare(r.id, id) }); !inForce {
		misses = append(misses, Miss{Field: "expires", Want: day(rule.Expires)})
	}
	return misses
}

// samePlace is more labels than any host has.
const samePlace = 1 << 10

// sharedLabels returns how many labels at its end a's host shares with one of d's patterns, and samePlace when a is at a place of d.
func (d *Destination) sharedLabels(a *Access) int {
	if d.containsPlace(a) {
		return samePlace
	}
	most := 0
	for _, p := range d.Hosts {
		most = max(most, sharedLabels(p.String(), a.Host.String()))
	}
	return most
}

// nearestHosts returns those of d's patterns that come nearest to a host, when there are too many to list, and how many more there are.
func (d *Destination) nearestHosts(h match.Host) (hosts []match.Pattern, others string) {
	hosts = slices.Clone(d.Hosts)
	if len(hosts) > maxListed {
		slices.SortStableFunc(hosts, func(a, b match.Pattern) int {
			return cmp.Compare(sharedLabels(b.String(), h.String()), sharedLabels(a.String(), h.String()))
		})
	}
	return listed(hosts)
}

// listed returns the first entries of a list, and how many more there are.
func listed[T any](list []T) (first []T, others string) {
	if len(list) <= maxListed {
		return list, ""
	}
	if len(list) == maxListed+1 {
		return list[:maxListed], " or 1 other"
	}
	return list[:maxListed], fmt.Sprintf(" or %d others", len(list)-maxListed)
}

// sharedLabels returns how many labels a and b have in common at their ends.
func sharedLabels(a, b string) (n int) {
	for a != "" && b != "" {
		i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
		if a[i+1:] != b[j+1:] {
			break
		}
		n++
		a, b = a[:max(i, 0)], b[:max(j, 0)]
	}
	return n
}

// change says what would have to change for the opposite decision.
func (x *Explanation) change() []string {
	var out, allows []string
	for _, f := range x.Matched {
		if f.Rule.Effect == Allow {
			allows = append(allows, f.Rule.where())
		} else {
			out = append(out, fmt.Sprintf("%s must not deny it", f.Rule.where()))
		}
	}
	if x.Decision.Allowed {
		return []string{strings.Join(allows, " and ") + " must not allow it", "or a rule must deny it, or a boundary leave it out"}
	}
	if len(allows) == 0 {
		out = append(out, x.missingAllow())
	}
	for _, f := range x.Boundaries {
		if len(f.Misses) > 0 {
			out = append(out, fmt.Sprintf("the boundary %s must have it inside", f.Rule.where()))
		}
	}
	return out
}

// missingAllow says what would allow the request: a new rule, or the nearest one with other words.
func (x *Explanation) missingAllow() string {
	s := fmt.Sprintf("a rule must allow it to %s", describe(x.Request.Source))
	if len(x.Nearest) == 0 {
		return s
	}
	near := x.Nearest[0]
	if near.Misses[0].Field == "expires" { // which comes last: nothing else is missed
		return fmt.Sprintf("%s: a new one, or %s with a later day of expiry", s, near.Rule.where())
	}
	return fmt.Sprintf("%s: a new one, or %s extended to it", s, near.Rule.where())
}

// where returns the rule's ID and position; where the line is known, the field says nothing more.
func (r *EffectiveRule) where() string {
	at := r.At
	if at.Line > 0 {
		at.Field = ""
	}
	if at == (Position{}) {
		return string(r.ID)
	}
	return fmt.Sprintf("%s (%s)", r.ID, at)
}
