package render

import "fmt"

// An Emitter collects what a renderer makes of a plan. It is for one call of Render and not safe for concurrent use.
type Emitter struct {
	given       map[GrantID]*Grant // what the layer was given
	emitted     []emission
	skipped     []Loss
	assumptions []Assumption
	assured     map[GrantID]Assurance
	errs        []error
}

// An emission is an object and what it says.
type emission struct {
	object   Object
	fidelity Fidelity
	covers   []*Grant
}

func newEmitter(p *Plan) *Emitter {
	e := &Emitter{given: map[GrantID]*Grant{}, assured: map[GrantID]Assurance{}}
	for _, g := range p.grants {
		e.given[g.ID] = g
	}
	return e
}

// Emit adds an object that says the grants covered with the given fidelity: Same, or Wider for grants to admit. An object that says no
// grant, such as a carve-out or what others refer to, covers none. What is said narrower is Same, with Skip for the part left out.
func (e *Emitter) Emit(o Object, f Fidelity, covers ...*Grant) {
	if f != Same && f != Wider {
		e.fail("%s: emitted as %s; an object says its grants the same or, where another layer says them, wider", o.id(), f)
	}
	e.emitted = append(e.emitted, emission{o, f, e.own(o.id(), covers)})
}

// Skip reports that a grant, or a part of it, is left out although its features are declared, such as for a conflict or a limit of size.
// A grant may be skipped in part and emitted for the rest. To skip an allow or an exemption is a loss; to skip what takes away or the
// baseline is an error of rendering unless another layer says it or the caller accepts it.
func (e *Emitter) Skip(g *Grant, f Feature, why string) {
	for _, own := range e.own("Skip", []*Grant{g}) {
		e.skipped = append(e.skipped, Loss{Grant: own, Feature: f, Fidelity: Narrower, Why: why})
	}
}

// Assume records what must be true of the cluster for the objects to mean what they say. Code is stable.
func (e *Emitter) Assume(code, text string) {
	e.assumptions = append(e.assumptions, Assumption{Code: code, Text: text})
}

// Assure records where a grant's limits are enforced and whether they hold against a compromised pod. Of several assurances of a grant
// the weakest counts. An allow or baseline that a layer says exactly without an assurance counts as [Advisory].
func (e *Emitter) Assure(g *Grant, a Assurance) {
	if a.Holds < Advisory || a.Holds > Holds {
		e.fail("Assure: invalid Hold %d", a.Holds)
		return
	}
	for _, own := range e.own("Assure", []*Grant{g}) {
		if old, ok := e.assured[own.ID]; !ok || compareAssurance(a, old) < 0 {
			e.assured[own.ID] = a
		}
	}
}

// Name returns a name for an object: a readable prefix made of role and parts, and a short hash of all of them, at most 63 bytes of
// [a-z0-9-], beginning with a letter. Different (role, parts) give different names, on every run and machine. Role and parts say what the
// object is (a source, a port), not what it holds, so that an edit does not rename it.
func (e *Emitter) Name(role string, parts ...string) string { return Name(role, parts...) }

// own returns the grants in order of ID without duplicates. Grants that the layer was not given are mistakes of the renderer.
func (e *Emitter) own(where string, grants []*Grant) []*Grant {
	var out []*Grant
	for _, g := range grants {
		if g == nil || e.given[g.ID] == nil {
			e.fail("%s: a grant that is not in the plan", where)
			continue
		}
		out = append(out, e.given[g.ID])
	}
	return canonical(out)
}

// fail keeps a mistake of the renderer for the end: the methods have no error to return, so that renderers stay readable.
func (e *Emitter) fail(format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf(format, args...))
}
