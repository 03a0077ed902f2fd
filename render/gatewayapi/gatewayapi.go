package gatewayapi

import (
	"github.com/egresskit/egress/render"
)

// Renderer writes Gateway API objects. It is immutable and safe for concurrent use.
type Renderer struct{ profile Profile }

// New returns a renderer for a profile. The error is a policy.Diagnostics.
func New(p Profile) (*Renderer, error) {
	if err := p.Validate().Err(); err != nil {
		return nil, err
	}
	return &Renderer{p}, nil
}

// Target returns "gatewayapi".
func (r *Renderer) Target() string { return "gatewayapi" }

// Features returns what this target can say: exact names of TLS and HTTP by sources that a certificate tells. Names are re-resolved at the
// gateway, where nothing asks for an address, so DenyAddressOnName is not among them.
func (r *Renderer) Features() render.Features {
	return render.Features{
		render.HostExact:          render.Same,
		render.TLSByName:          render.Same,
		render.HTTPByName:         render.Same,
		render.OriginateSimpleTLS: render.Same,
		render.OriginateMutualTLS: render.Same,
		render.SourceEveryone:     render.Same,
		render.SourceAccounts:     render.Same,
		render.SourceAccountGlob:  render.Same,
		render.Baseline:           render.Same,
	}
}

// Render implements render.Renderer.
func (r *Renderer) Render(p *render.Plan, out *render.Emitter) error {
	b := &builder{profile: r.profile, plan: p, out: out}
	b.collect()
	b.emit()
	return nil
}
