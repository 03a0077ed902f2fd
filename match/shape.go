package match

import (
	"math/bits"
	"strings"
)

// A shape is a pattern taken apart for the set operations. Wildcards stay inside their label, so a set of hosts is a product of sets of labels.
type shape struct {
	deep   bool // the pattern begins with "*.": one label or more stand before labels
	labels []label
}

// A label is the set of texts that one label of a pattern stands for: its tokens in order, with any number of bytes at each star.
// A '*' alone in its label is the token '?' and a star after it, since labels are never empty.
type label struct {
	tokens string // host bytes, or '?' for any of them
	stars  uint64 // bit i: a star before token i; bit len(tokens): a star at the end. Never before a '?'
}

// anyLabel is '*' alone.
var anyLabel = label{"?", 1 << 1}

// parseShape takes a checked pattern apart. Its String is canonical.
func parseShape(text string) shape {
	rest, deep := strings.CutPrefix(text, "*.")
	s := shape{deep: deep}
	for l := range strings.SplitSeq(rest, ".") {
		s.labels = append(s.labels, parseLabel(l))
	}
	if len(s.shortest()) >= maxHostLen { // no room for stars
		for i := range s.labels {
			s.labels[i].stars = 0
		}
	}
	return s
}

func parseLabel(text string) label {
	if text == "*" {
		return anyLabel
	}
	var l label
	tokens := make([]byte, 0, len(text))
	for i := range len(text) {
		if text[i] == '*' {
			l.stars |= 1 << len(tokens)
		} else {
			tokens = append(tokens, text[i])
		}
	}
	l.tokens = string(tokens)
	return l.canonical()
}

// canonical moves each star behind the '?' that follow it, which changes nothing: "*?" and "?*" are the same texts. In a label of full
// length there is no room for stars.
func (l label) canonical() label {
	if len(l.tokens) >= maxLabelLen {
		l.stars = 0
	}
	for i := range len(l.tokens) {
		if bit := uint64(1) << i; l.stars&bit != 0 && l.tokens[i] == '?' {
			l.stars = l.stars&^bit | bit<<1
		}
	}
	return l
}

// literal reports whether l stands for one text.
func (l label) literal() bool { return l.stars == 0 && strings.IndexByte(l.tokens, '?') < 0 }

func (l label) star(i int) bool { return l.stars>>i&1 != 0 }

// String returns the text of l where it is not the first label of a pattern: there, "*" alone is written "?*".
func (l label) String() string {
	if l == anyLabel {
		return "*"
	}
	if l.stars == 0 {
		return l.tokens
	}
	b := make([]byte, 0, len(l.tokens)+bits.OnesCount64(l.stars))
	for i := range len(l.tokens) {
		if l.star(i) {
			b = append(b, '*')
		}
		b = append(b, l.tokens[i])
	}
	if l.star(len(l.tokens)) {
		b = append(b, '*')
	}
	return string(b)
}

// String returns the text of the pattern.
func (s shape) String() string {
	var b strings.Builder
	if s.deep {
		b.WriteByte('*')
	} else if s.labels[0] == anyLabel {
		b.WriteByte('?')
	}
	for i, l := range s.labels {
		if s.deep || i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(l.String())
	}
	return b.String()
}

// shape takes p apart. p is not the zero Pattern.
func (p Pattern) shape() shape { return parseShape(p.text) }
