package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/egresskit/egress/policy"
)

// Limits on what one document may hold. The deepest that a policy has is spec.sources[].from[].podLabels.matchExpressions[].values[], ten levels.
const (
	maxDepth     = 32
	maxValues    = 6_000_000 // of one document; a rule has about 20
	maxDocuments = 100_000   // of one file
)

// checkText reports what keeps b from being a text that editors show as it is read, and returns it without a byte order mark.
func (s *source) checkText(b []byte) ([]byte, bool) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	line, lineStart := 1, 0
	for i := 0; i < len(b); {
		c := b[i]
		if c >= ' ' && c < 0x7f || c == '\t' || c == '\r' && i+1 < len(b) && b[i+1] == '\n' {
			i++
			continue
		}
		if c == '\n' {
			i++
			line, lineStart = line+1, i
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if what := notText(r, size); what != "" {
			at := policy.Position{File: s.name, Line: line, Column: utf8.RuneCount(b[lineStart:i]) + 1}
			s.report(at, CodeNotText, orWhole(b, what), "write it as UTF-8 text")
			return nil, false
		}
		i += size
	}
	return b, true
}

// orWhole says what all of b is when that is plain, and otherwise what is wrong with a character in it.
func orWhole(b []byte, what string) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return "the file is UTF-16"
	case bytes.IndexByte(b, 0) >= 0:
		return "the file is binary: it holds NUL bytes"
	}
	return what
}

// notText says what is wrong with a character of size bytes, and "" when nothing is. Tabs and line ends are left to the caller.
func notText(r rune, size int) string {
	switch {
	case r == utf8.RuneError && size <= 1:
		return "bytes that are not UTF-8"
	case r == '\r':
		return "a carriage return without a line feed"
	case r < ' ', r >= 0x7f && r < 0xa0:
		return fmt.Sprintf("the control character U+%04X", r)
	case r == 0x2028, r == 0x2029:
		return fmt.Sprintf("the line separator U+%04X, which editors do not show as a new line", r)
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return fmt.Sprintf("the character U+%04X, which shows text in another order than it is read", r)
	case r == 0xfeff:
		return "a byte order mark inside the text"
	case r == 0xfffe, r == 0xffff:
		return fmt.Sprintf("U+%04X, which is no character", r)
	}
	return ""
}

// A part is the text of one document, and how many lines come before it.
type part struct {
	text  []byte
	above int
}

// splitDocuments splits a text before each line that begins with the marker ---, which YAML takes nowhere but between documents. Each
// part is parsed by itself, so that a mistake in one does not hide those in the others, and only one is in memory as a tree. It is false
// when there are too many.
func (s *source) splitDocuments(text []byte) ([]part, bool) {
	var parts []part
	start, line, startLine := 0, 0, 0
	for at := 0; at < len(text); line++ {
		if at > start && isMarker(text[at:]) {
			parts = append(parts, part{text[start:at], startLine})
			start, startLine = at, line
			if len(parts) == maxDocuments {
				s.report(policy.Position{File: s.name, Line: line + 1, Column: 1}, CodeTooLarge,
					fmt.Sprintf("more than %d documents", maxDocuments), "split the file into several")
				return nil, false
			}
		}
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	return append(parts, part{text[start:], startLine}), true
}

func isMarker(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || isBreakOrBlank(rest[0]))
}

// parse returns the roots of the documents in p, without those that hold nothing. It is false when some could not be read.
func (s *source) parse(p part) ([]*yaml.Node, bool) {
	if n := valuesAtMost(p.text); n > maxValues {
		s.report(policy.Position{File: s.name, Line: p.above + 1, Column: 1}, CodeTooLarge,
			fmt.Sprintf("a document of up to %d values, more than %d", n, maxValues), "split it into several documents")
		return nil, false
	}
	if line := directive(p.text); line > 0 {
		s.report(policy.Position{File: s.name, Line: p.above + line, Column: 1}, CodeNotSupported, "a YAML directive", "leave the line out")
		return nil, false
	}
	all, err := parseYAML(p.text)
	if err != nil {
		if all, err = s.reportSyntax(p, err); err != nil {
			return nil, false
		}
	}
	var roots []*yaml.Node
	for _, n := range all {
		if s.checkTree(n, p.above, 0) {
			roots = append(roots, n)
		}
	}
	return roots, len(roots) == len(all)
}

// parseYAML returns the roots of the documents in text, without those that hold nothing.
func parseYAML(text []byte) (roots []*yaml.Node, err error) {
	// The library reports mistakes by panics of its own, which it recovers. Those of its parser that it does not foresee it lets through.
	defer func() {
		if r := recover(); r != nil {
			roots, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return roots, nil
		} else if err != nil {
			return nil, err
		}
		if n := doc.Content[0]; n.Kind != yaml.ScalarNode || n.Value != "" || n.Style != 0 || n.Anchor != "" {
			roots = append(roots, n)
		}
	}
}

// directive returns the first line, counted from 1, that begins with %, as directives alone do, and 0 when there is none. The parser takes
// time by the square of their number.
func directive(text []byte) int {
	if bytes.HasPrefix(text, []byte("%")) {
		return 1
	}
	if i := bytes.Index(text, []byte("\n%")); i >= 0 {
		return bytes.Count(text[:i+1], []byte("\n")) + 1
	}
	return 0
}

// valuesAtMost returns an upper bound for the number of nodes that text parses to, from the characters that set them apart: a value or a
// key with its value after each, and the mapping that a key without braces begins.
func valuesAtMost(text []byte) int {
	n := 2
	for i, c := range text {
		switch c {
		case ',', '[', '{':
			n += 2
		case '-', '?':
			if i+1 == len(text) || isBreakOrBlank(text[i+1]) {
				n += 2
			}
		case ':':
			switch {
			case i+1 == len(text) || isBreakOrBlank(text[i+1]) || strings.IndexByte(",[]{}", text[i+1]) >= 0:
				n += 2
			case i > 0 && (text[i-1] == '"' || text[i-1] == '\''):
				n++
			}
		}
	}
	return n
}

func isBreakOrBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// checkTree moves the lines of the nodes by those above their part, and reports the parts of YAML that make one text mean another. It is
// false, and stops, where there is nesting without end.
func (s *source) checkTree(n *yaml.Node, above, depth int) bool {
	n.Line += above
	at := policy.Position{File: s.name, Line: n.Line, Column: n.Column}
	if depth == maxDepth {
		s.report(at, CodeTooLarge, fmt.Sprintf("nested more than %d levels deep", maxDepth), "write fewer levels; a policy has ten at most")
		return false
	}
	switch {
	case n.Kind == yaml.AliasNode:
		return true // reported with its anchor
	case n.Tag == "!!merge":
		s.report(at, CodeNotSupported, "the merge key <<", "write the fields that it stands for")
	case n.Style&yaml.TaggedStyle != 0:
		s.report(at, CodeNotSupported, "the tag "+quote(n.Tag), "leave the tag out; put a text in quotes")
	}
	if n.Anchor != "" {
		s.report(at, CodeNotSupported, "the anchor &"+shorten(n.Anchor), "leave it out, and write the value wherever it is used")
	}
	for _, c := range n.Content {
		if !s.checkTree(c, above, depth+1) {
			return false
		}
	}
	return true
}
