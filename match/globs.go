package match

import (
	"slices"
	"strings"
)

// A globSet holds globs in groups by suffix.
type globSet struct {
	patterns []Pattern // most specific first
	slot     int       // of the first pattern; the others follow

	groups   []globGroup
	suffixes *table           // "*." and the suffix; the slot is the number of the group
	long     map[string]int32 // numbers of groups, by suffixes too long for a table; nil: none
	anywhere globGroup        // without a suffix
}

// A globGroup holds the globs of one suffix, as indexes in patterns, ascending.
type globGroup struct {
	globs  []int32
	pieces *[pieceKinds]pieces // nil: the globs are few
}

// fewGlobs is the number of globs up to which a group goes through all.
const fewGlobs = 8

// newGlobSet returns the set of the patterns in list, the most specific first, whose slots begin with the one given.
func newGlobSet(keys *hashKeys, patterns []Pattern, list []uint32, slot int) (*globSet, error) {
	s := &globSet{slot: slot}
	bySuffix := map[string]*globGroup{}
	var suffixes []string // in the order of list
	for n, i := range list {
		p := patterns[i]
		s.patterns = append(s.patterns, p)
		suffix := p.Suffix()
		g := bySuffix[suffix]
		if g == nil {
			g = new(globGroup)
			bySuffix[suffix] = g
			suffixes = append(suffixes, suffix)
		}
		g.globs = append(g.globs, int32(n))
	}
	var texts []string
	var inTable, long []string
	for _, suffix := range suffixes {
		switch {
		case suffix == "":
		case len(suffix) > maxDomain:
			long = append(long, suffix)
		default:
			inTable = append(inTable, suffix)
			texts = append(texts, "*."+suffix)
		}
		if g := bySuffix[suffix]; len(g.globs) > fewGlobs {
			g.pieces = s.newPieces(g.globs, suffix)
		}
	}
	var slots []uint32
	var err error
	if s.suffixes, slots, _, err = newTable(keys, texts); err != nil {
		return nil, err
	}
	s.groups = make([]globGroup, len(inTable), len(inTable)+len(long))
	for i, suffix := range inTable {
		s.groups[slots[i]-1] = *bySuffix[suffix]
	}
	if len(long) > 0 {
		s.long = map[string]int32{}
	}
	for _, suffix := range long {
		s.long[suffix] = int32(len(s.groups))
		s.groups = append(s.groups, *bySuffix[suffix])
	}
	if g := bySuffix[""]; g != nil {
		s.anywhere = *g
	}
	return s, nil
}

// first returns the most specific glob that matches name, of those whose suffix, with its dot, is longer than tail.
func (s *globSet) first(r *reading, name string, tail uint16) found {
	fit, hash, _ := s.suffixes.probe(r)
	for g, fit := s.suffixes.take(name, r, fit, hash); g.tail > tail; g, fit = s.suffixes.take(name, r, fit, r.hash(s.suffixes.keys, top(fit))) {
		if i := s.best(s.groups[g.slot-1], name, int(g.tail)); i >= 0 {
			return found{s.patterns[i].text, int32(s.slot) + i, g.tail, Glob}
		}
	}
	if tail == 0 {
		if i := s.best(s.anywhere, name, 0); i >= 0 {
			return found{s.patterns[i].text, int32(s.slot) + i, 0, Glob}
		}
	}
	return found{}
}

// best returns the least glob of a group that matches name, or -1. Tail bytes of name are the group's suffix with its dot.
func (s *globSet) best(g globGroup, name string, tail int) int32 {
	best := int32(-1)
	g.candidates(name[:len(name)-tail], func(globs []int32) {
		for _, i := range globs {
			if best >= 0 && i >= best {
				return
			}
			if matchGlob(s.patterns[i].text, name) {
				best = i
				return
			}
		}
	})
	return best
}

// each yields the globs of a group that match name, the least first. It returns false when yield did.
func (s *globSet) each(g globGroup, name string, tail int, yield func(p Pattern, slot int) bool) bool {
	// The candidates come in several lists. Merge what matches, a bufferful in each pass.
	var buffer [32]int32
	for after := int32(-1); ; {
		least := buffer[:0]
		g.candidates(name[:len(name)-tail], func(globs []int32) {
			at, _ := slices.BinarySearch(globs, after+1)
			for _, i := range globs[at:] {
				full := len(least) == len(buffer)
				if full && i >= least[len(least)-1] {
					return
				}
				if !matchGlob(s.patterns[i].text, name) {
					continue
				}
				if full {
					least = least[:len(least)-1]
				}
				at, _ := slices.BinarySearch(least, i)
				least = slices.Insert(least, at, i) // there is room
			}
		})
		for _, i := range least {
			if !yield(s.patterns[i], s.slot+int(i)) {
				return false
			}
		}
		if len(least) < len(buffer) {
			return true
		}
		after = least[len(least)-1]
	}
}

// Each glob of a large group is filed under the longest of its pieces, of these kinds.
const (
	headPiece  = iota // what every name begins in
	frontPiece        // what the label before the suffix begins in
	backPiece         // what the label before the suffix ends in, backwards
	pieceKinds
)

// pieces are texts in order, and the globs filed under each.
type pieces struct {
	texts []string
	outer []int32   // for each text the longest other one that it begins in, or -1
	globs [][]int32 // ascending
}

func (s *globSet) newPieces(globs []int32, suffix string) *[pieceKinds]pieces {
	var filed [pieceKinds]map[string][]int32
	for kind := range filed {
		filed[kind] = map[string][]int32{}
	}
	for _, i := range globs {
		kind, text := pieceOf(s.patterns[i], suffix)
		filed[kind][text] = append(filed[kind][text], i)
	}
	all := new([pieceKinds]pieces)
	for kind := range all {
		ps := &all[kind]
		for text := range filed[kind] {
			ps.texts = append(ps.texts, text)
		}
		slices.Sort(ps.texts)
		for i, text := range ps.texts {
			outer := int32(i) - 1
			for outer >= 0 && !strings.HasPrefix(text, ps.texts[outer]) {
				outer = ps.outer[outer]
			}
			ps.outer = append(ps.outer, outer)
			ps.globs = append(ps.globs, filed[kind][text])
		}
	}
	return all
}

// pieceOf returns the piece that a glob with that suffix is filed under.
func pieceOf(p Pattern, suffix string) (kind int, text string) {
	rest := strings.TrimSuffix(strings.TrimSuffix(p.text, suffix), ".")
	label := rest[strings.LastIndexByte(rest, '.')+1:]
	at, last := strings.IndexAny(label, "*?"), strings.LastIndexAny(label, "*?")
	if front := label[:at]; len(front) > 0 {
		kind, text = frontPiece, front
	}
	if back := label[last+1:]; len(back) > len(text) {
		kind, text = backPiece, reverse(back, new([maxLabelLen]byte))
	}
	if head := rest[:strings.IndexAny(rest, "*?")]; len(head) >= len(text) { // empty, where any number of labels may stand in front
		kind, text = headPiece, head
	}
	return kind, text
}

// candidates calls f with lists of the globs of g that may match a name, which has before in front of the suffix and its dot. No glob is in two lists.
func (g *globGroup) candidates(before string, f func(globs []int32)) {
	if g.pieces == nil {
		f(g.globs)
		return
	}
	label := before[strings.LastIndexByte(before, '.')+1:]
	g.pieces[headPiece].find(before, f)
	g.pieces[frontPiece].find(label, f)
	g.pieces[backPiece].find(reverse(label, new([maxLabelLen]byte)), f)
}

// find calls f with the globs of each text that s begins in.
func (ps *pieces) find(s string, f func(globs []int32)) {
	// The last text that is not greater than s begins in the longest one that s begins in, as do all between them.
	i, ok := slices.BinarySearch(ps.texts, s)
	if !ok {
		i--
	}
	for i := int32(i); i >= 0; i = ps.outer[i] {
		if strings.HasPrefix(s, ps.texts[i]) {
			f(ps.globs[i])
		}
	}
}
