package render_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// everyones is a target that knows exact names and no sources.
type everyones struct{}

func (everyones) Target() string { return "everyones" }
func (everyones) Features() render.Features {
	return render.Features{
		render.HostExact: render.Same, render.TLSByName: render.Same, render.HTTPByName: render.Same, render.HTTPPaths: render.Same,
		render.SourceEveryone: render.Same, render.Baseline: render.Same,
	}
}
func (everyones) Render(p *render.Plan, out *render.Emitter) error {
	for g := range p.Grants() {
		out.Emit(render.Object{APIVersion: "v1", Kind: "Name", Name: render.Name("name", string(g.ID)), Spec: map[string]any{}}, render.Same, g)
	}
	return nil
}

// TestAcceptingOneDenyKeepsTheOther: a deny whose sources another deny covers is not accepted along with it.
func TestAcceptingOneDenyKeepsTheOther(t *testing.T) {
	host := []match.Pattern{match.MustParsePattern("a.com")}
	deny := func(name string, from identity.Term) policy.Source {
		return policy.Source{Name: name, From: identity.MustSelector(from), Section: policy.Section{Deny: []policy.Rule{{Name: name, To: policy.Destination{Hosts: host}}}}}
	}
	engine, err := policy.Compile([]*policy.Policy{{
		Name:    "p",
		Cluster: policy.Section{Allow: []policy.Rule{{Name: "all", To: policy.Destination{Hosts: host, Protocol: policy.TLS}}}},
		Sources: []policy.Source{
			deny("wide", identity.Term{ServiceAccounts: []string{"x"}}),
			deny("narrow", identity.Term{Namespaces: []string{"a"}, ServiceAccounts: []string{"x"}}),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	plan, stack := render.NewPlan(engine, ""), render.Stack{everyones{}}
	accept := func(rules ...policy.RuleID) (options []render.Option) {
		for _, r := range rules {
			options = append(options, render.AcceptWider(r, "for a test"))
		}
		return options
	}
	for _, c := range []struct {
		accepted []policy.RuleID
		wide     []policy.RuleID // what the error names
	}{
		{nil, []policy.RuleID{"p/narrow", "p/wide"}},
		{[]policy.RuleID{"p/wide"}, []policy.RuleID{"p/narrow"}},
		{[]policy.RuleID{"p/narrow"}, []policy.RuleID{"p/wide"}},
		{[]policy.RuleID{"p/wide", "p/narrow"}, nil},
	} {
		result, err := render.Render(plan, stack, accept(c.accepted...)...)
		var wide *render.WideningError
		if errors.As(err, &wide) != (c.wide != nil) {
			t.Errorf("%v accepted: %v", c.accepted, err)
			continue
		}
		if c.wide == nil {
			if len(result.Losses) != 2 {
				t.Errorf("%v accepted: %v", c.accepted, result.Losses)
			}
			continue
		}
		var named []policy.RuleID
		for _, l := range wide.Losses {
			named = append(named, l.Grant.Rule)
		}
		for i := range c.wide {
			if len(named) != len(c.wide) || named[i] != c.wide[i] {
				t.Errorf("%v accepted: the error names %v, want %v", c.accepted, named, c.wide)
				break
			}
		}
	}
}

// TestAcceptingABoundaryKeepsADeny: a boundary takes a name from the sources that a deny takes its address from. Accepted as lost, it no longer does.
func TestAcceptingABoundaryKeepsADeny(t *testing.T) {
	x := identity.MustSelector(identity.Term{ServiceAccounts: []string{"x"}})
	engine, err := policy.Compile([]*policy.Policy{{
		Name:    "p",
		Cluster: policy.Section{Allow: policy.Rules(policy.MustHosts("a.com").TLS(443))},
		Sources: []policy.Source{{Name: "x", From: x, Section: policy.Section{
			Deny:   []policy.Rule{{Name: "network", To: policy.MustAddresses("203.0.113.0/24")}},
			Within: policy.Rules(policy.MustHosts("b.com")),
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = render.Render(render.NewPlan(engine, ""), render.Stack{everyones{}}, render.AcceptWider("p/x-within", "for a test"))
	var wide *render.WideningError
	if !errors.As(err, &wide) || len(wide.Losses) != 1 || wide.Losses[0].Grant.Rule != "p/network" {
		t.Errorf("error %v, want one about the deny", err)
	}
}

// TestAcceptingDeniesKeepsWhatTheyHoldTogether: a deny whose sources two others hold between them is not accepted along with those.
func TestAcceptingDeniesKeepsWhatTheyHoldTogether(t *testing.T) {
	account := func(names ...string) identity.Selector {
		return identity.MustSelector(identity.Term{ServiceAccounts: names})
	}
	http := policy.MustHosts("a.com").HTTP(80)
	admin := http
	admin.Paths = []policy.Path{policy.MustParsePath("/admin/*")}
	deny := func(name string, to policy.Destination, accounts ...string) policy.Source {
		return policy.Source{Name: name, From: account(accounts...), Section: policy.Section{Deny: []policy.Rule{{Name: name, To: to}}}}
	}
	for _, third := range []policy.Destination{http, admin} {
		engine, err := policy.Compile([]*policy.Policy{{
			Name:    "p",
			Cluster: policy.Section{Allow: []policy.Rule{{Name: "all", To: http}}},
			Sources: []policy.Source{deny("x", http, "x"), deny("y", http, "y"), deny("xy", third, "x", "y")},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var accepted []render.Option
		for _, c := range []struct {
			accept policy.RuleID
			want   []policy.RuleID
		}{{"", []policy.RuleID{"p/x", "p/xy", "p/y"}}, {"p/x", []policy.RuleID{"p/xy", "p/y"}}, {"p/y", []policy.RuleID{"p/xy"}}, {"p/xy", nil}} {
			if c.accept != "" {
				accepted = append(accepted, render.AcceptWider(c.accept, "for a test"))
			}
			_, err := render.Render(render.NewPlan(engine, ""), render.Stack{everyones{}}, accepted...)
			var wide *render.WideningError
			var got []policy.RuleID
			if errors.As(err, &wide) {
				for _, l := range wide.Losses {
					got = append(got, l.Grant.Rule)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("xy denies %s, after %q: %v, want %v", third, c.accept, got, c.want)
			}
		}
	}
}
