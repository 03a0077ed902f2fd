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
	n := len(host)
	if n == 0 || n > maxHostLen {
		if isASCII(name) {
			return host, noForm
		}
		return host, wideForm
	}
	seen, dots := scan(host)
	last, ok := lastLabel(&dots, n)
	switch {
	case seen&(foreignByte|wideByte) != 0 || !ok || endsInNumber(host[n-last:]):
		if seen&wideByte != 0 {
			return host, wideForm
		}
		return host, noForm
	case seen&upperByte != 0:
		return host, mixedForm
	}
	return host, cleanForm
}

// A byteClass is a set of what bytes there are beside those of a host in lower case.
type byteClass uint8

const (
	upperByte   byteClass = 1 << iota
	foreignByte           // in no host
	wideByte              // not ASCII
)

var byteClasses = func() (classes [256]byteClass) {
	for c := range classes {
		switch b := byte(c); {
		case isHostByte(b), b == '.':
		case 'A' <= b && b <= 'Z':
			classes[c] = upperByte
		case b < 0x80:
			classes[c] = foreignByte
		default:
			classes[c] = wideByte
		}
	}
	return classes
}()

// dotSet has a bit for each dot of a name: bit i%64 of word i/64 for one in front of the last i bytes.
type dotSet [(maxHostLen + 63) / 64]uint64

// scan returns what bytes host has, and its dots.
func scan(host string) (seen byteClass, dots dotSet) {
	at := 0 // bytes behind host
	for ; len(host) >= wordLen; at += wordLen {
		w := load(host[len(host)-wordLen:])
		host = host[:len(host)-wordLen]
		seen |= byteClasses[w&0xff] | byteClasses[w>>8&0xff] | byteClasses[w>>16&0xff] | byteClasses[w>>24&0xff] |
			byteClasses[w>>32&0xff] | byteClasses[w>>40&0xff] | byteClasses[w>>48&0xff] | byteClasses[w>>56]
		dots[at/64&3] |= findDots(w) >> 56 << (at & 63)
	}
	for i := range len(host) {
		seen |= byteClasses[host[i]]
		if before := at + len(host) - 1 - i; host[i] == '.' {
			dots[before/64&3] |= 1 << (before & 63)
		}
	}
	return seen, dots
}

// lastLabel returns the length of the last label of a name of n bytes with those dots, and whether no label is empty or too long.
func lastLabel(dots *dotSet, n int) (size int, ok bool) {
	size, before := n, -1 // the dot before, as the number of bytes behind it, or the end of the name
	for i, d := range dots[:(n+63)/64] {
		if d&(d<<1) != 0 {
			return 0, false
		}
		if d == 0 {
			continue
		}
		first := 64*i + bits.TrailingZeros64(d)
		if before < 0 {
			size = first
		}
		if between := first - before - 1; between < 1 || between > maxLabelLen {
			return 0, false
		}
		before = 64*i + 63 - bits.LeadingZeros64(d)
	}
	front := n - before - 1
	return size, front >= 1 && front <= maxLabelLen
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
