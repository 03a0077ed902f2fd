package match

import (
	"math/bits"
	"slices"
	"strings"
)

// Set operations on patterns. Exact names and subdomains have closed forms. A glob is a product of label sets, so its questions fall apart
// into questions about single labels, which small automata answer. All answers hold for real hosts: labels of 63 bytes at most, names of
// 253, and no number as the last label.

// Covers reports whether every host of o is in p. Every pattern covers the zero Pattern.
func (p Pattern) Covers(o Pattern) bool {
	switch {
	case o.kind == 0:
		return true
	case p.kind == 0:
		return false
	case o.kind == Exact:
		return p.Matches(Host{o.text})
	case p.kind == Subdomains && o.kind == Subdomains:
		return strings.HasSuffix(o.text, p.text[1:])
	case p.kind == Subdomains:
		return endsIn(o.Suffix(), p.text[2:])
	}
	_, ok := o.shape().minus(p.shape())
	return !ok
}

// Overlaps reports whether some host is in both p and o.
func (p Pattern) Overlaps(o Pattern) bool {
	switch {
	case p.kind == 0 || o.kind == 0:
		return false
	case p.kind == Exact:
		return o.Matches(Host{p.text})
	case o.kind == Exact:
		return p.Matches(Host{o.text})
	case p.kind == Subdomains && o.kind == Subdomains:
		return strings.HasSuffix(o.text, p.text[1:]) || strings.HasSuffix(p.text, o.text[1:])
	}
	a, b := p.Suffix(), o.Suffix()
	return (endsIn(a, b) || endsIn(b, a)) && len(p.shape().and(o.shape())) > 0
}

// endsIn reports whether name is suffix or a name below it.
func endsIn(name, suffix string) bool {
	head, ok := strings.CutSuffix(name, suffix)
	return ok && (head == "" || suffix == "" || head[len(head)-1] == '.')
}

// Intersect returns patterns whose union is exactly the hosts in both p and o: none when they do not overlap, one in most cases, several
// for some pairs of globs. The patterns are ordered by text, and none covers another. Their texts may have more '*' than [ParsePattern] takes.
func (p Pattern) Intersect(o Pattern) []Pattern {
	switch {
	case p.kind == 0 || o.kind == 0:
		return nil
	case p.Covers(o):
		return []Pattern{o}
	case o.Covers(p):
		return []Pattern{p}
	case p.kind != Glob && o.kind != Glob:
		return nil
	}
	var out []Pattern
	for _, s := range p.shape().and(o.shape()) {
		q := patternOf(s.String())
		if slices.ContainsFunc(out, func(old Pattern) bool { return old.Covers(q) }) {
			continue
		}
		out = append(slices.DeleteFunc(out, q.Covers), q)
	}
	slices.SortFunc(out, Pattern.Compare)
	return out
}

// Witness returns a host that is in p and not in o, and false when o covers p. It is a shortest one, always the same for the same patterns.
func (p Pattern) Witness(o Pattern) (Host, bool) {
	if p.kind == 0 || o.Covers(p) {
		return Host{}, false
	}
	if o.kind == 0 {
		return Host{p.shape().shortest()}, true
	}
	name, _ := p.shape().minus(o.shape())
	return Host{name}, true
}

// minus returns a shortest host that is in s and not in o.
func (s shape) minus(o shape) (string, bool) {
	if !s.deep {
		return labelsMinus(s.labels, o)
	}
	// Of the hosts of s, those with one and with two labels more than s.labels tell: o either has no host with that many labels, or the same
	// labels to the left of o.labels are free, and more of them only make a longer host.
	one := slices.Insert(slices.Clone(s.labels), 0, anyLabel)
	two := slices.Insert(slices.Clone(one), 0, anyLabel)
	a, okA := labelsMinus(one, o)
	b, okB := labelsMinus(two, o)
	if okB && (!okA || len(b) < len(a)) {
		return b, true
	}
	return a, okA
}

// labelsMinus returns a shortest host that has the labels given and is not in o.
func labelsMinus(labels []label, o shape) (string, bool) {
	last := len(labels) - 1
	short := make([]string, len(labels))
	total := last
	for i, l := range labels {
		short[i] = l.shortest(i == last)
		total += len(short[i])
	}
	free := len(labels) - len(o.labels) // labels of the host that o leaves free
	if free < 0 || o.deep != (free > 0) {
		return join(short, total)
	}
	// A host is outside o when one label is: take the one that costs least.
	best, word := -1, ""
	for i, l := range o.labels {
		w, ok := labels[free+i].minus(l, free+i == last)
		if ok && (best < 0 || len(w)-len(short[free+i]) < len(word)-len(short[best])) {
			best, word = free+i, w
		}
	}
	if best < 0 {
		return "", false
	}
	total += len(word) - len(short[best])
	short[best] = word
	return join(short, total)
}

// join returns the host of the labels, whose length is total, and false when it is too long to be one.
func join(labels []string, total int) (string, bool) {
	if total > maxHostLen {
		return "", false
	}
	return strings.Join(labels, "."), true
}

// shortest returns a shortest host of s.
func (s shape) shortest() string {
	labels := make([]string, 0, len(s.labels)+1)
	if s.deep {
		labels = append(labels, anyLabel.shortest(false))
	}
	for i, l := range s.labels {
		labels = append(labels, l.shortest(i == len(s.labels)-1))
	}
	return strings.Join(labels, ".")
}

// shortest returns a shortest text of l; of a last label, a shortest that is no number. Every label of a parsed pattern has one.
func (l label) shortest(last bool) string {
	w := strings.ReplaceAll(l.tokens, "?", "x")
	if last && isNumber(w) && l.stars != 0 {
		i := bits.TrailingZeros64(l.stars)
		w = w[:i] + "x" + w[i:]
	}
	return w
}

// step returns the places in l that a label can be at after the byte c, given those before it, as bits. Place i is in front of token i, and
// the last one is the end.
func (l label) step(places uint64, c byte) uint64 {
	next := places & l.stars
	for rest := places; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if i < len(l.tokens) && (l.tokens[i] == c || l.tokens[i] == '?') {
			next |= 1 << (i + 1)
		}
	}
	// What can follow a star contains all that can follow the places in front of it.
	if stars := next & l.stars; stars != 0 {
		next &= ^uint64(0) << (bits.Len64(stars) - 1)
	}
	return next
}

// minus returns a shortest text that is in l and not in o; of a last label, one that is no number.
//
// It searches the texts of l breadth first, one byte a level, guessing a place in l and following all places in o at once. A text that leaves
// o more places to be at than one that was found before it, at the same place in l, can lead to nothing new. Few sets of places are left
// then: a byte that o does not wait for gives the least set, and there nearly always is one.
func (l label) minus(o label, last bool) (string, bool) {
	switch {
	case o == anyLabel || l == o:
		return "", false
	case l.literal():
		return l.tokens, !o.matches(l.tokens)
	}
	type node struct {
		place  int    // in l
		places uint64 // in o
		number numberState
		c      byte // by which it was reached
		parent int  // in nodes
	}
	nodes := []node{{places: 1, number: notNumber, parent: -1}}
	if last {
		nodes[0].number = atStart
	}
	var seen [maxLabelLen + 1][]int // nodes by place
	add := func(n node) {
		for _, at := range seen[n.place] {
			if old := nodes[at]; old.places&^n.places == 0 && (old.number == notNumber || old.number == n.number) {
				return
			}
		}
		seen[n.place] = append(seen[n.place], len(nodes))
		nodes = append(nodes, n)
	}
	letters := telling(l, o)
	for length, at := 1, 0; length <= maxLabelLen; length++ {
		for end := len(nodes); at < end; at++ {
			n := nodes[at]
			for _, c := range letters {
				to := node{n.place, o.step(n.places, c), n.number.next(c), c, at}
				if l.star(n.place) {
					add(to)
				}
				if n.place < len(l.tokens) && (l.tokens[n.place] == c || l.tokens[n.place] == '?') {
					to.place++
					add(to)
				}
			}
		}
		for i := at; i < len(nodes); i++ {
			if n := nodes[i]; n.place == len(l.tokens) && n.places>>len(o.tokens)&1 == 0 && n.number == notNumber {
				text := make([]byte, length)
				for ; n.parent >= 0; n = nodes[n.parent] {
					length--
					text[length] = n.c
				}
				return string(text), true
			}
		}
	}
	return "", false
}

// telling returns the bytes that a and b tell apart, and before them one that stands for all others, if there is another.
func telling(a, b label) []byte {
	out := make([]byte, 1, 16)
	// Letters that no number has come first, since they are the best choice where any byte will do.
	for _, c := range []byte("xyzghijklmnopqrstuvw-_abcdef0123456789") {
		if strings.IndexByte(a.tokens, c) >= 0 || strings.IndexByte(b.tokens, c) >= 0 {
			out = append(out, c)
		} else if out[0] == 0 {
			out[0] = c
		}
	}
	if out[0] == 0 {
		out = out[1:]
	}
	return out
}

// A numberState follows whether a label is a number, as isNumber has it.
type numberState uint8

const (
	atStart numberState = iota
	afterZero
	inDigits
	inHex
	notNumber
)

func (s numberState) next(c byte) numberState {
	digit := '0' <= c && c <= '9'
	switch {
	case s == atStart && c == '0':
		return afterZero
	case s == afterZero && c == 'x':
		return inHex
	case s < inHex && digit, s == inHex && (digit || 'a' <= c && c <= 'f'):
		return max(s, inDigits)
	}
	return notNumber
}

// and returns shapes whose union is the hosts in both s and o. None covers another.
func (s shape) and(o shape) []shape {
	if len(s.labels) < len(o.labels) {
		s, o = o, s
	}
	free := len(s.labels) - len(o.labels) // labels of s that o leaves free
	if !s.deep && o.deep != (free > 0) || s.deep && !o.deep {
		// o is deep and needs one label more than it names; or o is not, and all its hosts have fewer labels than those of s.
		return nil
	}
	out := []shape{{deep: s.deep, labels: s.labels[:free]}}
	for i, l := range o.labels {
		words := s.labels[free+i].and(l)
		var next []shape
		for _, head := range out {
			for _, w := range words {
				if free+i < len(s.labels)-1 || !w.literal() || !isNumber(w.tokens) {
					next = append(next, shape{head.deep, append(slices.Clip(head.labels), w)})
				}
			}
		}
		if out = next; len(out) == 0 {
			return nil
		}
	}
	return slices.DeleteFunc(out, func(s shape) bool { return len(s.shortest()) > maxHostLen })
}

// and returns labels whose union is the texts in both l and o. None covers another.
func (l label) and(o label) []label {
	switch {
	case l == o || o == anyLabel:
		return []label{l}
	case l == anyLabel:
		return []label{o}
	case l.literal() && !o.matches(l.tokens), o.literal() && !l.matches(o.tokens):
		return nil
	case l.literal():
		return []label{l}
	case o.literal():
		return []label{o}
	}
	m := merger{a: l, b: o, done: map[[2]int][]label{}}
	covers := func(a, b label) bool {
		_, ok := b.minus(a, false)
		return !ok
	}
	var out []label
	for _, w := range m.merge(0, 0) {
		if !slices.ContainsFunc(out, func(old label) bool { return covers(old, w) }) {
			out = append(slices.DeleteFunc(out, func(old label) bool { return covers(w, old) }), w)
		}
	}
	return out
}

func (l label) matches(text string) bool { return matchLabels(l.String(), text) }

// A merger lays two labels over each other in every way that fits.
type merger struct {
	a, b label
	done map[[2]int][]label
}

// merge returns labels whose union is the texts in both a from place i and b from place j.
func (m *merger) merge(i, j int) []label {
	at := [2]int{i, j}
	if out, ok := m.done[at]; ok {
		return out
	}
	var out []label
	add := func(front byte, star bool, tails []label) {
		for _, t := range tails {
			if w, ok := t.prepend(front, star); ok && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	endA, endB := i == len(m.a.tokens), j == len(m.b.tokens)
	starA, starB := m.a.star(i), m.b.star(j)
	both := starA && starB
	if endA && endB {
		out = append(out, label{stars: b2u(both)})
	}
	if !endA && !endB {
		switch a, b := m.a.tokens[i], m.b.tokens[j]; {
		case a == b || b == '?':
			add(a, both, m.merge(i+1, j+1))
		case a == '?':
			add(b, both, m.merge(i+1, j+1))
		}
	}
	if starB && !endA { // the star of b stands for the next token of a
		add(m.a.tokens[i], both, m.merge(i+1, j))
	}
	if starA && !endB {
		add(m.b.tokens[j], both, m.merge(i, j+1))
	}
	m.done[at] = out
	return out
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// prepend returns l with a token in front and, if star, a star in front of that; and false when the label would be too long.
func (l label) prepend(token byte, star bool) (label, bool) {
	if len(l.tokens) == maxLabelLen {
		return label{}, false
	}
	return label{string(token) + l.tokens, l.stars<<1 | b2u(star)}.canonical(), true
}
