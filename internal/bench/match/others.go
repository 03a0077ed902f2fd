package main

import (
	"strings"

	"github.com/gobwas/glob"
	iradix "github.com/hashicorp/go-immutable-radix/v2"
	"github.com/metacubex/mihomo/component/trie"
	"github.com/sagernet/sing/common/domain"
	"github.com/v2fly/v2ray-core/v5/common/strmatcher"
	"istio.io/istio/pkg/config/host"
)

func buildV2flyMph(p patterns) (matcher, error) { return v2fly(strmatcher.NewMphIndexMatcher(), p) }
func buildV2flyLinear(p patterns) (matcher, error) {
	return v2fly(strmatcher.NewLinearIndexMatcher(), p)
}

// v2fly numbers patterns from 1 on, in the order in which they are added.
func v2fly(x strmatcher.IndexMatcher, p patterns) (matcher, error) {
	for _, t := range p.texts {
		if suffix, ok := strings.CutPrefix(t, "*."); ok {
			x.Add(strmatcher.DomainMatcher(suffix))
		} else {
			x.Add(strmatcher.FullMatcher(t))
		}
	}
	texts := p.texts
	return matcher{
		find: func(s stream, out []int32) {
			for i, name := range s.names {
				out[i] = none
				for _, id := range x.Match(name) {
					n := int32(id) - 1
					switch t := texts[n]; {
					case t == name:
						out[i] = n
					case len(t) != len(name)+2 && (out[i] == none || len(t) > len(texts[out[i]]) && texts[out[i]] != name):
						out[i] = n // not "*.foo.com" for foo.com
					}
				}
			}
		},
		has: func(s stream, out []int32) {
			for i, name := range s.names {
				out[i] = none
				if x.MatchAny(name) {
					out[i] = 0
				}
			}
		},
	}, x.Build()
}

func mihomo(p patterns) (*trie.DomainTrie[int32], error) {
	x := trie.New[int32]()
	for i, t := range p.texts {
		if err := x.Insert(strings.TrimPrefix(t, "*"), int32(i)); err != nil {
			return nil, err
		}
	}
	x.Optimize()
	return x, nil
}

func buildMihomoTrie(p patterns) (matcher, error) {
	x, err := mihomo(p)
	return matcher{find: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = none
			if n := x.Search(name); n != nil {
				out[i] = n.Data()
			}
		}
	}}, err
}

func buildMihomoSet(p patterns) (matcher, error) {
	t, err := mihomo(p)
	if err != nil {
		return matcher{}, err
	}
	x := t.NewDomainSet()
	return matcher{has: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = none
			if x.Has(name) {
				out[i] = 0
			}
		}
	}}, nil
}

func buildSing(p patterns) (matcher, error) {
	var exact, below []string
	for _, t := range p.texts {
		if suffix, ok := strings.CutPrefix(t, "*"); ok {
			below = append(below, suffix)
		} else {
			exact = append(exact, t)
		}
	}
	x := domain.NewMatcher(exact, below, false)
	return matcher{has: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = none
			if x.Match(name) {
				out[i] = 0
			}
		}
	}}, nil
}

// buildRadix keeps names from right to left. An exact name ends in a byte that no name has, so that it is a prefix of itself alone.
func buildRadix(p patterns) (matcher, error) {
	const end = 0
	txn := iradix.New[int32]().Txn()
	for i, t := range p.texts {
		key := []byte{}
		if suffix, ok := strings.CutPrefix(t, "*"); ok {
			key = appendReversed(key, suffix)
		} else {
			key = append(appendReversed(key, t), end)
		}
		txn.Insert(key, int32(i))
	}
	root := txn.Commit().Root()
	buf := make([]byte, 0, 256)
	return matcher{find: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = none
			if _, v, ok := root.LongestPrefix(append(appendReversed(buf, name), end)); ok {
				out[i] = v
			}
		}
	}}, nil
}

func appendReversed(out []byte, s string) []byte {
	for i := len(s) - 1; i >= 0; i-- {
		out = append(out, s[i])
	}
	return out
}

// A loop tries all patterns, and keeps the most specific that matches.
func loop(match func(pattern int, name string) bool, moreSpecific func(a, b int) bool, patterns int) matcher {
	return matcher{
		find: func(s stream, out []int32) {
			for i, name := range s.names {
				best := none
				for j := range patterns {
					if match(j, name) && (best == none || moreSpecific(j, best)) {
						best = j
					}
				}
				out[i] = int32(best)
			}
		},
		has: func(s stream, out []int32) {
			for i, name := range s.names {
				out[i] = none
				for j := range patterns {
					if match(j, name) {
						out[i] = int32(j)
						break
					}
				}
			}
		},
	}
}

// longer says that exact names are more specific than wildcards, and then longer ones.
func longer(texts []string) func(a, b int) bool {
	return func(a, b int) bool {
		if x, y := texts[a][0] == '*', texts[b][0] == '*'; x != y {
			return y
		}
		return len(texts[a]) > len(texts[b])
	}
}

// A suffix is a pattern in the shape that a loop asks for.
type suffix struct {
	text  string // with a dot in front for what is below
	exact bool
	id    int32
}

func suffixesOf(texts []string) []suffix {
	list := make([]suffix, len(texts))
	for i, t := range texts {
		text, wildcard := strings.CutPrefix(t, "*")
		list[i] = suffix{text, !wildcard, int32(i)}
	}
	return list
}

// buildSuffixLoop has the loop where the answer is wanted, not in a function of its own.
func buildSuffixLoop(p patterns) (matcher, error) {
	list := suffixesOf(p.texts)
	return matcher{
		find: func(s stream, out []int32) {
			for i, name := range s.names {
				out[i] = none
				longest := 0
				for j := range list {
					if p := &list[j]; p.exact && p.text == name {
						out[i] = p.id
						break
					} else if !p.exact && len(p.text) > longest && strings.HasSuffix(name, p.text) {
						longest, out[i] = len(p.text), p.id
					}
				}
			}
		},
		has: func(s stream, out []int32) {
			for i, name := range s.names {
				out[i] = none
				for j := range list {
					if p := &list[j]; p.exact && p.text == name || !p.exact && strings.HasSuffix(name, p.text) {
						out[i] = p.id
						break
					}
				}
			}
		},
	}, nil
}

// suffixes is the loop as a type: like an index it says which pattern it was, and its value.
type suffixes []suffix

func (list *suffixes) find(name string) (best suffix, ok bool) {
	for _, s := range *list {
		if s.exact && s.text == name {
			return s, true
		}
		if !s.exact && len(s.text) > len(best.text) && strings.HasSuffix(name, s.text) {
			best, ok = s, true
		}
	}
	return best, ok
}

func buildSuffixes(p patterns) (matcher, error) {
	list := suffixes(suffixesOf(p.texts))
	return matcher{find: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = none
			if best, ok := list.find(name); ok {
				out[i] = best.id
			}
		}
	}}, nil
}

func buildIstioLoop(p patterns) (matcher, error) {
	names := make([]host.Name, len(p.texts))
	for i, t := range p.texts {
		names[i] = host.Name(t)
	}
	return loop(func(i int, name string) bool { return host.Name(name).SubsetOf(names[i]) },
		func(a, b int) bool { return host.MoreSpecific(names[a], names[b]) }, len(names)), nil
}

// buildGlobLoop compiles without separators: '*' crosses dots, and stands for one label or more because names do not begin with a dot.
func buildGlobLoop(p patterns) (matcher, error) {
	globs := make([]*glob.Pattern, len(p.texts))
	for i, t := range p.texts {
		g, err := glob.Compile(t)
		if err != nil {
			return matcher{}, err
		}
		globs[i] = g
	}
	return loop(func(i int, name string) bool { return globs[i].Match(name) }, longer(p.texts), len(globs)), nil
}
