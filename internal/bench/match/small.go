package main

import (
	"fmt"
	"io"
)

// Small sets are looked up by going through all patterns. A few nanoseconds depend on which patterns they are, so that there are several sets of
// each size.
var (
	smallSizes       = []int{1, 2, 3, 4, 8, 16}
	smallContestants = []contestant{
		{name: "loop, `strings.HasSuffix`", build: buildSuffixLoop},
		{name: "the same as a method that returns pattern and value", build: buildSuffixes},
		{name: "egress `Lookup`", build: buildLookup},
		{name: "two Go maps, labels stripped", build: buildMaps},
	}
)

// measureSmall returns the medians over the sets of a size, half of the names hits.
func measureSmall(size int, p plan) ([]cell, error) {
	var races [][]cell
	for seed := range p.small {
		c := newCorpus(size, uint64(1+seed))
		parsed := parse(c.texts)
		s := c.stream(p.names, 50, false)
		var runners []runner
		var base matcher
		for i, who := range smallContestants {
			m, err := who.build(parsed)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", who.name, err)
			}
			if i == 0 {
				base = m
			}
			if err := check(who, m, base, c, s); err != nil {
				return nil, err
			}
			runners = append(runners, runner{run: m.find, s: s})
		}
		races = append(races, race(runners, p.rounds, turnOf(size)))
	}
	return medians(races), nil
}

func (r results) writeSmall(w io.Writer) {
	fmt.Fprintf(w, "\nSmall sets, half of the names hits, times a loop in the place where the answer is wanted; medians of %d sets:\n\n", r.plan.small)
	writeSizes(w, smallSizes, smallContestants, r.small, times)
}
