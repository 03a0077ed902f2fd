package gatewayapi

import (
	"slices"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// Renderer writes Gateway API objects. It is immutable and safe for concurrent use.
type Renderer struct{ profile Profile }

// New returns a renderer for a profile. The error is a policy.Diagnostics.
func New(p Profile) (*Renderer, error) {
	if err := p.Validate().Err(); err != nil {
		return nil, err
	}
	p.Backends, p.PodPorts = slices.Clone(p.Backends), slices.Clone(p.PodPorts)
	return &Renderer{p}, nil
}

// Target returns "gatewayapi".
func (r *Renderer) Target() string { return "gatewayapi" }

// Features returns what this target can say. With Istio these are exact names of TLS and HTTP by sources that a certificate tells; without,
// also names below a domain, for everybody or, with Linkerd, whole namespaces. Names are re-resolved on the way, where nothing
// asks for an address, so DenyAddressOnName is not among them. Routes alone say no baseline: that is for another layer.
func (r *Renderer) Features() render.Features {
	f := render.Features{
		render.HostExact:      render.Same,
		render.TLSByName:      render.Same,
		render.HTTPByName:     render.Same,
		render.SourceEveryone: render.Same,
		render.TCPAlone:       render.Same,
	}
	switch r.profile.Implementation {
	case Portable:
		f[render.HostSubdomains] = render.Same
		f[render.SourcesByGateway], f[render.NamesApart], f[render.NamesAlone] = render.Same, render.Same, render.Same
	case Linkerd:
		f[render.HostSubdomains] = render.Same
		f[render.SourceAccounts] = render.Same
		f[render.Baseline] = render.Same
	default:
		if r.profile.release() == "1.5" {
			delete(f, render.TLSByName) // the way out of a gateway is a TCPRoute, of version v1 from 1.6 on
		}
		f[render.OriginateSimpleTLS], f[render.OriginateMutualTLS] = render.Same, render.Same
		f[render.HTTPMethods], f[render.HTTPPaths] = render.Same, render.Same
		f[render.SourceAccounts], f[render.SourceAccountGlob] = render.Same, render.Same
		f[render.Baseline] = render.Same
		f[render.NamesApart] = render.Same // what a ServiceEntry names has no way but to the gateway, and none is of addresses
	}
	return f
}

// Refine implements [render.Refiner]: some names and sources are beyond what their features tell.
func (r *Renderer) Refine(_ *render.Plan, g *render.Grant) (f render.Fidelity, lost render.Feature, why string) {
	for _, host := range g.To.Hosts {
		if why := r.profile.unsayable(host); why != "" {
			lost := render.HostExact
			if host.Kind() == match.Subdomains {
				lost = render.HostSubdomains
			}
			return 0, lost, why
		}
	}
	if r.profile.Implementation == Linkerd {
		return refineLinkerd(g)
	}
	return render.Same, "", ""
}

// Render implements [render.Renderer].
func (r *Renderer) Render(p *render.Plan, out *render.Emitter) error {
	switch r.profile.Implementation {
	case Portable:
		b := &portable{profile: r.profile, plan: p, out: out, backends: map[string]Backend{}, grants: map[string]*crossing{}, externals: map[string]*external{}}
		for _, backend := range r.profile.Backends {
			pattern, err := match.ParsePattern(backend.Host)
			if err != nil {
				return err
			}
			b.backends[pattern.String()] = backend
		}
		b.render()
	case Linkerd:
		(&linkerd{profile: r.profile, plan: p, out: out}).render()
	default:
		b := &builder{profile: r.profile, plan: p, out: out}
		b.collect()
		b.emit()
	}
	return nil
}
