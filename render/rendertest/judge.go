package rendertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/internal/wording"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// cluster is the name of the clusters that are generated.
const cluster = "c1"

// A world is what is judged: the policies in force in a cluster, and how they are rendered.
type world struct {
	engine *policy.Engine
	plan   *render.Plan
	result *render.Result
	passes Evaluator
	given  []*policy.EffectiveRule // the rules in force without what was given up for the rendering to succeed
	lost   map[render.GrantID]bool
	counts tally
}

// A tally counts requests by how they came out.
type tally map[string]int

// String returns the counts in order of name, such as "12 denied, 3 lost, 8 passed".
func (c tally) String() string {
	var parts []string
	for _, how := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%d %s", c[how], how))
	}
	return strings.Join(parts, ", ")
}

// world renders a plan and reads the objects back. When the targets can't say what takes away, it is given up, as a caller can: then the rest
// must be faithful.
func (s *suite) world(t fataler, e *policy.Engine, plan *render.Plan) *world {
	t.Helper()
	w := &world{engine: e, plan: plan, lost: map[render.GrantID]bool{}, counts: s.counts}
	result, err := render.Render(plan, s.stack())
	given := map[policy.RuleID]bool{}
	if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
		var accept []render.Option
		for _, l := range wide.Losses {
			rule := l.Grant.Rule
			switch l.Grant.Kind {
			case render.DenyGrant, render.BoundaryGrant:
				given[rule] = true
			default:
				t.Fatalf("a renderer widens what no caller can give up: %v", err)
			}
			accept = append(accept, render.AcceptWider(rule, "to see what is left"))
		}
		s.counts["given up"]++
		result, err = render.Render(plan, s.stack(), accept...)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	w.result = result
	for r := range e.Rules() {
		if !given[r.ID] {
			w.given = append(w.given, r)
		}
	}
	for _, l := range result.Losses {
		w.lost[l.Grant.ID] = true
		if l.Feature == "" || l.Target == "" || l.Why == "" {
			t.Errorf("a loss has to say what, where and why: %+v", l)
		}
	}
	w.checkNames(t)
	w.checkAccounts(t)
	w.passes = s.interpret(t, result.Objects)
	return w
}

// judge compares the target's answer with the model's.
func (w *world) judge(t fataler, r policy.Request) {
	t.Helper()
	model, least := reference.DecideRules(w.given, r), w.engine.Decide(r)
	if model.Reason == policy.InvalidRequest || w.exempt(r) {
		return
	}
	switch passes := w.passes(r); {
	case passes && !model.Allowed:
		t.Fatalf("%s from %s passes, and the model denies it: %s\n%s", r.Access, sourceText(r.Source), model, w)
	case passes:
		w.counts["passed"]++
	case least.Allowed && !w.excused(r):
		t.Fatalf("%s from %s does not pass, the model allows it by %s, and that is no loss\n%s", r.Access, sourceText(r.Source), least.Rule, w)
	case least.Allowed:
		w.counts["lost"]++
	default:
		w.counts["denied"]++
	}
}

// excused reports whether each allow that holds a request is a loss.
func (w *world) excused(r policy.Request) bool {
	for g := range w.plan.Grants() {
		if g.Kind == render.AllowGrant && !w.lost[g.ID] && holds(g, r) {
			return false
		}
	}
	return true
}

// holds reports whether an allow holds a request, denies and boundaries aside.
func holds(g *render.Grant, r policy.Request) bool {
	rule := &policy.EffectiveRule{ID: g.Rule, Effect: policy.Allow, Sources: g.Source.Selector, To: []policy.Destination{g.To}}
	return reference.DecideRules([]*policy.EffectiveRule{rule}, r).Allowed
}

// exempt reports whether a layer says that it leaves the request open.
func (w *world) exempt(r policy.Request) bool {
	for _, l := range w.result.Layers {
		for _, g := range l.Exempts {
			p := g.Peer
			transport := p.Protocol.Contains(r.Protocol) || p.Protocol == policy.TCP && policy.TCP.Contains(r.Protocol)
			if g.Source.Selector.Matches(r.Source) && transport && (p.Ports.IsEmpty() || p.Ports.Contains(r.Port)) && (p.Anything || p.Addresses.Contains(r.Address)) {
				return true
			}
		}
	}
	return false
}

// checkNames checks that names fit wherever Kubernetes takes one. That they differ, the framework checks.
func (w *world) checkNames(t fataler) {
	t.Helper()
	for _, o := range w.result.Objects {
		if len(o.Name) > 63 || strings.Trim(o.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%s %q: names have at most 63 lower-case letters, digits and dashes; see Emitter.Name", o.Kind, o.Name)
		}
	}
}

// checkAccounts checks that each allow is said by each layer, or is a loss, or without effect.
func (w *world) checkAccounts(t fataler) {
	t.Helper()
	for g := range w.plan.Grants() {
		if g.Kind != render.AllowGrant {
			continue
		}
		said := 0
		for _, l := range w.result.Layers {
			if slices.Contains(l.Enforces, g.ID) || slices.Contains(l.Admits, g.ID) {
				said++
			}
		}
		if inert := slices.Contains(w.result.Inert, g); said < len(w.result.Layers) && !w.lost[g.ID] && !inert || said > 0 && inert {
			t.Errorf("grant %s is said by %d of %s; lost %t, without effect %t", g.ID, said, wording.Count(len(w.result.Layers), "layer"), w.lost[g.ID], inert)
		}
	}
}

// sourceText returns a source as requests to egressctl have it.
func sourceText(w identity.Workload) string {
	text, err := json.Marshal(w)
	if err != nil { // never of texts and maps of texts
		return err.Error()
	}
	return string(text)
}

// String tells all that a failure is about.
func (w *world) String() string {
	var b strings.Builder
	for r := range w.engine.Rules() {
		to := make([]string, len(r.To))
		for i, d := range r.To {
			to[i] = d.String()
		}
		fmt.Fprintf(&b, "%s %s %s to %s\n", r.ID, r.Effect, r.Sources, strings.Join(to, " or "))
	}
	for _, l := range w.result.Losses {
		fmt.Fprintln(&b, l)
	}
	return b.String() + yamlOf(w.result.Objects)
}

func yamlOf(objects []render.Object) string {
	var b strings.Builder
	if err := render.WriteYAML(&b, objects); err != nil {
		return err.Error()
	}
	return b.String()
}

// checkFaithful compares answers for generated policies and requests, and sees to it that there was something to compare.
func (s *suite) checkFaithful(t rapid.TB) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		g := gen.Worlds(cluster, 6).Draw(t, "world")
		var opts []render.PlanOption
		if rapid.Bool().Draw(t, "with inventory") {
			opts = append(opts, render.WithInventory(g.Inventory))
		}
		w := s.world(t, g.Engine, render.NewPlan(g.Engine, cluster, opts...))
		for range 40 {
			r := policy.Request{Source: rapid.SampledFrom(g.Pods).Draw(t, "source"), Access: g.Access().Draw(t, "access")}
			if s.about(r) {
				w.judge(t, r)
			}
		}
	})
	t.Logf("requests, with those of the cases: %s", s.counts)
	if !t.Failed() && (s.counts["passed"] == 0 || s.counts["denied"] == 0) {
		t.Errorf("nothing passes, or nothing is denied, and so nothing is proved: %s", s.counts)
	}
}
