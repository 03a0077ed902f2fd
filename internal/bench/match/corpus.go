package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
)

// Shares of a corpus, in percent. They are those of lists of domains that are published for blocking and routing: more names than
// wildcards, and nested now and then.
const (
	wildcards = 40 // of the patterns
	nested    = 25 // of the patterns: share the end of an earlier one
)

// longest is the bytes of the longest name there is.
const longest = 253

// A corpus is patterns, exact names and "*." ones, and a source of names to look up among them. It is made from a seed.
type corpus struct {
	*source
	texts []string // distinct
	known map[string]bool
}

// Endings with their weights.
var endings = []struct {
	text   string
	weight int
}{
	{"com", 480}, {"net", 55}, {"org", 50}, {"de", 35}, {"ru", 35}, {"info", 25}, {"io", 20}, {"xyz", 20}, {"co.uk", 20}, {"fr", 15},
	{"nl", 15}, {"it", 15}, {"com.br", 15}, {"top", 15}, {"online", 15}, {"pl", 12}, {"eu", 12}, {"co", 12}, {"app", 12}, {"dev", 12},
	{"jp", 10}, {"com.au", 10}, {"ch", 8}, {"se", 8}, {"site", 8}, {"club", 8}, {"co.jp", 6}, {"cloud", 6}, {"me", 6}, {"tv", 6},
	{"amazonaws.com", 10}, {"cloudfront.net", 10}, {"azurewebsites.net", 6}, {"github.io", 6}, {"netlify.app", 6},
}

var fronts = []string{"www", "api", "mail", "cdn", "static", "img", "m", "dev", "login", "auth", "eu-west-1", "us-east-1", "s3", "blog", "shop", "vpn"}

// A source draws names.
type source struct {
	*rand.Rand
	ends []string
}

func newSource(seed uint64) *source {
	s := &source{Rand: rand.New(rand.NewPCG(seed, 1))}
	for _, e := range endings {
		s.ends = append(s.ends, slices.Repeat([]string{e.text}, e.weight)...)
	}
	return s
}

func (s *source) percent(p int) bool { return s.IntN(100) < p }

func pick(s *source, list []string) string { return list[s.IntN(len(list))] }

// word draws a label of one part or two, in general of 6 to 15 bytes, and of 31 at most.
func (s *source) word() string {
	switch {
	case s.percent(12):
		return fmt.Sprint(s.syllables(), s.IntN(1000))
	case s.percent(12):
		return s.syllables() + "-" + s.syllables()
	}
	return s.syllables()
}

func (s *source) syllables() string {
	const consonants, vowels = "bcdfghjklmnprstvwz", "aeiou"
	var b []byte
	for range 3 + s.IntN(3) {
		b = append(b, consonants[s.IntN(len(consonants))], vowels[s.IntN(len(vowels))])
		if s.percent(35) {
			b = append(b, consonants[s.IntN(len(consonants))])
		}
	}
	return string(b)
}

// front draws a label to put before a name.
func (s *source) front() string {
	if s.percent(60) {
		return pick(s, fronts)
	}
	return s.word()
}

// name draws a name of 2 to 6 labels.
func (s *source) name() string {
	name := s.word() + "." + pick(s, s.ends)
	for s.percent(28) && strings.Count(name, ".") < 5 {
		name = s.front() + "." + name
	}
	return name
}

func newCorpus(patterns int, seed uint64) *corpus {
	c := &corpus{source: newSource(seed), texts: make([]string, 0, patterns), known: make(map[string]bool, patterns)}
	var bases []string
	for len(c.texts) < patterns {
		base := c.name()
		if len(bases) > 0 && c.percent(nested) {
			base = pick(c.source, bases)
			if c.percent(50) && strings.Count(base, ".") < 8 {
				base = c.front() + "." + base
			}
		}
		text := base
		if c.percent(wildcards) {
			text = "*." + base
		}
		if !c.known[text] {
			c.known[text] = true
			c.texts = append(c.texts, text)
			bases = append(bases, base)
		}
	}
	return c
}

// stream draws n names, of which some percent are hits. With zipf, few patterns get most of the names.
func (c *corpus) stream(n, hits int, zipf bool) stream {
	draw := func() string { return pick(c.source, c.texts) }
	if zipf {
		rank, order := rand.NewZipf(c.Rand, 1.1, 1, uint64(len(c.texts)-1)), c.Perm(len(c.texts))
		draw = func() string { return c.texts[order[rank.Uint64()]] }
	}
	names := make([]string, n)
	for i := range names {
		if text := draw(); c.percent(hits) {
			names[i] = c.hit(text)
		} else {
			names[i] = c.miss(text)
		}
	}
	return newStream(names)
}

// misses draws n names of some number of labels that no pattern matches, half of them near a pattern.
func (c *corpus) misses(n, least, most int) stream {
	names := make([]string, 0, n)
	for len(names) < n {
		name := c.unlisted()
		if base, _ := strings.CutPrefix(pick(c.source, c.texts), "*."); c.percent(50) {
			name = c.word() + base
		}
		for labels := least + c.IntN(most-least+1); strings.Count(name, ".")+1 < labels; {
			name = c.front() + "." + name
		}
		if labels := strings.Count(name, ".") + 1; labels <= most && len(name) <= longest && !c.matches(name) {
			names = append(names, name)
		}
	}
	return newStream(names)
}

// hit draws a name that a pattern matches.
func (c *corpus) hit(text string) string {
	base, wildcard := strings.CutPrefix(text, "*.")
	if wildcard {
		base = c.front() + "." + base
		if c.percent(20) {
			base = c.front() + "." + base
		}
	}
	return base
}

// unlisted draws a name with nothing in common with a pattern but for its ending.
func (c *corpus) unlisted() string { return c.word() + c.word() + "." + pick(c.source, c.ends) }

// miss draws a name that no pattern matches, in general near the one given.
func (c *corpus) miss(text string) string {
	for {
		base, wildcard := strings.CutPrefix(text, "*.")
		switch at := c.IntN(100); {
		case at < 40:
			base = c.unlisted()
			for c.percent(40) {
				base = c.front() + "." + base
			}
		case at < 55: // a child of an exact name, if it is one
			base = c.word() + "." + base
		case at < 65 && wildcard: // the name that the wildcard stands below
		case at < 65: // a sibling
			base = c.word() + base[strings.IndexByte(base, '.'):]
		case at < 75: // a name that only ends in the same bytes
			base = c.word() + base
		default: // deep, half of them near the pattern
			if c.percent(50) {
				base = c.word() + base
			}
			for range 3 + c.IntN(10) {
				base = c.front() + "." + base
			}
		}
		if len(base) <= longest && !c.matches(base) {
			return base
		}
		text = pick(c.source, c.texts)
	}
}

// matches reports whether one of the patterns matches name.
func (c *corpus) matches(name string) bool {
	found := c.known[name]
	for ok := true; ok && !found; {
		_, name, ok = strings.Cut(name, ".")
		found = ok && c.known["*."+name]
	}
	return found
}

// A stream is names to look up, each as text and as a host.
type stream struct {
	names []string
	hosts []match.Host
}

func (s stream) slice(from, n int) stream { return stream{s.names[from:][:n], s.hosts[from:][:n]} }

// newStream returns the names given. They lie behind each other in memory, so that reading them costs no cache misses of its own.
func newStream(names []string) stream {
	all := strings.Join(names, "")
	s := stream{make([]string, len(names)), make([]match.Host, len(names))}
	for i, name := range names {
		s.names[i], all = all[:len(name)], all[len(name):]
		s.hosts[i] = match.MustParseHost(s.names[i])
	}
	return s
}
