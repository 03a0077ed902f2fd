package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A rule that takes away and that one layer skips is no widening when another layer says it that says exactly all that is rendered.
func TestSkippedAndSaidByAnotherLayer(t *testing.T) {
	rules := []string{"allow shop HTTP *.foo.com 80", "deny * any api-*.foo.com", "deny * HTTP *.foo.com POST"} // only r1 allows
	for _, test := range []struct {
		name  string
		rules []string
		stack Stack
		want  string
	}{
		{"said by the other layer", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: everyFeature()}}, ""},
		{"which cannot say another rule, that is not skipped", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: without(HTTPMethods)}}, ""},
		{"which cannot say it", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: without(HostGlob)}}, "wider: p/r2 a host-glob wider"},
		{"which says the allow wider", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: wider(HTTPByName)}}, "wider: p/r2 a host-glob wider"},
		{"which has no baseline", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: without(Baseline)}}, "wider: p/r2 a host-glob wider"},
		{"which skips it, too", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), skipping("b", everyFeature(), HTTPByName, "p/r2")},
			"wider: p/r2 a host-glob wider; p/r2 b http-by-name wider"},
		{"said by the third", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: without(HostGlob)}, &fake{target: "c", features: everyFeature()}}, ""},
		{"said by the first", rules, Stack{skipping("c", everyFeature(), HostGlob, "p/r2"), &fake{target: "a", features: everyFeature()}, &fake{target: "b", features: without(HostGlob)}}, ""},
		{"one of two, and the other is said nowhere else", rules, Stack{skipping("a", everyFeature(), HostGlob, "p/r2", "p/r3"), &fake{target: "b", features: without(HTTPMethods)}},
			"wider: p/r3 a host-glob wider"},
		{"said of one allow and not of another", append(slices.Clone(rules), "allow shop TLS *.foo.com 443"),
			Stack{skipping("a", everyFeature(), HostGlob, "p/r2"), &fake{target: "b", features: wider(TLSByName)}}, "wider: p/r2 a host-glob wider"},
		{"there is nothing that it takes from", rules[1:], Stack{skipping("a", everyFeature(), HostGlob, "p/r2", "p/r1")}, ""},
		{"all that it takes from is lost", rules, Stack{skipping("a", without(HTTPByName), HostGlob, "p/r2")}, "p/r1 a http-by-name narrower"},
		{"the baseline, said by the other layer", rules, Stack{skipping("a", everyFeature(), HostGlob, BaselineRule), &fake{target: "b", features: everyFeature()}}, ""},
		{"the baseline, of the one layer that has it", rules, Stack{skipping("a", everyFeature(), HostGlob, BaselineRule), &fake{target: "b", features: without(Baseline)}},
			"wider: #baseline a host-glob wider"},
		{"the baseline, with nothing allowed", nil, Stack{skipping("a", everyFeature(), HostGlob, BaselineRule)}, "wider: #baseline a host-glob wider"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				if _, got := outcome(t, planOf(t, test.rules...), test.stack); got != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
				slices.Reverse(test.stack)
			}
		})
	}
}

// Allows that are not rendered have no say in which layer says what takes from those that are.
func TestLostAllowsAreNotWhatIsSkippedFrom(t *testing.T) {
	// One layer says r1 exactly and the other r2, on the same port: together they would let more pass, so that r2 is lost.
	rules := []string{"allow shop TCP 203.0.113.7 443", "allow shop TLS 203.0.113.7 443", "deny shop any 198.51.100.0/24"}
	a, b := &fake{target: "a", features: wider(TLSByAddress)}, skipping("b", wider(TCPByAddress), HostExact, "p/r3")
	if _, got := outcome(t, planOf(t, rules...), Stack{a, b}); got != "p/r2 a tls-by-address narrower" {
		t.Errorf("%q", got)
	}
}

// What a layer skips of what it lets pass besides is a loss, like an allow.
func TestSkippedExemption(t *testing.T) {
	e := &exempting{fake{target: "x", features: everyFeature()}}
	e.render = func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			if g.Kind == ExemptionGrant {
				out.Skip(g, UDPByAddress, "it does not fit")
				continue
			}
			e.emit(g, out)
		}
		return nil
	}
	res, got := outcome(t, planOf(t), Stack{e})
	if got != "#exemption x: DNS x udp-by-address narrower" || len(res.Layers[0].Exempts) > 0 {
		t.Errorf("%q, exempt %v", got, res.Layers[0].Exempts)
	}
}

// Each deny that the target has to apply by itself has to be accounted for, in whatever class it stands, and no other deny.
func TestEachDenyOfAClassIsAccountedFor(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []string
		want  string
	}{
		{"of a name", []string{"allow shop TLS foo.com 443", "deny * any 203.0.113.7", "deny * any bar.com"}, "p/r2"},
		{"several of a name", []string{"allow shop TLS foo.com 443", "deny * any 203.0.113.7", "deny * any 203.0.113.8"}, "p/r2 p/r3"},
		{"of several names", []string{"allow shop TLS foo.com 443", "allow news TLS bar.com 443", "deny shop any 203.0.113.7", "deny news any 203.0.113.8"}, "p/r3 p/r4"},
		{"of several protocols", []string{"allow shop TLS foo.com 443", "allow shop HTTP foo.com 80", "deny * TLS 203.0.113.7", "deny * HTTP 203.0.113.8"}, "p/r3 p/r4"},
		{"of a glob", []string{"allow shop TLS api-*.foo.com 443", "deny * any 203.0.113.7", "deny * any bar.com"}, "p/r2"},
		{"of an address", []string{"allow shop TCP 203.0.113.0/24 443", "deny * TLS evil.com", "deny * any 198.51.100.0/24"}, "p/r2"},
		{"of several addresses", []string{"allow shop TCP 203.0.113.0/24 443", "allow news UDP 198.51.100.0/24 53", "deny shop TLS evil.com", "deny news UDP evil.com"}, "p/r3 p/r4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := renderBy(planOf(t, test.rules...), everyFeature(), func(p *Plan, out *Emitter) {
				for g := range p.Grants() {
					if g.Kind != DenyGrant {
						out.Emit(object(out.Name("g", string(g.ID))), Same, g)
					}
				}
			})
			var unaccounted *UnaccountedError
			if !errors.As(err, &unaccounted) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, g := range unaccounted.Grants {
				got = append(got, string(g.Rule))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Losses are sorted by grant and then by layer, whatever is lost and in whatever order the layers say so.
func TestLossesAreSorted(t *testing.T) {
	rules := []string{"allow shop TLS foo.com 443", "allow news TLS bar.com 443"}
	a, b := skipping("a", everyFeature(), TLSByName, "p/r1", "p/r2"), skipping("b", everyFeature(), HostExact, "p/r2", "p/r1")
	want := "p/r1 a tls-by-name narrower; p/r1 b host-exact narrower; p/r2 a tls-by-name narrower; p/r2 b host-exact narrower"
	for _, stack := range []Stack{{a, b}, {b, a}} {
		if _, got := outcome(t, planOf(t, rules...), stack); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	taking := []string{"allow shop TLS foo.com 443", "deny shop any bar.com", "within shop any foo.com"}
	a, b = skipping("a", everyFeature(), TLSByName, "p/r3", "p/r2"), skipping("b", everyFeature(), HostExact, "p/r2", "p/r3")
	want = "wider: p/r2 a tls-by-name wider; p/r2 b host-exact wider; p/r3 a tls-by-name wider; p/r3 b host-exact wider"
	for _, stack := range []Stack{{a, b}, {b, a}} {
		if _, got := outcome(t, planOf(t, taking...), stack); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Objects and assumptions of all layers stand in one order.
func TestResultsOfLayersAreSorted(t *testing.T) {
	layer := func(target, object string, codes ...string) *fake {
		return &fake{target: target, features: everyFeature(), render: func(p *Plan, out *Emitter) error {
			out.Emit(Object{APIVersion: "v1", Kind: "Thing", Name: object}, Same, slices.Collect(p.Grants())...)
			for _, c := range codes {
				code, text, _ := strings.Cut(c, " ")
				out.Assume(code, text)
			}
			return nil
		}}
	}
	res, err := Render(planOf(t), Stack{layer("b", "x", "m 2", "m 1"), layer("a", "y", "n 1", "m 3", "n 1")})
	if err != nil {
		t.Fatal(err)
	}
	if res.Objects[0].Name != "x" || res.Objects[1].Name != "y" {
		t.Errorf("objects %v", res.Objects)
	}
	if diff := cmp.Diff([]Assumption{{"a", "m", "3"}, {"a", "n", "1"}, {"b", "m", "1"}, {"b", "m", "2"}}, res.Assumptions); diff != "" {
		t.Error(diff)
	}
}

// What is emitted wider than it may be is told of each grant with the object that says so.
func TestEachWiderObjectIsTold(t *testing.T) {
	_, err := renderBy(planOf(t, "allow shop TLS foo.com 443"), everyFeature(), func(p *Plan, out *Emitter) {
		for i, g := range slices.Collect(p.Grants()) {
			out.Emit(object(fmt.Sprint("o", i)), Wider, g)
		}
	})
	var widening *WideningError
	if !errors.As(err, &widening) || lossLines(widening.Losses) != "#baseline x  wider; p/r1 x  wider" || !strings.Contains(err.Error(), "example.com/v1 Thing ns/o1 says it wider") {
		t.Errorf("%v", err)
	}
}

// The objects' annotation has a line for each rule that is left out, in order, and whatever else the renderer annotates.
func TestAcceptedNote(t *testing.T) {
	rules := []*policy.EffectiveRule{
		ruleOf(t, "p/r", "allow shop TLS *.foo.com 443"), ruleOf(t, "p/d", "deny * any api-*.foo.com web-*.foo.com"), ruleOf(t, "p/d-2", "deny * any db-*.foo.com"),
	}
	given := map[string]string{"a": "b"}
	features := without(HostGlob)
	res, err := Render(newPlan(slices.Values(rules), ""), Stack{&fake{target: "x", features: features, render: func(p *Plan, out *Emitter) error {
		o := object("a")
		o.Annotations = given
		out.Emit(o, Same, slices.Collect(p.Grants())...)
		out.Emit(object("b"), Same)
		return nil
	}}}, AcceptWider("p/d", "one"), AcceptWider("p/d-2", "two"))
	if err != nil {
		t.Fatal(err)
	}
	const note = "p/d-2: two\np/d: one"
	if diff := cmp.Diff([]map[string]string{{"a": "b", AcceptedWider: note}, {AcceptedWider: note}}, []map[string]string{res.Objects[0].Annotations, res.Objects[1].Annotations}); diff != "" {
		t.Error(diff)
	}
	if len(given) != 1 {
		t.Errorf("the renderer's map is changed: %v", given)
	}
}

// Unneeded is what is accepted with a reason and by which nothing is wider, even where it is narrower.
func TestUnneeded(t *testing.T) {
	p := planOf(t, "allow shop TLS *.foo.com 443", "allow shop HTTP *.foo.com 80", "deny * any api-*.foo.com", "deny * any bad.foo.com")
	res, got := outcome(t, p, Stack{&fake{target: "x", features: without(HostGlob, HTTPByName)}},
		AcceptWider("p/r4", "said in classes"), AcceptWider("p/r2", "an allow"), AcceptWider("p/r3", "needed"), AcceptWider("p/r9", ""), AcceptWider(BaselineRule, "said"))
	if got != "p/r2 x http-by-name narrower; p/r3 x host-glob wider" {
		t.Errorf("losses %q", got)
	}
	if want := []policy.RuleID{BaselineRule, "p/r2", "p/r4"}; !slices.Equal(res.Unneeded, want) {
		t.Errorf("unneeded %q, want %q", res.Unneeded, want)
	}
}

// Objects are one to the API server when their group, kind, namespace and name are, whatever the version; the core group has no name.
func TestObjectsAreEmittedOnce(t *testing.T) {
	for _, test := range []struct {
		a, b Object
		same bool
	}{
		{Object{APIVersion: "v1", Kind: "K", Name: "n"}, Object{APIVersion: "v2", Kind: "K", Name: "n"}, true},
		{Object{APIVersion: "g.io/v1", Kind: "K", Name: "n"}, Object{APIVersion: "g.io/v2", Kind: "K", Name: "n"}, true},
		{Object{APIVersion: "g.io/v1", Kind: "K", Name: "n"}, Object{APIVersion: "h.io/v1", Kind: "K", Name: "n"}, false},
		{Object{APIVersion: "g.io/v1", Kind: "K", Name: "n"}, Object{APIVersion: "v1", Kind: "K", Name: "n"}, false},
		{Object{APIVersion: "v1", Kind: "K", Name: "n"}, Object{APIVersion: "v1", Kind: "L", Name: "n"}, false},
		{Object{APIVersion: "v1", Kind: "K", Name: "n"}, Object{APIVersion: "v1", Kind: "K", Namespace: "s", Name: "n"}, false},
		{Object{APIVersion: "v1", Kind: "K", Name: "n"}, Object{APIVersion: "v1", Kind: "K", Name: "m"}, false},
	} {
		_, err := renderBy(planOf(t), everyFeature(), func(p *Plan, out *Emitter) {
			out.Emit(test.a, Same, slices.Collect(p.Grants())...)
			out.Emit(test.b, Same)
		})
		if (err != nil) != test.same || test.same && !strings.Contains(err.Error(), "emitted twice") {
			t.Errorf("%s and %s: %v", test.a.id(), test.b.id(), err)
		}
	}
}

// assuranceOf returns the assurance of a rule's allow, and "" for none.
func assuranceOf(res *Result, rule policy.RuleID) string {
	for _, a := range res.Assurances {
		if ruleOfGrant(a.Grant) == rule {
			return a.Assurance.String()
		}
	}
	return ""
}

// always is a Hold for every grant.
func always(h Hold) func(*Grant) Hold { return func(*Grant) Hold { return h } }

// Of the allows and the baseline, what some layer says exactly is assured, and nothing else is.
func TestWhatIsAssured(t *testing.T) {
	p := planOf(t, "allow shop TLS foo.com 443", "allow shop UDP 203.0.113.7 53", "deny shop any bad.com", "within shop any foo.com or UDP 203.0.113.7")
	res, err := Render(p, Stack{holding("a", without(UDPByAddress), always(Holds))})
	if err != nil {
		t.Fatal(err)
	}
	var got []policy.RuleID
	for _, a := range res.Assurances {
		got = append(got, ruleOfGrant(a.Grant))
	}
	if want := []policy.RuleID{BaselineRule, "p/r1"}; !slices.Equal(got, want) {
		t.Errorf("assured: %q, want %q", got, want)
	}
	none, err := Render(p, Stack{holding("a", without(Baseline), always(Holds))}, AcceptWider(BaselineRule, "elsewhere"))
	if err != nil || assuranceOf(none, BaselineRule) != "" {
		t.Errorf("a baseline that nobody has is assured: %v %v", none, err)
	}
}

// What a packet filter holds, it holds for the other layers, in whatever order their names are, but only as long as its baseline is whole.
func TestBehindAPacketFilter(t *testing.T) {
	rule := "allow shop TLS foo.com 443"
	filter := func(target string, f Features, allow Hold) *fake {
		f[PacketFilter] = Same
		return holding(target, f, func(g *Grant) Hold {
			if g.Kind == BaselineGrant {
				return Holds
			}
			return allow
		})
	}
	leaky := filter("b", wider(TLSByName), Holds)
	whole := leaky.render
	leaky.render = func(p *Plan, out *Emitter) error {
		for g := range p.of(BaselineGrant) {
			out.Skip(g, SourcePods, "pods of the host network are not kept in")
		}
		return whole(p, out)
	}
	same := func(target string, f Features, allow Hold) *fake {
		s := filter(target, f, 0)
		s.render = func(p *Plan, out *Emitter) error {
			for g := range p.Grants() {
				s.emit(g, out)
				hold := allow
				if g.Kind == BaselineGrant {
					hold = Holds
				}
				out.Assure(g, Assurance{EnforcedAt: "there", Holds: hold, Why: "so"})
			}
			return nil
		}
		return s
	}
	alike := same("a", everyFeature(), WithPacketFilter)
	delete(alike.features, PacketFilter)
	for _, test := range []struct {
		name  string
		stack Stack
		want  string
	}{
		{"that comes second", Stack{holding("a", everyFeature(), always(WithPacketFilter)), filter("b", wider(TLSByName), Holds)},
			"at a, behind at b, holds: why a; b keeps pods from going round it: why b"},
		{"that comes first", Stack{holding("b", everyFeature(), always(WithPacketFilter)), filter("a", wider(TLSByName), Holds)},
			"at b, behind at a, holds: why b; a keeps pods from going round it: why a"},
		{"the second of two that hold", Stack{holding("a", everyFeature(), always(WithPacketFilter)), filter("c", wider(TLSByName), Holds), assuring("b", wider(TLSByName), Holds)},
			"at a, behind at c, holds: why a; c keeps pods from going round it: why c"},
		{"itself", Stack{filter("a", everyFeature(), WithPacketFilter)}, "at a, with a packet filter: why a"},
		{"that says the same of itself", Stack{alike, same("b", everyFeature(), WithPacketFilter)}, "there, behind there, holds: so; b keeps pods from going round it: so"},
		{"that is not one of all sources", Stack{holding("a", everyFeature(), always(WithPacketFilter)), leaky, assuring("c", everyFeature(), Advisory)}, "at a, with a packet filter: why a"},
		{"that is none, and comes first", Stack{holding("b", everyFeature(), always(WithPacketFilter)), assuring("a", wider(TLSByName), Holds)}, "at b, with a packet filter: why b"},
		{"not needed", Stack{holding("a", everyFeature(), always(Holds)), filter("b", wider(TLSByName), Holds)}, "at a, holds: why a"},
		{"of no use", Stack{holding("a", everyFeature(), always(Advisory)), filter("b", wider(TLSByName), Holds)}, "at a, advisory: why a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := Render(planOf(t, rule), test.stack)
			if err != nil {
				t.Fatal(err)
			}
			if got := assuranceOf(res, "p/r1"); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// What a layer leaves to others weakens what it holds itself of the allows that this takes from, and of no others.
func TestAssuranceOfWhatIsLeftToOthers(t *testing.T) {
	const left = "at coarse, advisory: who goes round the other layers escapes rule %s, which this one cannot say; otherwise why coarse"
	const holds = "at coarse, holds: why coarse"
	coarse, fine := without(SourcePods, DenyAddressOnName), everyFeature()
	for _, test := range []struct {
		name         string
		rules        []string
		coarse, fine Hold
		want         []string // of the allows in order
	}{
		{"to the addresses that are denied", []string{"allow * TCP 203.0.113.0/24 443", "allow * TCP 198.51.100.0/24 443", "deny shop?app=x any 203.0.113.7"}, Holds, Advisory,
			[]string{fmt.Sprintf(left, "p/r3"), holds}},
		{"to the ports that are denied", []string{"allow * TCP 203.0.113.0/24 443", "allow * TCP 203.0.113.0/24 80", "deny shop?app=x any 203.0.113.7 443"}, Holds, Advisory,
			[]string{fmt.Sprintf(left, "p/r3"), holds}},
		{"by one of several rules", []string{"allow * TCP 203.0.113.0/24 443", "allow * TCP 198.51.100.0/24 443", "deny shop?app=x any 203.0.113.7", "deny shop?app=x any 198.51.100.7"}, Holds, Advisory,
			[]string{fmt.Sprintf(left, "p/r3"), fmt.Sprintf(left, "p/r4")}},
		{"what a boundary takes", []string{"allow * TCP 203.0.113.0/24 443", "allow * TCP 198.51.100.0/24 443", "within shop?app=x any 198.51.100.0/24"}, Holds, Advisory,
			[]string{fmt.Sprintf(left, "p/r3"), fmt.Sprintf(left, "p/r3")}}, // of the same sources: rather too low
		{"of others", []string{"allow shop TCP 203.0.113.0/24 443", "allow news TCP 203.0.113.0/24 443", "deny shop?app=x any 203.0.113.7"}, Holds, Advisory,
			[]string{fmt.Sprintf(left, "p/r3"), holds}},
		{"of names, by address", []string{"allow * TLS foo.com 443", "deny * any 203.0.113.7"}, Holds, Advisory, []string{fmt.Sprintf(left, "p/r2")}},
		{"what is advisory anyway", []string{"allow * TCP 203.0.113.0/24 443", "deny shop?app=x any 203.0.113.7"}, Advisory, Advisory,
			[]string{"at coarse, advisory: why coarse"}},
		{"what the other layer holds", []string{"allow * TCP 203.0.113.0/24 443", "deny shop?app=x any 203.0.113.7"}, Holds, Holds,
			[]string{"at fine, holds: why fine"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := Render(planOf(t, test.rules...), Stack{assuring("coarse", coarse, test.coarse), assuring("fine", fine, test.fine)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range res.Assurances {
				if a.Grant.Kind == AllowGrant {
					got = append(got, a.Assurance.String())
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a layer says of another deny that has all of its sources, it does not leave to others, whichever layer it is.
func TestAssuranceWhereAnotherDenyCovers(t *testing.T) {
	rules := []string{"allow * TCP 203.0.113.0/24 443", "deny shop any 203.0.113.7", "deny shop?app=x any 203.0.113.7"}
	for _, coarse := range []string{"a", "c"} {
		res, err := Render(planOf(t, rules...), Stack{assuring(coarse, without(SourcePods), Holds), assuring("b", everyFeature(), Advisory)})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := assuranceOf(res, "p/r1"), "at "+coarse+", holds: why "+coarse; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Losses and errors say why, in the words of the rules.
func TestWhy(t *testing.T) {
	for _, test := range []struct {
		features Features
		rules    []string
		want     []string
	}{
		{everyFeature(), []string{"allow shop TCP 203.0.113.7 443", "within * any foo.com"}, []string{"the boundary p/r2 has only names inside", "any foo.com", "put the addresses inside too"}},
		{everyFeature(), []string{"allow shop TCP 203.0.113.7 443", "within * TLS 203.0.113.0/24"}, []string{"boundary p/r2 lets TLS alone pass, and TCP holds more"}},
		{everyFeature(), []string{"allow shop HTTP 203.0.113.7 80", "within * HTTP 203.0.113.0/24 GET"}, []string{"boundary p/r2 would let some calls pass: HTTP 203.0.113.0/24"}},
		{everyFeature(), []string{"allow shop TCP 203.0.113.7 443", "deny * TLS 203.0.113.7"}, []string{"rule p/r2 denies TLS", "the rest of TCP"}},
		{everyFeature(), []string{"allow shop TLS foo.com 443", "within * any 203.0.113.0/24"}, []string{"boundary p/r2 would let it pass to any 203.0.113.0/24", "does not know the address"}},
		{everyFeature(), []string{"allow shop TLS *.foo.com 443", "within * any api-*.foo.com"}, []string{"boundary p/r2 would let a part of its names pass: any api-*.foo.com"}},
		{everyFeature(), []string{"allow shop HTTP foo.com 80", "within * HTTP foo.com GET"}, []string{"boundary p/r2 would let some calls pass: HTTP foo.com"}},
		{everyFeature(), []string{"allow shop/a HTTP *.foo.com 80", "allow shop/b HTTP www.foo.com 80 originate:Simple"}, []string{"rule p/r2 has names of it reached by Simple TLS to port 443"}},
		{everyFeature(), []string{"allow shop/a HTTP *.foo.com 80 originate:Simple", "allow shop/b HTTP www.foo.com 80"}, []string{"rule p/r2 has names of it reached as the application speaks"}},
		{without(PortRanges), []string{"allow shop TLS foo.com 1-65"}, []string{"so many ports (65, and the limit is 64 for all names of a protocol)"}},
		{without(PortRanges), []string{"allow shop TCP 203.0.113.7 1-65"}, []string{"so many ports (65, and the limit is 64 for a rule)"}},
		{without(HostGlob), []string{"allow shop TLS api-*.foo.com 443"}, []string{"wildcards inside a label, as in api-*.foo.com"}},
		{without(HostSubdomains), []string{"allow shop TLS *.foo.com 443"}, []string{"all names below a domain, as in *.foo.com"}},
		{without(OriginateSimpleTLS), []string{"allow shop HTTP foo.com 80 originate:Simple"}, []string{"originating TLS (Simple)"}},
		{without(HTTPMethods), []string{"allow shop HTTP foo.com 80 GET"}, []string{"rules by HTTP method or path"}},
		{everyFeature(), []string{"allow shop HTTP 203.0.113.7 80 GET"}, []string{"methods and paths are told apart by name alone"}},
		{without(SourcePods), []string{"allow shop TLS foo.com 443", "deny shop?app=x any foo.com"}, []string{"it takes a part of the sources of rule p/r1, and "}},
		{without(DenyAddressOnName), []string{"allow shop TLS foo.com 443", "deny * any 203.0.113.7"}, []string{"foo.com, which rule p/r1 allows, holds requests that it denies: any 203.0.113.7", "addresses are not looked at there: deny the names"}},
		{without(DenyNameOnAddress), []string{"allow shop TCP 203.0.113.0/24 443", "deny * any foo.com"}, []string{"203.0.113.0/24, which rule p/r1 allows", "names are not seen there: deny the addresses"}},
	} {
		res, err := Render(planOf(t, test.rules...), Stack{&fake{target: "x", features: test.features}})
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = lines(res.Losses)
		}
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q: %q, want %q", test.rules, got, want)
			}
		}
	}
}

// Of several places where a deny takes from an allow, the error names the least by text.
func TestWideningNamesTheLeastPlace(t *testing.T) {
	for sub, want := range map[string]string{"*.a.foo.com": "*.a.foo.com", "*.z.foo.com": "*.foo.com"} {
		p := planOf(t, "allow shop TLS *.foo.com 443", "allow news TLS "+sub+" 443", "deny shop any x-*"+strings.TrimPrefix(sub, "*"))
		_, err := Render(p, Stack{&fake{target: "a", features: without(HostGlob)}})
		if err == nil || !strings.Contains(err.Error(), "(host-glob): "+want+", which rule p/r1 allows") {
			t.Errorf("%v", err)
		}
	}
}

// A layer is given, in its classes, the denies that it has to apply, and only those that it can: another layer says the others.
func TestLayersApplyTheDeniesThatTheyCan(t *testing.T) {
	for _, test := range []struct {
		name     string
		features Features
		rules    []string
		want     string
	}{
		{"said", everyFeature(), []string{"allow shop TLS *.foo.com 443", "deny * any api-*.foo.com"}, "TLS 443 *.foo.com from namespaces=shop [p/r1 not p/r2]"},
		{"feature lacking", without(HostGlob), []string{"allow shop TLS *.foo.com 443", "deny * any api-*.foo.com"}, "TLS 443 *.foo.com from namespaces=shop [p/r1]"},
		{"one of two features lacking", without(HTTPMethods), []string{"allow shop HTTP *.foo.com 80", "deny * HTTP api-*.foo.com POST"}, "HTTP 80 *.foo.com from namespaces=shop [p/r1]"},
		{"the other of two features lacking", without(HostGlob), []string{"allow shop HTTP *.foo.com 80", "deny * HTTP api-*.foo.com POST"}, "HTTP 80 *.foo.com from namespaces=shop [p/r1]"},
		{"source lacking", without(SourcePods), []string{"allow shop TLS *.foo.com 443", "deny shop?app=x any api-*.foo.com"}, "TLS 443 *.foo.com from namespaces=shop [p/r1]"},
		{"source that need not be said", without(SourcePods), []string{"allow shop TLS *.foo.com 443", "deny shop+news?app=x any api-*.foo.com"}, "TLS 443 *.foo.com from namespaces=shop [p/r1 not p/r2]"},
		{"sources that are out by what cannot be said", without(SourcePods), []string{"allow * TLS *.foo.com 443", "deny shop?app=x any *.foo.com", "deny shop?app=x any api-*.foo.com"}, "TLS 443 *.foo.com from everything [p/r1]"},
		{"sources that would be out by what can be said elsewhere alone", without(SourcePods), []string{"allow * TLS *.foo.com 443", "deny shop+news?app=x any *.foo.com", "deny shop any api-*.foo.com"}, "TLS 443 *.foo.com from everything [p/r1 not p/r3]"},
		{"of nobody that is allowed", everyFeature(), []string{"allow shop TLS *.foo.com 443", "deny news any api-*.foo.com"}, "TLS 443 *.foo.com from namespaces=shop [p/r1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := &fake{target: "a", features: test.features}
			if _, err := Render(planOf(t, test.rules...), Stack{target, &fake{target: "b", features: everyFeature()}}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, protocol := range requestProtocols {
				for _, c := range target.plan.NameClasses(protocol) {
					got = append(got, c.describe())
				}
			}
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// Losses are about the grants of the plan, not about what a layer was given in their place, and each is told once.
func TestLossesAreOfThePlan(t *testing.T) {
	p := planOf(t, "allow shop TLS foo.com 443")
	admits := wider(TLSByName)
	admits[Baseline] = Wider
	b := &fake{target: "b", features: admits, render: func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			if !g.Admit {
				t.Errorf("%s is not to be admitted alone", g.ID)
			}
			for _, why := range []string{"2", "1", "2"} {
				out.Skip(g, HostExact, why)
			}
			out.Skip(g, HTTPByName, "0")
			out.Skip(g, HTTPByName, "3")
			out.Skip(g, HostExact, "0")
		}
		return nil
	}}
	res, err := Render(p, Stack{&fake{target: "a", features: everyFeature()}, b})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range res.Losses {
		got = append(got, string(l.Feature)+" "+l.Why)
		if l.Grant != p.grants[1] {
			t.Errorf("a loss of %+v", l.Grant)
		}
	}
	if want := []string{"host-exact 0", "host-exact 1", "host-exact 2", "http-by-name 0", "http-by-name 3"}; !slices.Equal(got, want) {
		t.Errorf("losses %q, want %q", got, want)
	}
	// The baseline that the first layer skips is the plan's, too.
	_, err = Render(p, Stack{skipping("a", everyFeature(), SourcePods, BaselineRule), &fake{target: "b", features: admits}})
	var widening *WideningError
	if !errors.As(err, &widening) || len(widening.Losses) != 1 || widening.Losses[0].Grant != p.grants[0] {
		t.Errorf("%v", err)
	}
	both := skipping("a", everyFeature(), SourcePods, BaselineRule)
	_, err = Render(p, Stack{both, skipping("b", admits, HostExact, BaselineRule)})
	if !errors.As(err, &widening) || lossLines(widening.Losses) != "#baseline a source-pods wider; #baseline b host-exact wider" || widening.Losses[1].Grant != p.grants[0] {
		t.Errorf("%v", err)
	}
}

// No layer renders when it is known that something would be wider.
func TestNothingIsRenderedThatIsWider(t *testing.T) {
	target := &fake{target: "a", features: without(HostGlob)}
	if _, got := outcome(t, planOf(t, "allow shop TLS *.foo.com 443", "deny * any api-*.foo.com"), Stack{target}); got != "wider: p/r2 a host-glob wider" || target.plan != nil {
		t.Errorf("%q, and plan %v", got, target.plan)
	}
}

// A layer without features is given a plan of a target that can say nothing.
func TestNoFeaturesAreNotEveryFeature(t *testing.T) {
	target := &fake{target: "a"}
	if _, got := outcome(t, planOf(t), Stack{target, &fake{target: "b", features: everyFeature()}}); got != "" || target.plan.features.has(HostExact) {
		t.Errorf("%q", got)
	}
}

// What no class carries is lost, and no layer is given it.
func TestWhatNoClassCarriesIsNotRendered(t *testing.T) {
	target := &fake{target: "a", features: everyFeature()}
	res, got := outcome(t, planOf(t, "allow shop TLS foo.com 443", "allow shop TLS bar.com 443", "within * any 203.0.113.0/24 or any bar.com"), Stack{target})
	if want := "p/r1 a within-address-on-name narrower"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if diff := cmp.Diff([]GrantID{"#baseline", "p/r2#TLS bar.com port 443", "p/r3#within"}, res.Layers[0].Enforces); diff != "" {
		t.Error(diff)
	}
}

// Of assurances that hold alike, one is told whatever the order in which they are given: of a layer's own the last by text, of several layers' the first.
func TestAssurancesThatHoldAlike(t *testing.T) {
	p := planOf(t)
	assures := func(target string, list ...Assurance) *fake {
		return &fake{target: target, features: everyFeature(), render: func(p *Plan, out *Emitter) error {
			for g := range p.Grants() {
				out.Emit(object(target), Same, g)
				for _, a := range list {
					out.Assure(g, a)
				}
			}
			return nil
		}}
	}
	one, two, three := Assurance{"here", Holds, "1"}, Assurance{"here", Holds, "2"}, Assurance{"there", Holds, "0"}
	for _, test := range []struct {
		stack Stack
		want  Assurance
	}{
		{Stack{assures("a", one, two, three)}, three}, {Stack{assures("a", three, two, one)}, three}, {Stack{assures("a", two, one)}, two}, {Stack{assures("a", one, two)}, two},
		{Stack{assures("a", three), assures("b", two), assures("c", one)}, one}, {Stack{assures("a", one), assures("b", two), assures("c", three)}, one},
		{Stack{assures("a", three), assures("b", two)}, two},
	} {
		res, err := Render(p, test.stack)
		if err != nil || res.Assurances[0].Assurance != test.want {
			t.Errorf("%v %v, want %v", res, err, test.want)
		}
	}
	foreign := &Grant{ID: "other"}
	if _, err := renderBy(p, everyFeature(), func(p *Plan, out *Emitter) {
		out.Emit(object("a"), Same, slices.Collect(p.Grants())...)
		out.Assure(foreign, one)
	}); err == nil || !strings.Contains(err.Error(), "Assure: a grant that is not in the plan") {
		t.Errorf("a foreign grant is assured: %v", err)
	}
}

// A deny that no layer can say of what it takes from is kept out by a layer that wards, if it is asked for it: whatever the place of the layer in the stack, and
// only for what the deny needs besides its sources.
func TestWards(t *testing.T) {
	names := without(DenyAddressOnName, SourcePods)
	for _, test := range []struct {
		name  string
		rules []string
		wards []policy.RuleID
		want  string
		asked []policy.RuleID
	}{
		{"kept out", []string{"allow shop TLS foo.com 443", "deny shop any 203.0.113.7"}, []policy.RuleID{"p/r2"}, "", []policy.RuleID{"p/r2"}},
		{"not kept out", []string{"allow shop TLS foo.com 443", "deny shop any 203.0.113.7"}, nil, "wider: p/r2 names deny-address-on-name wider", []policy.RuleID{"p/r2"}},
		{"one of two kept out", []string{"allow shop TLS foo.com 443", "deny shop any 203.0.113.7", "deny shop any 203.0.113.8"}, []policy.RuleID{"p/r3"},
			"wider: p/r2 names deny-address-on-name wider", []policy.RuleID{"p/r2", "p/r3"}},
		{"sources that cannot be said", []string{"allow shop TLS foo.com 443", "deny shop?app=x any foo.com"}, []policy.RuleID{"p/r2"}, "wider: p/r2 names source-accounts wider", nil},
		{"a boundary of sources that cannot be said", []string{"allow shop TLS foo.com 443", "within shop?app=x any bar.com"}, []policy.RuleID{"p/r2"}, "wider: p/r2 names source-accounts wider", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, target := range []string{"a", "z"} {
				var asked []policy.RuleID
				w := &warding{fake{target: target, features: wider(TLSByName)}, test.wards, &asked}
				if _, got := outcome(t, planOf(t, test.rules...), Stack{&fake{target: "names", features: names}, w}); got != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
				slices.Sort(asked)
				if asked = slices.Compact(asked); !slices.Equal(asked, test.asked) {
					t.Errorf("asked about %q, want %q", asked, test.asked)
				}
			}
		})
	}
}

// A layer that says the baseline only wider is given it to admit, and one that cannot say it at all is not given it.
func TestBaselineToAdmit(t *testing.T) {
	admits, none := wider(Baseline), without(Baseline)
	res, got := outcome(t, planOf(t), Stack{&fake{target: "a", features: everyFeature()}, &fake{target: "b", features: admits}, &fake{target: "c", features: none}})
	if got != "" {
		t.Fatalf("%q", got)
	}
	want := []LayerResult{{Target: "a", Objects: 1, Enforces: []GrantID{"#baseline"}}, {Target: "b", Objects: 1, Admits: []GrantID{"#baseline"}}, {Target: "c"}}
	if diff := cmp.Diff(want, res.Layers); diff != "" {
		t.Error(diff)
	}
}

// What is skipped by a layer is not said by those that let it pass unseen, either.
func TestSkippedAndOverlooked(t *testing.T) {
	p := planOf(t, "allow shop UDP 203.0.113.7 53", "allow shop UDP 203.0.113.8 53")
	for _, unseen := range []string{"a", "c"} {
		res, got := outcome(t, p, Stack{&fake{target: unseen, features: tcpAlone()}, skipping("b", everyFeature(), UDPByAddress, "p/r1")})
		if got != "p/r1 b udp-by-address narrower" {
			t.Errorf("losses %q", got)
		}
		checkAccounts(t, p, res)
		for _, l := range res.Layers {
			if slices.ContainsFunc(slices.Concat(l.Enforces, l.Admits), func(id GrantID) bool { return strings.HasPrefix(string(id), "p/r1#") }) {
				t.Errorf("layer %s says what is lost: %+v", l.Target, l)
			}
		}
	}
}

// What a layer alone skips in part it says for the rest, and renders once.
func TestSkippedInPart(t *testing.T) {
	p, renders := planOf(t, "allow shop TCP 203.0.113.0/24 443"), 0
	a := &fake{target: "a", features: everyFeature()}
	a.render = func(p *Plan, out *Emitter) error {
		renders++
		for g := range p.Grants() {
			a.emit(g, out)
			if g.Kind == AllowGrant {
				out.Skip(g, TCPByAddress, "some of it does not fit")
			}
		}
		return nil
	}
	res, got := outcome(t, p, Stack{a})
	if got != "p/r1 a tcp-by-address narrower" || len(res.Layers[0].Enforces) != 2 || renders != 1 {
		t.Errorf("losses %q, layer %+v, %d renderings", got, res.Layers[0], renders)
	}
}

// An exemption is for the workloads that it names, and for all where it names none.
func TestSourcesOfExemptions(t *testing.T) {
	target := exemptFrom{{Name: "some", From: sourceOf("shop"), Why: "shops ask"}, {Name: "all"}}
	res, _ := outcome(t, planOf(t), Stack{target})
	var got []string
	for _, g := range res.Layers[0].Exempts {
		got = append(got, string(g.ID)+" "+g.Source.Selector.String()+" "+g.Reason)
	}
	if want := []string{"#exemption exempt: all everything ", "#exemption exempt: some namespaces=shop shops ask"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// agree looks for a layer on each port, however the ports are cut by what is there.
func TestAgree(t *testing.T) {
	const a, b, c, d = layers(1), layers(2), layers(4), layers(8)
	for _, test := range []struct {
		exact layers
		there map[layers]match.Ports
		want  bool
	}{
		{a | b | c, nil, true},
		{0, nil, false},
		{a, map[layers]match.Ports{b: match.PortsOf(4)}, true},
		{a, map[layers]match.Ports{b: match.PortsOf(3)}, false},
		{a | b | c, map[layers]match.Ports{a | b: match.PortsOf(1), a | b | d: match.PortsOf(2), c | d: match.PortsOf(1)}, false},
		{a | b | c, map[layers]match.Ports{a | b: match.PortsOf(1), a | b | d: match.PortsOf(2), c | d: match.PortsOf(2)}, false},
		{a | b | c, map[layers]match.Ports{a | b: match.PortsOf(1), a | b | d: match.PortsOf(2), c | d: match.PortsOf(3)}, true},
	} {
		if got := agree(test.exact, match.PortsOf(1, 2, 3), test.there); got != test.want {
			t.Errorf("agree(%b, %v) = %t", test.exact, test.there, got)
		}
	}
}
