package match_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/egresskit/egress/match"
)

// longest is a host of 253 bytes.
var longest = strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 61)

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"www.foo.com":        "www.foo.com",
		"EDITION.CNN.COM.":   "edition.cnn.com",
		"localhost":          "localhost",
		"_acme-challenge.a":  "_acme-challenge.a",
		"-a-.b":              "-a-.b",
		"Bücher.example":     "xn--bcher-kva.example",
		"bücher。example":     "xn--bcher-kva.example",
		"_x.bücher.example.": "_x.xn--bcher-kva.example",
		"xn--bcher-kva.de":   "xn--bcher-kva.de",
		"ＷＷＷ.foo.com":        "www.foo.com",
		"1.2.3.4.com":        "1.2.3.4.com",
		"1.2.3.4a":           "1.2.3.4a",
		"0xg":                "0xg",
		longest:              longest,
		longest + ".":        longest,
	} {
		h, err := match.ParseHost(text)
		if err != nil || h.String() != want {
			t.Errorf("%q: %q, %v; want %q", text, h, err, want)
		}
	}
}

func TestParseHostRefuses(t *testing.T) {
	for _, text := range []string{
		"", ".", "..", ".foo.com", "foo..com", "foo.com..", "foo com", "foo.com:443", "https://foo.com", "foo.com/x", "user@foo.com",
		"*.foo.com", "a?b.com", "foo.com\x00", "foo\n.com", "\xff.com", "a\u200db.com", "%66oo.com", "[::1]", "::1",
		strings.Repeat("a", 64) + ".com", longest + "c", strings.Repeat("a.", 127) + "a", strings.Repeat("ü", 300), strings.Repeat("a", 1<<20),
		// What resolvers and browsers take for an address.
		"127.0.0.1", "127.0.0.1.", "１２７.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7F.1", "0x", "1.2.3.400", "foo.1", "foo.0x1f",
	} {
		h, err := match.ParseHost(text)
		var syntax *match.SyntaxError
		if !errors.As(err, &syntax) || !h.IsZero() {
			t.Errorf("%.80q: %q, %v; want a *SyntaxError", text, h, err)
			continue
		}
		if syntax.Reason == "" || len(syntax.Input) > 100 || syntax.Offset < 0 || syntax.Offset > len(text) {
			t.Errorf("%.80q: %#v", text, syntax)
		}
	}
}

// TestParseHostAdvice: what is a host with something around it is told what to write.
func TestParseHostAdvice(t *testing.T) {
	for text, advice := range map[string]string{
		"https://www.foo.com/a?b#c": `write "www.foo.com": a host has no scheme`,
		"user@foo.com":              `write "foo.com"`,
		"foo.com:":                  `write "foo.com"`,
		"foo.com:https":             "no scheme",
		":":                         "no scheme",
		"::":                        "under cidrs",
		"[2001:db8::1]":             "under cidrs",
		"[2001:db8::1]:443":         "under cidrs",
		"*.foo.com":                 "one name in full",
		"a?b.com":                   "one name in full",
	} {
		_, err := match.ParseHost(text)
		var syntax *match.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Advice, advice) {
			t.Errorf("%q: %v; want the advice %s", text, err, advice)
		}
	}
}

func TestHostBytes(t *testing.T) {
	for c := range 128 {
		_, err := match.ParseHost("a" + string(rune(c)) + "b.c")
		want := strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", byte(c)) >= 0
		if (err == nil) != want {
			t.Errorf("byte %#x in a host: %v", c, err)
		}
	}
}

func TestHostText(t *testing.T) {
	var h match.Host
	if err := h.UnmarshalText([]byte("FOO.com")); err != nil || h != match.MustParseHost("foo.com") {
		t.Errorf("%q, %v", h, err)
	}
	if err := h.UnmarshalText([]byte("..")); err == nil || h.String() != "foo.com" {
		t.Errorf("a failed read changed the host to %q, %v", h, err)
	}
	if err := h.UnmarshalText(nil); err != nil || !h.IsZero() {
		t.Errorf("%q, %v", h, err)
	}
	if text, err := match.MustParseHost("a.b").MarshalText(); err != nil || string(text) != "a.b" {
		t.Errorf("%q, %v", text, err)
	}
}
