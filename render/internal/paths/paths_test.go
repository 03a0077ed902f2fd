package paths

import (
	"regexp"
	"testing"
)

func TestUnambiguous(t *testing.T) {
	if len(Unambiguous) > 1024 {
		t.Errorf("%d bytes", len(Unambiguous))
	}
	re := regexp.MustCompile(`^(?:` + Unambiguous + `)$`)
	for path, want := range map[string]bool{
		"/": true, "/a": true, "/a/": true, "/a/b.c": true, "/.well-known/x": true, "/...": true, "/a%20b": true, "/ü": true,
		"": false, "a": false, "//": false, "/a//b": false, "/.": false, "/a/../b": false, "/a/.": false, "/%61dmin": false, "/a%2Fb": false, "/a%2fb": false,
		"/a%5Cb": false, `/a\b`: false, "/%2e%2e/a": false, "/a%00": false,
	} {
		if got := re.MatchString(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}
