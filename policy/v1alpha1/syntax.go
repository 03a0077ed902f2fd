package v1alpha1

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/egresskit/egress/policy"
)

// reportSyntax reports a mistake that the parser stopped at. Where it is one that can be looked past, it returns what the text would be
// without it, so that what else is wrong in the document is reported too.
func (s *source) reportSyntax(p part, err error) ([]*yaml.Node, error) {
	line, exact := syntaxLine(p.text, err)
	// Patterns without quotes are the most common mistake, and seldom come alone.
	if exact && len(unquotedStars(lineAt(p.text, line))) == 0 {
		s.reportLine(p, err)
		return nil, err
	}
	text := bytes.Clone(p.text)
	stars := map[spot]bool{}
	start := 0
	for i, end := range lineEnds(text) {
		line := text[start:end]
		for _, star := range unquotedStars(line) {
			at := spot{i + 1, utf8.RuneCount(line[:star]) + 1}
			s.report(policy.Position{File: s.name, Line: p.above + at.line, Column: at.column}, CodeUnquoted,
				"a '*' that begins a value without quotes, where YAML reads an alias", `write it in quotes: "`+wordAt(line, star)+`"`)
			line[star] = 'x'
			stars[at] = true
		}
		start = end
	}
	roots, err := parseYAML(text)
	if err != nil {
		s.reportLine(part{text, p.above}, err)
	}
	for _, n := range roots {
		restoreStars(n, stars, 0)
	}
	return roots, err
}

// A spot is a place in a part.
type spot struct{ line, column int }

// restoreStars makes texts that began with a star begin with it again, as if they stood in quotes.
func restoreStars(n *yaml.Node, stars map[spot]bool, depth int) {
	if n.Kind == yaml.ScalarNode && stars[spot{n.Line, n.Column}] {
		n.Value = "*" + n.Value[1:]
		n.Style, n.Tag = yaml.DoubleQuotedStyle, "!!str"
	}
	if depth == maxDepth {
		return
	}
	for _, c := range n.Content {
		restoreStars(c, stars, depth+1)
	}
}

// reportLine reports a mistake that the parser stopped at by the line that it stands in.
func (s *source) reportLine(p part, err error) {
	line, exact := syntaxLine(p.text, err)
	column, code, message, advice := explain(lineAt(p.text, line), err)
	if !exact {
		message += ", in what begins here"
	}
	s.report(policy.Position{File: s.name, Line: p.above + line, Column: column}, code, message, advice)
}

// lineAt returns a line, counted from 1, without its end.
func lineAt(text []byte, line int) []byte {
	ends := lineEnds(text)
	start := 0
	if line > 1 {
		start = ends[line-2]
	}
	return bytes.TrimRight(text[start:ends[line-1]], "\r\n")
}

// syntaxLine returns the line, counted from 1, at which the parser noticed a mistake. The line that it names itself is that where the
// mapping or list around the mistake begins. What follows the mistake does not change what the parser says, and leaving out the line with
// the mistake does: it is the last line of the shortest beginning of the text for which the parser says the same. That takes parsing the
// text up to 20 times; of a large one, the line is that which the parser names, and exact is false.
func syntaxLine(text []byte, err error) (line int, exact bool) {
	ends := lineEnds(text)
	const large = 512 << 10
	if len(text) > large {
		if _, scanErr := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scanErr != nil {
			return 1, false
		}
		return max(1, min(line, len(ends))), false
	}
	return 1 + sort.Search(len(ends)-1, func(i int) bool {
		_, e := parseYAML(text[:ends[i]])
		return e != nil && e.Error() == err.Error()
	}), true
}

// lineEnds returns the offset after each line.
func lineEnds(text []byte) (ends []int) {
	for i, c := range text {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] < len(text) {
		ends = append(ends, len(text))
	}
	return ends
}

// explain says what is wrong with a line that the parser noticed a mistake at, and from which column, counted from 1, on.
func explain(line []byte, err error) (column int, code, message, advice string) {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	column = len(indent) + 1
	_, what, ok := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: line "), ": ")
	if !ok {
		what = strings.TrimPrefix(err.Error(), "yaml: ")
	}
	rest := line[len(indent):]
	switch {
	case bytes.IndexByte(indent, '\t') >= 0:
		return bytes.IndexByte(indent, '\t') + 1, CodeTab, "a tab in the indentation", "indent by blanks"
	case len(line) > 1024 && strings.Contains(what, "mapping values"):
		return column, CodeSyntax, "a key of more than 1024 characters", "write the name of a field, which is short"
	case len(rest) > 0 && strings.IndexByte("@`", rest[0]) >= 0:
		return column, CodeSyntax, fmt.Sprintf("a value that begins with %q without quotes", rest[0]), "put it in quotes"
	}
	return column, CodeSyntax, "this is not YAML: " + what, syntaxAdvice(what)
}

// syntaxAdvice says what most often leads to a message of the parser.
func syntaxAdvice(what string) string {
	for _, known := range []struct{ part, advice string }{
		{"mapping values are not allowed", "indent the line as its neighbours are, and put a value with a colon in quotes"},
		{"did not find expected key", "indent the line as its neighbours are"},
		{"did not find expected '-'", "begin each entry of a list with a dash in the same column"},
		{"block sequence entries are not allowed", "put the list on lines of its own, below its key"},
		{"block collection entries", "put the list on lines of its own, below its key"},
		{"',' or ']'", "close the list with ], and put commas between its entries"},
		{"',' or '}'", "close the mapping with }, and put commas between its entries"},
		{"expected ':'", "write a name, a colon and a blank before each value"},
		{"end of stream", "close the quotes, brackets and braces that are opened here"},
		{"node content", "close the brackets and braces that are opened here"},
		{"hexdecimal", "write the text in single quotes, in which a backslash means itself"},
		{"escape", "write the text in single quotes, in which a backslash means itself"},
		{"cannot start any token", "put the value in quotes"},
		{"depth", "write fewer levels; a policy has ten at most"},
	} {
		if strings.Contains(what, known.part) {
			return known.advice
		}
	}
	return "look for a missing quote, bracket, colon or blank"
}

// unquotedStars returns the offsets at which a '*' begins a value in a line, as an unquoted pattern does.
func unquotedStars(line []byte) (stars []int) {
	var quoted byte
	for i, c := range line {
		switch {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			if beginsValue(line[:i]) {
				quoted = c
			}
		case c == '#' && (i == 0 || line[i-1] == ' '):
			return stars
		case c == '*' && beginsValue(line[:i]) && !blankAt(line, i+1):
			stars = append(stars, i)
		}
	}
	return stars
}

// blankAt reports whether there is a blank at i: "* " begins an entry of a list in other notations, in a text that YAML takes as it is.
func blankAt(line []byte, i int) bool { return i < len(line) && line[i] == ' ' }

// beginsValue reports whether a value may begin after what stands before it in a line.
func beginsValue(before []byte) bool {
	t := bytes.TrimRight(before, " \t")
	if len(t) == 0 {
		return true
	}
	switch t[len(t)-1] {
	case '[', '{', ',':
		return true
	case '-', ':':
		return len(t) < len(before)
	}
	return false
}

// wordAt returns the text from an offset on up to what ends a plain scalar.
func wordAt(line []byte, at int) string {
	rest := line[at:]
	if end := bytes.IndexAny(rest, " \t\r\n,]}"); end >= 0 {
		rest = rest[:end]
	}
	return shorten(string(rest))
}
