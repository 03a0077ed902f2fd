package match

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of RFC 1035, section 2.3.4, on the presentation form without the trailing dot.
const (
	maxHostLen  = 253
	maxLabelLen = 63
)

// A Host is a normalised DNS name: ASCII, lower case, without a trailing dot, labels of 1 to 63 bytes of letters, digits, '-' and '_',
// at most 253 bytes in all. A name whose last label is a number is no host: resolvers read it as an IPv4 address. Hosts are comparable and
// may be map keys. The zero Host is no host and matches no pattern.
type Host struct{ name string }

// ParseHost parses s as a host. It folds case, drops one trailing dot and converts U-labels to A-labels (IDNA 2008 for lookup, UTS 46
// mapping). An IP literal is not a host; nor are the forms that inet_aton(3) and browsers take for one, such as "127.1" and "0x7f.1".
// The error is a *SyntaxError.
func ParseHost(s string) (Host, error) {
	name, err := normalise(s)
	if err != nil {
		return Host{}, err
	}
	if err := checkLabels(s, name, false); err != nil {
		return Host{}, err
	}
	return Host{name}, nil
}

// MustParseHost is ParseHost for constants. It panics on an error.
func MustParseHost(s string) Host {
	h, err := ParseHost(s)
	if err != nil {
		panic(err)
	}
	return h
}

// String returns the normalised name, and "" for the zero Host.
func (h Host) String() string { return h.name }

// IsZero reports whether h is no host.
func (h Host) IsZero() bool { return h.name == "" }

// Compare orders hosts by their text.
func (h Host) Compare(o Host) int { return strings.Compare(h.name, o.name) }

// MarshalText returns the normalised name.
func (h Host) MarshalText() ([]byte, error) { return []byte(h.name), nil }

// UnmarshalText parses a host; an empty text gives the zero Host.
func (h *Host) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*h = Host{}
		return nil
	}
	v, err := ParseHost(string(text))
	if err != nil {
		return err
	}
	*h = v
	return nil
}

// normalise folds case, drops one trailing dot and converts U-labels to A-labels; wildcards pass through.
func normalise(s string) (string, error) {
	if s == "" {
		return "", syntaxError(s, 0, "empty host", "write a DNS name such as www.example.com")
	}
	// A U-label takes at most 4 bytes a rune, an A-label at least one byte a rune: longer texts can't become a host.
	if len(s) > 4*(maxHostLen+1) {
		return "", syntaxError(s, maxHostLen, fmt.Sprintf("longer than %d bytes", maxHostLen), "")
	}
	name := s
	if !isASCII(s) {
		// Label by label, because the profile for whole names refuses '_' and '*' in any of them.
		labels := strings.Split(s, ".")
		for i, l := range labels {
			if isASCII(l) {
				continue
			}
			if strings.ContainsAny(l, "*?") {
				return "", syntaxError(s, strings.Index(s, l), "a wildcard beside letters that are not ASCII", "write one pattern for each name")
			}
			a, err := idna.Lookup.ToASCII(l)
			if err != nil || !isASCII(a) || !utf8.ValidString(l) {
				return "", syntaxError(s, strings.Index(s, l), "not a valid internationalised name", "write the A-label form (xn--…)")
			}
			labels[i] = a
		}
		name = strings.Join(labels, ".")
	}
	return strings.TrimSuffix(lower(name), "."), nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lower folds ASCII case and nothing else.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// checkLabels reports the first mistake in the labels of name, the normalised form of input. Of a pattern, the lengths are those of its
// shortest host: a '*' beside other bytes may stand for none, and one alone in its label stands for one at least.
func checkLabels(input, name string, pattern bool) error {
	if name == "" {
		return syntaxError(input, 0, "empty host", "write a DNS name such as www.example.com")
	}
	start, stars, total := 0, 0, 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			switch c := name[i]; {
			case isHostByte(c), pattern && c == '?':
			case pattern && c == '*':
				stars++
			default:
				return notAllowed(input, i, c, pattern)
			}
			continue
		}
		n := i - start
		if n > 1 {
			n -= stars
		}
		switch {
		case i == start:
			return syntaxError(input, i, "empty label", "write one dot between labels and none in front")
		case n > maxLabelLen:
			return syntaxError(input, start, fmt.Sprintf("label longer than %d bytes", maxLabelLen), "")
		}
		total += n + 1
		if total-1 > maxHostLen {
			return syntaxError(input, maxHostLen, fmt.Sprintf("longer than %d bytes", maxHostLen), "")
		}
		start, stars = i+1, 0
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; isNumber(last) {
		return syntaxError(input, len(name)-len(last), "a name that ends in a number is an IP address or a part of one, not a host", writeAddresses)
	}
	return nil
}

const writeAddresses = "in a document, write addresses under cidrs"

// notAllowed says what to write instead of a text with a byte that no host has: an address, or a host with something around it.
func notAllowed(input string, offset int, c byte, pattern bool) *SyntaxError {
	bare := hostPart(input)
	if _, err := netip.ParseAddr(strings.Trim(bare, "[]")); err == nil {
		return syntaxError(input, offset, "an IP address is not a host", writeAddresses)
	}
	reason, advice := fmt.Sprintf("%q is not allowed in a host", rune(c)), "use letters, digits, '-', '_' and dots; no scheme, port or path"
	if name, err := normalise(bare); !pattern && (c == '*' || c == '?') {
		reason, advice = fmt.Sprintf("%q stands for several hosts", rune(c)), "write one name in full"
	} else if err == nil && name != "" && bare != input && checkLabels(bare, name, pattern) == nil {
		advice = fmt.Sprintf("write %q: a host has no scheme, user, port or path", bare)
	}
	return syntaxError(input, offset, reason, advice)
}

// hostPart returns what is left of a URL or an authority without scheme, user, port and path.
func hostPart(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s = s[strings.LastIndexByte(s, '@')+1:]
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.Trim(s[i+1:], "0123456789") == "" && (s[:i] == "" || s[i-1] == ']' || !strings.Contains(s[:i], ":")) {
		s = s[:i]
	}
	return s
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// isNumber reports whether a last label makes its name an IPv4 address to inet_aton(3) and to browsers (WHATWG URL, "ends in a number").
func isNumber(label string) bool {
	digits := "0123456789"
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		label, digits = rest, "0123456789abcdef"
	}
	return strings.Trim(label, digits) == ""
}
