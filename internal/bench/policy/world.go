package main

import "fmt"

// A world is what is to be decided: rules by which sources may reach hosts. One host in ten is a wildcard, "*.foo.com" for one or more
// labels before foo.com.
type world struct{ sources, own, shared int }

// A rule allows a source, or everyone when there is none, one pattern.
type rule struct{ source, pattern string }

func (w world) rules() []rule {
	rules := make([]rule, 0, w.pairs())
	add := func(source, domain string, n int) {
		for i := range n {
			p := fmt.Sprintf("svc%d.%s.example.com", i, domain)
			if i%10 == 9 {
				p = "*." + p
			}
			rules = append(rules, rule{source, p})
		}
	}
	add("", "shared", w.shared)
	for i := range w.sources {
		add(source(i), source(i), w.own)
	}
	return rules
}

func source(i int) string { return fmt.Sprintf("s%d", i) }

func (w world) pairs() int { return w.sources*w.own + w.shared }

// hosts are asked for by source 0: a third its own, a third shared, a third nobody's; each tenth below a wildcard.
func (w world) hosts() []string {
	var hosts []string
	for i := range 30 {
		for _, domain := range []string{source(0), "shared", "nobody"} {
			h := fmt.Sprintf("svc%d.%s.example.com", i, domain)
			if i%10 == 9 {
				h = "a.b." + h
			}
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// asking is the sources that are asked for.
const asking = 2

// String returns what a column of a table is headed by.
func (w world) String() string {
	switch {
	case w.sources == 1:
		return fmt.Sprintf("1 source, %s rules", thousands(w.own))
	case w.shared > 0:
		return fmt.Sprintf("%s sources of %s rules, %s shared", thousands(w.sources), thousands(w.own), thousands(w.shared))
	}
	return fmt.Sprintf("%s sources of %s rules", thousands(w.sources), thousands(w.own))
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// An ask answers whether source number s may reach number h of the world's hosts. What a program would do once for a connection whatever it
// asks, such as parsing the host, is not part of it.
type ask func(s, h int) bool

// A builder makes contestants for one world.
type builder struct {
	what    string   // it builds
	names   []string // of the contestants
	limit   int      // the number of rules beyond which building or asking takes too long to wait for
	prepare func(w world) (build func() ([]ask, error), err error)
}

// The first is what the others are compared with.
var builders = []builder{
	{"match.Index", []string{"match.Index of all hosts, without rules"}, 2_000_000, prepareIndex},
	{"policy.Compile", []string{"View.Decide", "Engine.Decide"}, 2_000_000, prepareEngine},
	{"gobwas/glob", []string{"loop of gobwas/glob"}, 2_000_000, prepareGlobs},
	{"OPA, Rego by suffix", []string{"OPA, Rego by suffix"}, 200_000, prepareRegoSuffixes},
	{"OPA, Rego with glob.match", []string{"OPA, Rego with glob.match"}, 20_000, prepareRegoGlobs},
	{"cedar-go", []string{"cedar-go"}, 20_000, prepareCedar},
}

func one(a ask) []ask { return []ask{a} }
