package match_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// allDialects are the dialects there are.
func allDialects() []match.Dialect {
	var out []match.Dialect
	for d := match.IstioHost; d <= match.AWSFirewallDomain; d++ {
		out = append(out, d)
	}
	return out
}

// meaning returns the regular expression that a system takes a text for, on hosts: each rule retyped from the system's own source.
func meaning(d match.Dialect, text string) *regexp.Regexp {
	if d != match.IstioHost {
		text = strings.ToLower(text)
	}
	switch d {
	case match.ClusterNetworkPolicyDomain, match.AWSDomain, match.CiliumMatchName, match.CiliumMatchPattern, match.CiliumMatchPattern119, match.GKEPattern, match.OVNDNSName:
		text = strings.TrimSuffix(text, ".")
	}
	const label = `[-a-z0-9_]`
	inLabel := func(s string) string {
		return strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, label+`*`)
	}
	expr := regexp.QuoteMeta(text)
	switch d {
	case match.IstioHost, match.EnvoyServerName, match.GatewayAPIHostname, match.ClusterNetworkPolicyDomain, match.AWSDomain, match.LinkerdHostname:
		if rest, ok := strings.CutPrefix(text, "*."); ok {
			expr = `.+\.` + regexp.QuoteMeta(rest)
		}
	case match.CiliumMatchPattern, match.GKEPattern:
		expr = inLabel(regexp.MustCompile(`\*+`).ReplaceAllString(text, "*"))
	case match.CiliumMatchPattern119:
		if stars := regexp.MustCompile(`^\*{2,}\.`).FindString(text); stars != "" {
			rest := text[len(stars):]
			expr = `(` + label + `+\.)+` + inLabel(regexp.MustCompile(`\*+`).ReplaceAllString(rest, "*"))
		} else {
			expr = inLabel(regexp.MustCompile(`\*+`).ReplaceAllString(text, "*"))
		}
	case match.CalicoDomain:
		expr = strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.+`)
	case match.AntreaFQDN:
		expr = strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`)
	case match.OVNDNSName:
		if rest, ok := strings.CutPrefix(text, "*."); ok {
			expr = label + `+\.` + regexp.QuoteMeta(rest)
		}
	case match.SquidDomain, match.AWSFirewallDomain:
		if rest, ok := strings.CutPrefix(text, "."); ok {
			expr = `(.+\.)?` + regexp.QuoteMeta(rest)
		}
	}
	return regexp.MustCompile(`^(?:` + expr + `)$`)
}

// accepted are the texts that systems take: the regular expressions of their schemas and validations, retyped from their sources.
var accepted = map[match.Dialect]*regexp.Regexp{
	match.IstioHost:                  regexp.MustCompile(`^(\*|[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*\.?$`),
	match.EnvoyServerName:            regexp.MustCompile(`^(\*\.)?[^*]+$`),
	match.GatewayAPIHostname:         regexp.MustCompile(`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`),
	match.ClusterNetworkPolicyDomain: regexp.MustCompile(`^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`),
	match.CiliumMatchName:            regexp.MustCompile(`^([-a-zA-Z0-9_]+[.]?)+$`),
	match.CiliumMatchPattern:         regexp.MustCompile(`^([-a-zA-Z0-9_*]+[.]?)+$`),
	match.CiliumMatchPattern119:      regexp.MustCompile(`^([-a-zA-Z0-9_*]+[.]?)+$`),
	match.CalicoDomain:               regexp.MustCompile(`^[^*]*(\*(\.[^*]*)?)?$`),
	match.OVNDNSName:                 regexp.MustCompile(`^(\*\.)?([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+\.?$`),
	match.AntreaFQDN:                 regexp.MustCompile(`^[-0-9a-zA-Z.*]+$`),
	match.GKEPattern:                 regexp.MustCompile(`^([a-zA-Z0-9*]([-a-zA-Z0-9_*]*[a-zA-Z0-9*])*\.?)*$`),
	match.AWSDomain:                  regexp.MustCompile(`^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`),
	match.LinkerdHostname:            regexp.MustCompile(`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`),
	match.SquidDomain:                regexp.MustCompile(`^[^*]+$`),
	match.AWSFirewallDomain:          regexp.MustCompile(`^[^*_]+$`),
}

func drawName(t *rapid.T, label string, words ...string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 4).Draw(t, label), ".")
}

// TestDialectsMeanWhatTheySay: what is written in a dialect means, to the system, the hosts of the patterns, and what is read in one means
// to the patterns what it means to the system.
func TestDialectsMeanWhatTheySay(t *testing.T) {
	for _, d := range allDialects() {
		t.Run(d.String(), func(t *testing.T) { meansWhatItSays(t, d) })
	}
}

func meansWhatItSays(t *testing.T, d match.Dialect) {
	written, read := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		// Half of the names are what most dialects take, so that enough are compared.
		draw := func(label string, others ...string) string {
			if rapid.Bool().Draw(t, "plain") {
				return rapid.SampledFrom([]string{"", "", "*."}).Draw(t, "front") + drawName(t, label, "a", "b")
			}
			return drawName(t, label, others...)
		}
		var patterns []match.Pattern
		var texts []string
		if rapid.Bool().Draw(t, "write") {
			for range rapid.IntRange(1, 3).Draw(t, "patterns") {
				p, err := match.ParsePattern(draw("pattern", "a", "b", "*", "?*", "a*", "*-a", "a?", "a_b", "-a", "_a", "a_") + ".com")
				if err == nil {
					patterns = append(patterns, p)
				}
			}
			var err error
			if texts, err = d.Format(patterns...); err != nil {
				return
			}
			written++
		} else {
			text := draw("text", "a", "b", "*", "**", "***", "a*", "*a", "*-a", "*a*", "", "A", "a_b", "_a", "b-") + rapid.SampledFrom([]string{".com", ".com.", ".com"}).Draw(t, "end")
			var err error
			if patterns, err = d.Parse(text); err != nil {
				return
			}
			texts = []string{text}
			read++
		}
		for _, s := range texts {
			if !accepted[d].MatchString(s) {
				t.Fatalf("%v does not take %q, which stands for %v", d, s, patterns)
			}
		}
		for range 20 {
			h, err := match.ParseHost(drawName(t, "host", "a", "b", "aa", "ab", "a-a", "-a", "a_b", "_a", "b-") + ".com")
			if err != nil {
				continue
			}
			ours := slices.ContainsFunc(patterns, func(p match.Pattern) bool { return p.Matches(h) })
			theirs := slices.ContainsFunc(texts, func(s string) bool { return meaning(d, s).MatchString(h.String()) })
			if ours != theirs {
				t.Fatalf("%v: %q means %v of %v, and patterns %v mean %v", d, texts, theirs, h, patterns, ours)
			}
		}
	})
	if written < 3 || read < 3 {
		t.Errorf("%d written, %d read: next to nothing was compared", written, read)
	}
}

// TestDialectsRoundTrip: what a dialect writes it reads as the same patterns.
func TestDialectsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(allDialects()).Draw(t, "dialect")
		p, err := match.ParsePattern(drawName(t, "pattern", "a", "*", "?*", "a*", "*-a", "a_b") + ".foo.com")
		if err != nil {
			return
		}
		texts, err := d.Format(p)
		if err != nil {
			return
		}
		back, err := d.Parse(texts[0])
		if err != nil || !slices.Equal(back, []match.Pattern{p}) {
			t.Fatalf("%v: %v is written %q and read %v, %v", d, p, texts, back, err)
		}
	})
}

func TestDialects(t *testing.T) {
	const lost = "!"
	for _, c := range []struct {
		dialect  match.Dialect
		patterns string // in order, separated by blanks
		texts    string // or lost
	}{
		{match.IstioHost, "www.foo.com *.foo.com", "www.foo.com *.foo.com"},
		{match.IstioHost, "a_b.foo.com", lost},
		{match.IstioHost, "api-*.foo.com", lost},
		{match.IstioHost, "?*.foo.com", lost},
		{match.EnvoyServerName, "a_b.foo.com *.foo.com", "a_b.foo.com *.foo.com"},
		{match.GatewayAPIHostname, "*.foo.com", "*.foo.com"},
		{match.GatewayAPIHostname, "a_b.foo.com", lost},
		{match.GatewayAPIHostname, "-a.foo.com", lost},
		{match.ClusterNetworkPolicyDomain, "*.foo.com a_b.foo.com", "*.foo.com a_b.foo.com"},
		{match.ClusterNetworkPolicyDomain, "_a.foo.com", lost},
		{match.ClusterNetworkPolicyDomain, "*.com", lost},
		{match.CiliumMatchName, "foo.com", "foo.com"},
		{match.CiliumMatchName, "*.foo.com", lost},
		{match.CiliumMatchPattern, "*.foo.com", lost},
		{match.CiliumMatchPattern, "?*.foo.com", "*.foo.com"},
		{match.CiliumMatchPattern, "api-*.foo.com sqs.*.foo.com", "api-*.foo.com sqs.*.foo.com"},
		{match.CiliumMatchPattern, "api?.foo.com", lost},
		{match.CiliumMatchPattern119, "*.foo.com", "**.foo.com"},
		{match.CiliumMatchPattern119, "?*.foo.com *.a-*.foo.com", "*.foo.com **.a-*.foo.com"},
		{match.CalicoDomain, "*.foo.com", "*.foo.com"},
		{match.CalicoDomain, "sqs.*.foo.com", lost},
		{match.OVNDNSName, "?*.foo.com", "*.foo.com"},
		{match.OVNDNSName, "*.foo.com", lost},
		{match.AntreaFQDN, "*.foo.com", "*.foo.com"},
		{match.AntreaFQDN, "api-*.foo.com", lost},
		{match.AntreaFQDN, "a_b.foo.com", lost},
		{match.GKEPattern, "?*.foo.com a*.foo.com", "*.foo.com a*.foo.com"},
		{match.GKEPattern, "*.foo.com", lost},
		{match.GKEPattern, "-a.foo.com", lost},
		{match.GKEPattern, "*-a.foo.com a_b.foo.com", "*-a.foo.com a_b.foo.com"},
		{match.AWSDomain, "*.foo.com", "*.foo.com"},
		{match.LinkerdHostname, "*.foo.com", "*.foo.com"},
		{match.SquidDomain, "foo.com", "foo.com"},
		{match.SquidDomain, "*.foo.com", lost},
		{match.SquidDomain, "*.foo.com www.bar.com foo.com", ".foo.com www.bar.com"},
		{match.AWSFirewallDomain, "foo.com *.foo.com", ".foo.com"},
		{match.AWSFirewallDomain, "*.foo.com", lost},
	} {
		var patterns []match.Pattern
		for _, s := range strings.Fields(c.patterns) {
			patterns = append(patterns, match.MustParsePattern(s))
		}
		texts, err := c.dialect.Format(patterns...)
		if got := strings.Join(texts, " "); c.texts == lost && err == nil || c.texts != lost && got != c.texts {
			t.Errorf("%v: %s is written %q, %v; want %q", c.dialect, c.patterns, got, err, c.texts)
		}
		if e := (*match.DialectError)(nil); err != nil && !errors.As(err, &e) {
			t.Errorf("%v: %T", c.dialect, err)
		}
	}
}

// TestDialectsRead are the texts of the field that mean different things in different systems.
func TestDialectsRead(t *testing.T) {
	const lost = "!"
	for _, c := range []struct {
		dialect match.Dialect
		text    string
		want    string
	}{
		{match.IstioHost, "*.Foo.com", lost}, // host.Name compares bytes, while Envoy folds case
		{match.EnvoyServerName, "*.Foo.com", "*.foo.com"},
		{match.IstioHost, "foo.com.", lost}, // equal to no name that arrives
		{match.IstioHost, "*-a.foo.com", lost},
		{match.EnvoyServerName, "bücher.example", lost},
		{match.GatewayAPIHostname, "Foo.com", lost},
		{match.GatewayAPIHostname, "foo.com.", lost},
		{match.LinkerdHostname, "Foo.com", lost},
		{match.ClusterNetworkPolicyDomain, "*.Foo.com.", "*.foo.com"},
		{match.IstioHost, "*foo.com", lost},
		{match.IstioHost, "*", lost},
		{match.GatewayAPIHostname, "a.*.foo.com", lost},
		{match.CiliumMatchName, "*.foo.com", lost},
		{match.CiliumMatchPattern, "*.foo.com", "?*.foo.com"},
		{match.CiliumMatchPattern, "**.foo.com", "?*.foo.com"},
		{match.CiliumMatchPattern119, "**.foo.com", "*.foo.com"},
		{match.CiliumMatchPattern119, "*.foo.com", "?*.foo.com"},
		{match.CiliumMatchPattern119, "*foo.com", "?*foo.com foo.com"},
		{match.CiliumMatchPattern119, "a.**.foo.com", "a.?*.foo.com"},
		{match.CiliumMatchPattern119, "*.*.foo.com", "?*.?*.foo.com"},
		{match.CiliumMatchPattern119, "*", lost},
		{match.CiliumMatchPattern119, "***.foo.com", "*.foo.com"},
		{match.CiliumMatchPattern, "***.foo.com", "?*.foo.com"},
		{match.CiliumMatchPattern, "*-foo.com", "?*-foo.com -foo.com"},
		{match.CiliumMatchPattern, "*-a.foo.com.", "*-a.foo.com"},
		{match.CalicoDomain, "*.foo.com", "*.foo.com"},
		{match.CalicoDomain, "www.*.com", lost},
		{match.OVNDNSName, "*.foo.com", "?*.foo.com"},
		{match.AntreaFQDN, "*foobar.com", lost},
		{match.AntreaFQDN, "**.foo.com", "*.foo.com"},
		{match.AntreaFQDN, "foo.com.", lost},
		{match.GKEPattern, "sub*.foo.com", "sub*.foo.com"},
		{match.SquidDomain, ".foo.com", "foo.com *.foo.com"},
		{match.SquidDomain, "*.foo.com", lost},
		{match.AWSFirewallDomain, ".foo.com", "foo.com *.foo.com"},
		{match.Dialect(0), "foo.com", lost},
		{match.IstioHost, "", lost},
		{match.IstioHost, "10.0.0.1", lost},
		{match.EnvoyServerName, "a..foo.com", lost},
	} {
		patterns, err := c.dialect.Parse(c.text)
		if got := strings.Trim(fmt.Sprint(patterns), "[]"); c.want == lost && err == nil || c.want != lost && got != canonical(c.want) {
			t.Errorf("%v: %q is read %q, %v; want %q", c.dialect, c.text, got, err, c.want)
		}
	}
}

func canonical(texts string) string {
	var out []string
	for _, s := range strings.Fields(texts) {
		out = append(out, match.MustParsePattern(s).String())
	}
	return strings.Join(out, " ")
}

func FuzzDialectParse(f *testing.F) {
	for _, s := range []string{"*.foo.com", "**.foo.com", ".foo.com", "*a*.b.com", "a.**.b", "\xff", strings.Repeat("*a.", 200)} {
		for _, d := range []match.Dialect{match.IstioHost, match.CiliumMatchPattern119, match.SquidDomain} {
			f.Add(uint8(d), s)
		}
	}
	f.Fuzz(func(t *testing.T, d uint8, text string) {
		patterns, err := match.Dialect(d).Parse(text)
		if (err == nil) != (len(patterns) > 0) {
			t.Errorf("%q: %v, %v", text, patterns, err)
		}
		// What can be written back is read as the same patterns. Not all can: "*foo" is two patterns, of which one has a '?'.
		texts, err := match.Dialect(d).Format(patterns...)
		if err != nil {
			return
		}
		var again []match.Pattern
		for _, s := range texts {
			p, err := match.Dialect(d).Parse(s)
			if err != nil {
				t.Fatalf("%q is read %v, that is written %q: %v", text, patterns, texts, err)
			}
			again = append(again, p...)
		}
		if !slices.Equal(again, patterns) {
			t.Errorf("%q is read %v, that is written %q and read %v", text, patterns, texts, again)
		}
	})
}

func ExampleDialect_Format() {
	below := match.MustParsePattern("*.foo.com")
	for _, d := range []match.Dialect{match.IstioHost, match.CiliumMatchPattern119, match.OVNDNSName, match.SquidDomain} {
		texts, err := d.Format(below)
		fmt.Println(d, texts, err)
	}
	// Output:
	// Istio host [*.foo.com] <nil>
	// Cilium matchPattern [**.foo.com] <nil>
	// OVN-Kubernetes dnsName [] OVN-Kubernetes dnsName: "*.foo.com": "*." stands for one label alone here
	// Squid domain [] Squid domain: "*.foo.com": ".foo.com" would also match "foo.com"
}

func ExampleDialect_Parse() {
	for _, d := range []match.Dialect{match.IstioHost, match.CiliumMatchPattern119} {
		patterns, err := d.Parse("*.foo.com")
		fmt.Println(d, patterns, err)
	}
	// Output:
	// Istio host [*.foo.com] <nil>
	// Cilium matchPattern [?*.foo.com] <nil>
}
