package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// gatewayText is all that a gateway says, in a line.
func gatewayText(g Gateway) string {
	return strings.Join([]string{g.key(), g.Ports.String(), g.Upstream.String(), fmt.Sprint(g.Grants)}, " ")
}

// Gateways are told apart by their pods and by whom they are for. What several say of one is put together, in whatever order and however often they say it.
func TestGatewaysAreTold(t *testing.T) {
	p := planOf(t, "allow shop TLS foo.com 443", "allow news TLS foo.com 443")
	sources := map[string]*SourceSet{}
	for _, c := range p.NameClasses(policy.TLS) {
		sources["both"] = &c.Sources
	}
	for _, from := range []string{"shop", "news"} {
		sources[from] = &SourceSet{Any: []Source{newSource(sourceOf(from), nil)}}
	}
	gateway := func(namespace, app, tier, from string, port uint16, grants ...GrantID) Gateway {
		return Gateway{Namespace: namespace, PodLabels: map[string]string{"app": app, "tier": tier}, Ports: match.PortsOf(port), Upstream: match.PortsOf(port + 1), Sources: sources[from], Grants: grants}
	}
	all := []Gateway{
		gateway("m", "x", "1", "", 443, "b", "a"), gateway("m", "x", "1", "", 80, "c", "a"), gateway("m", "x", "1", "", 443, "a", "b"),
		gateway("m", "x", "2", "", 1), gateway("m", "y", "1", "", 2), gateway("n", "x", "1", "", 3),
		gateway("m", "x", "1", "shop", 4, "s"), gateway("m", "x", "1", "news", 5, "n"), gateway("m", "x", "1", "both", 6), gateway("m", "x", "1", "shop", 7, "r"),
	}
	want := []string{
		"m/app=x,tier=1 80,443 81,444 [a b c]",
		"m/app=x,tier=1 for namespaces=news 5 6 [n]",
		"m/app=x,tier=1 for namespaces=news or namespaces=shop 6 7 []",
		"m/app=x,tier=1 for namespaces=shop 4,7 5,8 [r s]",
		"m/app=x,tier=2 1 2 []",
		"m/app=y,tier=1 2 3 []",
		"n/app=x,tier=1 3 4 []",
	}
	for cut := range len(all) {
		list := slices.Concat(all[cut:], all[:cut])
		if cut%2 == 1 {
			slices.Reverse(list)
		}
		keeps := func(target string, gateways []Gateway) *keeping {
			return &keeping{fake{target: target, features: everyFeature()}, func(*Plan) []Gateway { return gateways }}
		}
		a, b, plain := keeps("a", list[:cut]), keeps("b", list[cut:]), &fake{target: "c", features: everyFeature()}
		if _, err := Render(p, Stack{a, b, plain}); err != nil {
			t.Fatal(err)
		}
		for _, given := range []*Plan{a.plan, b.plan, plain.plan} {
			var got []string
			for _, g := range given.Gateways() {
				got = append(got, gatewayText(g))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%d (-want +got)\n%s", cut, diff)
			}
			for _, g := range given.Gateways() {
				g.PodLabels["app"] = "changed"
			}
		}
	}
}

// Gatekeepers are asked about all rules first, and then about those that they are given: what is lost needs no gateway.
func TestGatekeepersAreAskedAboutWhatIsRendered(t *testing.T) {
	var asked []string
	keeper := &keeping{fake: fake{target: "a", features: without(HTTPByName)}}
	keeper.gateways = func(p *Plan) []Gateway {
		var rules []string
		for g := range p.of(AllowGrant) {
			rules = append(rules, string(g.Rule))
		}
		asked = append(asked, strings.Join(rules, " "))
		return nil
	}
	if _, got := outcome(t, planOf(t, "allow shop TLS foo.com 443", "allow shop HTTP foo.com 80"), Stack{keeper}); got != "p/r2 a http-by-name narrower" {
		t.Errorf("losses %q", got)
	}
	if want := []string{"p/r1 p/r2", "p/r1"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
}

// A layer with gateways for sources says as exactly as the layers that guard these do whom a rule is for, and no more exactly; others are not told so.
func TestSourcesAreToldByGuards(t *testing.T) {
	rooms := func() Features {
		f := without(SourceEveryone, SourceAccounts, SourceAccountGlob, SourcePods)
		f[SourcesByGateway] = Same
		return f
	}
	guard := func(lost ...Feature) Features { return saying(without(lost...), GuardsGateways) }
	admitting := func(f Features) Features { f[TLSByName] = Wider; return f }
	rules := []string{"allow * TLS a.com 443", "allow shop/x TLS b.com 443", "allow team-*/x TLS c.com 443", "allow shop?app=x TLS d.com 443"}
	for _, test := range []struct {
		name     string
		features []Features
		lost     string
	}{
		{"a guard that says all", []Features{rooms(), admitting(guard())}, ""},
		{"a guard that says no pods", []Features{rooms(), admitting(guard(SourcePods))}, "p/r4"},
		{"a guard that says pods alone", []Features{rooms(), admitting(guard(SourceAccounts, SourceAccountGlob))}, "p/r2 p/r3"},
		{"a guard that says globs alone", []Features{rooms(), admitting(guard(SourceEveryone, SourceAccounts, SourcePods))}, "p/r1 p/r2 p/r4"},
		{"nobody guards", []Features{rooms(), admitting(everyFeature())}, "p/r1 p/r2 p/r3 p/r4"},
		{"what guards wider guards nothing", []Features{rooms(), func() Features { f := admitting(everyFeature()); f[GuardsGateways] = Wider; return f }()}, "p/r1 p/r2 p/r3 p/r4"},
		{"no gateways for sources", []Features{without(SourcePods), admitting(guard())}, "p/r4"},
		{"guards that say all between them", []Features{rooms(), wider(TLSByName), saying(wider(TLSByName, SourceAccounts), GuardsGateways), saying(wider(TLSByName, SourceAccountGlob, SourcePods), GuardsGateways)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stack Stack
			var before []Features
			for i, f := range test.features {
				stack = append(stack, &fake{target: string(rune('a' + i)), features: f})
				before = append(before, maps.Clone(f))
			}
			res, err := Render(planOf(t, rules...), stack)
			if err != nil {
				t.Fatal(err)
			}
			var lost []string
			for _, l := range res.Losses {
				lost = append(lost, string(l.Grant.Rule))
			}
			if got := strings.Join(lost, " "); got != test.lost {
				t.Errorf("lost %s, want %s", got, test.lost)
			}
			if diff := cmp.Diff(before, test.features); diff != "" {
				t.Errorf("the renderers' features are changed\n%s", diff)
			}
		})
	}
}
