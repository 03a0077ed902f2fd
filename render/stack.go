package render

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Render renders a plan for a target or, with several renderers, for a stack. The error is a *WideningError, an *UnaccountedError, a
// *StrictError, says what is wrong with the call or with what a renderer did, or comes from a renderer; there is no result with an error.
//
// An allow is exact in the stack when one layer says it exactly and each other lets it pass. An allow that is not is left out of all
// layers, and is a loss. What takes away must be said by a layer that says exactly what it takes from.
func Render(p *Plan, stack Stack, opts ...Option) (*Result, error) {
	o := options{owner: "egress"}
	for _, opt := range opts {
		opt(&o)
	}
	if !validLabel(o.owner) {
		return nil, fmt.Errorf("render: owner %q is not a value of a label: write 1 to %d letters, digits, '-', '_' and '.', beginning and ending with a letter or digit", o.owner, maxName)
	}
	r := rendering{plan: p, options: o, lost: map[string]Loss{}, exact: map[GrantID]layers{}, original: map[GrantID]*Grant{}}
	if err := r.stack(stack); err != nil {
		return nil, err
	}
	r.tellSources()
	for _, g := range p.grants {
		r.original[g.ID] = g
	}
	r.chooseBaseline()
	r.chooseAllows()
	r.chooseTakers()
	if err := r.widening(); err != nil {
		return nil, err
	}
	for again := true; again; again = r.dropSkipped() {
		r.planLayers()
		for i := range r.layers {
			if err := r.renderLayer(i); err != nil {
				return nil, fmt.Errorf("render: target %s: %w", r.layers[i].target, err)
			}
		}
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r.result()
}

// A rendering is the state of one call of Render.
type rendering struct {
	plan     *Plan
	options  options
	layers   []layer            // in order of target
	original map[GrantID]*Grant // the plan's grants
	kept     *Plan              // allows that are rendered, and all that takes away
	exact    map[GrantID]layers // of the kept allows: the layers that say them exactly
	inert    []*Grant
	demands  []demand        // on the kept plan
	lost     map[string]Loss // narrower, and wider where the caller accepts it
	wider    []Loss          // wider and not accepted
	left     []leftOver
	base     layers // that say the baseline exactly
}

// A layer is one renderer of the stack.
type layer struct {
	renderer Renderer
	target   string
	features Features
	plan     *Plan
	out      *Emitter
	said     map[GrantID]*Grant // emitted, as the layer was given them, or overlooked
	passed   []*Grant           // overlooked: to admit, and not for the renderer to see
}

func (r *rendering) stack(stack Stack) error {
	if len(stack) == 0 || len(stack) > maxLayers {
		return fmt.Errorf("render: a stack has 1 to %d layers, and this one has %d", maxLayers, len(stack))
	}
	for _, renderer := range stack {
		if renderer == nil {
			return errors.New("render: a renderer of the stack is nil")
		}
		f := renderer.Features()
		if f == nil {
			f = Features{} // of a plan, nil means every feature
		}
		r.layers = append(r.layers, layer{renderer: renderer, target: renderer.Target(), features: f})
	}
	slices.SortFunc(r.layers, func(a, b layer) int { return strings.Compare(a.target, b.target) })
	for i, l := range r.layers {
		if l.target == "" || i > 0 && l.target == r.layers[i-1].target {
			return fmt.Errorf("render: target %q: the layers of a stack need different names that are not empty", l.target)
		}
	}
	return nil
}

// tellSources lets layers that have gateways for sources say them as exactly as a layer that guards gateways does, and tells the plan of the
// gateways that there are.
func (r *rendering) tellSources() {
	q := *r.plan
	var told Features
	for _, l := range r.layers {
		if l.features[GuardsGateways] != Same {
			continue
		}
		if told == nil {
			told = Features{}
		}
		for _, f := range [...]Feature{SourceEveryone, SourceAccounts, SourceAccountGlob, SourcePods} {
			if l.features[f] == Same {
				told[f] = Same
			}
		}
	}
	q.guarded = told != nil
	for i := range r.layers {
		if l := &r.layers[i]; l.features[SourcesByGateway] == Same {
			l.features = maps.Clone(l.features)
			maps.Copy(l.features, told)
		}
	}
	q.gateways = gatewaysOf(r.layers, func(*layer) *Plan { return &q })
	r.plan = &q
}

// all returns the set of all layers.
func (r *rendering) all() layers { return layers(1)<<len(r.layers) - 1 }

func (s layers) has(i int) bool { return s&(1<<i) != 0 }

// targets returns the names of layers, joined by commas.
func (r *rendering) targets(s layers) string {
	var names []string
	for i, l := range r.layers {
		if s.has(i) {
			names = append(names, l.target)
		}
	}
	return strings.Join(names, ",")
}

// sourceSaid reports whether one of the layers can say a taker's source.
func (r *rendering) sourceSaid(g *Grant, of layers) bool {
	for i := range r.layers {
		if of.has(i) && r.layers[i].unmet(demand{taker: g, source: true}) == (missing{}) {
			return true
		}
	}
	return false
}

// lose notes a loss; the same loss once.
func (r *rendering) lose(l Loss) {
	l.Grant = r.original[l.Grant.ID]
	key := strings.Join([]string{string(l.Grant.ID), string(l.Feature), l.Why, l.Target}, "\x00")
	r.lost[key] = l
}

// widen notes that something that takes away is left out: a loss if the caller accepts it, and else an error.
func (r *rendering) widen(l Loss) {
	l.Fidelity = Wider
	rule := l.Grant.Rule
	if l.Grant.Kind == BaselineGrant {
		rule = BaselineRule
	}
	if l.Accepted = r.options.accept[rule]; l.Accepted != "" {
		r.lose(l)
		return
	}
	l.Grant = r.original[l.Grant.ID]
	r.wider = append(r.wider, l)
}

// widening returns the error for what was widened.
func (r *rendering) widening() error {
	if len(r.wider) == 0 {
		return nil
	}
	sortLosses(r.wider)
	return &WideningError{r.wider}
}

func sortLosses(losses []Loss) {
	slices.SortFunc(losses, func(a, b Loss) int {
		return cmp.Or(strings.Compare(string(a.Grant.ID), string(b.Grant.ID)), strings.Compare(a.Target, b.Target), strings.Compare(string(a.Feature), string(b.Feature)),
			strings.Compare(a.Why, b.Why))
	})
}

// survey makes all classes of a plan for their notes.
func survey(p *Plan, exact func(*Grant) layers) *ledger {
	l, res := newLedger(exact), newResolver(p.features)
	for _, protocol := range requestProtocols {
		n := newNamer(p, protocol, res, l)
		n.classes()
		n.globClasses()
	}
	addressClasses(p, res, l)
	return l
}

// chooseAllows decides which allows are rendered, and by which layers exactly.
func (r *rendering) chooseAllows() {
	model := survey(r.plan, nil)
	dim := map[GrantID]bool{} // something is left of it in the model, or may be
	for id := range model.live {
		dim[id] = true
	}
	for _, l := range model.narrow {
		dim[l.Grant.ID] = true
	}
	var allows, grants []*Grant
	for _, g := range r.plan.grants {
		switch {
		case g.Kind != AllowGrant:
			if g.Kind != BaselineGrant {
				grants = append(grants, g)
			}
		case dim[g.ID]:
			allows = append(allows, g)
		default:
			r.inert = append(r.inert, g)
		}
	}
	var sayable []*Grant
	inRanges := ranged(allows)
	for _, g := range allows {
		if r.judge(g, inRanges[g.ID]) {
			sayable = append(sayable, g)
		}
	}
	grants = append(grants, r.together(sayable, inRanges)...)
	r.kept = r.plan.with(grants, nil)

	notes := survey(r.kept, func(g *Grant) layers { return r.exact[g.ID] })
	for _, l := range notes.narrow {
		l.Target = r.targets(r.exact[l.Grant.ID])
		r.lose(l)
	}
	r.kept = r.plan.with(slices.DeleteFunc(grants, func(g *Grant) bool { return g.Kind == AllowGrant && !notes.carried[g.ID] }), nil)
	for _, key := range slices.Sorted(maps.Keys(notes.demands)) {
		r.demands = append(r.demands, notes.demands[key])
	}
}

// judge reports whether the stack says an allow: one layer exactly, and each other at least wider.
func (r *rendering) judge(g *Grant, ranged bool) bool {
	var exact, cannot layers
	var first missing
	for i := range r.layers {
		f, why := r.fidelity(i, g, ranged)
		switch {
		case f == Same:
			exact |= 1 << i
		case f == 0:
			if cannot == 0 {
				first = why
			}
			cannot |= 1 << i
		case first == (missing{}):
			first = why
		}
	}
	switch {
	case cannot != 0:
		r.lose(Loss{Grant: g, Target: r.targets(cannot), Feature: first.feature, Fidelity: Narrower, Why: first.why})
		return false
	case exact == 0:
		if len(r.layers) > 1 {
			first.why += ", and no layer of the stack says it exactly"
		}
		r.lose(Loss{Grant: g, Target: r.targets(r.all()), Feature: first.feature, Fidelity: Narrower, Why: first.why})
		return false
	}
	r.exact[g.ID] = exact
	return true
}

// fidelity returns how well a layer says an allow, and for anything but Same why not. What a layer says holds nothing back when it lets pass
// what it does not say: without the baseline it says nothing exactly, where another layer has the baseline; but for names that come to it alone.
func (r *rendering) fidelity(i int, g *Grant, ranged bool) (Fidelity, missing) {
	f, why := r.layers[i].fidelity(r.plan, g, ranged)
	if f == Same && r.base != 0 && !r.base.has(i) && !(len(g.To.Hosts) > 0 && r.apart()) {
		return Wider, missing{Baseline, "it lets pass what no rule allows"}
	}
	return f, why
}

// apart reports whether names and addresses go different ways in all layers.
func (r *rendering) apart() bool {
	return !slices.ContainsFunc(r.layers, func(l layer) bool { return l.features[NamesApart] != Same })
}

// together returns the allows that the stack can say together. When a layer says one allow exactly and another wider, and a second layer the
// other way round, both layers let pass what is wider in both, though neither allow holds it. So on each port, all allows must be said
// exactly by one layer. Allows that more layers say exactly come first.
func (r *rendering) together(allows []*Grant, inRanges map[GrantID]bool) []*Grant {
	common := r.all()
	for _, g := range allows {
		common &= r.exact[g.ID]
	}
	if common != 0 {
		return allows
	}
	apart := r.apart()
	type way struct {
		transport policy.Protocol
		named     bool
	}
	taken := map[way]map[layers]match.Ports{} // by the layers that say what is there exactly
	sorted := slices.Clone(allows)
	slices.SortStableFunc(sorted, func(a, b *Grant) int {
		return bits.OnesCount64(uint64(r.exact[b.ID])) - bits.OnesCount64(uint64(r.exact[a.ID]))
	})
	var out []*Grant
	for _, g := range sorted {
		ports := g.To.Ports
		if inRanges[g.ID] {
			ports = match.AllPorts() // ranges may be what is wider
		}
		w := way{transport: g.To.Protocol.Transport(), named: apart && len(g.To.Hosts) > 0}
		if taken[w] == nil {
			taken[w] = map[layers]match.Ports{}
		}
		if !agree(r.exact[g.ID], ports, taken[w]) {
			r.lose(Loss{Grant: g, Target: r.targets(r.all() &^ r.exact[g.ID]), Feature: r.widerFeature(g, inRanges[g.ID]), Fidelity: Narrower,
				Why: "no layer says exactly all that is allowed on its ports, and what several layers say wider would pass together"})
			continue
		}
		taken[w][r.exact[g.ID]] = taken[w][r.exact[g.ID]].Union(ports)
		out = append(out, g)
	}
	return out
}

// agree reports whether on each of the ports some layer is in the given set and in all the sets that are there.
func agree(exact layers, ports match.Ports, there map[layers]match.Ports) bool {
	at := map[layers]match.Ports{exact: ports} // the ports by the layers that are left
	for _, set := range slices.Sorted(maps.Keys(there)) {
		next := map[layers]match.Ports{}
		for left, p := range at {
			for _, part := range []struct {
				left  layers
				ports match.Ports
			}{{left & set, p.Intersect(there[set])}, {left, p.Subtract(there[set])}} {
				if !part.ports.IsEmpty() {
					next[part.left] = next[part.left].Union(part.ports)
				}
			}
		}
		at = next
	}
	_, none := at[0]
	return !none
}

// widerFeature returns the feature that keeps the first layer that says g wider from saying it exactly.
func (r *rendering) widerFeature(g *Grant, ranged bool) Feature {
	for i := range r.layers {
		if f, why := r.fidelity(i, g, ranged); f != Same {
			return why.feature
		}
	}
	return ""
}

// chooseTakers checks that what takes away and is not applied in the classes is said by the layers that have to, and notes those that leave it
// to another.
func (r *rendering) chooseTakers() {
	for _, d := range r.demands {
		var first missing
		var leaves layers
		said := false // by one of the layers at least
		for i := range r.layers {
			if !d.exact.has(i) {
				continue
			}
			lost := r.layers[i].unmet(d)
			if lost == (missing{}) || r.saidByOthers(d, 1<<i) {
				said = true
				continue
			}
			leaves |= 1 << i
			if first == (missing{}) {
				first = lost
			}
		}
		switch {
		case slices.ContainsFunc(r.layers, func(l layer) bool { return l.wards(r.plan, d) }):
		case !said && !r.saidByOthers(d, d.exact):
			r.widen(Loss{Grant: d.taker, Target: r.targets(d.exact), Feature: first.feature, Why: d.why + first.why})
		case leaves != 0:
			r.left = append(r.left, leftOver{d.taker, leaves})
		}
	}
}

// A leftOver is what takes away, and the layers that say allows which it takes from and leave it to other layers.
type leftOver struct {
	taker *Grant
	by    layers
}

// saidByOthers reports whether some of the layers say the sources of other takers of a demand, which do in its place: those of one that has all of
// its sources, or those of each that they have between them.
func (r *rendering) saidByOthers(d demand, of layers) bool {
	unsaid := func(g *Grant) bool { return !r.sourceSaid(g, of) }
	return slices.ContainsFunc(d.instead, func(g *Grant) bool { return !unsaid(g) }) || len(d.together) > 0 && !slices.ContainsFunc(d.together, unsaid)
}

// unmet returns what keeps the layer from meeting a demand; the zero value when nothing does.
func (l *layer) unmet(d demand) missing {
	for _, f := range d.needs {
		if l.features[f] != Same {
			return missing{feature: f}
		}
	}
	if d.source {
		if f, lost, why := d.taker.Source.sayable(l.features); f != Same {
			return missing{lost, ", and " + why}
		}
	}
	return missing{}
}

// chooseBaseline checks that some layer denies what is not granted.
func (r *rendering) chooseBaseline() {
	for i, l := range r.layers {
		if l.features[Baseline] == Same {
			r.base |= 1 << i
		}
	}
	if r.base == 0 {
		r.widen(Loss{Grant: r.original[baselineID], Target: r.targets(r.all()), Feature: Baseline, Why: "what no rule allows would pass"})
	}
}

// planLayers makes the plans that the layers are given, but for their exemptions: each with the gateways that there are for them.
func (r *rendering) planLayers() {
	for i := range r.layers {
		l := &r.layers[i]
		l.passed = nil
		var grants []*Grant
		for _, g := range r.kept.grants {
			if g.Kind == AllowGrant && !r.exact[g.ID].has(i) {
				g = admit(g)
				if l.overlooks(g) {
					l.passed = append(l.passed, g)
					continue
				}
			}
			grants = append(grants, g)
		}
		switch g := r.original[baselineID]; {
		case r.base.has(i):
			grants = append(grants, g)
		case l.features[Baseline] == Wider:
			grants = append(grants, admit(g))
		}
		l.plan = r.plan.with(grants, l.features)
	}
	gateways := gatewaysOf(r.layers, func(l *layer) *Plan { return l.plan })
	for i := range r.layers {
		r.layers[i].plan.gateways = gateways
	}
}

// renderLayer has a layer render its plan, and checks what it did.
func (r *rendering) renderLayer(i int) error {
	l := &r.layers[i]
	if e, ok := l.renderer.(Exempter); ok {
		exempt, err := r.exemptions(e.Exemptions(l.plan), l.target)
		if err != nil {
			return err
		}
		l.plan = l.plan.with(slices.Concat(l.plan.grants, exempt), l.features)
	}
	l.out = newEmitter(l.plan)
	if err := l.renderer.Render(l.plan, l.out); err != nil {
		return err
	}
	if len(l.out.errs) > 0 {
		return errors.Join(l.out.errs...)
	}
	return r.account(i)
}

// dropSkipped leaves out of every layer the allows that one has skipped while rendering, and reports whether the layers have to be rendered
// again. What is lost anyway must not leave another layer open, which may have counted on the first one to hold sources apart. Names
// that are skipped for some of their sources alone stay, for the others.
func (r *rendering) dropSkipped() bool {
	gone := map[GrantID]bool{}
	for i, l := range r.layers {
		for _, s := range l.out.skipped {
			id := s.Grant.ID
			if s.Grant.Kind != AllowGrant || l.said[id] != nil && len(s.Grant.To.Hosts) > 0 {
				continue
			}
			for j, other := range r.layers {
				if j != i && other.said[id] != nil {
					s.Target = l.target
					r.lose(s)
					gone[id] = true
				}
			}
		}
	}
	r.kept = r.plan.with(slices.DeleteFunc(slices.Clone(r.kept.grants), func(g *Grant) bool { return gone[g.ID] }), nil)
	return len(gone) > 0
}

func admit(g *Grant) *Grant {
	c := *g
	c.Admit = true
	return &c
}

// exemptions makes grants of a layer's exemptions.
func (r *rendering) exemptions(list []Exemption, target string) ([]*Grant, error) {
	sources := planner{plan: r.plan, sources: map[string]Source{}}
	var out []*Grant
	seen := map[string]bool{}
	for _, e := range list {
		if e.Name == "" || seen[e.Name] {
			return nil, fmt.Errorf("exemption %q: exemptions need different names that are not empty", e.Name)
		}
		seen[e.Name] = true
		from := e.From
		if from.IsZero() {
			from = identity.Everything()
		}
		peer := e.Peer
		g := &Grant{ID: GrantID("#exemption " + target + ": " + e.Name), Kind: ExemptionGrant, Source: sources.source(from), Peer: &peer, Reason: e.Why}
		r.original[g.ID] = g
		out = append(out, g)
	}
	return out, nil
}
