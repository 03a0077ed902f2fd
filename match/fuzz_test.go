package match_test

import (
	"testing"

	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
)

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"www.foo.com", "EDITION.cnn.COM.", "bücher。example", "127.1", "0x7f.1", longest, "a..b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := match.ParseHost(s)
		if err != nil {
			if !h.IsZero() {
				t.Fatalf("%q, %v", h, err)
			}
			return
		}
		if again, err := match.ParseHost(h.String()); err != nil || again != h {
			t.Fatalf("%q is %q, and that is %q, %v", s, h, again, err)
		}
		if p, err := match.ParsePattern(s); err != nil || p != match.PatternOf(h) || !p.Matches(h) {
			t.Fatalf("the host %q as pattern is %q, %v", h, p, err)
		}
	})
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"www.foo.com", "*.foo.com", "api-*.foo.com", "*-api.foo.com", "*foo.com", "a*?*b.*.c", "*.*", "foo.1*", "bü*.de", "*." + longest[2:]} {
		f.Add(s, "api-1.foo.com")
	}
	f.Fuzz(func(t *testing.T, s, host string) {
		p, err := match.ParsePattern(s)
		if err != nil {
			if !p.IsZero() {
				t.Fatalf("%q, %v", p, err)
			}
			return
		}
		if again, err := match.ParsePattern(p.String()); err != nil || again != p {
			t.Fatalf("%q is %q, and that is %q, %v", s, p, again, err)
		}
		// No pattern is empty, and each is inside its suffix.
		w, ok := p.Witness(match.Pattern{})
		if _, err := match.ParseHost(w.String()); !ok || err != nil || !p.Matches(w) {
			t.Fatalf("%q has the witness %q, %t, %v", p, w, ok, err)
		}
		if p.Suffix() != "" && p.Kind() != match.Exact && !match.MustParsePattern("*."+p.Suffix()).Covers(p) {
			t.Fatalf("%q is not below its suffix %q", p, p.Suffix())
		}
		if h, err := match.ParseHost(host); err == nil && p.Matches(h) != reference.MatchesHost(p.String(), h.String()) {
			t.Fatalf("%q matches %q: %t", p, h, p.Matches(h))
		}
	})
}

func FuzzSets(f *testing.F) {
	f.Add("a*.foo.com", "*-b.foo.com", "a-b.foo.com")
	f.Add("*.foo.com", "*.*.foo.com", "a.b.foo.com")
	f.Add("?*a?*b.x", "a*b??*.x", "aab.x")
	f.Add("foo.1*", "foo.?", "foo.1a")
	f.Add("*.*.c.com", "sqs.*.*.com", "sqs.a.c.com")
	f.Fuzz(func(t *testing.T, a, b, host string) {
		p, errP := match.ParsePattern(a)
		q, errQ := match.ParsePattern(b)
		if errP != nil || errQ != nil {
			return
		}
		var hosts []match.Host
		if h, err := match.ParseHost(host); err == nil {
			hosts = append(hosts, h)
		}
		checkSets(t, p, q, hosts)
		checkSets(t, q, p, hosts)
	})
}
