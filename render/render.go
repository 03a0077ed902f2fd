package render

import (
	"fmt"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
)

// A Renderer writes manifests for one target. A Renderer is immutable and safe for concurrent use.
type Renderer interface {
	// Target returns the stable name of the target, such as "istio".
	Target() string
	// Features returns what the target can say. Grants that need anything else never reach Render.
	Features() Features
	// Render emits objects for the plan, and must account for its grants by [Emitter.Emit] or [Emitter.Skip]: allows, the baseline,
	// exemptions, and the Denies of classes. Other denies, and boundaries, are applied in the classes; it may name them too.
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
	Inert       []*Grant        // allows that denies and boundaries leave nothing of: nothing says them, and nothing is lost
	Layers      []LayerResult   // one a renderer, in order of target
	Unneeded    []policy.RuleID // what AcceptWider accepts and nothing is wider by, in order: a slip, or left from before
}

// A Loss is a grant, or part of it, that the objects do not say.
type Loss struct {
	Grant    *Grant
	Target   string // the layer that cannot say it; several are joined by commas, in order
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
	Exempts  []*Grant  // what the layer leaves open besides
}

// String returns one line: the rule, what of it is lost, where, and why.
func (l Loss) String() string {
	var b strings.Builder
	if p := l.Grant.At.String(); p != "" {
		b.WriteString(p + ": ")
	}
	fmt.Fprintf(&b, "%s: %s in %s", l.Grant.says(), l.Fidelity, l.Target)
	if l.Feature != "" {
		fmt.Fprintf(&b, " (%s)", l.Feature)
	}
	b.WriteString(": " + l.Why)
	if l.Accepted != "" {
		b.WriteString("; accepted: " + l.Accepted)
	}
	return b.String()
}

// says returns the grant in words.
func (g *Grant) says() string {
	switch g.Kind {
	case AllowGrant:
		return fmt.Sprintf("rule %s allows %s", g.Rule, g.To)
	case DenyGrant:
		return fmt.Sprintf("rule %s denies %s", g.Rule, g.To)
	case BoundaryGrant:
		return fmt.Sprintf("boundary %s", g.Rule)
	case BaselineGrant:
		return "baseline"
	}
	return string(g.ID)
}
