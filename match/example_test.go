package match_test

import (
	"fmt"

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
	for p, team := range x.Matching(match.MustParseHost("api-1.foo.com")) {
		fmt.Println(p, team)
	}
	// Output:
	// www.foo.com front
	// *.foo.com web
	// api-*.foo.com api
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
