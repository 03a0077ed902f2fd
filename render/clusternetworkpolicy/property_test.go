package clusternetworkpolicy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
)

const cluster = "c1"

// strict is a profile where nothing but policies opens anything outside.
func strict() clusternetworkpolicy.Profile {
	p := clusternetworkpolicy.DefaultProfile()
	p.Unfiltered, p.DomainNames = nil, true
	return p
}

// TestFaithful: what passes, the model allows, and what the model allows passes, but for the losses. A name is an address that DNS gave for it.
func TestFaithful(t *testing.T) {
	noNames := strict()
	noNames.DomainNames = false
	for name, profile := range map[string]clusternetworkpolicy.Profile{"names": strict(), "addresses": noNames} {
		t.Run(name, func(t *testing.T) {
			target, err := clusternetworkpolicy.New(profile)
			if err != nil {
				t.Fatal(err)
			}
			count := map[string]int{}
			rapid.Check(t, func(t *rapid.T) {
				w := gen.Worlds(cluster, 6).Draw(t, "world")
				result, err := render.Render(render.NewPlan(w.Engine, cluster, render.WithInventory(w.Inventory)), render.Stack{target})
				if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
					count["refused"]++
					return
				} else if err != nil {
					t.Fatalf("render: %v", err)
				}
				lost := map[policy.RuleID]bool{}
				for _, l := range result.Losses {
					lost[l.Grant.Rule] = true
				}
				for range 40 {
					request := policy.Request{Source: rapid.SampledFrom(w.Pods).Draw(t, "pod"), Access: w.Access().Draw(t, "access")}
					if !request.Access.Address.IsValid() {
						request.Access.Address = netip.MustParseAddr("192.0.2.99") // packets go somewhere
					}
					decision := w.Engine.Decide(request)
					if decision.Reason == policy.InvalidRequest {
						continue
					}
					passed := passes(t, result.Objects, request.Source, request.Access)
					switch {
					case passed && !decision.Allowed:
						t.Fatalf("%+v passes and is denied: %+v\n%s", request, decision, yamlOf(result.Objects))
					case passed:
						count["passed"]++
					case decision.Allowed && !slices.ContainsFunc(allowers(w.Engine, request), func(id policy.RuleID) bool { return !lost[id] }):
						count["lost"]++
					case decision.Allowed:
						t.Fatalf("%+v is allowed by %s, does not pass, and is no loss: %v\n%s\n%s", request, decision.Rule, result.Losses, rulesOf(w.Engine), yamlOf(result.Objects))
					default:
						count["denied"]++
					}
				}
			})
			for _, kind := range []string{"passed", "lost", "denied"} {
				if count[kind] == 0 {
					t.Errorf("nothing %s: %v", kind, count)
				}
			}
			t.Logf("%v", count)
		})
	}
}

// allowers returns the rules that allow a request, denies and boundaries aside.
func allowers(e *policy.Engine, r policy.Request) []policy.RuleID {
	var ids []policy.RuleID
	for rule := range e.Rules() {
		if rule.Effect == policy.Allow && reference.DecideRules([]*policy.EffectiveRule{rule}, r).Allowed {
			ids = append(ids, rule.ID)
		}
	}
	return ids
}

// TestOrderDoesNotMatter: policies and rules in another order give the same bytes.
func TestOrderDoesNotMatter(t *testing.T) {
	target, err := clusternetworkpolicy.New(clusternetworkpolicy.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		w := gen.Worlds(cluster, 6).Draw(t, "world")
		text := func() string {
			engine, err := policy.Compile(w.Policies, policy.At(gen.Now))
			if err != nil {
				t.Fatalf("%v", err)
			}
			result, err := render.Render(render.NewPlan(engine, cluster, render.WithInventory(w.Inventory)), render.Stack{target})
			if err != nil {
				return err.Error()
			}
			return yamlOf(result.Objects) + fmt.Sprint(result.Losses, result.Assumptions)
		}
		first := text()
		slices.Reverse(w.Policies)
		for _, p := range w.Policies {
			slices.Reverse(p.Sources)
			sections := []policy.Section{p.Cluster}
			for _, s := range p.Sources {
				sections = append(sections, s.Section)
			}
			for _, s := range sections {
				slices.Reverse(s.Allow)
				slices.Reverse(s.Deny)
				slices.Reverse(s.Within)
			}
		}
		if again := text(); again != first {
			t.Fatalf("another order changes what is rendered: %s", cmp.Diff(first, again))
		}
	})
}

func yamlOf(objects []render.Object) string {
	var b strings.Builder
	if err := render.WriteYAML(&b, objects); err != nil {
		return err.Error()
	}
	return b.String()
}

// rulesOf is the rules that a failure is about.
func rulesOf(e *policy.Engine) string {
	var b strings.Builder
	for r := range e.Rules() {
		fmt.Fprintf(&b, "%s: %v %v %v\n", r.ID, r.Effect, r.Sources, r.To)
	}
	return b.String()
}
