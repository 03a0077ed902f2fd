package walk

import (
	"net/netip"
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

func matchString(m *matcherv3.StringMatcher, s string) (bool, error) {
	fold := func(s string) string { return s }
	if m.GetIgnoreCase() {
		fold = strings.ToLower
	}
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return fold(s) == fold(p.Exact), nil
	case *matcherv3.StringMatcher_Prefix:
		return strings.HasPrefix(fold(s), fold(p.Prefix)), nil
	case *matcherv3.StringMatcher_Suffix:
		return strings.HasSuffix(fold(s), fold(p.Suffix)), nil
	case *matcherv3.StringMatcher_Contains:
		return strings.Contains(fold(s), fold(p.Contains)), nil
	case *matcherv3.StringMatcher_SafeRegex:
		return matchRegex(p.SafeRegex, s) // ignore_case does not apply
	}
	return false, unknown("string matcher %T", m.GetMatchPattern())
}

// matchRegex asks for a match of the whole string. Envoy's regular expressions are RE2's, as Go's are.
func matchRegex(m *matcherv3.RegexMatcher, s string) (bool, error) {
	re, err := regexp.Compile(`^(?s:` + m.GetRegex() + `)$`)
	if err != nil {
		return false, &RejectedError{"regular expression " + m.GetRegex(), err.Error()}
	}
	return re.MatchString(s), nil
}

// matchHeader asks for a header of a request. Where there is no request, as for rules on connections, no header is present.
func matchHeader(m *routev3.HeaderMatcher, req *HTTP) (bool, error) {
	value, present := req.header(m.GetName())
	if !present && m.GetTreatMissingHeaderAsEmpty() {
		present = true
	}
	var ok bool
	var err error
	switch s := m.GetHeaderMatchSpecifier().(type) {
	case nil:
		ok = present
	case *routev3.HeaderMatcher_PresentMatch:
		ok = present == s.PresentMatch
	case *routev3.HeaderMatcher_StringMatch:
		if !present {
			return false, nil // whatever invert_match says
		}
		ok, err = matchString(s.StringMatch, value)
	case *routev3.HeaderMatcher_ExactMatch:
		if !present {
			return false, nil
		}
		ok = value == s.ExactMatch
	default:
		return false, unknown("header matcher %T", s)
	}
	return ok != m.GetInvertMatch(), err
}

func contains(r *corev3.CidrRange, a netip.Addr) (bool, error) {
	if !a.IsValid() {
		return false, unknown("the address of an internal connection")
	}
	p, err := prefix(r)
	return err == nil && p.Contains(a), err
}
