package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// String returns the access in one line, such as "TLS api.example.com port 443".
func (a Access) String() string {
	parts := []string{a.Protocol.String()}
	if a.Protocol == AnyProtocol {
		parts[0] = "no protocol,"
	}
	if !a.Host.IsZero() {
		parts = append(parts, a.Host.String())
	}
	if a.Address.IsValid() {
		parts = append(parts, a.Address.String())
	}
	parts = append(parts, fmt.Sprintf("port %d", a.Port))
	if a.Protocol == HTTP {
		parts = append(parts, strings.TrimSpace(printable(a.Method)+" "+printable(a.Path)))
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// printable returns s, and in quotes where it holds what would change the line that it stands in. Methods and paths are chosen by whoever connects.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// describe returns a workload in one line, such as "shop/checkout in cluster prod-1 with labels app=checkout".
func describe(w identity.Workload) string {
	s := w.Namespace
	if w.ServiceAccount != "" {
		s += "/" + w.ServiceAccount
	}
	if s == "" {
		s = "an unknown workload"
	}
	if w.Cluster != "" {
		s += " in cluster " + w.Cluster
	}
	if len(w.Labels) > 0 {
		s += " with labels " + labelText(w.Labels)
	}
	return s
}

func labelText(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, k+"="+labels[k])
	}
	return strings.Join(parts, ",")
}

// String returns the decision in a few words, such as "allowed by storefront/card-payments" or "denied: no rule allows it".
func (d Decision) String() string {
	switch d.Reason {
	case Allowed:
		return "allowed by " + string(d.Rule)
	case Denied:
		return "denied by " + string(d.Rule)
	case OutsideBoundary:
		return "denied: outside the boundary " + string(d.Rule)
	case InvalidRequest:
		return "denied: not a valid request: no protocol, port or destination, or an ambiguous path"
	}
	return "denied: no rule allows it"
}

// String returns the explanation as text of a few lines, for people.
func (x Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  request  %s to %s\n", x.Decision, describe(x.Request.Source), x.Request.Access)
	for _, f := range x.Matched {
		fmt.Fprintf(&b, "  matches  %s\n", f.text(&x.Request.Access))
	}
	for _, f := range x.Boundaries {
		side := "inside"
		if len(f.Misses) > 0 {
			side = "outside"
		}
		fmt.Fprintf(&b, "  %-8s %s\n", side, f.text(&x.Request.Access))
	}
	for _, f := range x.Nearest {
		fmt.Fprintf(&b, "  nearest  %s\n", f.text(&x.Request.Access))
	}
	if x.Decision.Reason == NoRule && len(x.Nearest) == 0 {
		fmt.Fprintf(&b, "  nearest  none: no rule allows anybody %s\n", x.place())
	}
	for i, c := range x.Change {
		lead := ""
		if i == 0 {
			lead = "change"
		}
		fmt.Fprintf(&b, "  %-8s %s\n", lead, c)
	}
	return b.String()
}

// place names what no rule is near to.
func (x Explanation) place() string {
	switch {
	case x.Request.Host.IsZero():
		return "this address"
	case x.Request.Address.IsValid():
		return "this host or one much like it, or this address"
	}
	return "this host or one much like it"
}

// String returns the rule, where it stands, what it says, and what the request misses of it.
func (f Finding) String() string { return f.text(&Access{}) }

// text returns the finding as text; of long lists it has what comes nearest to a.
func (f Finding) text(a *Access) string {
	r := f.Rule
	to := make([]string, len(r.To))
	for i := range r.To {
		to[i] = r.To[i].text(a)
	}
	to, others := listed(to)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s%s", r.where(), r.Effect, strings.Join(to, " or "), others)
	if notes := r.notes(f.expired()); len(notes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	for i, m := range f.Misses {
		lead := ", and"
		if i == 0 {
			lead = "; but"
		}
		fmt.Fprintf(&b, "%s %s", lead, m)
	}
	return b.String()
}

// expired reports whether the rule is no longer in force.
func (f Finding) expired() bool {
	return slices.ContainsFunc(f.Misses, func(m Miss) bool { return m.Field == "expires" })
}

// notes returns why the rule is there, whose it is, and until when it is in force, as far as that is known.
func (r *EffectiveRule) notes(expired bool) []string {
	notes := []string{r.Reason, r.Owner}
	if !r.Expires.IsZero() && !expired {
		notes = append(notes, "expires "+day(r.Expires))
	}
	return slices.DeleteFunc(notes, func(s string) bool { return s == "" })
}

// text is String, but of many hosts or prefixes it has those that come nearest to a, or the first.
func (d Destination) text(a *Access) string {
	prefixes := d.Addresses.Prefixes()
	if len(d.Hosts) <= maxListed && len(prefixes) <= maxListed {
		return d.String()
	}
	hosts, otherHosts := d.nearestHosts(a.Host)
	prefixes, otherPrefixes := listed(prefixes)
	d.Hosts, d.Addresses = hosts, match.NewPrefixes(prefixes, nil)
	return d.String() + otherHosts + otherPrefixes
}

// String returns the miss as a clause, such as `the port is 80, not 443`.
func (m Miss) String() string {
	is, it := "is", "it"
	if strings.HasSuffix(m.Field, "labels") {
		is, it = "are", "they"
	}
	var s string
	switch {
	case m.Field == "expires":
		s = "it expired on " + m.Want
	case m.Field == "boundary":
		s = m.Want
	case m.Got == "":
		s = fmt.Sprintf("no %s %s known, and %s must be %s", m.Field, is, it, m.Want)
	default:
		s = fmt.Sprintf("the %s %s %s, not %s", m.Field, is, m.Got, m.Want)
	}
	if m.Note != "" {
		s += " (" + m.Note + ")"
	}
	return s
}

func joinedBy[T fmt.Stringer](list []T, sep string) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.String()
	}
	return strings.Join(texts, sep)
}

// MarshalJSON returns the explanation as data; rules are said by their text.
func (x Explanation) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Decision   Decision  `json:"decision"`
		Source     string    `json:"source"`
		Access     string    `json:"access"`
		Matched    []Finding `json:"matched,omitempty"`
		Boundaries []Finding `json:"boundaries,omitempty"`
		Nearest    []Finding `json:"nearest,omitempty"`
		Change     []string  `json:"change,omitempty"`
	}{x.Decision, describe(x.Request.Source), x.Request.Access.String(), x.Matched, x.Boundaries, x.Nearest, x.Change})
}

// MarshalJSON returns the finding as data; sources and destinations are said by their text.
func (f Finding) MarshalJSON() ([]byte, error) {
	to := make([]string, len(f.Rule.To))
	for i, d := range f.Rule.To {
		to[i] = d.String()
	}
	return json.Marshal(struct {
		Rule    RuleID   `json:"rule"`
		Effect  string   `json:"effect"`
		Sources string   `json:"sources"`
		To      []string `json:"to"`
		Reason  string   `json:"reason,omitempty"`
		Owner   string   `json:"owner,omitempty"`
		Expires string   `json:"expires,omitempty"`
		At      Position `json:"at,omitzero"`
		Misses  []Miss   `json:"misses,omitempty"`
	}{f.Rule.ID, f.Rule.Effect.String(), f.Rule.Sources.String(), to, f.Rule.Reason, f.Rule.Owner, day(f.Rule.Expires), f.Rule.At, f.Misses})
}
