package networkpolicy

import (
	"slices"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// Target is the name of the target.
const Target = "networkpolicy"

// A Renderer renders plans as NetworkPolicies. It is immutable and safe for concurrent use; make it with [New].
type Renderer struct{ profile Profile }

var _ interface {
	render.Renderer
	render.Exempter
	render.Refiner
	render.Warden
} = (*Renderer)(nil)

// New returns a renderer for a cluster as the profile has it, of which it keeps a copy. The error is a policy.Diagnostics with all that [Profile.Validate] finds.
func New(p Profile) (*Renderer, error) {
	if err := p.Validate().Err(); err != nil {
		return nil, err
	}
	return &Renderer{p.clone()}, nil
}

// Target returns "networkpolicy".
func (r *Renderer) Target() string { return Target }

// Features returns what NetworkPolicies can say: addresses, ports and pods exactly, TLS and HTTP by address as TCP, and names as the way to
// gateways, which is wider.
func (r *Renderer) Features() render.Features {
	f := render.Features{
		render.TCPByAddress: render.Same, render.UDPByAddress: render.Same, render.SCTPByAddress: render.Same,
		render.TLSByAddress: render.Wider, render.HTTPByAddress: render.Wider, render.HTTPMethods: render.Wider, render.HTTPPaths: render.Wider,
		render.PortRanges:     render.Same,
		render.SourceEveryone: render.Same, render.SourcePods: render.Same,
		render.Baseline:     render.Same,
		render.PacketFilter: render.Same,
	}
	if r.profile.Gateways == nil || len(r.profile.Gateways) > 0 {
		f[render.NamesApart] = render.Same
		for _, feature := range []render.Feature{
			render.HostExact, render.HostSubdomains, render.HostGlob, render.TLSByName, render.HTTPByName,
			render.OriginateSimpleTLS, render.OriginateMutualTLS, render.SourceAccounts, render.SourceAccountGlob,
		} {
			f[feature] = render.Wider
		}
	}
	if r.profile.Gateways == nil {
		f[render.GuardsGateways] = render.Same
	}
	return f
}

// Refine refuses names where no gateway carries them. By address, it refuses pods that their labels do not tell: by name such pods may be let out
// to a gateway, which knows them by certificate, but an address knows nobody, and a whole namespace let out to it is more than any layer
// could take back. Features tell neither.
func (r *Renderer) Refine(p *render.Plan, g *render.Grant) (render.Fidelity, render.Feature, string) {
	switch named := len(g.To.Hosts) > 0; {
	case named && len(r.gateways(p)) == 0:
		lost := render.TLSByName
		if g.To.Protocol == policy.HTTP {
			lost = render.HTTPByName
		}
		return 0, lost, "a packet filter knows no names, and no layer of the stack has a gateway that it could let pods out to"
	case !named && !g.Source.PodsOK && !g.Source.Selector.IsEverything():
		return 0, render.SourcePods, g.Source.PodsWhy
	}
	return render.Same, "", ""
}

// Render emits a baseline for every namespace, the exemptions, the rules by address, and the ways to the gateways.
func (r *Renderer) Render(p *render.Plan, out *render.Emitter) error {
	s := newSheet(r, p)
	if err := tellGateways(s.gateways); err != nil {
		return err
	}
	if len(p.Namespaces()) == 0 {
		skipAll(p, out)
		return nil
	}
	var named, addressed, rest []*render.Grant
	for g := range p.Grants() {
		switch {
		case g.Kind == render.ExemptionGrant:
			if err := s.exempt(g); err != nil {
				return err
			}
		case g.Kind != render.AllowGrant:
			rest = append(rest, g)
		case len(g.To.Hosts) > 0:
			named = append(named, g)
		default:
			addressed = append(addressed, g)
		}
	}
	s.admit(named)
	for _, class := range p.AddressClasses() {
		if err := s.allow(class); err != nil {
			return err
		}
	}
	s.baseline(slices.Concat(rest, s.unsaid(addressed)))
	s.simplify()
	s.emit(out)
	s.assume(out)
	return nil
}

// skipAll says nothing of a plan for a cluster of which no namespace is known: NetworkPolicies have no way to speak of all.
func skipAll(p *render.Plan, out *render.Emitter) {
	for g := range p.Grants() {
		switch g.Kind {
		case render.AllowGrant:
			out.Skip(g, render.SourceEveryone, noNamespace)
		case render.BaselineGrant:
			out.Skip(g, render.Baseline, noNamespace)
		}
	}
}

const noNamespace = "no namespace of the cluster is known: it takes an inventory, or policies that name namespaces"
