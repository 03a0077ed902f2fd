package match

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// Limits of RFC 1035, section 2.3.4, on the presentation form without the trailing dot.
const (
	maxHostLen  = 253
	maxLabelLen = 63
)

// A Host is a normalised DNS name: ASCII, lower case, without a trailing dot, labels of 1 to 63 bytes of letters, digits, '-' and '_',
// at most 253 bytes in all. Hosts are comparable and may be map keys. The zero Host is no host and matches no pattern.
type Host struct{ name string }

// ParseHost parses s as a host. It folds case, drops one trailing dot and converts U-labels to A-labels. An IP literal is not a host.
// The error is a *SyntaxError.
func ParseHost(s string) (Host, error) {
	name, err := normalise(s)
	if err != nil {
		return Host{}, err
	}
	if err := checkLabels(s, name, ""); err != nil {
		return Host{}, err
	}
	if isIPLiteral(name) {
		return Host{}, syntaxError(s, 0, "an IP address is not a host name", "write addresses under cidrs")
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
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	name := s
	if !ascii {
		a, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", syntaxError(s, 0, "not a valid internationalised name", "write the A-label form (xn--…)")
		}
		name = a
	}
	return strings.TrimSuffix(lower(name), "."), nil
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

// checkLabels reports the first mistake in the labels of name, the normalised form of input. Bytes in extra are allowed besides those of hosts.
func checkLabels(input, name, extra string) error {
	if name == "" {
		return syntaxError(input, 0, "empty host", "write a DNS name such as www.example.com")
	}
	if len(name) > maxHostLen {
		return syntaxError(input, maxHostLen, fmt.Sprintf("longer than %d bytes", maxHostLen), "")
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			if c := name[i]; !isHostByte(c) && strings.IndexByte(extra, c) < 0 {
				return syntaxError(input, i, fmt.Sprintf("%q is not allowed in a host", rune(c)), "use letters, digits, '-', '_' and dots; no scheme, port or path")
			}
			continue
		}
		switch n := i - start; {
		case n == 0:
			return syntaxError(input, i, "empty label", "write one dot between labels and none in front")
		case n > maxLabelLen:
			return syntaxError(input, start, fmt.Sprintf("label longer than %d bytes", maxLabelLen), "")
		}
		start = i + 1
	}
	return nil
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// isIPLiteral reports whether name reads as an IPv4 address. IPv6 literals never get here: ':' is no host byte.
func isIPLiteral(name string) bool {
	if c := name[len(name)-1]; c < '0' || c > '9' {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}
