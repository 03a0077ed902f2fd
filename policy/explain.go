package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
)

// An Explanation tells how a decision came about, and what would have to change for the opposite one. String gives it as text.
type Explanation struct {
	Request  Request
	Decision Decision

	Matched    []Finding // the allows and denies that contain the request, in order of ID
	Boundaries []Finding // the boundaries that select the source, in order of ID; those with Misses do not contain the request
	Nearest    []Finding // where no allow contains the request: the allows that miss by least, nearest first; at most three

	// Change says what would have to change for the opposite decision: all of it, or for an allowed request any one of it.
	Change []string
}

// A Finding is what one rule has to do with a request.
type Finding struct {
	Rule   *EffectiveRule // the engine's own; must not be changed
	Misses []Miss         // what keeps the rule from containing the request; none when it does
}

// A Miss is a field of a rule that a request does not meet.
type Miss struct {
	// Field is host, address, protocol, port, method or path; of the source: trust domain, cluster, namespace, service account, labels or
	// namespace labels; expires, of
	// the rule itself; or boundary, when nothing is inside it any more.
	Field string `json:"field"`
	Want  string `json:"want"`          // what the rule says
	Got   string `json:"got,omitempty"` // what the request says; empty: nothing
}

// maxNearest bounds the near misses that an explanation lists: more are no explanation.
const maxNearest = 3

// Explain decides r and tells why. It looks at every rule, and is meant for people, tests and denials, not for every connection.
func (e *Engine) Explain(r Request) Explanation {
	x := Explanation{Request: r, Decision: e.Decide(r)}
	if x.Decision.Reason == InvalidRequest {
		x.Change = []string{"a valid request: " + r.Access.invalid()}
		return x
	}
	nobody := e != nil && !e.speaksFor(&r.Source)
	var near []Finding
	for rule := range e.Rules() {
		selected := !nobody && rule.Sources.Matches(r.Source)
		misses := rule.misses(&r.Access)
		switch {
		case rule.Effect == Within && selected:
			x.Boundaries = append(x.Boundaries, Finding{rule, misses})
		case rule.Effect == Within:
		case selected && len(misses) == 0:
			x.Matched = append(x.Matched, Finding{rule, nil})
		case rule.Effect == Allow:
			if nobody {
				misses = append(misses, Miss{"trust domain", e.trust.String(), r.Source.TrustDomain})
			} else if !selected {
				misses = append(misses, sourceMisses(rule.Sources, r.Source)...)
			}
			near = append(near, Finding{rule, misses})
		}
	}
	if !slices.ContainsFunc(x.Matched, func(f Finding) bool { return f.Rule.Effect == Allow }) {
		if e != nil {
			near = append(near, e.expiredNear(&r)...)
		}
		x.Nearest = nearest(near, &r.Access)
	}
	x.Change = x.change()
	return x
}

// invalid says what keeps a from being judged.
func (a *Access) invalid() string {
	switch {
	case a.Protocol == AnyProtocol || a.Protocol > UDP:
		return "the protocol must be TLS, HTTP, TCP or UDP"
	case a.Port == 0:
		return "the port must be 1 to 65535"
	case a.Host.IsZero() && !a.Address.IsValid():
		return "a host or an address must be known"
	}
	return fmt.Sprintf("servers read the path %.80q in more than one way; normalise it first", a.Path)
}

// expiredNear returns the allows that would contain r had they not expired, or nearly so.
func (e *Engine) expiredNear(r *Request) []Finding {
	var out []Finding
	for _, rule := range e.expired {
		if rule.Effect == Allow && rule.Sources.Matches(r.Source) {
			out = append(out, Finding{rule, append(rule.misses(&r.Access), Miss{"expires", day(rule.Expires), ""})})
		}
	}
	return out
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
		return []Miss{{"boundary", "all that was inside has expired", ""}}
	}
	return least
}

func (d *Destination) misses(a *Access) []Miss {
	var out []Miss
	if !d.containsPlace(a) {
		if len(d.Hosts) > 0 {
			out = append(out, Miss{"host", joined(d.Hosts), a.Host.String()})
		} else {
			got := ""
			if a.Address.IsValid() {
				got = a.Address.String()
			}
			out = append(out, Miss{"address", d.Addresses.String(), got})
		}
	}
	if !d.Protocol.Contains(a.Protocol) {
		out = append(out, Miss{"protocol", d.Protocol.String(), a.Protocol.String()})
	}
	if !d.Ports.IsEmpty() && !d.Ports.Contains(a.Port) {
		out = append(out, Miss{"port", d.Ports.String(), fmt.Sprint(a.Port)})
	}
	if !d.containsMethod(a) {
		out = append(out, Miss{"method", strings.Join(d.Methods, ","), a.Method})
	}
	if !d.containsPath(a) {
		out = append(out, Miss{"path", joined(d.Paths), a.Path})
	}
	return out
}

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
		out = append(out, Miss{f.field, want, f.got})
	}
	return out
}

// nearest returns the findings that miss by least: by fewest fields, then by how much of the host they share, then by ID. What shares
// nothing with the request is not near.
func nearest(found []Finding, a *Access) []Finding {
	type ranked struct {
		Finding
		shared int
	}
	var near []ranked
	for _, f := range found {
		shared := f.Rule.sharedLabels(a)
		if !slices.ContainsFunc(f.Misses, func(m Miss) bool { return m.Field == "host" || m.Field == "address" }) {
			shared = 1 << 10 // the destination itself
		}
		if shared >= 2 { // one label in common, such as "com", is nothing in common
			near = append(near, ranked{f, shared})
		}
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

// sharedLabels returns how many labels at its end a's host shares with one of r's patterns.
func (r *EffectiveRule) sharedLabels(a *Access) int {
	most := 0
	host := strings.Split(a.Host.String(), ".")
	for _, d := range r.To {
		for _, p := range d.Hosts {
			labels := strings.Split(p.String(), ".")
			n := 0
			for n < min(len(labels), len(host)) && labels[len(labels)-1-n] == host[len(host)-1-n] {
				n++
			}
			most = max(most, n)
		}
	}
	return most
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
			out = append(out, fmt.Sprintf("%s must have it inside", f.Rule.where()))
		}
	}
	return out
}

func (x *Explanation) missingAllow() string {
	s := fmt.Sprintf("a rule must allow it to %s", describe(x.Request.Source))
	if len(x.Nearest) == 0 {
		return s
	}
	return s + ", as " + x.Nearest[0].Rule.where() + " nearly does"
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
