package istio

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

func TestUnsayable(t *testing.T) {
	p := DefaultProfile()
	for name, want := range map[string]string{
		"www.foo.com":                 "",
		"*.foo.com":                   "",
		"*.com":                       "",
		"xn--bcher-kva.example":       "",
		"1.2.example":                 "",
		"foo":                         "one label",
		"a_b.foo.com":                 `"a_b"`,
		"*._tcp.foo.com":              `"_tcp"`,
		"-a.foo.com":                  `"-a"`,
		"a-.foo.com":                  `"a-"`,
		"db.shop.svc.cluster.local":   "below cluster.local",
		"*.svc.cluster.local":         "below cluster.local",
		"*.local":                     "below cluster.local",
		"notcluster.local":            "",
		"tls-443.egress.invalid":      "below egress.invalid",
		"*.egress.invalid":            "below egress.invalid",
		"*.invalid":                   "below egress.invalid",
		"other.invalid":               "",
		"cluster.local.example.com":   "",
		"*.cluster.local.example.com": "",
	} {
		got := p.unsayable(match.MustParsePattern(name))
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want something with %q", name, got, want)
		}
	}
}

// someClasses draws classes of one port: each pattern is in one of them.
func someClasses(t *rapid.T) []*nameClass {
	patterns := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.x", "b.x", "a.b.x", "*.x", "*.b.x", "*.a.b.x", "c.a.b.x", "*.y", "a.y"}), 1, 7, rapid.ID).Draw(t, "patterns")
	classes := make([]*nameClass, 3)
	for i := range classes {
		classes[i] = &nameClass{NameClass: render.NameClass{Port: 80}}
	}
	for _, p := range patterns {
		c := classes[rapid.IntRange(0, 2).Draw(t, "class of "+p)]
		c.Patterns = append(c.Patterns, match.MustParsePattern(p))
	}
	return slices.DeleteFunc(classes, func(c *nameClass) bool { return len(c.Patterns) == 0 })
}

// mostSpecific is the meaning of a partition: the class of the pattern that says most of a host.
func mostSpecific(classes []*nameClass, h match.Host) *nameClass {
	var best *nameClass
	longest := -1
	for _, c := range classes {
		for _, p := range c.Patterns {
			n := len(p.String())
			if p.Kind() == match.Exact {
				n++ // longer than the wildcard of the same length
			}
			if p.Matches(h) && n > longest {
				best, longest = c, n
			}
		}
	}
	return best
}

var hostsDrawn = rapid.SampledFrom([]string{"a.x", "b.x", "a.b.x", "c.b.x", "c.a.b.x", "d.c.a.b.x", "a.y", "b.y", "c.b.y", "x"})

// TestRulesPickTheMostSpecific reads access rules, which know no most specific name, by the rules of AuthorizationPolicy: a host is let pass
// by the rules of its class and of no other.
func TestRulesPickTheMostSpecific(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := someClasses(t)
		tree := newNameTree(classes)
		b := builder{Renderer: &Renderer{profile: DefaultProfile()}}
		host := hostsDrawn.Draw(t, "host")
		authority := host + rapid.SampledFrom([]string{"", ":80", ":81", ":", ":80.x"}).Draw(t, "port")
		for _, c := range classes {
			c.who = accounts{any: []accountSelector{{Namespace: "a", ServiceAccount: "a"}}}
			rules, why := b.rule(c, tree)
			if why != "" {
				t.Fatal(why)
			}
			got := false
			for _, r := range rules {
				for _, to := range r.To {
					got = got || hostMatches(to.Operation.Hosts, authority) && !hostMatches(to.Operation.NotHosts, authority)
				}
			}
			switch suffix := strings.TrimPrefix(authority, host); suffix {
			case "", ":80":
				if want := mostSpecific(classes, match.MustParseHost(host)) == c; got != want {
					t.Fatalf("%s and %v: %t", authority, c.Patterns, got)
				}
			case ":81", ":":
				if got {
					t.Fatalf("%s passes for %v", authority, c.Patterns)
				}
			}
		}
	})
}

// hostMatches compares as AuthorizationPolicy does hosts.
func hostMatches(hosts []string, authority string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool {
		if suffix, ok := strings.CutPrefix(h, "*"); ok {
			return strings.HasSuffix(authority, suffix)
		}
		return h == authority
	})
}
