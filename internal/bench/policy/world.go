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

// An ask answers whether source number s may reach number h of the world's hosts. What a program would do once for a connection whatever it
// asks, such as parsing the host, is not part of it.
type ask func(s, h int) bool

// A contestant answers for one world.
type contestant struct {
	name  string
	limit int // the number of rules beyond which building or asking takes too long to wait for
	build func(w world) (ask, error)
}

var contestants = []contestant{
	{"egress, view", 2_000_000, buildView},
	{"egress, engine", 2_000_000, buildEngine},
	{"match.Index of all hosts", 2_000_000, buildIndex},
	{"loop of gobwas/glob", 2_000_000, buildGlobs},
	{"OPA, Rego by suffix", 200_000, buildRegoSuffixes},
	{"OPA, Rego with glob.match", 20_000, buildRegoGlobs},
	{"cedar-go", 20_000, buildCedar},
}
