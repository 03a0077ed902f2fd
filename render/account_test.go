package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// object is an object of no consequence.
func object(name string) Object {
	return Object{APIVersion: "example.com/v1", Kind: "Thing", Namespace: "ns", Name: name}
}

// rendering one target with a function of its own.
func renderBy(p *Plan, f Features, render func(p *Plan, out *Emitter), opts ...Option) (*Result, error) {
	return Render(p, Stack{&fake{target: "x", features: f, render: func(p *Plan, out *Emitter) error { render(p, out); return nil }}}, opts...)
}

// Mistakes of a renderer are errors that name the target.
func TestMistakesOfRenderers(t *testing.T) {
	all := func(p *Plan) []*Grant { return slices.Collect(p.Grants()) }
	for _, test := range []struct {
		name   string
		render func(p *Plan, out *Emitter)
		want   string
	}{
		{"nothing accounted for", func(*Plan, *Emitter) {}, "target x neither emitted nor skipped 2 grants:\n#baseline\np/r1#TLS foo.com port 443"},
		{"one forgotten", func(p *Plan, out *Emitter) { out.Emit(object("a"), Same, all(p)[0]) }, "neither emitted nor skipped 1 grant:\np/r1#"},
		{"only assured", func(p *Plan, out *Emitter) {
			out.Emit(object("a"), Same, all(p)[0])
			out.Assure(all(p)[1], Assurance{Holds: Holds})
		}, "neither emitted nor skipped 1 grant"},
		{"wider than allowed", func(p *Plan, out *Emitter) { out.Emit(object("a"), Wider, all(p)...) }, "would let more pass than the policies say"},
		{"narrower", func(p *Plan, out *Emitter) { out.Emit(object("a"), Narrower, all(p)...) }, "emitted as narrower"},
		{"no fidelity", func(p *Plan, out *Emitter) { out.Emit(object("a"), 0, all(p)...) }, "emitted as invalid"},
		{"a foreign grant", func(p *Plan, out *Emitter) { out.Emit(object("a"), Same, &Grant{ID: "other"}) }, "ns/a: a grant that is not in the plan"},
		{"no grant", func(p *Plan, out *Emitter) { out.Skip(nil, HostExact, "x") }, "Skip: a grant that is not in the plan"},
		{"no hold", func(p *Plan, out *Emitter) { out.Assure(all(p)[0], Assurance{}) }, "invalid Hold"},
		{"too much hold", func(p *Plan, out *Emitter) { out.Assure(all(p)[0], Assurance{Holds: Holds + 1}) }, "invalid Hold 4"},
		{"the same object twice", func(p *Plan, out *Emitter) {
			out.Emit(object("a"), Same, all(p)...)
			o := object("a")
			o.APIVersion = "example.com/v1beta1" // another version of the same
			out.Emit(o, Same)
		}, "example.com/v1beta1 Thing ns/a is emitted twice"},
		{"no kind", func(p *Plan, out *Emitter) { out.Emit(Object{APIVersion: "v1", Name: "a"}, Same, all(p)...) }, `object "a" has no apiVersion or no kind`},
		{"no version", func(p *Plan, out *Emitter) { out.Emit(Object{Kind: "K", Name: "a"}, Same, all(p)...) }, `object "a" has no apiVersion or no kind`},
		{"a bad name", func(p *Plan, out *Emitter) { out.Emit(object("A"), Same, all(p)...) }, `example.com/v1 Thing ns/A: "A" is not`},
		{"a bad namespace", func(p *Plan, out *Emitter) {
			o := object("a")
			o.Namespace = "*"
			out.Emit(o, Same, all(p)...)
		}, "namespace"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := renderBy(planOf(t, "allow shop TLS foo.com 443"), everyFeature(), test.render)
			if err == nil || res != nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "x") {
				t.Errorf("result %v, error %v, want %q", res, err, test.want)
			}
		})
	}
}

// layersOf returns a stack of n targets that say everything.
func layersOf(n int) (stack Stack) {
	for i := range n {
		stack = append(stack, &fake{target: fmt.Sprint("x", i), features: everyFeature()})
	}
	return stack
}

// exemptFrom is a target that says everything and leaves some traffic open.
type exemptFrom []Exemption

func (e exemptFrom) Target() string               { return "exempt" }
func (e exemptFrom) Features() Features           { return everyFeature() }
func (e exemptFrom) Exemptions(*Plan) []Exemption { return e }
func (e exemptFrom) Render(p *Plan, out *Emitter) error {
	return (&fake{target: "exempt"}).Render(p, out)
}

func TestAsManyLayersAsThereMayBe(t *testing.T) {
	res, err := Render(planOf(t, "allow shop TLS foo.com 443"), layersOf(64))
	if err != nil || len(res.Losses) > 0 || len(res.Layers) != 64 {
		t.Errorf("%v, %v", res, err)
	}
}

// Losses say in a line where the rule stands, what of it is lost, where, and why.
func TestLossesReadAtOnce(t *testing.T) {
	rule := ruleOf(t, "p/r", "allow shop TLS foo.com 443")
	rule.At = policy.Position{File: "f.yaml", Line: 3, Column: 5}
	p := newPlan(slices.Values([]*policy.EffectiveRule{rule}), "")
	for _, test := range []struct {
		stack Stack
		want  string
	}{
		{Stack{&fake{target: "a", features: without(TLSByName)}}, "f.yaml:3:5: rule p/r allows TLS foo.com port 443: narrower in a (tls-by-name): it does not take TLS by name"},
		{Stack{&fake{target: "a", features: wider(TLSByName)}}, "f.yaml:3:5: rule p/r allows TLS foo.com port 443: narrower in a (tls-by-name): it takes TLS by name only by letting more pass"},
		{Stack{&fake{target: "a", features: wider(TLSByName)}, &fake{target: "b", features: wider(HostExact)}},
			"f.yaml:3:5: rule p/r allows TLS foo.com port 443: narrower in a,b (tls-by-name): it takes TLS by name only by letting more pass, and no layer of the stack says it exactly"},
	} {
		res, err := Render(p, test.stack)
		if err != nil || len(res.Losses) != 1 || res.Losses[0].String() != test.want {
			t.Errorf("%v, %v, want %s", res.Losses, err, test.want)
		}
	}
	deny := &Grant{Kind: DenyGrant, Rule: "p/d", To: policy.MustHosts("foo.com")}
	for want, l := range map[string]Loss{
		"rule p/d denies any foo.com: wider in a (x): why; accepted: reason": {Grant: deny, Target: "a", Feature: "x", Fidelity: Wider, Why: "why", Accepted: "reason"},
		"boundary p/w: wider in a: why":                                      {Grant: &Grant{Kind: BoundaryGrant, Rule: "p/w"}, Target: "a", Fidelity: Wider, Why: "why"},
		"baseline: wider in a: why":                                          {Grant: &Grant{Kind: BaselineGrant}, Target: "a", Fidelity: Wider, Why: "why"},
		"#exemption a: DNS: narrower in a: why":                              {Grant: &Grant{ID: "#exemption a: DNS", Kind: ExemptionGrant}, Target: "a", Fidelity: Narrower, Why: "why"},
	} {
		if l.String() != want {
			t.Errorf("%q, want %q", l, want)
		}
	}
	assurance := Assurance{"at the gateway", Holds, "it asks"}
	for value, want := range map[fmt.Stringer]string{
		assurance: "at the gateway, holds: it asks", GrantAssurance{deny, assurance}: ": at the gateway, holds: it asks", Assumption{"a", "code", "text"}: "a code: text",
		Hold(0): "invalid", Advisory: "advisory", WithPacketFilter: "with a packet filter", Holds: "holds", Fidelity(0): "invalid", Same: "same", Narrower: "narrower", Wider: "wider",
		GrantKind(0): "invalid", AllowGrant: "allow", DenyGrant: "deny", BoundaryGrant: "boundary", BaselineGrant: "baseline", ExemptionGrant: "exemption",
	} {
		if value.String() != want {
			t.Errorf("%#v is %s, want %s", value, value, want)
		}
	}
}

// What is emitted wider is told once for each grant, however often an object covers it.
func TestWiderIsToldOnce(t *testing.T) {
	_, err := renderBy(planOf(t, "allow shop TLS foo.com 443"), everyFeature(), func(p *Plan, out *Emitter) {
		grants := slices.Collect(p.Grants())
		out.Emit(object("a"), Wider, grants[1], grants[0], grants[1])
	})
	var widening *WideningError
	if !errors.As(err, &widening) || lossLines(widening.Losses) != "#baseline x  wider; p/r1 x  wider" {
		t.Errorf("%v", err)
	}
}

// An owner is the value of a label.
func TestOwners(t *testing.T) {
	for owner, want := range map[string]bool{
		"a": true, "A-b_c.9": true, "zZ0": true, "0zZ": true, "Z0z": true, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "": false, "-a": false, "a-": false, ".": false, "a b": false, "a/b": false, "é": false,
	} {
		if _, err := Render(planOf(t), layersOf(1), WithOwner(owner)); (err == nil) != want {
			t.Errorf("%q: %v", owner, err)
		}
	}
}

func TestErrorsOfRenderersAndCalls(t *testing.T) {
	p := planOf(t)
	broken := errors.New("broken")
	target := &fake{target: "x", features: everyFeature()}
	for _, test := range []struct {
		name  string
		stack Stack
		opts  []Option
		want  string
	}{
		{"empty stack", nil, nil, "1 to 64 layers"},
		{"a large stack", make(Stack, 65), nil, "1 to 64 layers"},
		{"an exemption without a name", Stack{exemptFrom{Exemption{}}}, nil, `exemption "": exemptions need different names`},
		{"two exemptions of a name", Stack{exemptFrom{Exemption{Name: "a"}, Exemption{Name: "a"}}}, nil, `exemption "a": exemptions need different names`},
		{"a nil renderer", Stack{nil}, nil, "nil"},
		{"two of a name", Stack{target, target}, nil, `target "x": the layers of a stack need different names`},
		{"no name", Stack{&fake{features: everyFeature()}}, nil, `target "": the layers`},
		{"a bad owner", Stack{target}, []Option{WithOwner("a b")}, `owner "a b"`},
		{"no owner", Stack{target}, []Option{WithOwner("")}, "owner"},
		{"the renderer's own", Stack{&fake{target: "y", features: everyFeature(), render: func(*Plan, *Emitter) error { return broken }}}, nil, "target y: broken"},
		{"nothing can be said", Stack{&fake{target: "x"}}, nil, "baseline"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := Render(p, test.stack, test.opts...)
			if err == nil || res != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("result %v, error %v, want %q", res, err, test.want)
			}
		})
	}
}

// Skip is a loss for what is allowed, and an error for what takes away, unless another layer says it or the caller accepts it.
func TestSkip(t *testing.T) {
	skip := func(kinds ...GrantKind) func(p *Plan, out *Emitter) error {
		return func(p *Plan, out *Emitter) error {
			for g := range p.Grants() {
				if slices.Contains(kinds, g.Kind) {
					out.Skip(g, HostExact, "it does not fit")
					continue
				}
				out.Emit(object(out.Name("g", string(g.ID))), Same, g)
			}
			return nil
		}
	}
	p := planOf(t, "allow shop TLS *.foo.com 443", "deny shop any bad.foo.com", "within shop any *.com")
	for _, test := range []struct {
		kinds         []GrantKind
		losses, wider string
	}{
		{kinds: []GrantKind{AllowGrant}, losses: "p/r1 a host-exact narrower"},
		{kinds: []GrantKind{DenyGrant}, wider: "p/r2 a host-exact wider"},
		{kinds: []GrantKind{BoundaryGrant, BaselineGrant}, wider: "#baseline a host-exact wider; p/r3 a host-exact wider"},
	} {
		a := &fake{target: "a", features: everyFeature(), render: skip(test.kinds...)}
		res, err := Render(p, Stack{a})
		var widening *WideningError
		if errors.As(err, &widening) {
			if got := lossLines(widening.Losses); got != test.wider {
				t.Errorf("widening %q, want %q", got, test.wider)
			}
			res = mustAccept(t, p, Stack{a}, widening)
			test.losses = test.wider
		} else if err != nil || test.wider != "" {
			t.Fatalf("skipping %v: %v", test.kinds, err)
		}
		if got := lossLines(res.Losses); got != test.losses {
			t.Errorf("skipping %v: losses %q, want %q", test.kinds, got, test.losses)
		}

		// With another layer that says everything, what takes away is still said.
		res, err = Render(p, Stack{a, &fake{target: "b", features: everyFeature()}})
		if err != nil {
			t.Fatalf("skipping %v: %v", test.kinds, err)
		}
		if test.wider != "" && len(res.Losses) > 0 {
			t.Errorf("skipping %v in a stack: losses %q", test.kinds, lossLines(res.Losses))
		}
	}
	// But not with one that says the allow wider.
	if _, err := Render(p, Stack{&fake{target: "a", features: everyFeature(), render: skip(DenyGrant)}, &fake{target: "b", features: wider(TLSByName)}}); err == nil {
		t.Error("a deny is skipped by the layer that has to say it")
	}
}

// What one layer skips is left out of the others: they may have counted on it.
func TestSkippedByOneLayer(t *testing.T) {
	p := planOf(t, "allow shop TLS *.foo.com 443", "allow shop TCP 203.0.113.0/24 5432", "allow news TLS *.bar.com 443")
	for _, test := range []struct{ emitFirst, want string }{
		{"", "p/r3"},
		{"p/r1 p/r2", "p/r1 p/r3"}, // said in part: by name, the rest is still worth a way out
	} {
		skips := &fake{target: "a", features: everyFeature(), render: func(p *Plan, out *Emitter) error {
			for g := range p.Grants() {
				lost := g.Rule == "p/r1" || g.Rule == "p/r2"
				if !lost || strings.Contains(test.emitFirst, string(g.Rule)) {
					out.Emit(object(out.Name("g", string(g.ID))), Same, g)
				}
				if lost {
					out.Skip(g, SourceAccounts, "it does not fit")
				}
			}
			return nil
		}}
		other := &fake{target: "b", features: everyFeature()}
		res, err := Render(p, Stack{skips, other})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for g := range other.plan.Grants() {
			if g.Kind == AllowGrant {
				got = append(got, string(g.Rule))
			}
		}
		if strings.Join(got, " ") != test.want || lossLines(res.Losses) != "p/r1 a source-accounts narrower; p/r2 a source-accounts narrower" {
			t.Errorf("emitting %q first: the other layer has %q, want %q; losses %q", test.emitFirst, got, test.want, lossLines(res.Losses))
		}
	}
}

// A deny that the target applies by itself has to be accounted for; others need not be.
func TestDeniesOfClassesAreAccountedFor(t *testing.T) {
	p := planOf(t, "allow shop TLS foo.com 443", "deny * any 203.0.113.7", "deny * any bar.com")
	emit := func(p *Plan, out *Emitter) {
		for g := range p.Grants() {
			if g.Kind != DenyGrant {
				out.Emit(object(out.Name("g", string(g.ID))), Same, g)
			}
		}
	}
	var unaccounted *UnaccountedError
	if _, err := renderBy(p, everyFeature(), emit); !errors.As(err, &unaccounted) || len(unaccounted.Grants) != 1 || unaccounted.Grants[0].Rule != "p/r2" || unaccounted.Target != "x" {
		t.Errorf("error %v", err)
	}
}

func TestStrict(t *testing.T) {
	p := planOf(t, "allow shop TLS foo.com 443")
	target := Stack{&fake{target: "x", features: without(HostExact)}}
	var strict *StrictError
	if _, err := Render(p, target, Strict()); !errors.As(err, &strict) || lossLines(strict.Losses) != "p/r1 x host-exact narrower" {
		t.Errorf("error %v", err)
	} else if want := "1 loss, and the rendering is strict:\nrule p/r1 allows TLS foo.com port 443: narrower in x (host-exact): it does not take single names"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, err := Render(planOf(t, "allow shop TLS foo.com 443", "allow shop TLS bar.com 443"), target, Strict()); err == nil || !strings.HasPrefix(err.Error(), "2 losses, and") {
		t.Errorf("error %v", err)
	}
	if _, err := Render(p, Stack{&fake{target: "x", features: everyFeature()}}, Strict()); err != nil {
		t.Error(err)
	}
}

// What the caller accepts stands in the losses and on the objects. What is accepted in vain changes nothing.
func TestAcceptWider(t *testing.T) {
	p := planOf(t, "allow shop TLS *.foo.com 443", "deny * any api-*.foo.com")
	stack := Stack{&fake{target: "x", features: without(HostGlob, Baseline)}}
	for _, opts := range [][]Option{nil, {AcceptWider("p/r2", "")}, {AcceptWider("p/r1", "no"), AcceptWider(BaselineRule, "yes")}} {
		var widening *WideningError
		if _, err := Render(p, stack, opts...); !errors.As(err, &widening) {
			t.Errorf("error %v", err)
		}
	}
	res, err := Render(p, stack, AcceptWider("p/r2", "until we move"), AcceptWider(BaselineRule, "the cloud's firewall"), AcceptWider("p/r9", "nothing"))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Losses[1]; got.Accepted != "until we move" || got.Fidelity != Wider || got.Grant.Rule != "p/r2" {
		t.Errorf("loss %+v", got)
	}
	if want := []policy.RuleID{"p/r9"}; !slices.Equal(res.Unneeded, want) {
		t.Errorf("unneeded: %q, want %q", res.Unneeded, want)
	}
	for _, o := range res.Objects {
		if got, want := o.Annotations[AcceptedWider], "baseline: the cloud's firewall\np/r2: until we move"; got != want {
			t.Errorf("annotation %q, want %q", got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	given := map[string]string{"a": "b", OwnerLabel: "somebody"}
	res, err := renderBy(planOf(t), everyFeature(), func(p *Plan, out *Emitter) {
		o := object("a")
		o.Labels = given
		out.Emit(o, Same, slices.Collect(p.Grants())...)
	}, WithOwner("platform"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "b", ManagedByLabel: "egress", OwnerLabel: "platform"}, res.Objects[0].Labels); diff != "" {
		t.Error(diff)
	}
	if given[OwnerLabel] != "somebody" || res.Objects[0].Annotations != nil {
		t.Error("the renderer's maps are changed")
	}
}

// assuring is a target that assures every grant.
func assuring(target string, f Features, hold Hold) *fake {
	a := &fake{target: target, features: f}
	a.render = func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			a.emit(g, out)
			if hold != 0 {
				out.Assure(g, Assurance{EnforcedAt: "at " + target, Holds: hold, Why: "why " + target})
			}
		}
		return nil
	}
	return a
}

func TestAssurances(t *testing.T) {
	filter := func(f Features) Features { f[PacketFilter] = Same; return f }
	admits := filter(wider(TLSByName))
	for _, test := range []struct {
		name  string
		stack Stack
		want  string // of the allow
	}{
		{"none given", Stack{assuring("a", everyFeature(), 0)}, "a, advisory: the target does not say what holds it"},
		{"one layer", Stack{assuring("a", everyFeature(), WithPacketFilter)}, "at a, with a packet filter: why a"},
		{"the best of two", Stack{assuring("a", everyFeature(), Advisory), assuring("b", everyFeature(), Holds)}, "at b, holds: why b"},
		{"who admits limits nothing", Stack{assuring("a", everyFeature(), Advisory), assuring("b", admits, Holds)}, "at a, advisory: why a"},
		{"behind a packet filter", Stack{assuring("a", everyFeature(), WithPacketFilter), assuring("b", admits, Holds)}, "at a, behind at b, holds: why a; b keeps pods from going round it: why b"},
		{"behind a packet filter that does not hold", Stack{assuring("a", everyFeature(), WithPacketFilter), assuring("b", admits, WithPacketFilter)}, "at a, with a packet filter: why a"},
		{"behind what is no packet filter", Stack{assuring("a", everyFeature(), WithPacketFilter), assuring("b", wider(TLSByName), Holds)}, "at a, with a packet filter: why a"},
		{"behind itself", Stack{assuring("a", filter(everyFeature()), WithPacketFilter)}, "at a, with a packet filter: why a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := Render(planOf(t, "allow shop TLS foo.com 443"), test.stack)
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Assurances) != 2 || res.Assurances[0].Grant.Kind != BaselineGrant {
				t.Fatalf("assurances %v", res.Assurances)
			}
			if got := res.Assurances[1].Assurance.String(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	weak, err := renderBy(planOf(t), everyFeature(), func(p *Plan, out *Emitter) {
		for g := range p.Grants() {
			out.Emit(object("a"), Same, g)
			out.Assure(g, Assurance{EnforcedAt: "here", Holds: Holds})
			out.Assure(g, Assurance{EnforcedAt: "there", Holds: Advisory})
			out.Assure(g, Assurance{EnforcedAt: "here", Holds: Holds})
		}
	})
	if err != nil || weak.Assurances[0].EnforcedAt != "there" {
		t.Errorf("of several assurances the weakest counts: %v %v", weak, err)
	}
}

func TestLayersAndAssumptions(t *testing.T) {
	names := assuring("names", wider(TCPByAddress, SourcePods), Holds)
	names.render = func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			names.emit(g, out)
		}
		out.Assume("b", "second")
		out.Assume("a", "first")
		out.Assume("b", "second")
		return nil
	}
	packets := &fake{target: "packets", features: wider(TLSByName)}
	res, err := Render(planOf(t, "allow shop TLS foo.com 443", "allow shop?app=x TCP 203.0.113.0/24 5432", "deny shop any bar.com"), Stack{packets, names})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range res.Layers {
		got = append(got, fmt.Sprint(l.Target, l.Objects, l.Enforces, l.Admits))
	}
	want := []string{
		"names4 [#baseline p/r1#TLS foo.com port 443 p/r3#any bar.com] [p/r2#TCP 203.0.113.0/24 port 5432]",
		"packets4 [#baseline p/r2#TCP 203.0.113.0/24 port 5432 p/r3#any bar.com] [p/r1#TLS foo.com port 443]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Assumption{{"names", "a", "first"}, {"names", "b", "second"}}, res.Assumptions); diff != "" {
		t.Error(diff)
	}
}

// A Refiner makes worse what the features say, and never better.
func TestRefiner(t *testing.T) {
	p := planOf(t, "allow shop TLS foo.com 443", "allow shop TLS bar.com 443")
	refine := func(f Fidelity) *refining {
		return &refining{fake{target: "x", features: without(HostSubdomains)}, func(g *Grant) (Fidelity, Feature, string) {
			if g.To.Hosts[0].Kind() == match.Subdomains {
				t.Errorf("asked about %s, which the target does not declare", g.ID)
			}
			if g.Rule == "p/r1" {
				return f, HostExact, "not this one"
			}
			return Same, "", ""
		}}
	}
	for f, want := range map[Fidelity]string{Same: "", Wider: "p/r1 x host-exact narrower", 0: "p/r1 x host-exact narrower"} {
		res, err := Render(p, Stack{refine(f)})
		if err != nil {
			t.Fatal(err)
		}
		if got := lossLines(res.Losses); got != want {
			t.Errorf("%v: losses %q, want %q", f, got, want)
		}
	}
	res, err := Render(planOf(t, "allow shop TLS *.foo.com 443"), Stack{refine(Same)})
	if err != nil || lossLines(res.Losses) != "p/r1 x host-subdomains narrower" {
		t.Errorf("a Refiner makes better: %v %v", res, err)
	}
}

type refining struct {
	fake
	refine func(g *Grant) (Fidelity, Feature, string)
}

func (r *refining) Refine(p *Plan, g *Grant) (Fidelity, Feature, string) { return r.refine(g) }

// TestAssuranceOfWhatIsLeft: an allow holds at a layer only if the layer says what takes from it, too, rather than leave that to another.
func TestAssuranceOfWhatIsLeft(t *testing.T) {
	account := func(names ...string) identity.Selector {
		return identity.MustSelector(identity.Term{ServiceAccounts: names})
	}
	to := policy.MustAddresses("203.0.113.0/24").TCP(443)
	for _, tc := range []struct {
		deny policy.Destination
		want Hold
	}{{to, Advisory}, {policy.MustAddresses("203.0.113.7/32"), Advisory}, {policy.MustAddresses("203.0.113.7/32").TCP(), Advisory}, {policy.MustAddresses("198.51.100.0/24"), Holds}, {policy.MustAddresses("198.51.100.0/24").TCP(443), Holds}, {policy.MustAddresses("203.0.113.0/24").TCP(80), Holds}} {
		e, err := policy.Compile([]*policy.Policy{{
			Name:    "p",
			Cluster: policy.Section{Allow: policy.Rules(to)},
			Sources: []policy.Source{{Name: "x", From: account("x"), Section: policy.Section{Deny: policy.Rules(tc.deny)}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		coarse := everyFeature()
		delete(coarse, SourceAccounts)
		delete(coarse, SourcePods)
		coarse[PacketFilter] = Same
		result, err := Render(NewPlan(e, ""), Stack{assuring("coarse", coarse, Holds), assuring("fine", everyFeature(), Advisory)})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range result.Assurances {
			if a.Grant.Kind == AllowGrant && a.Holds != tc.want {
				t.Errorf("with %s denied: %s", tc.deny, a.Assurance)
			}
		}
	}
}
