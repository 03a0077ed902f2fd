package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
)

// account returns an error when a layer does not account for a grant that it has to.
func (r *rendering) account(i int) error {
	l := &r.layers[i]
	l.said = map[GrantID]*Grant{}
	for _, g := range l.passed {
		l.said[g.ID] = g
	}
	for _, e := range l.out.emitted {
		for _, g := range e.covers {
			l.said[g.ID] = g
		}
	}
	done := map[GrantID]bool{}
	for _, s := range l.out.skipped {
		done[s.Grant.ID] = true
	}
	applies := map[GrantID]bool{}
	if slices.ContainsFunc(r.demands, func(d demand) bool { return len(d.needs) > 0 }) {
		applies = l.plan.applies()
	}
	var missing []*Grant
	for _, g := range l.plan.grants {
		due := applies[g.ID] || g.Kind == AllowGrant || g.Kind == BaselineGrant || g.Kind == ExemptionGrant
		if due && l.said[g.ID] == nil && !done[g.ID] {
			missing = append(missing, r.original[g.ID])
		}
	}
	if len(missing) > 0 {
		return &UnaccountedError{l.target, missing}
	}
	return nil
}

// applies returns the denies that the target has to apply by itself: those that classes hold.
func (p *Plan) applies() map[GrantID]bool {
	out := map[GrantID]bool{}
	note := func(denies []*Grant) {
		for _, d := range denies {
			out[d.ID] = true
		}
	}
	for _, protocol := range requestProtocols {
		for _, c := range slices.Concat(p.NameClasses(protocol), p.GlobClasses(protocol)) {
			note(c.Denies)
		}
	}
	for _, c := range p.AddressClasses() {
		note(c.Denies)
	}
	return out
}

// check judges what the layers emitted and skipped.
func (r *rendering) check() error {
	skipped := map[GrantID]layers{} // what takes away
	var skips []Loss
	for i, l := range r.layers {
		for _, s := range l.out.skipped {
			s.Target = l.target
			if s.Grant.Kind == AllowGrant || s.Grant.Kind == ExemptionGrant {
				r.lose(s)
				continue
			}
			skipped[s.Grant.ID] |= 1 << i
			skips = append(skips, s)
		}
		for _, e := range l.out.emitted {
			for _, g := range e.covers {
				if e.fidelity == Wider && !g.Admit {
					r.wider = append(r.wider, Loss{Grant: r.original[g.ID], Target: l.target, Fidelity: Wider, Why: e.object.id() + " says it wider, and no other layer says it exactly"})
				}
			}
		}
	}
	for _, s := range skips {
		if !r.saidElsewhere(s.Grant, skipped[s.Grant.ID]) {
			r.widen(s)
		}
	}
	r.base &^= skipped[baselineID]
	return r.widening()
}

// saidElsewhere reports whether what some layers skipped is said by another one, of all that is rendered.
func (r *rendering) saidElsewhere(g *Grant, skipped layers) bool {
	left, allows := r.base&^skipped, 0
	for allow := range r.kept.of(AllowGrant) {
		left &= r.exact[allow.ID]
		allows++
	}
	for i := range r.layers {
		said := left.has(i)
		for _, d := range r.demands {
			said = said && (d.taker.ID != g.ID || r.layers[i].unmet(d) == missing{})
		}
		if said {
			return true
		}
	}
	return g.Kind != BaselineGrant && allows == 0 // nothing to take from
}

// result puts everything in canonical order.
func (r *rendering) result() (*Result, error) {
	res := &Result{Inert: r.inert}
	for _, key := range slices.Sorted(maps.Keys(r.lost)) {
		res.Losses = append(res.Losses, r.lost[key])
	}
	sortLosses(res.Losses)
	if r.options.strict && len(res.Losses) > 0 {
		return nil, &StrictError{res.Losses}
	}
	note := acceptedNote(res.Losses)
	res.Unneeded = r.options.unneeded(res.Losses)
	assumptions := map[Assumption]bool{}
	seen := map[string]bool{}
	for _, l := range r.layers {
		res.Layers = append(res.Layers, l.result(r.original))
		for _, a := range l.out.assumptions {
			a.Target = l.target
			assumptions[a] = true
		}
		for _, e := range l.out.emitted {
			o := r.finish(e.object, note)
			if err := checkObject(&o); err != nil {
				return nil, fmt.Errorf("render: target %s: %w", l.target, err)
			}
			if seen[o.key()] {
				return nil, fmt.Errorf("render: target %s: %s is emitted twice", l.target, o.id())
			}
			seen[o.key()] = true
			res.Objects = append(res.Objects, o)
		}
	}
	sortObjects(res.Objects)
	for a := range assumptions {
		res.Assumptions = append(res.Assumptions, a)
	}
	slices.SortFunc(res.Assumptions, func(a, b Assumption) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Code, b.Code), strings.Compare(a.Text, b.Text))
	})
	res.Assurances = r.assurances()
	return res, nil
}

// finish returns the object with the labels and annotations of the framework, in maps of its own.
func (r *rendering) finish(o Object, note string) Object {
	o.Labels, o.Annotations = maps.Clone(o.Labels), maps.Clone(o.Annotations)
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	o.Labels[ManagedByLabel], o.Labels[OwnerLabel] = "egress", r.options.owner
	if note != "" {
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[AcceptedWider] = note
	}
	return o
}

// acceptedNote returns one line for each rule that the caller accepts to be left out.
func acceptedNote(losses []Loss) string {
	var lines []string
	for _, l := range losses {
		if l.Accepted != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", cmp.Or(l.Grant.Rule, BaselineRule), l.Accepted))
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// unneeded returns the rules that the caller accepts to be left out, with a reason, and that no loss is of, in order.
func (o *options) unneeded(losses []Loss) (rules []policy.RuleID) {
	for _, rule := range slices.Sorted(maps.Keys(o.accept)) {
		used := slices.ContainsFunc(losses, func(l Loss) bool { return l.Accepted != "" && cmp.Or(l.Grant.Rule, BaselineRule) == rule })
		if o.accept[rule] != "" && !used {
			rules = append(rules, rule)
		}
	}
	return rules
}

// checkObject reports what keeps an object from being applied.
func checkObject(o *Object) error {
	if o.APIVersion == "" || o.Kind == "" {
		return fmt.Errorf("object %q has no apiVersion or no kind", o.Name)
	}
	if err := identity.ValidateName(o.Name); err != nil {
		return fmt.Errorf("%s: %w", o.id(), err)
	}
	if o.Namespace != "" {
		if err := identity.ValidateName(o.Namespace); err != nil {
			return fmt.Errorf("%s: namespace: %w", o.id(), err)
		}
	}
	return nil
}

// key is equal for objects that are one to the API server, which serves a kind in several versions.
func (o *Object) key() string {
	group, _, grouped := strings.Cut(o.APIVersion, "/")
	if !grouped {
		group = ""
	}
	return strings.Join([]string{group, o.Kind, o.Namespace, o.Name}, "\x00")
}

// result returns what the layer contributes.
func (l *layer) result(original map[GrantID]*Grant) LayerResult {
	res := LayerResult{Target: l.target, Objects: len(l.out.emitted)}
	for _, id := range slices.Sorted(maps.Keys(l.said)) {
		switch g := l.said[id]; {
		case g.Kind == ExemptionGrant:
			res.Exempts = append(res.Exempts, original[id])
		case g.Admit:
			res.Admits = append(res.Admits, id)
		default:
			res.Enforces = append(res.Enforces, id)
		}
	}
	return res
}

// assurances returns the best assurance that the layers give each allow and the baseline together.
func (r *rendering) assurances() []GrantAssurance {
	filter := r.packetFilter()
	leaves := r.leaves()
	var out []GrantAssurance
	for _, g := range r.plan.grants {
		if g.Kind != AllowGrant && g.Kind != BaselineGrant {
			continue
		}
		best, by := Assurance{}, -1
		for i, l := range r.layers {
			if !l.says(g.ID) {
				continue
			}
			a, ok := l.out.assured[g.ID]
			if !ok {
				a = Assurance{EnforcedAt: l.target, Holds: Advisory, Why: "the target does not say what holds it"}
			}
			if t := leaves(i, g); t != nil && a.Holds > Advisory {
				a.Holds, a.Why = Advisory, fmt.Sprintf("who goes round the other layers escapes rule %s, which this one cannot say; otherwise %s", t.Rule, a.Why)
			}
			if compareAssurance(a, best) > 0 {
				best, by = a, i
			}
		}
		if by < 0 {
			continue // nothing of it passes, or nobody holds it
		}
		if best.Holds == WithPacketFilter && filter >= 0 && filter != by {
			f := r.layers[filter].out.assured[baselineID]
			best = Assurance{EnforcedAt: best.EnforcedAt + ", behind " + f.EnforcedAt, Holds: Holds,
				Why: fmt.Sprintf("%s; %s keeps pods from going round it: %s", best.Why, r.layers[filter].target, f.Why)}
		}
		out = append(out, GrantAssurance{g, best})
	}
	return out
}

// leaves returns a function that tells what a layer leaves to others of what takes from an allow; nil for nothing. It may name what takes from
// other allows of the same sources: assurance is rather too low.
func (r *rendering) leaves() func(layer int, allow *Grant) *Grant {
	type from struct {
		layer  int
		source string
	}
	memo := map[from][]*Grant{} // what is left that takes from a source
	return func(layer int, allow *Grant) *Grant {
		source := allow.Source.Selector
		takers, known := memo[from{layer, source.String()}]
		if !known {
			for _, l := range r.left {
				if l.by.has(layer) && l.taker.Source.Selector.Overlaps(source) {
					takers = append(takers, l.taker)
				}
			}
			memo[from{layer, source.String()}] = takers
		}
		for _, t := range takers {
			if !apart(&t.To, &allow.To) { // a boundary has no destination of its own, and is apart from none
				return t
			}
		}
		return nil
	}
}

// apart reports whether two destinations have different addresses or ports.
func apart(a, b *policy.Destination) bool {
	return !a.Addresses.IsEmpty() && !b.Addresses.IsEmpty() && !a.Addresses.Overlaps(b.Addresses) ||
		!a.Ports.IsEmpty() && !b.Ports.IsEmpty() && !a.Ports.Overlaps(b.Ports)
}

// says reports whether the layer emitted a grant and says it exactly.
func (l *layer) says(id GrantID) bool { return l.said[id] != nil && !l.said[id].Admit }

// packetFilter returns the layer that keeps pods from going round the others: a packet filter whose baseline holds; -1 when there is none.
func (r *rendering) packetFilter() int {
	for i, l := range r.layers {
		if l.features[PacketFilter] == Same && r.base.has(i) && l.out.assured[baselineID].Holds == Holds {
			return i
		}
	}
	return -1
}

// compareAssurance orders assurances from the weakest; ties by text.
func compareAssurance(a, b Assurance) int {
	return cmp.Or(cmp.Compare(a.Holds, b.Holds), strings.Compare(b.EnforcedAt, a.EnforcedAt), strings.Compare(b.Why, a.Why))
}
