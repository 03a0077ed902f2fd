package main

import "github.com/egresskit/egress/match"

// A matcher answers for one list of patterns. Each of its functions looks up a whole stream, so that calling it costs nothing that counts.
type matcher struct {
	// find puts for each name the number of the most specific pattern that matches it, or none. It is nil if the matcher cannot tell: it only
	// has.
	find func(s stream, out []int32)
	// has puts some number for each name that some pattern matches, and none for others. If it is nil, find is used instead.
	has func(s stream, out []int32)
}

const none = -1

// Patterns are what a matcher is built from: number i is texts[i], and parsed[i] is the same.
type patterns struct {
	texts  []string
	parsed []match.Pattern
}

func parse(texts []string) patterns {
	p := patterns{texts, make([]match.Pattern, len(texts))}
	for i, t := range texts {
		p.parsed[i] = match.MustParsePattern(t)
	}
	return p
}

// A contestant builds matchers.
type contestant struct {
	name  string
	build func(p patterns) (matcher, error)
	most  int  // the patterns beyond which it is too slow to wait for; 0: any number
	apex  bool // its has answers for foo.com, too, when there is "*.foo.com"
	note  string
}

// The first contestant is the base.
var contestants = []contestant{
	{name: "two Go maps, labels stripped", build: buildMaps},
	{name: "egress `Lookup`", build: buildLookup},
	{name: "egress `LookupBatch`, 256 at once", build: buildBatch},
	{name: "egress `LookupBytes`", build: buildBytes, note: "reads and checks the name as it arrives, which is no part of the others"},
	{name: "v2fly `MphIndexMatcher`", build: buildV2flyMph, apex: true, note: v2flyNote},
	{name: "v2fly `LinearIndexMatcher`", build: buildV2flyLinear, apex: true, note: v2flyNote},
	{name: "mihomo `DomainTrie`", build: buildMihomoTrie},
	{name: "mihomo `DomainSet`", build: buildMihomoSet, note: boolNote},
	{name: "sing-box `domain.Matcher`", build: buildSing, note: boolNote},
	{name: "hashicorp go-immutable-radix, names reversed", build: buildRadix},
	{name: "loop, `strings.HasSuffix`", build: buildSuffixLoop, most: loops},
	{name: "loop, Istio `host.Name`", build: buildIstioLoop, most: loops},
	{name: "loop, gobwas/glob", build: buildGlobLoop, most: loops},
}

// loops is the number of patterns beyond which trying each takes too long to wait for.
const loops = 10_000

const (
	v2flyNote = "`domain:foo.com` matches foo.com too; finding the most specific pattern takes the list of all matches, less that one"
	boolNote  = "a set: cannot tell which pattern it was"
)
