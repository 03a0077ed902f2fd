package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/egresskit/egress/policy"
)

// Limits on what one document may hold. The deepest that a policy has is spec.sources[].from[].podLabels.matchExpressions[].values[], ten levels.
const (
	maxDepth  = 32
	maxValues = 4_000_000 // of one document; a rule has about 15
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
		if what := notText(r, size, b); what != "" {
			at := policy.Position{File: s.name, Line: line, Column: utf8.RuneCount(b[lineStart:i]) + 1}
			s.report(at, CodeNotText, what, "write the policy as UTF-8 text")
			return nil, false
		}
		i += size
	}
	return b, true
}

// notText says what is wrong with a character, and "" when nothing is. all is the text it stands in.
func notText(r rune, size int, all []byte) string {
	switch {
	case bytes.HasPrefix(all, []byte("\xff\xfe")) || bytes.HasPrefix(all, []byte("\xfe\xff")):
		return "the file is UTF-16"
	case r == utf8.RuneError && size <= 1:
		return "the file is not UTF-8 here"
	case r == 0:
		return "a NUL byte: the file is binary, or UTF-16"
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
// part is parsed by itself, so that a mistake in one does not hide those in the others, and only one is in memory as a tree.
func splitDocuments(text []byte) []part {
	var parts []part
	start, line, startLine := 0, 0, 0
	for at := 0; at < len(text); line++ {
		if at > start && isMarker(text[at:]) {
			parts = append(parts, part{text[start:at], startLine})
			start, startLine = at, line
		}
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	return append(parts, part{text[start:], startLine})
}

func isMarker(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// parse returns the roots of the documents in p, without those that hold nothing, and false when there was a mistake in the YAML.
func (s *source) parse(p part) ([]*yaml.Node, bool) {
	if n := valuesAtMost(p.text); n > maxValues {
		s.report(policy.Position{File: s.name, Line: p.above + 1, Column: 1}, CodeTooLarge,
			fmt.Sprintf("a document of up to %d values, more than %d", n, maxValues), "split it into several documents, separated by ---")
		return nil, false
	}
	roots, err := parseYAML(p.text)
	if err != nil {
		s.reportSyntax(p, err)
		return nil, false
	}
	for _, n := range roots {
		s.checkTree(n, p.above, 0)
	}
	return roots, true
}

// parseYAML returns the roots of the documents in text.
func parseYAML(text []byte) (roots []*yaml.Node, err error) {
	// The library reports mistakes by panics of its own, which it recovers. For a text that it has no words for, it would let others through.
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

// valuesAtMost returns an upper bound for the number of nodes that text parses to, by the characters without which there are no more.
func valuesAtMost(text []byte) int {
	n := 2
	for i, c := range text {
		switch c {
		case ',', '[', '{':
			n += 2
		case ':', '-', '?':
			if i+1 == len(text) || strings.IndexByte(" \t\r\n,[]{}\"'", text[i+1]) >= 0 {
				n += 2
			}
		}
	}
	return n
}

// checkTree moves the lines of the nodes by those above their part, and reports what is not taken anywhere: nesting without end, and
// the parts of YAML that make one text mean another.
func (s *source) checkTree(n *yaml.Node, above, depth int) {
	n.Line += above
	at := policy.Position{File: s.name, Line: n.Line, Column: n.Column}
	switch {
	case depth == maxDepth:
		s.report(at, CodeTooLarge, fmt.Sprintf("nested more than %d levels deep", maxDepth), "a policy has ten levels at most")
		n.Content = nil
		return
	case n.Kind == yaml.AliasNode:
		s.report(at, CodeNotSupported, "the alias *"+shorten(n.Value), "write what it stands for; a pattern is written in quotes")
		return
	case n.Tag == "!!merge":
		s.report(at, CodeNotSupported, "the merge key <<", "write the fields that it stands for")
	case n.Style&yaml.TaggedStyle != 0:
		s.report(at, CodeNotSupported, "the tag "+quote(n.Tag), "leave the tag out; put a text in quotes")
	}
	if n.Anchor != "" {
		s.report(at, CodeNotSupported, "the anchor &"+shorten(n.Anchor), "leave the anchor out, and write the value where it is used; a text that begins with & is written in quotes")
	}
	for _, c := range n.Content {
		s.checkTree(c, above, depth+1)
	}
}

// reportSyntax reports a mistake that the parser stopped at.
func (s *source) reportSyntax(p part, err error) {
	line, what := syntaxMessage(err)
	d := explain(p.text, line, what)
	d.Position.File = s.name
	d.Position.Line += p.above
	s.report(d.Position, d.Code, d.Message, d.Advice)
}

// syntaxMessage splits an error of the library into the line, 0 when it names none, and what was found.
func syntaxMessage(err error) (int, string) {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	rest, ok := strings.CutPrefix(what, "line ")
	if !ok {
		return 0, what
	}
	number, rest, ok := strings.Cut(rest, ": ")
	line, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 0, what
	}
	return line, rest
}

// explain finds the likely cause of a mistake in the YAML of text, near the line that the parser names. Without one it says what the parser says.
func explain(text []byte, line int, what string) policy.Diagnostic {
	lines := bytes.Split(text, []byte("\n"))
	if line > len(lines) {
		line = len(lines)
	}
	for i, l := range lines {
		indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
		if at := bytes.IndexByte(indent, '\t'); at >= 0 && len(indent) < len(l) && (line == 0 || i < line) {
			return finding(i+1, at+1, CodeTabIndent, "a tab in the indentation", "indent by blanks")
		}
	}
	for i, l := range lines {
		if at := unquotedStar(l); at >= 0 {
			word := wordAt(l, at)
			return finding(i+1, utf8.RuneCount(l[:at])+1, CodeUnquoted, "an unquoted '*' begins an alias in YAML", `write it in quotes: "`+word+`"`)
		}
	}
	column := 1
	if line > 0 {
		l := lines[line-1]
		column = len(l) - len(bytes.TrimLeft(l, " \t")) + 1
	} else {
		line = 1
	}
	if bytes.HasPrefix(lines[line-1], []byte("%")) {
		return finding(line, 1, CodeNotSupported, "a directive", "leave the line out")
	}
	return finding(line, column, CodeSyntax, "not YAML: "+what, "")
}

func finding(line, column int, code, message, advice string) policy.Diagnostic {
	return policy.Diagnostic{Code: code, Message: message, Advice: advice, Position: policy.Position{Line: line, Column: column}}
}

// unquotedStar returns the offset of a '*' at the beginning of a value in a line, and -1 when there is none.
func unquotedStar(line []byte) int {
	var quoted byte
	for i, c := range line {
		switch {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			if begins(line[:i]) {
				quoted = c
			}
		case c == '#' && (i == 0 || line[i-1] == ' '):
			return -1
		case c == '*' && begins(line[:i]):
			return i
		}
	}
	return -1
}

// begins reports whether a value may begin after what stands before it in a line.
func begins(before []byte) bool {
	t := bytes.TrimRight(before, " \t")
	if len(t) == 0 {
		return true
	}
	switch c := t[len(t)-1]; c {
	case '[', '{', ',':
		return true
	case '-', ':':
		return len(t) < len(before)
	}
	return false
}

func wordAt(line []byte, at int) string {
	rest := line[at:]
	if end := bytes.IndexAny(rest, " \t\r,]}#"); end >= 0 {
		rest = rest[:end]
	}
	return shorten(string(rest))
}
