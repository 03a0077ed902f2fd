package policy_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func TestParsePath(t *testing.T) {
	long := "/" + strings.Repeat("a", 1023)
	for _, s := range []string{"/", "/*", "/v1", "/v1/", "/v1/*", "/a/.b/..c/d.", "/-._~!$&'()+,;=:@", long, long[:1022] + "/*"} {
		p, err := policy.ParsePath(s)
		if err != nil || p.String() != s || p.IsZero() || p.IsPrefix() != strings.HasSuffix(s, "*") {
			t.Errorf("%q: %q, %v", s, p, err)
		}
	}
	for s, want := range map[string]struct {
		offset int
		advice string // part of it
	}{
		"": {0, "begin with one '/'"}, "v1": {0, "begin with one '/'"}, "//a": {0, "leave out empty"}, "/a//": {0, "leave out empty"}, "/a//b": {0, "leave out empty"},
		"/.": {0, "leave out empty"}, "/a/./b": {0, "leave out empty"}, "/a/..": {0, "leave out empty"}, "/../*": {0, "leave out empty"}, "//*": {0, "leave out empty"},
		"*": {0, `"/*" for what is below it`}, "/v1*": {3, `"/v1/*" for what is below it`}, "/**": {2, `"/*/*"`},
		"/a*/b": {2, "only at the end"}, "/*/b": {1, "only at the end"}, "/a?b": {2, "without query"}, "/a%20": {2, "percent-encoding"}, "/é": {1, "percent-encoding"}, "/a b": {2, ""}, "/\x7f": {1, ""},
		long + "a": {1024, ""}, long[:1023] + "/*": {1024, ""},
	} {
		p, err := policy.ParsePath(s)
		var syntax *match.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != want.offset || !strings.Contains(syntax.Advice, want.advice) || !p.IsZero() || len(err.Error()) > 400 {
			t.Errorf("%.80q: %q, %v", s, p, err)
		}
	}
}

// Matches and Covers are what the texts of paths say; the zero Path has nothing.
func TestPathsAreSets(t *testing.T) {
	path := rapid.Custom(func(t *rapid.T) policy.Path {
		segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab"}), 0, 3).Draw(t, "segments")
		text := "/" + strings.Join(segments, "/")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 1:
			text = strings.TrimSuffix(text, "/") + "/*"
		case 2:
			text = strings.TrimSuffix(text, "/") + "/"
		case 3:
			if len(segments) == 3 {
				return policy.Path{}
			}
		}
		return policy.MustParsePath(text)
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := path.Draw(t, "p"), path.Draw(t, "q")
		within := func(p policy.Path, s string) bool {
			if prefix, ok := strings.CutSuffix(p.String(), "*"); ok {
				return strings.HasPrefix(s, prefix)
			}
			return p.String() == s && s != ""
		}
		samples := []string{""}
		for _, x := range []policy.Path{p, q} {
			literal := strings.TrimSuffix(x.String(), "*")
			samples = append(samples, literal, literal+"x", literal+"/x")
		}
		covers := !q.IsZero()
		for _, s := range samples {
			if got, want := p.Matches(s), within(p, s); got != want {
				t.Fatalf("%q matches %q: %v", p, s, got)
			}
			covers = covers && (!within(q, s) || within(p, s))
		}
		if got := p.Covers(q); got != covers {
			t.Fatalf("%q covers %q: %v", p, q, got)
		}
	})
}

// A path that servers may read in several ways is no request, for HTTP alone.
func TestAmbiguousPaths(t *testing.T) {
	e := compile(t, []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: policy.Rules(hosts("api.foo.com").HTTP(), hosts("api.foo.com").TLS(80))}}})
	for path, want := range map[string]bool{
		"": true, "/": true, "/a": true, "/a/": true, "/a.b/..c/.d": true, "/%20": true, "/%C3%A9": true, "/%fF": true, "/é": true, "/%3F": true, "/%25": true, "/%7c": true, "/*": true,
		"a": false, "//": false, "//a": false, "/a//": false, "/a//b": false, "/.": false, "/..": false, "/./a": false, "/a/../b": false, "/a/.": false,
		"/%61": false, "/%4A": false, "/%2e": false, "/%7e": false, "/%2F": false, "/%2f": false, "/%5c": false, "/%5C": false, "/%00": false, "/%1f": false, "/%7F": false,
		"/%": false, "/%2": false, "/a%": false, "/%zf": false, "/%fz": false, "/%g0": false, "/%@0": false, "/%`0": false, "/%:0": false, "/%/0": false,
		"/a b": false, "/a?b": false, "/a#b": false, "/\\a": false, "/a\x00": false, "/\x7f": false, "/a\"": false, "/[": false,
	} {
		r := request("shop", "a", "api.foo.com")
		r.Protocol, r.Port, r.Path = policy.HTTP, 80, path
		if d := e.Decide(r); d.Allowed != want || !want && d.Reason != policy.InvalidRequest {
			t.Errorf("%q: %v", path, d)
		}
		if x := e.Explain(r); !want && !strings.Contains(x.Change[0], "normalise it first") {
			t.Errorf("%q: %v", path, x)
		}
		r.Protocol = policy.TLS
		if d := e.Decide(r); !d.Allowed {
			t.Errorf("%q by TLS: %v", path, d)
		}
	}
}
