package v1alpha1

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// maxText bounds reasons and owners, in bytes.
const maxText = 1024

// checkEmpty reports a list that is present but empty.
func (p *place) checkEmpty(present bool, n int, advice string) {
	if present && n == 0 {
		p.report(CodeEmptyList, "an empty list", advice)
	}
}

// checkLength reports a list that is too long.
func (p *place) checkLength(n int) {
	if n > policy.MaxListed {
		p.report(CodeTooMany, fmt.Sprintf("a list of %d", n), fmt.Sprintf("list at most %d, or write several rules", policy.MaxListed))
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
			at.reportParse(CodeBadHost, h, err)
			return false
		}
		out = append(out, pattern)
		return true
	})
	return out
}

// reportParse reports that a text could not be parsed.
func (p *place) reportParse(code, text string, err error) {
	what, advice := err.Error(), ""
	var e *match.SyntaxError
	if errors.As(err, &e) {
		what, advice = e.Reason, e.Advice
	}
	p.report(code, quote(text)+": "+what, advice)
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
	p.checkLength(len(ports))
	var out []match.PortRange
	for i := range ports {
		at := p.index(i)
		if at.bad() {
			continue
		}
		text := ports[i].String()
		r, err := match.ParsePortRange(text)
		if err != nil {
			at.reportParse(CodeBadPort, text, err)
			continue
		}
		out = append(out, r)
	}
	return match.NewPorts(out...)
}

// methods returns the methods that are right, and reports the others.
func (p *place) methods(methods []string) []string {
	p.checkEmpty(methods != nil, len(methods), "leave methods out to mean any")
	p.checkLength(len(methods))
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
	p.checkLength(len(paths))
	var out []policy.Path
	p.checkEach(paths, func(at *place, s string) bool {
		path, err := policy.ParsePath(s)
		if err != nil {
			at.reportParse(CodeBadPath, s, err)
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

// checkEach checks the entries of a list that decoding understood, and reports whether all are right.
func (p *place) checkEach(list []string, right func(at *place, s string) bool) bool {
	ok := !p.bad()
	for i, s := range list {
		at := p.index(i)
		ok = !at.bad() && right(at, s) && ok
	}
	return ok
}
