package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func compile(t interface{ Fatalf(string, ...any) }, policies []*policy.Policy) *policy.Engine {
	e, err := policy.Compile(policies, policy.At(gen.Now))
	if err != nil {
		t.Fatalf("does not compile: %v", err)
	}
	return e
}

func agrees(t *rapid.T) {
	policies := gen.Policies().Draw(t, "policies")
	e := compile(t, policies)
	rules := slices.Collect(e.Rules())
	for range requestsPerCheck {
		r := gen.Request(policies).Draw(t, "request")
		got := e.Decide(r)
		if want := reference.DecideRules(rules, r); got != want {
			t.Fatalf("decided %+v; by its rules the answer is %+v", got, want)
		}
		want := reference.Decide(policies, gen.Now, r)
		want.Rule = got.Rule
		if got != want {
			t.Fatalf("decided %+v; by the documents the answer is %+v", got, want)
		}
		if (got.Rule == "") != (got.Reason == policy.NoRule || got.Reason == policy.InvalidRequest) {
			t.Fatalf("decided %+v: rule and reason do not go together", got)
		}
	}
}

func TestEngineAgreesWithReference(t *testing.T) { rapid.Check(t, agrees) }

// Finding the selectors that select a workload is evaluating all of them.
func TestViewsSelectAsSelectorsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		selectors := rapid.SliceOfN(gen.Selector(), 1, 20).Draw(t, "selectors")
		p := &policy.Policy{Name: "p"}
		for i, s := range selectors {
			p.Sources = append(p.Sources, policy.Source{Name: fmt.Sprint("s", i), From: s, Section: policy.Section{Allow: []policy.Rule{{To: hosts(fmt.Sprintf("h%d.com", i))}}}})
		}
		e := compile(t, []*policy.Policy{p})
		for range 5 {
			w := gen.Workload().Draw(t, "workload")
			v := e.For(w)
			for i, s := range selectors {
				a := policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(fmt.Sprintf("h%d.com", i))}
				if got := v.Decide(a).Allowed; got != s.Matches(w) {
					t.Fatalf("%v selects %+v: %v", s, w, got)
				}
			}
		}
	})
}

// Many rules about one host, of few sources, by port and path: what tables hold in another way.
func TestCrowdedHostsAgreeWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.SampledFrom([]string{"a.com", "*.com", "*.a.com", "a?.com"})
		section := func(label string) (s policy.Section) {
			for range rapid.IntRange(0, 25).Draw(t, label) {
				effect := rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Allow, policy.Deny, policy.Within}).Draw(t, "effect")
				r := policy.Rule{To: gen.Destination(effect).Draw(t, "to")}
				if len(r.To.Hosts) > 0 {
					r.To.Hosts = hosts(pattern.Draw(t, "pattern")).Hosts
				}
				switch effect {
				case policy.Allow:
					s.Allow = append(s.Allow, r)
				case policy.Deny:
					s.Deny = append(s.Deny, r)
				case policy.Within:
					s.Within = append(s.Within, r)
				}
			}
			return s
		}
		policies := []*policy.Policy{{Name: "p", Cluster: section("cluster"), Sources: []policy.Source{{Name: "a", From: account("a", "x"), Section: section("a")}}}}
		e := compile(t, policies)
		rules := slices.Collect(e.Rules())
		for range 8 {
			r := gen.Request(policies).Draw(t, "request")
			if got, want := e.Decide(r), reference.DecideRules(rules, r); got != want {
				t.Fatalf("decided %+v; by its rules the answer is %+v", got, want)
			}
		}
	})
}

// shuffled returns the same policies with everything that is a set in another order.
func shuffled(policies []*policy.Policy, seed uint64) []*policy.Policy {
	r := rand.New(rand.NewPCG(seed, 1))
	out := slices.Clone(policies)
	shuffle(r, out)
	for i, p := range out {
		q := *p
		q.Cluster = shuffledSection(r, p.Cluster)
		q.Sources = slices.Clone(p.Sources)
		for j := range q.Sources {
			q.Sources[j].Section = shuffledSection(r, q.Sources[j].Section)
		}
		shuffle(r, q.Sources)
		out[i] = &q
	}
	return out
}

func shuffledSection(r *rand.Rand, s policy.Section) policy.Section {
	for _, list := range []*[]policy.Rule{&s.Allow, &s.Deny, &s.Within} {
		*list = slices.Clone(*list)
		for i := range *list {
			d := &(*list)[i].To
			d.Hosts, d.Paths, d.Methods = slices.Clone(d.Hosts), slices.Clone(d.Paths), slices.Clone(d.Methods)
			shuffle(r, d.Hosts)
			shuffle(r, d.Paths)
			shuffle(r, d.Methods)
		}
		shuffle(r, *list)
	}
	return s
}

func shuffle[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

func TestOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		a, b := compile(t, policies), compile(t, shuffled(policies, rapid.Uint64().Draw(t, "seed")))
		if ra, rb := texts(a), texts(b); !slices.Equal(ra, rb) {
			t.Fatalf("rules\n%q\nthen\n%q", ra, rb)
		}
		r := gen.Request(policies).Draw(t, "request")
		if da, db := a.Decide(r), b.Decide(r); da != db {
			t.Fatalf("decided %+v, then %+v", da, db)
		}
	})
}

func texts(e *policy.Engine) []string {
	var out []string
	for r := range e.Rules() {
		s := string(r.ID) + " " + r.Effect.String() + " " + r.Sources.String() + " " + r.Reason + r.Owner + r.Expires.Format(time.DateOnly)
		for _, d := range r.To {
			s += " | " + d.String()
		}
		out = append(out, s)
	}
	return out
}

func TestAllowsOnlyAddAndDeniesOnlyTake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		before := compile(t, policies)
		effect := rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Deny, policy.Within}).Draw(t, "effect")
		extra := policy.Rule{To: gen.Destination(effect).Draw(t, "to")}
		s := policy.Source{Name: "extra", From: gen.Selector().Draw(t, "from")}
		switch effect {
		case policy.Allow:
			s.Allow = []policy.Rule{extra}
		case policy.Deny:
			s.Deny = []policy.Rule{extra}
		case policy.Within:
			s.Within = []policy.Rule{extra}
		}
		more := append(slices.Clone(policies), &policy.Policy{Name: "extra", Sources: []policy.Source{s}})
		after := compile(t, more)
		for range 4 {
			r := gen.Request(more).Draw(t, "request")
			was, is := before.Decide(r).Allowed, after.Decide(r).Allowed
			if effect == policy.Allow && was && !is {
				t.Fatalf("one more allow took %+v away", r)
			}
			if effect != policy.Allow && !was && is {
				t.Fatalf("one more %v opened %+v", effect, r)
			}
		}
	})
}

func TestNothingAllowsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := gen.Request(gen.Policies().Draw(t, "policies")).Draw(t, "request")
		var live policy.Live
		decisions := []policy.Decision{
			(*policy.Engine)(nil).Decide(r), new(policy.Engine).Decide(r), policy.View{}.Decide(r.Access), compile(t, nil).Decide(r), live.Decide(r),
			live.For(r.Source).Decide(r.Access),
		}
		for i, d := range decisions {
			if d.Allowed || d.Rule != "" {
				t.Fatalf("decision %d is %+v", i, d)
			}
		}
	})
}
