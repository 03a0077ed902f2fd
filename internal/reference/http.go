package reference

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/egresskit/egress/policy"
)

func containsCall(d policy.Destination, a policy.Access) bool {
	if len(d.Methods) > 0 && !slices.Contains(d.Methods, a.Method) {
		return false
	}
	if len(d.Paths) == 0 {
		return true
	}
	for _, p := range d.Paths {
		below, isPrefix := strings.CutSuffix(p.String(), "/*")
		if a.Path == p.String() && !isPrefix || isPrefix && strings.HasPrefix(a.Path, below+"/") {
			return true
		}
	}
	return false
}

// onePath reports whether servers that clean a path, servers that decode it and servers that do neither all get the same one.
func onePath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#\\") {
		return false
	}
	if cleaned := strings.TrimSuffix(path.Clean(p), "/"); p != cleaned && p != cleaned+"/" {
		return false
	}
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return false
	}
	for _, b := range []byte(p) {
		if b <= ' ' || b == 0x7f || strings.IndexByte("\"<>[]^`{|}", b) >= 0 {
			return false
		}
	}
	for _, b := range []byte(decoded) {
		if b < ' ' || b == 0x7f || b == '\\' {
			return false
		}
	}
	// What stands encoded is what could not stand otherwise: encoding the decoded bytes anew, each where it needs it, gives as many escapes.
	needed := 0
	for _, b := range []byte(decoded) {
		plain := b == '/' || strings.IndexByte("-._~!$&'()*+,;=:@", b) >= 0 || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
		if !plain && b < 0x80 {
			needed++
		}
	}
	asciiEscapes := 0
	for i := 0; i+2 < len(p); i++ {
		if p[i] == '%' {
			if p[i+1] < '8' {
				asciiEscapes++
			}
			i += 2
		}
	}
	return asciiEscapes == needed
}
