package main

import (
	"strings"

	"github.com/egresskit/egress/match"
)

// buildMaps is the base: a map of exact names and one of what "*." stands before.
func buildMaps(p patterns) (matcher, error) {
	exact, below := map[string]int32{}, map[string]int32{}
	for i, t := range p.texts {
		if suffix, ok := strings.CutPrefix(t, "*."); ok {
			below[suffix] = int32(i)
		} else {
			exact[t] = int32(i)
		}
	}
	find := func(name string) int32 {
		if i, ok := exact[name]; ok {
			return i
		}
		for {
			dot := strings.IndexByte(name, '.')
			if dot < 0 {
				return none
			}
			name = name[dot+1:]
			if i, ok := below[name]; ok {
				return i
			}
		}
	}
	return matcher{find: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = find(name)
		}
	}}, nil
}

func index(p patterns) (*match.Index[int32], error) {
	var b match.Builder[int32]
	for i, pattern := range p.parsed {
		b.Add(pattern, int32(i))
	}
	return b.Build()
}

func buildLookup(p patterns) (matcher, error) {
	x, err := index(p)
	return matcher{find: func(s stream, out []int32) {
		for i, h := range s.hosts {
			out[i] = none
			if _, v, ok := x.Lookup(h); ok {
				out[i] = v
			}
		}
	}}, err
}

func buildBytes(p patterns) (matcher, error) {
	x, err := index(p)
	var buf [256]byte
	return matcher{find: func(s stream, out []int32) {
		for i, name := range s.names {
			out[i] = none
			if _, v, ok := x.LookupBytes(buf[:copy(buf[:], name)]); ok {
				out[i] = v
			}
		}
	}}, err
}

// batch is the number of names that are looked up at once.
const batch = 256

func buildBatch(p patterns) (matcher, error) {
	x, err := index(p)
	entries := make([]match.Entry[int32], 0, batch)
	return matcher{find: func(s stream, out []int32) {
		for len(s.hosts) > 0 {
			n := min(batch, len(s.hosts))
			entries = x.LookupBatch(entries[:0], s.hosts[:n])
			for i, e := range entries {
				out[i] = none
				if !e.Pattern.IsZero() {
					out[i] = e.Value
				}
			}
			s.hosts, out = s.hosts[n:], out[n:]
		}
	}}, err
}
