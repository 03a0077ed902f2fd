package match_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/match"
)

// rawIndexes are a small index and a large one, in which nearly all hosts fall under a pattern of their own kind.
func rawIndexes(t interface{ Fatalf(string, ...any) }) []*match.Index[string] {
	few := []string{"*.com", "*.foo.com", "www.foo.com", "*.a", "a", "b", "?*.xn--bcher-kva", "com", longest}
	many := append([]string{"*.b", "*.0xg", "0a", "a*.b.c", "a-b_c", "x", "*." + longest[128:]}, few...)
	for _, l := range []string{"c", "d", "e", "1a", "aa", "ab", "net", "example"} {
		many = append(many, "*."+l, l)
	}
	return []*match.Index[string]{mustIndex(t, few...), mustIndex(t, many...)}
}

// checkRaw compares the lookups of a raw name with parsing it first.
func checkRaw(t interface{ Fatalf(string, ...any) }, x *match.Index[string], name string) bool {
	h, err := match.ParseHost(name)
	if (err != nil) != h.IsZero() {
		t.Fatalf("%q: %v, %v", name, h, err)
	}
	p, v, ok := x.Lookup(h)
	check := func(by string, q match.Pattern, w string, found bool) {
		if q != p || w != v || found != ok {
			t.Fatalf("%s of %q: %v, %q, %t; the host %q gives %v, %q, %t", by, name, q, w, found, h, p, v, ok)
		}
	}
	q, w, found := x.LookupString(name)
	check("LookupString", q, w, found)
	q, w, found = x.LookupBytes([]byte(name))
	check("LookupBytes", q, w, found)
	if strings.Contains(name, ":") {
		return ok
	}
	for _, port := range []string{"", ":", ":8", ":65535"} {
		q, w, found = x.LookupAuthority(name + port)
		check("LookupAuthority with "+port, q, w, found)
	}
	for _, port := range []string{":443:80", ":x", ":-1", ":123456", ": 1"} {
		if q, _, found = x.LookupAuthority(name + port); found || !q.IsZero() {
			t.Fatalf("%q is an authority", name+port)
		}
	}
	return ok
}

func TestLookupOfRawNames(t *testing.T) {
	for _, x := range append(rawIndexes(t), nil, new(match.Index[string])) {
		for _, name := range []string{"", ".", "..", "www.foo.com", "WWW.Foo.COM", "www.foo.com.", "www.foo.com..", ".www.foo.com", "www..foo.com", "a b.com", "*.foo.com",
			"127.0.0.1", "127.1", "a.0X7F", "a.0x", "a.1A", "0xg", "A.0XG", "[::1]", "::1", "[::1]:443", "fe80::1%eth0", "user@foo.com", "foo.com/x", "http://foo.com", "foo.com\x00", "\x00",
			"bücher", "a.BÜCHER", "www。foo。com", "a.xn--bcher-kva", "ｗｗｗ.foo.com", "a_b.é", "\xff.com", "a.\xc3", longest, longest + ".", longest + "a", strings.ToUpper(longest),
			"a" + longest[1:], "b." + longest[128:], strings.Repeat("a", 63) + ".com", strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 126) + "a", strings.Repeat("A.", 127) + "a",
			strings.Repeat("ü", 300), strings.Repeat("a", 300), strings.Repeat("a.", 600) + "ü", "a.com", "A.Com", "aa", "x.AA", "a-b_c", "A-B_C"} {
			checkRaw(t, x, name)
		}
	}
}

// Every byte of a name counts, wherever it stands.
func TestLookupOfRawNamesReadsEveryByte(t *testing.T) {
	middle := "www." + strings.Repeat("a", 63) + ".foo.com"
	for _, host := range []string{"a.foo.com", "x.a-b_c.0xg", "www.0a.example.foo.com", middle, strings.Replace(middle, "a", "aa", 1), longest, longest[:len(longest)-1], "a" + longest} {
		x := mustIndex(t, "*.com", "*.0xg", "*."+strings.Repeat("b", 61), "*."+strings.Repeat("b", 60))
		checkRaw(t, x, host)
		for i := range len(host) {
			for _, c := range []string{"", ".", "..", "A", "Z", "@", "[", "/", ":", ",", "-", "_", "0", " ", "\x00", "\x7f", "\x80", "\xae", "é"} {
				checkRaw(t, x, host[:i]+c+host[i+1:])
			}
		}
	}
}

func TestLookupOfRawNamesIsLookupOfHosts(t *testing.T) {
	indexes := rawIndexes(t)
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(
			rapid.StringOfN(rapid.RuneFrom([]rune("aAbB.0xXgcom-_ü: \x00*")), 0, 12, -1),
			rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "B", "com", "Foo", "www", "0x1", "1", "é", "", "x_-", strings.Repeat("a", 62), strings.Repeat("B", 63)}), 1, 6), func(labels []string) string {
				return strings.Join(labels, ".")
			}),
		).Draw(t, "name")
		for _, x := range indexes {
			if checkRaw(t, x, name) {
				found++
			}
		}
	})
	if found == 0 {
		t.Error("nothing was found")
	}
}

func FuzzLookupString(f *testing.F) {
	for _, s := range []string{"www.foo.com", "EDITION.cnn.COM.", "bücher。com", "127.1", "a.0X7F", longest, "a..com", "\xff.com", "foo.com:443"} {
		f.Add(s)
	}
	indexes := rawIndexes(f)
	f.Fuzz(func(t *testing.T, name string) {
		for _, x := range indexes {
			checkRaw(t, x, name)
		}
		// In an index of that host alone what is no host is not found, and each host is.
		h, err := match.ParseHost(name)
		if err != nil {
			return
		}
		checkRaw(t, mustIndex(t, h.String()), name)
		if _, _, ok := mustIndex(t, h.String()).LookupString(name); !ok {
			t.Fatalf("%q is not found as %q", name, h)
		}
	})
}
