package match

import (
	"math/bits"
	"strings"
	"unsafe"
)

// LookupString is Lookup for a name as it arrives, such as the server name of a TLS handshake: what [ParseHost] and Lookup find, and nothing
// for what is no host. It does not allocate for names in ASCII, whatever their case, hosts or not. Others are not in use on the wire; they
// are parsed first.
func (x *Index[V]) LookupString(name string) (Pattern, V, bool) {
	host, form := formOf(name)
	switch form {
	case cleanForm:
		return x.lookup(host)
	case mixedForm:
		var buf [maxHostLen]byte
		return x.lookup(fold(host, &buf))
	case wideForm:
		if h, err := ParseHost(strings.Clone(name)); err == nil { // a copy, so that no caller's bytes escape
			return x.lookup(h.name)
		}
	}
	return x.lookup("")
}

// LookupBytes is LookupString for bytes, which it neither keeps nor changes.
func (x *Index[V]) LookupBytes(name []byte) (Pattern, V, bool) {
	// A lookup keeps nothing of the text, and what it returns is of the index.
	return x.LookupString(unsafe.String(unsafe.SliceData(name), len(name)))
}

// LookupAuthority is LookupString for what HTTP calls an authority, as in a Host header: a name, and behind it perhaps a colon and a port
// (RFC 9110, section 7.2; RFC 3986, section 3.2). The port is not looked at beyond being up to five digits. User information is refused.
func (x *Index[V]) LookupAuthority(authority string) (Pattern, V, bool) {
	name, port, _ := strings.Cut(authority, ":")
	if len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return x.lookup("")
	}
	return x.LookupString(name)
}

// A form is how the text of a name stands to a host.
type form uint8

const (
	noForm    form = iota // it is no host
	cleanForm             // it is a host, but for a dot at the end
	mixedForm             // and some letters are upper case
	wideForm              // it has bytes outside ASCII, and may or may not be a host
)

// formOf returns the form of a name, and the name without a dot at the end. It decides as ParseHost does.
func formOf(name string) (string, form) {
	host := strings.TrimSuffix(name, ".")
	if n := len(host); 8 <= n && n <= maxLabelLen {
		return host, shortForm(host, name)
	}
	form := cleanForm
	start := 0 // of the label
	for i := 0; i < len(host); i++ {
		switch c := host[i]; {
		case isHostByte(c):
		case c == '.':
			if i == start || i-start > maxLabelLen {
				return host, orWide(name)
			}
			start = i + 1
		case 'A' <= c && c <= 'Z':
			form = mixedForm
		default:
			return host, orWide(name)
		}
	}
	if last := len(host) - start; last == 0 || last > maxLabelLen || len(host) > maxHostLen || endsInNumber(host[start:]) {
		return host, orWide(name)
	}
	return host, form
}

// shortForm is formOf for hosts of 8 bytes or more that no label is too long in. It looks at eight bytes at once.
func shortForm(host, name string) form {
	n := len(host)
	var bad, upper, dots uint64
	for i := 0; i < n; i += 8 {
		at := min(i, n-8)
		w := load(host[at:])
		u := between(w, 'A', 'Z')
		l := w | u>>2
		bad |= ^(between(l, 'a', 'z') | between(l, '0', '9') | between(l, '-', '.') | between(l, '_', '_'))
		upper |= u
		dots |= findDots(w) << (n - 8 - at) // bit i: before the last i bytes
	}
	last := min(bits.TrailingZeros64(dots), n)
	if bad&highs != 0 || dots&(dots<<1|1|1<<(n-1)) != 0 || endsInNumber(host[n-last:]) {
		return orWide(name)
	}
	if upper != 0 {
		return mixedForm
	}
	return cleanForm
}

// between returns the highest bit of each byte of w that is first, last or between them. They are ASCII; for other bytes it returns no bit.
func between(w, first, last uint64) uint64 {
	x := w | highs
	return (x - first*ones) &^ (x - (last+1)*ones) &^ w & highs
}

// orWide returns the form of a name that is no host unless bytes outside ASCII make it one.
func orWide(name string) form {
	if isASCII(name) {
		return noForm
	}
	return wideForm
}

// endsInNumber is isNumber for a label of any case.
func endsInNumber(label string) bool {
	if c := label[0]; c < '0' || c > '9' {
		return false // as nearly all
	}
	var buf [maxHostLen]byte
	return isNumber(fold(label, &buf))
}

// fold returns a host with its letters in lower case, in buf. The text is the bytes of buf, so it is for callers who neither write to buf nor
// keep the text.
func fold(host string, buf *[maxHostLen]byte) string {
	for i := range len(host) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return unsafe.String(&buf[0], len(host))
}
