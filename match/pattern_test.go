package match_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gobwas/glob"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
)

func TestParsePattern(t *testing.T) {
	for _, c := range []struct {
		text, want string
		kind       match.Kind
		suffix     string
	}{
		{"www.foo.com", "www.foo.com", match.Exact, "www.foo.com"},
		{"WWW.Foo.com.", "www.foo.com", match.Exact, "www.foo.com"},
		{"*.foo.com", "*.foo.com", match.Subdomains, "foo.com"},
		{"*.com", "*.com", match.Subdomains, "com"},
		{"*.BÜCHER.example.", "*.xn--bcher-kva.example", match.Subdomains, "xn--bcher-kva.example"},
		{"api-*.foo.com", "api-*.foo.com", match.Glob, "foo.com"},
		{"sqs.*.amazonaws.com", "sqs.*.amazonaws.com", match.Glob, "amazonaws.com"},
		{"sqs.?*.amazonaws.com", "sqs.*.amazonaws.com", match.Glob, "amazonaws.com"},
		{"?*.foo.com", "?*.foo.com", match.Glob, "foo.com"},
		{"*?.foo.com", "?*.foo.com", match.Glob, "foo.com"},
		{"*.*.foo.com", "*.*.foo.com", match.Glob, "foo.com"},
		{"*.?*.foo.com", "*.*.foo.com", match.Glob, "foo.com"},
		{"a*?*??b.foo.com", "a???*b.foo.com", match.Glob, "foo.com"},
		{"*-api.foo.com", "*-api.foo.com", match.Glob, "foo.com"},
		{"*_x.foo.com", "*_x.foo.com", match.Glob, "foo.com"},
		{"?*foo.com", "?*foo.com", match.Glob, "com"},
		{"?oo.com", "?oo.com", match.Glob, "com"},
		{"foo.*", "foo.*", match.Glob, ""},
		{"foo.1*", "foo.1*", match.Glob, ""},
		{"*-a-*.*-b-*.foo.com", "*-a-*.*-b-*.foo.com", match.Glob, "foo.com"},
		// Where a name is as long as names get, '*' can only be empty.
		{strings.Repeat("a", 63) + "*.foo.com", strings.Repeat("a", 63) + ".foo.com", match.Exact, strings.Repeat("a", 63) + ".foo.com"},
		{"a*" + longest[1:], longest, match.Exact, longest},
		{"*." + longest[2:], "*." + longest[2:], match.Subdomains, longest[2:]},
	} {
		p, err := match.ParsePattern(c.text)
		if err != nil || p.String() != c.want || p.Kind() != c.kind || p.Suffix() != c.suffix {
			t.Errorf("%.80q: %q, kind %v, suffix %q, %v; want %q, kind %v, suffix %q", c.text, p, p.Kind(), p.Suffix(), err, c.want, c.kind, c.suffix)
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, c := range []struct{ text, advice string }{
		{"", "www.example.com"},
		{"*", `"*.foo.com"`},
		{"*.*", `"*.foo.com"`},
		{"?.?*", `"*.foo.com"`},
		{"**", `"*.foo.com"`},
		{"**.foo.com", `"*.foo.com"`},
		{"a.**.foo.com", `"*.foo.com"`},
		{"*foo.com", `"foo.com" and "*.foo.com" as two patterns`},
		{"*foo.co.uk", `"foo.co.uk" and "*.foo.co.uk" as two patterns`},
		{"*foo*.co.uk", `as two patterns`},
		{"*api.foo.com", `or "?*api.foo.com" if`},
		{"sqs.*east.foo.com", `"?*east"`},
		{"*-foo.com", `"?*-foo.com" if`},
		{"*-foo", `"?*-foo" if`},
		{"a.*-foo.com", `"?*-foo.com" if`},
		{".foo.com", `"foo.com" and "*.foo.com" as two patterns`},
		{"{a,b}.foo.com", "one pattern for each"},
		{"[ab].foo.com", "one pattern for each"},
		{"a\\*.foo.com", "one pattern for each"},
		{"*-*-*.foo.com", "fewer wildcards"},
		{"a*b*.a*b*.a*b.foo.com", "fewer wildcards"},
		{"bü*.foo.com", "one pattern for each"},
		{"？ü.foo.com", "xn--"},
		{"https://*.foo.com", `write "*.foo.com": a host has no scheme`},
		{"*.foo.com:443", `write "*.foo.com"`},
		{"*.foo.com/path", `write "*.foo.com"`},
		{"https://user:word@foo.com:443/a/b?c#d", `write "foo.com"`},
		{"https://", "no scheme"},
		{"foo bar.com", "use letters"},
		{"foo bar.com:443", "use letters"},
		{"2001:db8::1", "cidrs"},
		{"10.0.0.1:443", "cidrs"},
		{"http://10.0.0.1/x", "cidrs"},
		{"10.0.0.0/8", "cidrs"},
		{"2001:db8::/32", "cidrs"},
		{"*.127.0.0.1", "cidrs"},
		{"127.0.0.1", "cidrs"},
		{"?.1", "cidrs"},
		{"*..foo.com", "one dot"},
	} {
		p, err := match.ParsePattern(c.text)
		var syntax *match.SyntaxError
		if !errors.As(err, &syntax) || !p.IsZero() {
			t.Errorf("%q: %q, %v; want a *SyntaxError", c.text, p, err)
		} else if !strings.Contains(syntax.Advice, c.advice) {
			t.Errorf("%q: %v; want the advice %s", c.text, err, c.advice)
		}
	}
	for _, text := range []string{
		strings.Repeat("?", 64) + ".foo.com", longest + "?", "?." + longest, "*." + longest[1:], strings.Repeat("*.", 127) + "a",
		strings.Repeat("a.", 126) + "1*", // its hosts need another byte, or they end in a number
	} {
		if p, err := match.ParsePattern(text); err == nil {
			t.Errorf("%.80q…: accepted as %q", text, p)
		}
	}
}

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct{ pattern, yes, no string }{
		{"foo.com", "foo.com", "a.foo.com com xfoo.com foo.comx"},
		{"*.foo.com", "a.foo.com a.b.foo.com -.foo.com", "foo.com evilfoo.com a.foo.com.evil.com"},
		{"?*.foo.com", "a.foo.com abc.foo.com", "foo.com a.b.foo.com"},
		{"*.*.foo.com", "a.b.foo.com a.b.c.foo.com", "foo.com a.foo.com"},
		{"api-*.foo.com", "api-.foo.com api-1.foo.com", "api.foo.com api-a.b.foo.com x.api-1.foo.com"},
		{"*-api.foo.com", "-api.foo.com x-api.foo.com", "api.foo.com a.x-api.foo.com"},
		{"*.x-*.foo.com", "a.x-.foo.com a.b.x-1.foo.com", "x-1.foo.com a.x.foo.com"},
		{"sqs.*.amazonaws.com", "sqs.eu-west-1.amazonaws.com", "sqs.amazonaws.com sqs.a.b.amazonaws.com a.sqs.b.amazonaws.com"},
		{"a?c.foo.com", "abc.foo.com a-c.foo.com", "ac.foo.com abbc.foo.com a.c.foo.com"},
		{"a*b*b.foo.com", "abb.foo.com axbxbxb.foo.com", "ab.foo.com axb.b.foo.com"},
		{"foo.*", "foo.a foo.com", "foo foo.a.b"},
	} {
		p := match.MustParsePattern(c.pattern)
		for h := range strings.FieldsSeq(c.yes) {
			if !p.Matches(match.MustParseHost(h)) {
				t.Errorf("%q does not match %q", p, h)
			}
		}
		for h := range strings.FieldsSeq(c.no) {
			if p.Matches(match.MustParseHost(h)) {
				t.Errorf("%q matches %q", p, h)
			}
		}
		if p.Matches(match.Host{}) {
			t.Errorf("%q matches the zero Host", p)
		}
	}
	if (match.Pattern{}).Matches(match.MustParseHost("a")) {
		t.Error("the zero Pattern matches")
	}
}

func smallHost() *rapid.Generator[match.Host] {
	return rapid.Custom(func(t *rapid.T) match.Host {
		labels := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab-1")), 1, 4, -1), 1, 4).Draw(t, "labels")
		h, err := match.ParseHost(strings.Join(labels, "."))
		if err != nil {
			h = match.MustParseHost("a." + strings.Join(labels, ".") + "b")
		}
		return h
	})
}

func TestPatternRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := smallPattern().Draw(t, "p")
		q, err := match.ParsePattern(p.String())
		if err != nil || q != p || !q.Equal(p) || q.Compare(p) != 0 {
			t.Fatalf("%q comes back as %q, %v", p, q, err)
		}
		text, err := p.MarshalText()
		var r match.Pattern
		if err != nil || r.UnmarshalText(text) != nil || r != p {
			t.Fatalf("%q comes back as %q", p, r)
		}
	})
}

// A glob that does not begin with "*." means what gobwas/glob means; one that does also matches what has more labels there.
func TestPatternAgainstGobwas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, h := smallPattern().Draw(t, "p"), smallHost().Draw(t, "h")
		name := h.String()
		if strings.HasPrefix(p.String(), "*.") {
			labels := strings.Split(name, ".")
			if extra := len(labels) - 1 - strings.Count(p.String(), "."); extra > 0 {
				name = strings.Join(labels[extra:], ".")
			}
		}
		if want := glob.MustCompile(p.String(), '.').Match(name); p.Matches(h) != want {
			t.Fatalf("%q matches %q: %t, and gobwas/glob: %t", p, h, p.Matches(h), want)
		}
		if want := reference.MatchesHost(p.String(), h.String()); p.Matches(h) != want {
			t.Fatalf("%q matches %q: %t, want %t", p, h, p.Matches(h), want)
		}
	})
}

// Patterns and hosts that keep a backtracking matcher busy for seconds each time: it would not come to the end.
func TestMatchesIsBounded(t *testing.T) {
	label := strings.Repeat("a", 62)
	h := match.MustParseHost(label + "b." + label + "b." + label + "b.c")
	for _, text := range []string{"a*a?a??*ac.*.*.c", "a*?a?ac.a*?a?ac.*.c", "*.?*a*ac.?*ac.c"} {
		p := match.MustParsePattern(text)
		for range 1000 {
			if p.Matches(h) {
				t.Fatalf("%q matches %q", p, h)
			}
		}
	}
}
