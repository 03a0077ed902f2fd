// Package match asks the matchers of Istio and Cilium what patterns mean, through the dialects that they are written in.
package match

import (
	"os"
	"strings"
	"testing"

	"github.com/cilium/cilium/pkg/fqdn/matchpattern"
	"istio.io/istio/pkg/config/host"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// checks returns how often a property is drawn: some thousand times, or millions with EGRESS_LONG.
func checks() int {
	if os.Getenv("EGRESS_LONG") != "" {
		return 1_000_000
	}
	return 5_000
}

// An engine is a system's own matcher for a text of its dialect.
type engine struct {
	dialect match.Dialect
	matches func(t *rapid.T, text, host string) bool
}

func istio(_ *rapid.T, text, name string) bool { return host.Name(name).SubsetOf(host.Name(text)) }

func cilium(t *rapid.T, text, name string) bool {
	re, err := matchpattern.Validate(matchpattern.Sanitize(text))
	if err != nil {
		t.Fatalf("Cilium refuses %q: %v", text, err)
	}
	return re.MatchString(name + ".") // names that Cilium's DNS proxy sees end in a dot
}

func drawName(t *rapid.T, label string, words ...string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 4).Draw(t, label), ".") + ".com"
}

func TestEnginesAgree(t *testing.T) {
	for _, e := range []engine{{match.IstioHost, istio}, {match.CiliumMatchPattern119, cilium}} {
		t.Run(e.dialect.String(), func(t *testing.T) {
			written, read, matched := 0, 0, 0
			property := func(t *rapid.T) {
				var patterns []match.Pattern
				var text string
				if rapid.Bool().Draw(t, "write") {
					p, err := match.ParsePattern(drawName(t, "pattern", "a", "b", "*", "?*", "a*", "*-a", "a-*b", "a_b", "-a"))
					if err != nil {
						return
					}
					texts, err := e.dialect.Format(p)
					if err != nil {
						return
					}
					patterns, text = []match.Pattern{p}, texts[0]
					written++
				} else {
					text = drawName(t, "text", "a", "b", "*", "**", "***", "a*", "*a", "*-a", "*a*", "a**b", "B", "a_b") + rapid.SampledFrom([]string{"", "."}).Draw(t, "end")
					var err error
					if patterns, err = e.dialect.Parse(text); err != nil {
						return
					}
					read++
				}
				for range 10 {
					h, err := match.ParseHost(drawName(t, "host", "a", "b", "aa", "ab", "a-a", "a-b", "b-a", "-a", "a_b"))
					if err != nil {
						continue
					}
					ours := false
					for _, p := range patterns {
						ours = ours || p.Matches(h)
					}
					theirs := e.matches(t, text, h.String())
					if ours != theirs {
						t.Fatalf("%q means %v to its system for %v; patterns %v mean %v", text, theirs, h, patterns, ours)
					}
					if ours {
						matched++
					}
				}
			}
			for range checks() / 100 {
				rapid.Check(t, property)
			}
			if written == 0 || read == 0 || matched == 0 {
				t.Errorf("%d written, %d read, %d matches: too little was compared", written, read, matched)
			}
		})
	}
}

// TestIndexAgreesWithIstio: the most specific pattern that holds a host is the one that Istio would take of the same hosts.
func TestIndexAgreesWithIstio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b match.Builder[int]
		known := map[host.Name]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "patterns") {
			p, err := match.ParsePattern(drawName(t, "pattern", "a", "b", "*", "ab"))
			if err != nil || p.Kind() == match.Glob || known[host.Name(p.String())] {
				continue
			}
			known[host.Name(p.String())] = true
			b.Add(p, len(known))
		}
		x, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			h, err := match.ParseHost(drawName(t, "host", "a", "b", "ab"))
			if err != nil {
				continue
			}
			got, _, _ := x.Lookup(h)
			var want host.Name
			for n := range known {
				if host.Name(h.String()).SubsetOf(n) && (want == "" || host.MoreSpecific(n, want)) {
					want = n
				}
			}
			if host.Name(got.String()) != want {
				t.Fatalf("%v falls under %v, and for Istio under %q", h, got, want)
			}
		}
	})
}

// TestIntersectAgreesWithIstio: hosts that a route and a listener have in common are the same to Istio.
func TestIntersectAgreesWithIstio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := match.ParsePattern(drawName(t, "one", "a", "b", "*"))
		q, err2 := match.ParsePattern(drawName(t, "other", "a", "b", "*"))
		if err != nil || err2 != nil || p.Kind() == match.Glob || q.Kind() == match.Glob {
			return
		}
		var got []string
		for _, r := range p.Intersect(q) {
			got = append(got, r.String())
		}
		var want []string
		for _, n := range (host.Names{host.Name(p.String())}).Intersection(host.Names{host.Name(q.String())}) {
			want = append(want, string(n))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("%v and %v have %v in common, and for Istio %v", p, q, got, want)
		}
	})
}
