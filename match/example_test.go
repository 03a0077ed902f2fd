package match_test

import (
	"fmt"
	"net/netip"

	"github.com/egresskit/egress/match"
)

func ExampleParsePattern() {
	for _, text := range []string{"*.Foo.com", "*foo.com"} {
		p, err := match.ParsePattern(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(p, p.Kind(), p.Matches(match.MustParseHost("a.b.foo.com")), p.Matches(match.MustParseHost("foo.com")))
	}
	// Output:
	// *.foo.com subdomains true false
	// "*foo.com": would also match other names, such as "evilfoo.com"; write "foo.com" and "*.foo.com" as two patterns, or "?*foo.com" if names that only end in it are meant
}

func ExamplePattern_Witness() {
	p, q := match.MustParsePattern("*.foo.com"), match.MustParsePattern("?*.foo.com")
	h, ok := p.Witness(q)
	fmt.Println(h, ok)
	_, ok = q.Witness(p)
	fmt.Println(ok, p.Covers(q))
	// Output:
	// x.x.foo.com true
	// false true
}

func ExamplePattern_Intersect() {
	fmt.Println(match.MustParsePattern("api-*.foo.com").Intersect(match.MustParsePattern("*-eu.foo.com")))
	// Output: [api-*-eu.foo.com api-eu.foo.com]
}

func ExampleIndex() {
	var b match.Builder[string]
	for pattern, team := range map[string]string{"*.foo.com": "web", "api-*.foo.com": "api", "www.foo.com": "front"} {
		b.Add(match.MustParsePattern(pattern), team)
	}
	x, err := b.Build()
	if err != nil {
		panic(err)
	}
	p, team, _ := x.Lookup(match.MustParseHost("www.foo.com"))
	fmt.Println(p, team)
	// Output: www.foo.com front
}

func ExampleParsePortRange() {
	r, err := match.ParsePortRange("8000-8100")
	fmt.Println(r.First, r.Last, err)
	_, err = match.ParsePortRange("8100-8000")
	fmt.Println(err)
	// Output:
	// 8000 8100 <nil>
	// "8100-8000": port range reversed; write 8000-8100
}

func ExampleParseHost() {
	for _, text := range []string{"WWW.Foo.COM.", "bücher.example", "10.0.0.1", "0x7f.1", "*.foo.com", "https://foo.com/", "foo..com"} {
		h, err := match.ParseHost(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(h)
	}
	// Output:
	// www.foo.com
	// xn--bcher-kva.example
	// "10.0.0.1": a name that ends in a number is an IP address or a part of one, not a host; in a document, write addresses under cidrs
	// "0x7f.1": a name that ends in a number is an IP address or a part of one, not a host; in a document, write addresses under cidrs
	// "*.foo.com": '*' stands for several hosts; write one name in full
	// "https://foo.com/": ':' is not allowed in a host; write "foo.com": a host has no scheme, user, port or path
	// "foo..com": empty label; write one dot between labels and none in front
}

func ExamplePattern_Matches() {
	for _, text := range []string{"foo.com", "*.foo.com", "?*.foo.com", "api-*.foo.com"} {
		p := match.MustParsePattern(text)
		for _, name := range []string{"foo.com", "www.foo.com", "a.b.foo.com", "api-eu.foo.com"} {
			if p.Matches(match.MustParseHost(name)) {
				fmt.Printf("%s matches %s\n", p, name)
			}
		}
	}
	// Output:
	// foo.com matches foo.com
	// *.foo.com matches www.foo.com
	// *.foo.com matches a.b.foo.com
	// *.foo.com matches api-eu.foo.com
	// ?*.foo.com matches www.foo.com
	// ?*.foo.com matches api-eu.foo.com
	// api-*.foo.com matches api-eu.foo.com
}

// Whether a rule says all that another says, or anything of it, needs no list of names.
func ExamplePattern_Covers() {
	wide := match.MustParsePattern("*.foo.com")
	for _, text := range []string{"www.foo.com", "api-*.foo.com", "*.eu.foo.com", "foo.com", "www.*.com"} {
		p := match.MustParsePattern(text)
		fmt.Printf("%-14s covered %-5t overlaps %t\n", p, wide.Covers(p), wide.Overlaps(p))
	}
	// Output:
	// www.foo.com    covered true  overlaps true
	// api-*.foo.com  covered true  overlaps true
	// *.eu.foo.com   covered true  overlaps true
	// foo.com        covered false overlaps false
	// www.*.com      covered false overlaps true
}

// teams is an index from what teams may reach to the team.
func teams() *match.Index[string] {
	var b match.Builder[string]
	b.Add(match.MustParsePattern("*.foo.com"), "web")
	b.Add(match.MustParsePattern("api-*.foo.com"), "api")
	b.Add(match.MustParsePattern("www.foo.com"), "front")
	x, err := b.Build()
	if err != nil {
		panic(err)
	}
	return x
}

// found says what a lookup found.
func found(p match.Pattern, team string, ok bool) string {
	if !ok {
		return "nobody's"
	}
	return fmt.Sprintf("%s's, by %s", team, p)
}

// Names are looked up as they arrive in a handshake: nothing has to be folded or cut off first, and what is no host falls under nothing.
func ExampleIndex_LookupString() {
	x := teams()
	for _, name := range []string{"www.foo.com", "WWW.Foo.Com.", "a.b.foo.com", "foo.com", "www.foo.com:443", "10.0.0.1", "www.foo.com\x00"} {
		fmt.Printf("%-17q %s\n", name, found(x.LookupString(name)))
	}
	// Output:
	// "www.foo.com"     front's, by www.foo.com
	// "WWW.Foo.Com."    front's, by www.foo.com
	// "a.b.foo.com"     web's, by *.foo.com
	// "foo.com"         nobody's
	// "www.foo.com:443" nobody's
	// "10.0.0.1"        nobody's
	// "www.foo.com\x00" nobody's
}

func ExampleIndex_LookupBytes() {
	x := teams()
	record := []byte("\x00\x0bWWW.foo.com") // two bytes of length and the name, as in a TLS server name extension
	fmt.Println(found(x.LookupBytes(record[2:])))
	// Output:
	// front's, by www.foo.com
}

// A Host header may have a port, which a server name never has.
func ExampleIndex_LookupAuthority() {
	x := teams()
	for _, authority := range []string{"www.foo.com", "Api-EU.foo.com:8443", "www.foo.com:", "user@www.foo.com", "www.foo.com:https", "[2001:db8::1]:443"} {
		fmt.Printf("%-21q %s\n", authority, found(x.LookupAuthority(authority)))
	}
	// Output:
	// "www.foo.com"         front's, by www.foo.com
	// "Api-EU.foo.com:8443" web's, by *.foo.com
	// "www.foo.com:"        front's, by www.foo.com
	// "user@www.foo.com"    nobody's
	// "www.foo.com:https"   nobody's
	// "[2001:db8::1]:443"   nobody's
}

// The names of a log are looked up together, and there is an answer for each, in order.
func ExampleIndex_LookupBatch() {
	x := teams()
	hosts := []match.Host{match.MustParseHost("www.foo.com"), match.MustParseHost("evilfoo.com"), match.MustParseHost("api-eu.foo.com")}
	for i, e := range x.LookupBatch(make([]match.Entry[string], 0, len(hosts)), hosts) {
		fmt.Println(hosts[i], "is", found(e.Pattern, e.Value, !e.Pattern.IsZero()))
	}
	// Output:
	// www.foo.com is front's, by www.foo.com
	// evilfoo.com is nobody's
	// api-eu.foo.com is web's, by *.foo.com
}

// All that match come most specific first, so that the first is what Lookup finds.
func ExampleIndex_Matching() {
	for p, team := range teams().Matching(match.MustParseHost("api-eu.foo.com")) {
		fmt.Println(p, team)
	}
	// Output:
	// *.foo.com web
	// api-*.foo.com api
}

func ExamplePorts() {
	web, high := match.PortsOf(80, 443, 8443), match.NewPorts(match.PortRange{First: 8000, Last: 8999}, match.PortRange{First: 9000, Last: 65535})
	fmt.Println("web:      ", web)
	fmt.Println("high:     ", high) // what is adjacent is one range
	fmt.Println("either:   ", web.Union(high))
	fmt.Println("both:     ", web.Intersect(high))
	fmt.Println("high less:", high.Subtract(web))
	fmt.Println("all less: ", match.AllPorts().Subtract(web).Len(), "ports")
	// Output:
	// web:       80,443,8443
	// high:      8000-65535
	// either:    80,443,8000-65535
	// both:      8443
	// high less: 8000-8442,8444-65535
	// all less:  65532 ports
}

// A network with a hole is the fewest prefixes that leave the hole out, as packet filters without exceptions need it.
func ExampleNewPrefixes() {
	database := match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")})
	fmt.Println(database)
	for _, a := range []string{"203.0.113.6", "203.0.113.7", "::ffff:203.0.113.8"} {
		fmt.Println(a, database.Contains(netip.MustParseAddr(a)))
	}
	// Output:
	// 203.0.113.0/30,203.0.113.4/31,203.0.113.6/32,203.0.113.8/29,203.0.113.16/28,203.0.113.32/27,203.0.113.64/26,203.0.113.128/25
	// 203.0.113.6 true
	// 203.0.113.7 false
	// ::ffff:203.0.113.8 true
}

func ExamplePrefixes_Subtract() {
	all := match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	cluster := match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("10.64.0.0/10"), netip.MustParsePrefix("10.128.0.0/9")}, nil)
	outside := all.Subtract(cluster)
	fmt.Println(outside, outside.Overlaps(cluster), all.Covers(outside), outside.Union(cluster).Equal(all))
	// Output:
	// 10.0.0.0/10 false true true
}
