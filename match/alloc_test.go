package match_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/egresskit/egress/match"
)

func noAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

func TestBuilderGrows(t *testing.T) {
	p := match.MustParsePattern("*.foo.com")
	var b match.Builder[int]
	b.Add(p, 1)
	b.Grow(1000)
	noAllocs(t, "Add", func() { // 101 times
		for range 9 {
			b.Add(p, 1)
		}
	})
}

func TestLookupsDoNotAllocate(t *testing.T) {
	hosts := []match.Host{
		{}, match.MustParseHost("a.foo.com"), match.MustParseHost("h3.foo.com"), match.MustParseHost("a.b.c.d.e.f.g.example"),
		match.MustParseHost("api-7.x.foo.com"), match.MustParseHost(longest), match.MustParseHost("a99.c.d.e.f.g.example"),
		match.MustParseHost(strings.Repeat("a.", 60) + "d3.foo.com"), match.MustParseHost("x" + longest[1:]),
	}
	for _, size := range []int{1, 5, 10, 1000} {
		var b match.Builder[int]
		for i := range size {
			b.Add(match.MustParsePattern(fmt.Sprintf("h%d.foo.com", i)), i)
			b.Add(match.MustParsePattern(fmt.Sprintf("*.d%d.foo.com", i)), i)
			if i < 100 {
				b.Add(match.MustParsePattern(fmt.Sprintf("api-%d*.*.foo.com", i)), i)
			}
		}
		if size > 10 { // and what is too long for the table, and globs that share all but a piece
			for _, text := range []string{longest, "*." + longest[2:], "a*." + longest[64:]} {
				b.Add(match.MustParsePattern(text), 1)
			}
			for i := range size {
				b.Add(match.MustParsePattern(fmt.Sprintf("a*%d.c.d.e.f.g.example", i)), i)
			}
		}
		x, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		p, q := match.MustParsePattern("*.foo.com"), match.MustParsePattern("api-?.*.foo.com")
		sum := 0
		for _, h := range hosts {
			noAllocs(t, "Lookup", func() { _, v, _ := x.Lookup(h); sum += v })
			noAllocs(t, "Matching", func() {
				for _, v := range x.Matching(h) {
					sum += v
				}
			})
			noAllocs(t, "Matches", func() { _, _ = p.Matches(h), q.Matches(h) })
		}
		entries := make([]match.Entry[int], 0, len(hosts))
		noAllocs(t, "LookupBatch", func() { sum += len(x.LookupBatch(entries, hosts)) })
		for _, name := range []string{"", "h3.foo.com", "H3.foo.COM.", "api-7.X.foo.com", "127.0.0.1", "[::1]", "no host", "a..com", longest, strings.ToUpper(longest), longest + "a"} {
			noAllocs(t, "LookupString", func() { _, v, _ := x.LookupString(name); sum += v })
			authority := name + ":443"
			noAllocs(t, "LookupAuthority", func() { _, v, _ := x.LookupAuthority(authority); sum += v })
			noAllocs(t, "LookupBytes", func() {
				var buf [512]byte // stays with its caller
				_, v, _ := x.LookupBytes(append(buf[:0], name...))
				sum += v
			})
		}
	}
	ports, prefixes := match.PortsOf(1, 3, 5, 7, 9), match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	addr := netip.MustParseAddr("::ffff:10.1.2.3")
	noAllocs(t, "Contains", func() { _, _ = ports.Contains(5), prefixes.Contains(addr) })
	noAllocs(t, "ParseHost of a clean name", func() { _, _ = match.ParseHost("www.example.com.") })
}
