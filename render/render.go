package render

import (
	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
)

// A Renderer writes manifests for one target. A Renderer is immutable and safe for concurrent use.
type Renderer interface {
	// Target returns the stable name of the target, such as "istio".
	Target() string
	// Features returns what the target can say. Grants that need anything else never reach Render.
	Features() Features
	// Render emits objects for the plan, and must account for each of its grants: [Emitter.Emit] or [Emitter.Skip].
	// An error is for what makes rendering impossible, such as a profile that contradicts itself.
	Render(p *Plan, out *Emitter) error
}

// An Exempter is a Renderer that leaves some traffic open. Its exemptions become grants of the plan before rendering. The
// plan that it is asked with is the one that it would be given without them: what it cannot say is kept away, and Admit is set.
type Exempter interface {
	Exemptions(p *Plan) []Exemption
}

// An Exemption is traffic that stays open whatever the policies say, mostly inside the cluster. Name is stable and unique among a renderer's
// exemptions.
type Exemption struct {
	Name string
	From identity.Selector // the zero Selector: every workload
	Peer Peer
	Why  string
}

// A Stack is layers that must each allow: what the stack enforces is their conjunction. Order never matters to the decision.
type Stack []Renderer

// Render renders a plan for a target or, with several renderers, for a stack. The error is a *WideningError, an *UnaccountedError, a
// *StrictError, or comes from a renderer; there is no result with an error.
func Render(p *Plan, layers Stack, opts ...Option) (*Result, error) {
	panic("render: Render: not written yet")
}

// An Option changes how Render treats losses and labels objects.
type Option func(*options)

type options struct {
	owner  string
	strict bool
	accept map[policy.RuleID]string
}

// WithOwner sets the owner label of all objects, so that pruning by label works. Default "egress".
func WithOwner(owner string) Option { return func(o *options) { o.owner = owner } }

// Strict makes any loss an error.
func Strict() Option { return func(o *options) { o.strict = true } }

// AcceptWider accepts that a rule which takes away (a deny, a boundary) is left out where the targets cannot say it. The reason is kept in the
// loss and in an annotation. The baseline is accepted by the rule "baseline".
func AcceptWider(rule policy.RuleID, reason string) Option {
	return func(o *options) {
		if o.accept == nil {
			o.accept = map[policy.RuleID]string{}
		}
		o.accept[rule] = reason
	}
}

// An Emitter collects what a renderer makes of a plan.
type Emitter struct{}

// Emit adds an object that says the grants covered with the given fidelity: Same, or Wider for grants to admit.
func (e *Emitter) Emit(o Object, f Fidelity, covers ...*Grant) { panic("render: not written yet") }

// Skip reports that a grant is left out although its features are declared, such as for a conflict or a limit of size.
func (e *Emitter) Skip(g *Grant, f Feature, why string) { panic("render: not written yet") }

// Assume records what must be true of the cluster for the objects to mean what they say. Code is stable.
func (e *Emitter) Assume(code, text string) { panic("render: not written yet") }

// Assure records where a grant's limits are enforced and whether they hold against a compromised pod.
func (e *Emitter) Assure(g *Grant, a Assurance) { panic("render: not written yet") }

// Name returns a name for an object: a readable prefix made of role and parts, and a short hash of all of them, at most 63 bytes of
// [a-z0-9-]. Different (role, parts) give different names, on every run and machine.
func (e *Emitter) Name(role string, parts ...string) string { return Name(role, parts...) }

// Name is the function behind [Emitter.Name], for references from one object to another.
func Name(role string, parts ...string) string { panic("render: not written yet") }

// An Assurance tells where a grant's limits are enforced and whether a compromised pod, which bypasses its sidecar, forges SNI and Host
// and dials any address, can get round them.
type Assurance struct {
	EnforcedAt string // such as "egress gateway"
	Holds      Hold
	Why        string
}

// Hold ranks assurances. The zero Hold is invalid.
type Hold uint8

const (
	Advisory         Hold = iota + 1 // a compromised pod gets round it
	WithPacketFilter                 // holds where a packet filter keeps pods from going round the enforcement point
	Holds                            // holds against a compromised pod
)

// A Result is what rendering made: everything in canonical order.
type Result struct {
	Objects     []Object
	Losses      []Loss
	Assumptions []Assumption
	Assurances  []GrantAssurance
	Layers      []LayerResult // one a renderer, in order of target
}

// A Loss is a grant, or part of it, that the objects do not say.
type Loss struct {
	Grant    *Grant
	Target   string // the layer that cannot say it; several are joined by commas
	Feature  Feature
	Fidelity Fidelity // Narrower, or Wider where the caller accepted it
	Why      string
	Accepted string // the caller's reason for a Wider loss
}

// An Assumption is what must be true of the cluster. Code is stable.
type Assumption struct{ Target, Code, Text string }

// A GrantAssurance is the best assurance that the layers of the stack give a grant together.
type GrantAssurance struct {
	Grant *Grant
	Assurance
}

// A LayerResult tells what one layer contributes.
type LayerResult struct {
	Target   string
	Objects  int
	Enforces []GrantID // said exactly here
	Admits   []GrantID // let pass here, said exactly by another layer
}

// A WideningError reports rules that take away and that the targets cannot say. There are no objects.
type WideningError struct{ Losses []Loss }

func (e *WideningError) Error() string { panic("render: not written yet") }

// An UnaccountedError reports grants that a renderer neither emitted nor skipped: a mistake of the renderer.
type UnaccountedError struct {
	Target string
	Grants []*Grant
}

func (e *UnaccountedError) Error() string { panic("render: not written yet") }

// A StrictError reports the losses that made a strict rendering fail.
type StrictError struct{ Losses []Loss }

func (e *StrictError) Error() string { panic("render: not written yet") }
