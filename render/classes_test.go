package render

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// judged answers a request by the classes of a plan, as a target would that takes the most specific name first.
func judged(p *Plan, r policy.Request) bool {
	if r.Protocol == policy.AnyProtocol || r.Protocol > policy.SCTP || r.Port == 0 {
		return false
	}
	if !r.Host.IsZero() {
		var best *NameClass
		var specific match.Pattern
		for _, c := range p.NameClasses(r.Protocol) {
			if r.Port < c.Port || r.Port > c.LastPort {
				continue
			}
			for _, q := range c.Patterns {
				if q.Matches(r.Host) && (best == nil || specific.Covers(q)) {
					best, specific = &c, q
				}
			}
		}
		if best != nil && opens(best, r) {
			return true
		}
		for _, c := range p.GlobClasses(r.Protocol) {
			if r.Port >= c.Port && r.Port <= c.LastPort && c.Patterns[0].Matches(r.Host) && opens(&c, r) {
				return true
			}
		}
	}
	for _, c := range p.AddressClasses() {
		if c.Protocol.Contains(r.Protocol) && c.Ports.Contains(r.Port) && c.Addresses.Contains(r.Address) && c.Sources.Matches(r.Source) &&
			!slices.ContainsFunc(c.Denies, func(d *Grant) bool { return holds(d, r) }) {
			return true
		}
	}
	return false
}

func opens(c *NameClass, r policy.Request) bool {
	if slices.ContainsFunc(c.Denies, func(d *Grant) bool { return holds(d, r) }) {
		return false
	}
	return c.Sources.Matches(r.Source) || slices.ContainsFunc(c.Calls, func(call Call) bool {
		return call.Sources.Matches(r.Source) && calls(call.Methods, call.Paths, r)
	})
}

func calls(methods []string, paths []policy.Path, r policy.Request) bool {
	return (len(methods) == 0 || slices.Contains(methods, r.Method)) &&
		(len(paths) == 0 || slices.ContainsFunc(paths, func(p policy.Path) bool { return p.Matches(r.Path) }))
}

// holds reports whether a grant of one destination holds a request.
func holds(g *Grant, r policy.Request) bool {
	return g.Source.Selector.Matches(r.Source) && g.To.Protocol.Contains(r.Protocol) && (g.To.Ports.IsEmpty() || g.To.Ports.Contains(r.Port)) &&
		(slices.ContainsFunc(g.To.Hosts, func(h match.Pattern) bool { return h.Matches(r.Host) }) || g.To.Addresses.Contains(r.Address)) &&
		calls(g.To.Methods, g.To.Paths, r)
}

// The classes of a plan, with the denies that targets apply, allow nothing that the engine denies, and deny nothing that it allows but
// what is noted as narrowed. An allow that is noted as without effect never decides.
func TestClassesAgreeWithEngine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		e, err := policy.Compile(policies, policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		cluster := rapid.SampledFrom([]string{"", "c1", "d1"}).Draw(t, "cluster")
		p := NewPlan(e, cluster)
		notes := survey(p, nil)
		narrowed := map[GrantID]string{}
		for _, l := range notes.narrow {
			narrowed[l.Grant.ID] = l.Why
		}
		for range 20 {
			r := gen.Request(policies).Draw(t, "request")
			r.Source.Cluster = cluster
			want, got := e.Decide(r), judged(p, r)
			if want.Reason == policy.InvalidRequest {
				continue // targets do not tell
			}
			switch {
			case got && !want.Allowed:
				t.Fatalf("classes allow what the engine denies (%v)\nplan:\n%s", want, describe(p))
			case want.Allowed && !got:
				some := false
				for g := range p.of(AllowGrant) {
					if holds(g, r) {
						some = some || narrowed[g.ID] != "" || g.Kind == AllowGrant && len(g.To.Hosts) == 0 && len(callFeatures(&g.To)) > 0
					}
				}
				if !some {
					t.Fatalf("classes deny what the engine allows (%v), and nothing is noted\nplan:\n%s", want, describe(p))
				}
			}
			if want.Allowed {
				for g := range p.of(AllowGrant) {
					if holds(g, r) && !notes.live[g.ID] && narrowed[g.ID] == "" {
						t.Fatalf("grant %s decides, and is noted as without effect\nplan:\n%s", g.ID, describe(p))
					}
				}
			}
		}
	})
}

// describe prints a plan and its classes.
func describe(p *Plan) string {
	var b strings.Builder
	line := func(parts ...string) { b.WriteString("  " + strings.Join(parts, " | ") + "\n") }
	for g := range p.Grants() {
		line(string(g.ID), g.Source.Selector.String())
		for _, d := range g.Within {
			line("    within", d.String())
		}
	}
	for _, protocol := range requestProtocols {
		for _, c := range slices.Concat(p.NameClasses(protocol), p.GlobClasses(protocol)) {
			line(c.describe())
		}
	}
	for _, c := range p.AddressClasses() {
		line(c.describe())
	}
	return b.String()
}

func (c NameClass) describe() string {
	parts := []string{c.Protocol.String(), match.NewPorts(match.PortRange{First: c.Port, Last: c.LastPort}).String()}
	for _, q := range c.Patterns {
		parts = append(parts, q.String())
	}
	parts = append(parts, "from", c.Sources.Key())
	for _, call := range c.Calls {
		parts = append(parts, "and", call.key(), "from", call.Sources.Key())
	}
	if c.OriginateTLS != nil {
		parts = append(parts, "by", c.OriginateTLS.String())
	}
	return strings.Join(append(parts, said(c.Grants, c.Denies)), " ")
}

func (c AddressClass) describe() string {
	return strings.Join([]string{c.Protocol.String(), c.Ports.String(), c.Addresses.String(), "from", c.Sources.Key(), said(c.Grants, c.Denies)}, " ")
}

func said(grants, denies []*Grant) string {
	var ids []string
	for _, g := range grants {
		ids = append(ids, string(g.Rule))
	}
	for _, g := range denies {
		ids = append(ids, "not "+string(g.Rule))
	}
	return "[" + strings.Join(ids, " ") + "]"
}
