package match_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
)

// agreement returns the number of lookups to compare: some thousands, or ten millions with EGRESS_LONG.
func agreement() int {
	if os.Getenv("EGRESS_LONG") != "" {
		return 10_000_000
	}
	return 30_000
}

// A names draws labels over few letters and of few lengths, so that patterns and hosts often touch, in all parts of an index.
type names struct{ *rand.Rand }

func (n names) label() string {
	size := 1 + n.IntN(2)
	switch n.IntN(40) {
	case 0:
		size = 9 + n.IntN(10)
	case 1:
		size = 30
	case 2:
		size = 62
	}
	if size > 2 { // as one of few
		return strings.Repeat("ab", size/2+1)[:size]
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = "ab"[n.IntN(2)]
	}
	return string(b)
}

func (n names) name() string {
	labels := make([]string, 1+n.IntN(5))
	for i := range labels {
		labels[i] = n.label()
	}
	return strings.Join(labels, ".")
}

// pattern draws a pattern, often in one of the domains.
func (n names) pattern(domains []string) match.Pattern {
	for {
		name := n.name()
		if n.IntN(2) == 0 {
			name += "." + domains[n.IntN(len(domains))]
		}
		for n.IntN(3) == 0 {
			at := n.IntN(1 + len(name)/2)
			name = name[:at] + "?*"[n.IntN(2):][:1] + name[at+n.IntN(2):]
		}
		if n.IntN(3) == 0 {
			name = "*." + name
		}
		if p, err := match.ParsePattern(name); err == nil {
			return p
		}
	}
}

// host draws a host, often one that p matches, or one near it.
func (n names) host(p match.Pattern) match.Host {
	for {
		name := n.name()
		if n.IntN(4) > 0 {
			name = p.String()
			if rest, ok := strings.CutPrefix(name, "*."); ok {
				name = n.name() + "." + rest
			}
			for strings.ContainsAny(name, "*?") {
				name = strings.Replace(name, "*", "ab"[:n.IntN(3)], 1)
				name = strings.Replace(name, "?", "ab"[n.IntN(2):][:1], 1)
			}
			switch n.IntN(4) {
			case 0:
				name = n.label() + "." + name
			case 1:
				name = n.label() + name
			}
		}
		if h, err := match.ParseHost(name); err == nil {
			return h
		}
	}
}

func TestIndexAgreement(t *testing.T) {
	n := names{rand.New(rand.NewPCG(1, 2))}
	compared, found, sets := 0, 0, 0
	for ; compared < agreement(); sets++ {
		size := []int{1, 8, 16, 17, 24, 60}[n.IntN(6)]
		domains := make([]string, 1+n.IntN(4))
		for i := range domains {
			domains[i] = n.name()
		}
		var b match.Builder[string]
		patterns := make([]match.Pattern, 0, size)
		for len(patterns) < size {
			if p := n.pattern(domains); !slices.Contains(patterns, p) {
				patterns = append(patterns, p)
				b.Add(p, "value of "+p.String())
			}
		}
		texts := make([]string, size)
		for i, p := range patterns {
			texts[i] = p.String()
		}
		x, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		hosts := make([]match.Host, 100)
		for i := range hosts {
			hosts[i] = n.host(patterns[n.IntN(size)])
			if checkIndex(t, x, texts, hosts[i]); t.Failed() {
				return
			}
		}
		for i, e := range x.LookupBatch(nil, hosts) {
			p, v, ok := x.Lookup(hosts[i])
			if e.Pattern != p || e.Value != v {
				t.Fatalf("%v in %q: %v in a batch, %v alone", hosts[i], texts, e.Pattern, p)
			}
			if ok {
				found++
			}
		}
		compared += len(hosts)
	}
	if found < compared/4 || found > compared*9/10 {
		t.Errorf("%d of %d hosts were found: too one-sided", found, compared)
	}
	t.Logf("%d lookups in %d sets, %d found", compared, sets, found)
}

// TestCrowdedGlobs: globs of one suffix, more of them matching than are merged at once.
func TestCrowdedGlobs(t *testing.T) {
	for _, suffix := range []string{".x.foo.com", "." + longest[128:]} { // the second is too long for a table
		var patterns []string
		for _, front := range []string{"", "a", "b", "ab", "*.", "a.", "?*."} {
			for _, l := range []string{"a*", "*-b", "a*b", "a?*", "ab*", "aba*", "*-ab", "*-bab", "a*ab", "?b*", "?*b", "?", "??*", "a*b?*", "?*-?*", "a-*", "*b-*", "a*-b"} {
				if p, err := match.ParsePattern(front + l + suffix); err == nil && !slices.Contains(patterns, p.String()) {
					patterns = append(patterns, p.String())
				}
			}
		}
		x := mustIndex(t, patterns...)
		slices.Sort(patterns)
		most := 0
		for _, host := range []string{"ab", "a-b", "aba-bab", "a.ab-b", "abab-ab", "a.a.aba-bab", "b", "x.foo.com.a", "aba"} {
			h := match.MustParseHost(host + suffix)
			checkIndex(t, x, patterns, h)
			most = max(most, len(reference.MatchingPatterns(patterns, h.String())))
		}
		if most <= 32 {
			t.Errorf("at most %d globs match", most)
		}
	}
}
