package render

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

const (
	// maxName is the length that fits wherever Kubernetes takes a name: metadata.name of every kind, and values of labels.
	maxName = 63
	// hashLen is how many characters of the hash a name carries: 60 bits.
	hashLen = 12
)

// Name is the function behind [Emitter.Name], for references from one object to another.
func Name(role string, parts ...string) string {
	prefix := readable(append([]string{role}, parts...))
	if n := maxName - hashLen - 1; len(prefix) > n {
		prefix = strings.TrimRight(prefix[:n], "-")
	}
	return prefix + "-" + identityHash(role, parts)
}

// identityHash hashes the list, not the joined text: lengths keep ("ab", "c") and ("a", "bc") apart.
func identityHash(role string, parts []string) string {
	h := sha256.New()
	for _, s := range append([]string{role}, parts...) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:hashLen]
}

// readable joins the parts by dashes, with every run of other bytes than letters and digits made one dash. It begins with a letter, as
// the names of Services must (RFC 1035).
func readable(parts []string) string {
	var b strings.Builder
	dash := false
	for _, c := range []byte(strings.ToLower(strings.Join(parts, "-"))) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			dash = true
			continue
		}
		if b.Len() == 0 && c <= '9' {
			b.WriteByte('n')
		}
		if dash && b.Len() > 0 {
			b.WriteByte('-')
		}
		dash = false
		b.WriteByte(c)
	}
	if b.Len() == 0 {
		return "n"
	}
	return b.String()
}
