package v1alpha1

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Limits of names and texts, in bytes.
const (
	maxName       = 63  // of rules and sources
	maxNamespace  = 63  // RFC 1123 label, as the API server asks
	maxObjectName = 253 // RFC 1123 subdomain, as the API server asks
	maxText       = 1024
)

// checkEmpty reports a list that is present but empty.
func (p *place) checkEmpty(present bool, n int, advice string) {
	if present && n == 0 {
		p.report(CodeEmptyList, "an empty list", advice)
	}
}

// patterns returns the hosts that are right, and reports the others.
func (p *place) patterns(hosts []string) []match.Pattern {
	p.checkEmpty(hosts != nil, len(hosts), "name at least one host, or leave the rule out")
	if len(hosts) == 0 {
		return nil
	}
	out := make([]match.Pattern, 0, len(hosts))
	p.checkEach(hosts, func(at *place, h string) bool {
		pattern, err := match.ParsePattern(h)
		if err != nil {
			at.reportSyntax(CodeBadHost, err)
			return false
		}
		out = append(out, pattern)
		return true
	})
	return out
}

// reportSyntax reports an error of package match.
func (p *place) reportSyntax(code string, err error) {
	if e, ok := err.(*match.SyntaxError); ok {
		p.report(code, quote(e.Input)+": "+e.Reason, e.Advice)
		return
	}
	p.report(code, err.Error(), "")
}

// addresses returns the addresses of the rule at p: its cidrs without its exceptions.
func (p *place) addresses(r *Rule) match.Prefixes {
	cidrs, except := p.field("cidrs"), p.field("except")
	cidrs.checkEmpty(r.CIDRs != nil, len(r.CIDRs), "name at least one range, or leave the rule out")
	except.checkEmpty(r.Except != nil, len(r.Except), "leave except out")
	in, inOK := cidrs.prefixes(r.CIDRs)
	out, outOK := except.prefixes(r.Except)
	switch {
	case len(r.Except) == 0:
		return match.NewPrefixes(in, nil)
	case !cidrs.written(r.CIDRs != nil):
		if !p.bad() {
			except.report(CodeBadExcept, "except without cidrs", "write cidrs to except from; hosts are excepted by a deny")
		}
		return match.Prefixes{}
	case !inOK || !outOK:
		return match.NewPrefixes(in, out)
	}
	// Each aligned range inside a set is inside one of the fewest prefixes that make it up, and these are in order.
	whole := match.NewPrefixes(in, nil).Prefixes()
	inside := true
	for i, e := range out {
		at, found := slices.BinarySearchFunc(whole, e, func(w, e netip.Prefix) int { return w.Addr().Compare(e.Addr()) })
		if !found {
			at--
		}
		if at < 0 || !whole[at].Overlaps(e) || whole[at].Bits() > e.Bits() {
			except.index(i).report(CodeBadExcept, quote(r.Except[i])+" is not inside cidrs", "name a range inside one of cidrs, or leave it out")
			inside = false
		}
	}
	left := match.NewPrefixes(in, out)
	if inside && left.IsEmpty() && len(in) > 0 {
		except.report(CodeBadExcept, "except leaves nothing of cidrs", "leave the rule out")
	}
	return left
}

// prefixes returns the prefixes that are right, and reports the others; ok is false when there were some.
func (p *place) prefixes(cidrs []string) (out []netip.Prefix, ok bool) {
	ok = p.checkEach(cidrs, func(at *place, s string) bool {
		prefix, message, advice := parsePrefix(s)
		if message != "" {
			at.report(CodeBadCIDR, quote(s)+" "+message, advice)
			return false
		}
		out = append(out, prefix)
		return true
	})
	return out, ok
}

// parsePrefix parses a CIDR in its one canonical reading. The message says what is wrong with it, and the advice what to write instead.
func parsePrefix(s string) (prefix netip.Prefix, message, advice string) {
	const example = "write a range such as 203.0.113.0/24 or 2001:db8::/32"
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			return prefix, "is an address and no range", "write " + netip.PrefixFrom(a, a.BitLen()).String()
		}
		if _, err := match.ParsePattern(s); err == nil && strings.IndexFunc(s, func(r rune) bool { return r >= 'g' && r <= 'z' }) >= 0 {
			return prefix, "is a name and no range", "write it under hosts, in a rule without cidrs"
		}
		return prefix, "is no address range", example
	}
	a := prefix.Addr()
	switch masked := prefix.Masked(); {
	case a.Is4In6() && prefix.Bits() >= 96:
		return prefix, "is an IPv4 range in IPv6 spelling", "write " + netip.PrefixFrom(a.Unmap(), prefix.Bits()-96).Masked().String()
	case a.Is4In6():
		return prefix, "is neither an IPv4 nor an IPv6 range", example
	case masked != prefix:
		return prefix, "has bits set beyond its length", fmt.Sprintf("write %s, or %s for the one address", masked, netip.PrefixFrom(a, a.BitLen()))
	}
	return prefix, "", ""
}

// ports returns the ports that are right, and reports the others.
func (p *place) ports(ports []intstr.IntOrString) match.Ports {
	p.checkEmpty(ports != nil, len(ports), "name at least one port, or leave ports out")
	var out []match.PortRange
	for i := range ports {
		at := p.index(i)
		if at.bad() {
			continue
		}
		r, err := match.ParsePortRange(ports[i].String())
		if err != nil {
			at.reportSyntax(CodeBadPort, err)
			continue
		}
		out = append(out, r)
	}
	return match.NewPorts(out...)
}

// methods returns the methods that are right, and reports the others.
func (p *place) methods(methods []string) []string {
	p.checkEmpty(methods != nil, len(methods), "leave methods out to mean any")
	var out []string
	p.checkEach(methods, func(at *place, m string) bool {
		if m == "" || len(m) > maxName || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			at.report(CodeBadMethod, quote(m)+" is no method", "write it as it is sent, in upper case, such as GET")
			return false
		}
		out = append(out, m)
		return true
	})
	return out
}

// paths returns the paths that are right, and reports the others.
func (p *place) paths(paths []string) []policy.Path {
	p.checkEmpty(paths != nil, len(paths), "leave paths out to mean any")
	var out []policy.Path
	p.checkEach(paths, func(at *place, s string) bool {
		path, err := policy.ParsePath(s)
		if err != nil {
			at.reportSyntax(CodeBadPath, err)
			return false
		}
		out = append(out, path)
		return true
	})
	return out
}

// checkText reports what makes a text unfit for an annotation or a line of a report.
func (p *place) checkText(s string) {
	if len(s) > maxText {
		p.report(CodeBadText, fmt.Sprintf("a text of %d bytes", len(s)), fmt.Sprintf("write at most %d", maxText))
		return
	}
	if i := strings.IndexAny(s, "\n\r\t"); i >= 0 {
		p.report(CodeBadText, fmt.Sprintf("a text with %q in it", s[i]), "write it in one line, with blanks")
		return
	}
	p.checkCharacters(s)
}

// checkCharacters reports a character that could not stand in a file.
func (p *place) checkCharacters(s string) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if what := notText(r, size); what != "" && r != '\n' && r != '\t' {
			p.report(CodeBadText, "a text with "+what, "write it without")
			return
		}
		i += size
	}
}

// checkMetadata checks labels and annotations as the API server does.
func (p *place) checkMetadata(m *Metadata) {
	label, annotation := p.field("labels").labels(), p.field("annotations").labels()
	for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
		label(k).onKey().checkLabelKey(k, CodeBadLabel)
		label(k).checkLabelValue(m.Labels[k], CodeBadLabel)
	}
	for _, k := range slices.Sorted(maps.Keys(m.Annotations)) {
		annotation(k).onKey().checkLabelKey(k, CodeBadLabel)
		annotation(k).checkCharacters(m.Annotations[k])
	}
}

// date returns the start of a day (UTC), and the zero time when none is given.
func (p *place) date(s string) time.Time {
	if !p.stated(s != "") {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, s)
	// The zero time means never, which no date may.
	if err != nil || t.Year() < 1970 {
		p.report(CodeBadDate, quote(s)+" is no date", "write year, month and day, such as 2027-06-30")
		return time.Time{}
	}
	return t
}

// checkObjectName reports a text that can't name an object in Kubernetes.
func (p *place) checkObjectName(name string) {
	if identity.ValidateName(name) != nil {
		p.report(CodeBadName, quote(name)+" is no name", fmt.Sprintf("use lower-case letters, digits, '-' and '.', begin and end with a letter or digit, %d characters at most", maxObjectName))
	}
}

// checkNamespace reports a text that is no name of a namespace, which has no dots.
func (p *place) checkNamespace(name string) {
	if identity.ValidateName(name) != nil || len(name) > maxNamespace || strings.Contains(name, ".") {
		p.report(CodeBadNamespace, quote(name)+" is no name of a namespace",
			fmt.Sprintf("use lower-case letters, digits and '-', begin and end with a letter or digit, %d characters at most", maxNamespace))
	}
}

// checkClusters checks the names and globs that a policy is limited to.
func (p *place) checkClusters(names []string) {
	p.checkEmpty(names != nil, len(names), "leave clusters out to mean every cluster")
	p.checkEach(names, func(at *place, n string) bool {
		_, err := identity.NewSelector(identity.Term{Clusters: []string{n}})
		if err != nil {
			at.report(CodeBadCluster, quote(n)+" is no name or glob of clusters", "use letters, digits and any of -._:/@, and '*' and '?' in globs such as prod-*")
		}
		return err == nil
	})
}

// checkNamespaces checks the names and globs of a peer's namespaces. In a policy with a namespace of its own, all must match that.
func (p *place) checkNamespaces(names []string, own string) bool {
	p.checkEmpty(names != nil, len(names), "leave namespaces out to mean any")
	return p.checkEach(names, func(at *place, n string) bool {
		s, err := identity.NewSelector(identity.Term{Namespaces: []string{n}})
		switch {
		case err != nil:
			at.report(CodeBadNamespace, quote(n)+" is no name or glob of namespaces", "use lower-case letters, digits, '-' and '.', and '*' and '?' in globs such as team-*")
		case own != "" && !s.Matches(identity.Workload{Namespace: own}):
			at.report(CodeForeignNamespace, "the policy speaks for namespace "+quote(own)+" alone, and not for "+quote(n),
				"leave namespaces out, or move the source to a policy without namespace")
		default:
			return true
		}
		return false
	}) && (names == nil || len(names) > 0)
}

// checkAccounts checks the names and globs of a peer's service accounts.
func (p *place) checkAccounts(names []string) bool {
	p.checkEmpty(names != nil, len(names), "leave serviceAccounts out to mean any")
	return p.checkEach(names, func(at *place, n string) bool {
		_, err := identity.NewSelector(identity.Term{ServiceAccounts: []string{n}})
		if err != nil {
			at.report(CodeBadName, quote(n)+" is no name or glob of service accounts", "use lower-case letters, digits, '-' and '.', and '*' and '?' in globs such as team-*")
		}
		return err == nil
	}) && (names == nil || len(names) > 0)
}

// checkEach checks the entries of a list that decoding understood, and reports whether all are right.
func (p *place) checkEach(list []string, right func(at *place, s string) bool) bool {
	ok := !p.bad()
	for i, s := range list {
		at := p.index(i)
		ok = !at.bad() && right(at, s) && ok
	}
	return ok
}

// names are those given so far to rules, or to sources, of one policy. The zero names, but for what they name, are ready to use.
type names struct {
	what  string // "rule" or "source"
	code  string // for a name that is given twice
	first map[string]policy.Position
}

// check checks a name that may be left out.
func (l *names) check(p *place, name string) {
	if !p.stated(name != "") {
		return
	}
	if !isName(name) {
		p.report(CodeBadName, quote(name)+" is no name", fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.', and begin with a letter or digit", maxName))
		return
	}
	if first, ok := l.first[name]; ok {
		p.report(l.code, fmt.Sprintf("another %s of the policy is named %s, at %s", l.what, quote(name), first), "give each a name of its own, or none")
		return
	}
	if l.first == nil {
		l.first = map[string]policy.Position{}
	}
	l.first[name] = p.position()
}

// isName reports whether a rule or source can have a name, as policy.Compile judges it.
func isName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// checkLabels checks a label selector that may be left out.
func (p *place) checkLabels(s *metav1.LabelSelector) bool {
	if s == nil || p.bad() {
		return !p.bad()
	}
	labels, expressions := p.field("matchLabels"), p.field("matchExpressions")
	ok := !labels.bad() && !expressions.bad()
	if ok && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 {
		p.report(CodeBadSelector, "an empty label selector selects everything", "write matchLabels or matchExpressions, or leave it out")
		return false
	}
	entry := labels.labels()
	for _, k := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		ok = entry(k).onKey().checkLabelKey(k, CodeBadSelector) && ok
		ok = entry(k).checkLabelValue(s.MatchLabels[k], CodeBadSelector) && ok
	}
	for i := range s.MatchExpressions {
		ok = expressions.index(i).checkRequirement(&s.MatchExpressions[i]) && ok
	}
	return ok
}

// checkRequirement checks one condition of a label selector.
func (p *place) checkRequirement(r *metav1.LabelSelectorRequirement) bool {
	key, operator, values := p.field("key"), p.field("operator"), p.field("values")
	ok := !p.bad()
	switch {
	case !key.written(r.Key != ""):
		p.missing("key", CodeBadSelector, "a condition without key", "write the key of a label")
		ok = false
	case key.bad() || !key.checkLabelKey(r.Key, CodeBadSelector):
		ok = false
	}
	switch r.Operator {
	case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
		if len(r.Values) == 0 && !values.bad() {
			p.missing("values", CodeBadSelector, "a condition "+string(r.Operator)+" without values", "write at least one")
			ok = false
		}
		return values.checkEach(r.Values, func(at *place, v string) bool { return at.checkLabelValue(v, CodeBadSelector) }) && ok
	case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			values.report(CodeBadSelector, "a condition "+string(r.Operator)+" with values", "leave values out, or write operator: In or NotIn")
			ok = false
		}
		return ok && !values.bad()
	}
	const advice = "write In, NotIn, Exists or DoesNotExist"
	switch {
	case !operator.written(r.Operator != ""):
		p.missing("operator", CodeBadSelector, "a condition without operator", advice)
	case !operator.bad():
		operator.report(CodeBadSelector, quote(string(r.Operator))+" is no operator", advice)
	}
	return false
}

func (p *place) checkLabelKey(key, code string) bool {
	if len(validation.IsQualifiedName(key)) == 0 {
		return true
	}
	p.report(code, quote(key)+" is no key of a label",
		"write at most 63 letters, digits, '-', '_' and '.', and before them a DNS name and '/' if the key has them")
	return false
}

func (p *place) checkLabelValue(value, code string) bool {
	if len(validation.IsValidLabelValue(value)) == 0 {
		return true
	}
	p.report(code, quote(value)+" is no value of a label",
		"write at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit")
	return false
}
