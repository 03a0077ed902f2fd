package match

import (
	"fmt"
	"strings"
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
// Patterns are comparable; two are == when they have the same canonical text.
type Pattern struct {
	kind Kind
	text string // canonical
}

// Limits of the '*' that share a label with other bytes. They bound the set operations: what the '*' of two patterns can do to each other
// grows with the power of their number.
const (
	maxLabelStars = 2
	maxStars      = 4
)

// ParsePattern parses a pattern:
//
//	www.foo.com                          that host
//	*.foo.com                            one or more labels before foo.com, never foo.com
//	api-*.foo.com, sqs.*.amazonaws.com   '*' stands for any number of bytes in a label, '?' for one
//
// Where '*' is the whole first label it stands for one or more labels, in globs too; write "?*.foo.com" for exactly one. A wildcard that
// is a whole label elsewhere stands for exactly one label. Names are normalised as [ParseHost] does, and "*?" is written "?*".
//
// Some texts are errors because other systems, or people, read them in several ways; the error, a *SyntaxError, says what to write instead:
//
//   - '*' and other patterns without a letter or digit, which would match every host.
//   - A label that begins with '*' and goes on with a letter or digit, such as "*foo.com" and "*foo.co.uk", which would match
//     "evilfoo.com" and "evilfoo.co.uk". Before '-' or '_' a leading '*' is a glob when two labels or more follow its own:
//     "*-api.foo.com", but not "*-foo.com".
//   - ".foo.com", '**', character classes and braces.
//   - More than two '*' in a label with other bytes, or more than four of these in all.
func ParsePattern(s string) (Pattern, error) {
	name, err := normalise(s)
	if err != nil {
		return Pattern{}, err
	}
	if err := checkWildcards(s, name); err != nil {
		return Pattern{}, err
	}
	if err := checkLabels(s, name, true); err != nil {
		return Pattern{}, err
	}
	p := patternOf(name)
	if strings.ContainsAny(name, "*?") && p.kind != Subdomains {
		// A last label such as "1*" needs a byte more than it shows to be no number, which may not fit.
		if err := checkLabels(s, p.shape().shortest(), false); err != nil {
			return Pattern{}, err
		}
	}
	return p, nil
}

// patternOf returns the pattern of a text that was checked.
func patternOf(name string) Pattern {
	kind := kindOf(name)
	if kind == Glob {
		name = parseShape(name).String()
		kind = kindOf(name)
	}
	return Pattern{kind, name}
}

func kindOf(name string) Kind {
	rest, deep := strings.CutPrefix(name, "*.")
	switch {
	case strings.ContainsAny(rest, "*?"):
		return Glob
	case deep:
		return Subdomains
	}
	return Exact
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
	return Pattern{Exact, h.name}
}

// checkWildcards refuses the spellings that are read in several ways, with the unambiguous spelling as advice. See [ParsePattern].
func checkWildcards(input, name string) error {
	if i := strings.IndexAny(name, "[]{}!\\"); i >= 0 {
		return syntaxError(input, i, "character classes, braces and escapes are not supported", "write one pattern for each alternative")
	}
	if i := strings.Index(name, "**"); i >= 0 {
		return syntaxError(input, i, "'**' is not supported", `write "*.foo.com", which matches any number of labels before foo.com`)
	}
	if strings.HasPrefix(name, ".") {
		return syntaxError(input, 0, "a leading dot is read differently by different systems", fmt.Sprintf("write %q and %q as two patterns", name[1:], "*"+name))
	}
	if name != "" && strings.Trim(name, "*?.") == "" {
		return syntaxError(input, 0, "would match every host", `name the domains, such as "*.foo.com"`)
	}
	stars, at := 0, 0
	for l := range strings.SplitSeq(name, ".") {
		if rest, ok := strings.CutPrefix(l, "*"); ok && rest != "" && rest[0] != '?' {
			tail := name[at+1:]
			switch {
			case rest[0] != '-' && rest[0] != '_' && at == 0:
				return syntaxError(input, at, fmt.Sprintf("would also match other names, such as %q", "evil"+tail),
					fmt.Sprintf("write %q and %q as two patterns, or %q if names that only end in it are meant", tail, "*."+tail, "?*"+tail))
			case rest[0] != '-' && rest[0] != '_':
				return syntaxError(input, at, "a '*' in front of a letter or digit", fmt.Sprintf("write %q if labels that only end in it are meant", "?"+l))
			case strings.Count(tail, ".") < 2:
				return syntaxError(input, at, fmt.Sprintf("would match other domains, such as %q", "evil"+tail),
					fmt.Sprintf("write the names in full, or %q if all of these are meant", "?*"+tail))
			}
		}
		if l != "*" {
			n := strings.Count(l, "*")
			if stars += n; n > maxLabelStars || stars > maxStars {
				return syntaxError(input, at, fmt.Sprintf("more than %d '*' in a label, or %d in labels with other bytes", maxLabelStars, maxStars),
					"write several patterns with fewer wildcards")
			}
		}
		at += len(l) + 1
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
	switch p.kind {
	case Subdomains:
		return p.text[len("*."):]
	case Glob:
		_, rest, _ := strings.Cut(p.text[strings.LastIndexAny(p.text, "*?"):], ".")
		return rest
	}
	return p.text
}

// Matches reports whether h is in p. It does not allocate. Its time is bounded by the lengths of both, whatever they hold.
func (p Pattern) Matches(h Host) bool {
	return !h.IsZero() && p.matches(h.name)
}

// matches is Matches for the name of a host.
func (p Pattern) matches(name string) bool {
	switch p.kind {
	case Exact:
		return name == p.text
	case Subdomains:
		return len(name) >= len(p.text) && strings.HasSuffix(name, p.text[1:])
	case Glob:
		return matchGlob(p.text, name)
	}
	return false
}

// matchGlob is Matches for globs. The meaning is that of github.com/gobwas/glob with '.' as separator, but for a leading "*.". That library
// backtracks over every '*', so that a host of 63 bytes can keep a pattern of four '*' busy for milliseconds. Within a label, though, only
// the last '*' ever has to give: what was matched before it can stay where it was first found.
func matchGlob(pattern, name string) bool {
	if rest, deep := strings.CutPrefix(pattern, "*."); deep {
		tail, ok := lastLabels(name, strings.Count(rest, ".")+1)
		return ok && matchLabels(rest, tail)
	}
	return matchLabels(pattern, name)
}

func matchLabels(pattern, name string) bool {
	p, n := 0, 0
	star, from := -1, 0 // the last '*' of this label, and where the bytes it stands for end
	for n < len(name) || p < len(pattern) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && n < len(name) && pattern[p] == name[n]:
			if name[n] == '.' {
				star = -1
			}
			p++
			n++
		case p < len(pattern) && n < len(name) && pattern[p] == '?' && name[n] != '.':
			p++
			n++
		case star >= 0 && from < len(name) && name[from] != '.':
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return true
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
