package render

import (
	"cmp"
	"slices"
	"testing"

	"github.com/egresskit/egress/policy"
)

// ruleOfGrant names what a grant is of, as AcceptWider does.
func ruleOfGrant(g *Grant) policy.RuleID { return cmp.Or(g.Rule, BaselineRule) }

// skipping is a target that skips what is of some rules, for a feature, and emits the rest.
func skipping(target string, f Features, feature Feature, rules ...policy.RuleID) *fake {
	s := &fake{target: target, features: f}
	s.render = func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			if slices.Contains(rules, ruleOfGrant(g)) {
				out.Skip(g, feature, "it does not fit")
				continue
			}
			s.emit(g, out)
		}
		return nil
	}
	return s
}

// holding is a target that assures each grant as it is told; what is told 0 it does not assure.
func holding(target string, f Features, hold func(g *Grant) Hold) *fake {
	h := &fake{target: target, features: f}
	h.render = func(p *Plan, out *Emitter) error {
		for g := range p.Grants() {
			h.emit(g, out)
			if hold := hold(g); hold != 0 {
				out.Assure(g, Assurance{EnforcedAt: "at " + target, Holds: hold, Why: "why " + target})
			}
		}
		return nil
	}
	return h
}

// warding is a target that keeps out what the denies of some rules take.
type warding struct {
	fake
	wards []policy.RuleID
	asked *[]policy.RuleID // about the rules that it is asked about
}

func (w *warding) Wards(_ *Plan, deny *Grant, needs []Feature) bool {
	if w.asked != nil {
		*w.asked = append(*w.asked, deny.Rule)
	}
	return slices.Contains(w.wards, deny.Rule)
}

// keeping is a target with a gateway for each class of names of a plan.
type keeping struct {
	fake
	gateways func(p *Plan) []Gateway
}

func (k *keeping) Gateways(p *Plan) []Gateway { return k.gateways(p) }

// outcome renders and returns what comes of it in short: the losses, or "error: " and what would be wider.
func outcome(t *testing.T, p *Plan, stack Stack, opts ...Option) (*Result, string) {
	t.Helper()
	res, err := Render(p, stack, opts...)
	if e, ok := err.(*WideningError); ok {
		return nil, "wider: " + lossLines(e.Losses)
	}
	if err != nil {
		t.Fatal(err)
	}
	return res, lossLines(res.Losses)
}
