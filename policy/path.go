package policy

import (
	"fmt"
	"strings"

	"github.com/egresskit/egress/match"
)

// A Path is a set of paths of HTTP requests: one path, or everything below one. Paths are comparable; the zero Path matches nothing.
type Path struct{ text string }

// maxPath bounds the paths of rules; targets hold no longer ones.
const maxPath = 1024

// ParsePath parses a path:
//
//	/v1/charges   that path
//	/v1/*         every path that begins with /v1/, "/v1/" itself included; never /v1
//
// A path is written as servers read it: it begins with '/', has no empty, "." or ".." segment (but for a '/' at the end), no query, and
// is made of the bytes that stand in a path by themselves (RFC 3986, section 3.3), without percent-encoding. The error is a
// *match.SyntaxError.
func ParsePath(s string) (Path, error) {
	literal := strings.TrimSuffix(s, "*")
	switch {
	case len(s) > maxPath:
		return Path{}, pathError(s, maxPath, fmt.Sprintf("path longer than %d bytes", maxPath), "")
	case len(literal) < len(s) && !strings.HasSuffix(literal, "/"):
		return Path{}, pathError(s, len(literal), "'*' without a '/' before it", fmt.Sprintf("write %q, and %q for what is below it", literal, literal+"/*"))
	}
	for i := 0; i < len(literal); i++ {
		if c := literal[i]; c == '*' || c != '/' && !isPathByte(c) {
			return Path{}, pathError(s, i, fmt.Sprintf("%q is not allowed here", rune(c)), "write the path without query and percent-encoding; '*' stands only at the end")
		}
	}
	if !unambiguousPath(literal) {
		return Path{}, pathError(s, 0, "not a normalised path", "begin with one '/', and leave out empty, '.' and '..' segments")
	}
	return Path{s}, nil
}

func pathError(input string, offset int, reason, advice string) error {
	if len(input) > maxPath {
		input = input[:80] + "…"
	}
	return &match.SyntaxError{Input: input, Offset: offset, Reason: reason, Advice: advice}
}

// MustParsePath is ParsePath for constants. It panics on an error.
func MustParsePath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the text that ParsePath gives an equal Path for, and "" for the zero Path.
func (p Path) String() string { return p.text }

// Compare orders paths by text.
func (p Path) Compare(o Path) int { return strings.Compare(p.text, o.text) }

// IsPrefix reports whether p is everything below a path.
func (p Path) IsPrefix() bool { return strings.HasSuffix(p.text, "*") }

// IsZero reports whether p is the zero Path, which matches nothing.
func (p Path) IsZero() bool { return p.text == "" }

// Matches reports whether path, without its query, is in p. It does not allocate.
func (p Path) Matches(path string) bool {
	if prefix, ok := strings.CutSuffix(p.text, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return path != "" && path == p.text
}

// Covers reports whether o has a path and every path in o is in p.
func (p Path) Covers(o Path) bool {
	return p.Matches(strings.TrimSuffix(o.text, "*")) && (p.IsPrefix() || p == o)
}

// unambiguousPath reports whether all servers read a path in the same way. Those that they read in several are how limits on paths are got
// round: "/public/../admin", "//admin", "/%61dmin", "/public\..\admin".
func unambiguousPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	segment := 1 // where the segment at hand starts
	for i := 1; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			switch path[segment:i] {
			case "":
				if i < len(path) {
					return false
				}
			case ".", "..":
				return false
			}
			segment = i + 1
			continue
		}
		switch c := path[i]; {
		case c == '%':
			if i+2 >= len(path) {
				return false
			}
			hi, lo := unhex(path[i+1]), unhex(path[i+2])
			if hi > 15 || lo > 15 {
				return false
			}
			// What can stand for itself must; an encoded '/', '\' or control byte is one to some servers and none to others.
			if d := hi<<4 | lo; isPathByte(d) || d == '/' || d == '\\' || d < 0x20 || d == 0x7f {
				return false
			}
			i += 2
		case !isPathByte(c) && c < 0x80:
			return false
		}
	}
	return true
}

// isPathByte reports whether c stands in a path segment by itself: pchar of RFC 3986 without percent-encoding.
func isPathByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// unhex returns the value of a hexadecimal digit, and 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
