package match

import (
	"strings"

	"github.com/gobwas/glob"
)

// Kind tells how a pattern matches. The zero Kind is that of the zero Pattern.
type Kind uint8

const (
	Exact      Kind = iota + 1 // "www.foo.com": that host
	Subdomains                 // "*.foo.com": one or more labels before foo.com, never foo.com itself
	Glob                       // "api-*.foo.com": wildcards that stay inside their label
)

func (k Kind) String() string {
	switch k {
	case Exact:
		return "exact"
	case Subdomains:
		return "subdomains"
	case Glob:
		return "glob"
	}
	return "none"
}

// A Pattern is a set of hosts, written as a host with wildcards (see [ParsePattern]). The zero Pattern matches nothing.
// Compare patterns with [Pattern.Equal] or by their text: a compiled glob makes them incomparable with ==.
type Pattern struct {
	_    [0]func()
	kind Kind
	text string        // canonical
	glob *glob.Pattern // Glob: what the labels after a leading "*." must match, or all labels
}

// ParsePattern parses a pattern:
//
//	www.foo.com                          that host
//	*.foo.com                            one or more labels before foo.com, never foo.com
//	api-*.foo.com, sqs.*.amazonaws.com   '*' stands for any number of bytes in a label, '?' for one
//
// Where '*' is the whole first label it stands for one or more labels, in globs too. A wildcard that is a whole label elsewhere stands
// for exactly one label. Names are normalised as [ParseHost] does. '*', '*foo.com', '**', character classes and braces are errors; the
// error, a *SyntaxError, says what to write instead.
func ParsePattern(s string) (Pattern, error) {
	name, err := normalise(s)
	if err != nil {
		return Pattern{}, err
	}
	if err := checkWildcards(s, name); err != nil {
		return Pattern{}, err
	}
	if err := checkLabels(s, name, "*?"); err != nil {
		return Pattern{}, err
	}
	if isIPLiteral(name) {
		return Pattern{}, syntaxError(s, 0, "an IP address is not a host name", "write addresses under cidrs")
	}
	rest, subdomains := strings.CutPrefix(name, "*.")
	switch {
	case !strings.ContainsAny(name, "*?"):
		return Pattern{kind: Exact, text: name}, nil
	case subdomains && !strings.ContainsAny(rest, "*?"):
		return Pattern{kind: Subdomains, text: name}, nil
	}
	g, err := glob.Compile(rest, '.')
	if err != nil {
		return Pattern{}, syntaxError(s, 0, "not a valid glob: "+err.Error(), "")
	}
	return Pattern{kind: Glob, text: name, glob: g}, nil
}

// MustParsePattern is ParsePattern for constants. It panics on an error.
func MustParsePattern(s string) Pattern {
	p, err := ParsePattern(s)
	if err != nil {
		panic(err)
	}
	return p
}

// PatternOf returns the pattern that matches h alone, and the zero Pattern for the zero Host.
func PatternOf(h Host) Pattern {
	if h.IsZero() {
		return Pattern{}
	}
	return Pattern{kind: Exact, text: h.name}
}

// checkWildcards refuses the spellings that other systems read in several ways, with the unambiguous spelling as advice.
func checkWildcards(input, name string) error {
	switch i := strings.IndexAny(name, "[]{}!\\"); {
	case i >= 0:
		return syntaxError(input, i, "character classes, braces and escapes are not supported", "write one pattern for each alternative")
	}
	if i := strings.Index(name, "**"); i >= 0 {
		return syntaxError(input, i, "'**' is not supported", `write "*.foo.com", which matches any number of labels before foo.com`)
	}
	if name == "*" {
		return syntaxError(input, 0, "'*' alone would match every host", `name the domains, such as "*.foo.com"`)
	}
	if strings.HasPrefix(name, ".") {
		return syntaxError(input, 0, "a leading dot is read differently by different systems", `write "foo.com" and "*.foo.com" as two patterns`)
	}
	if rest, ok := strings.CutPrefix(name, "*"); ok && rest[0] != '.' {
		first, _, _ := strings.Cut(rest, ".")
		if !strings.ContainsAny(first, "*?") && strings.Count(rest, ".") <= 1 {
			return syntaxError(input, 0, `would also match other domains, such as "evil`+rest+`"`, `write "`+rest+`" and "*.`+rest+`" as two patterns`)
		}
	}
	return nil
}

// Kind returns how p matches, and 0 for the zero Pattern.
func (p Pattern) Kind() Kind { return p.kind }

// String returns the canonical text, from which ParsePattern gives an equal pattern, and "" for the zero Pattern.
func (p Pattern) String() string { return p.text }

// IsZero reports whether p is the zero Pattern, which matches nothing.
func (p Pattern) IsZero() bool { return p.kind == 0 }

// Equal reports whether p and o have the same canonical text.
func (p Pattern) Equal(o Pattern) bool { return p.text == o.text }

// Compare orders patterns by text.
func (p Pattern) Compare(o Pattern) int { return strings.Compare(p.text, o.text) }

// MarshalText returns the canonical text.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText parses a pattern; an empty text gives the zero Pattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Pattern{}
		return nil
	}
	v, err := ParsePattern(string(text))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// Suffix returns the literal domain that every host of p ends in: the host of an exact pattern, foo.com of "*.foo.com", and of a glob
// the labels after the last one with a wildcard. It is "" when there is none.
func (p Pattern) Suffix() string {
	i := strings.LastIndexAny(p.text, "*?")
	if i < 0 {
		return p.text
	}
	_, rest, _ := strings.Cut(p.text[i:], ".")
	return rest
}

// Matches reports whether h is in p. It does not allocate.
func (p Pattern) Matches(h Host) bool {
	switch p.kind {
	case Exact:
		return h.name == p.text
	case Subdomains:
		return len(h.name) >= len(p.text) && strings.HasSuffix(h.name, p.text[1:])
	case Glob:
		return p.matchGlob(h.name)
	}
	return false
}

func (p Pattern) matchGlob(name string) bool {
	rest, subdomains := strings.CutPrefix(p.text, "*.")
	if !subdomains {
		return name != "" && p.glob.Match(name)
	}
	tail, ok := lastLabels(name, strings.Count(rest, ".")+1)
	return ok && p.glob.Match(tail)
}

// lastLabels returns the last n labels of name, and false unless there are more labels before them.
func lastLabels(name string, n int) (string, bool) {
	at := len(name)
	for ; n > 0; n-- {
		at = strings.LastIndexByte(name[:at], '.')
		if at < 0 {
			return "", false
		}
	}
	return name[at+1:], true
}
