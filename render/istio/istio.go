package istio

import (
	"fmt"
	"slices"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A Renderer writes Istio's objects. It is immutable and safe for concurrent use.
type Renderer struct {
	profile Profile
	version version
	certs   certificates
}

// New returns a renderer for a profile, which it copies. The error is a policy.Diagnostics.
func New(p Profile) (*Renderer, error) {
	if err := p.Validate().Err(); err != nil {
		return nil, err
	}
	p = p.clone()
	v, _ := parseVersion(p.Version)
	trust, err := identity.NewTrustDomains(p.TrustDomain, p.TrustAliases...)
	return &Renderer{p, v, certificates{trust}}, err
}

// Profile returns a copy of the renderer's profile.
func (r *Renderer) Profile() Profile { return r.profile.clone() }

// Target returns "istio".
func (r *Renderer) Target() string { return "istio" }

// Features returns what the target can say. Names are looked up at the gateway, where no rule asks for the address, and connections by
// address leave without a look at names: so neither takes from the other; but see [Renderer.Wards].
func (r *Renderer) Features() render.Features {
	if r.ambient() {
		return ambientFeatures()
	}
	if r.direct() {
		return directFeatures()
	}
	return render.Features{
		render.HostExact:          render.Same,
		render.HostSubdomains:     render.Same,
		render.TLSByName:          render.Same,
		render.HTTPByName:         render.Same,
		render.TCPByAddress:       render.Same,
		render.HTTPMethods:        render.Same,
		render.HTTPPaths:          render.Same,
		render.OriginateSimpleTLS: render.Same,
		render.OriginateMutualTLS: render.Same,
		render.SourceEveryone:     render.Same,
		render.SourceAccounts:     render.Same,
		render.SourceAccountGlob:  render.Same,
		render.Baseline:           render.Same,
		render.NamesApart:         render.Same,
		render.TCPAlone:           render.Same,
	}
}

// Refine judges what features alone do not tell: see [render.Refiner].
func (r *Renderer) Refine(p *render.Plan, g *render.Grant) (f render.Fidelity, lost render.Feature, why string) {
	if len(g.To.Hosts) == 0 {
		return r.refineAddresses(g)
	}
	for _, h := range g.To.Hosts {
		shape := render.HostExact
		if h.Kind() == match.Subdomains {
			shape = render.HostSubdomains
		}
		if why := r.profile.unsayable(h); why != "" {
			return 0, shape, why
		}
		if r.direct() {
			continue
		}
		if shape == render.HostSubdomains && !r.inside() && !r.ambient() {
			return 0, shape, "names below a wildcard are told apart by a listener inside the gateway: " + r.notInside()
		}
		if g.To.Protocol == policy.HTTP && shape == render.HostSubdomains {
			switch {
			case g.To.OriginateTLS != nil:
				return 0, shape, "the gateway looks up names below a wildcard as they come, and originates TLS only to names that it knows"
			case !g.To.Ports.Equal(match.PortsOf(80)):
				return 0, shape, "the gateway looks up names below a wildcard as they come, and connects to port 80 alone"
			}
		}
	}
	if g.To.Protocol == policy.HTTP {
		for _, port := range serverFirst {
			if g.To.Ports.Contains(port) {
				return 0, render.HTTPByName, fmt.Sprintf("Istio takes port %d for a protocol whose server speaks first", port)
			}
		}
	}
	if r.direct() {
		return r.refineDirect(g)
	}
	if g.To.Protocol == policy.HTTP || !r.inside() {
		for _, a := range g.Source.Accounts {
			if _, ok := suffixPrincipal(a); !ok && isGlob(a.ServiceAccount) && !isPrefix(a.ServiceAccount) {
				return 0, render.SourceAccountGlob, fmt.Sprintf("AuthorizationPolicy says globs of one '*' at an end, and %s is not", a)
			}
		}
	}
	if r.ambient() {
		return refineAmbient(g)
	}
	return render.Same, "", ""
}

// serverFirst are ports on which Istio does not look for HTTP beside other protocols: SMTP, DNS, MySQL, MongoDB.
var serverFirst = [...]uint16{25, 53, 3306, 27017}

func (r *Renderer) refineAddresses(g *render.Grant) (f render.Fidelity, lost render.Feature, why string) {
	limit, what := maxPrefixes, "each would be a filter chain of every sidecar"
	if r.ambient() {
		limit, what = maxAmbientPrefixes, "each would be an entry"
	}
	if n := len(g.To.Addresses.Prefixes()); n > limit {
		return 0, render.TCPByAddress, fmt.Sprintf("%d networks, and %s; the limit is %d", n, what, limit)
	}
	if r.ambient() {
		return refineAmbient(g)
	}
	for _, a := range g.Source.Accounts {
		if a.ServiceAccount != "" {
			return render.Wider, render.TCPByAddress, "connections by address leave from the sidecar, whose configuration can be told apart by namespace alone"
		}
	}
	return render.Same, "", ""
}

// emitter is what a builder needs of a *render.Emitter.
type emitter interface {
	Emit(o render.Object, f render.Fidelity, covers ...*render.Grant)
	Skip(g *render.Grant, f render.Feature, why string)
	Assume(code, text string)
	Assure(g *render.Grant, a render.Assurance)
	Name(role string, parts ...string) string
}

// Render implements [render.Renderer].
func (r *Renderer) Render(p *render.Plan, out *render.Emitter) error {
	b := builder{Renderer: r, out: out, cluster: known{p.Namespaces(), p.Inventory() != nil}, dropped: r.denied(p)}
	for g := range p.Grants() {
		if g.Kind == render.BaselineGrant {
			b.baseline = append(b.baseline, g)
		}
	}
	if r.ambient() {
		return b.buildAmbient(p.NameClasses(policy.TLS), p.NameClasses(policy.HTTP), p.AddressClasses())
	}
	if r.direct() {
		return b.buildDirect(p.NameClasses(policy.TLS), p.NameClasses(policy.HTTP), p.AddressClasses())
	}
	return b.build(p.NameClasses(policy.TLS), p.NameClasses(policy.HTTP), p.AddressClasses())
}

// A builder makes the objects of one plan.
type builder struct {
	*Renderer
	out      emitter
	cluster  known
	baseline []*render.Grant

	tls, http []*nameClass   // by port, then in canonical order
	dropped   match.Prefixes // addresses that no name may lead to, because rules deny them
	spelled   bool           // something holds for the namespaces that are known, and not for later ones
}

func (b *builder) build(tls, http []render.NameClass, addresses []render.AddressClass) error {
	var err error
	if b.tls, err = b.nameClasses(tls, "tls"); err != nil {
		return err
	}
	if b.http, err = b.nameClasses(http, "http"); err != nil {
		return err
	}
	b.emitBaseline()
	if len(b.tls)+len(b.http) > 0 {
		b.emitClients()
		b.emitGateway()
		b.emitHTTP()
		b.emitLog()
		byTLS := byServerName
		if b.inside() {
			byTLS = atGateway
			b.emitSink()
			if err := b.emitEnvoyFilter(); err != nil {
				return err
			}
		}
		b.assure(b.tls, byTLS)
		b.assure(b.http, atGateway)
	} else if b.profile.RegistryOnly == ByMeshConfig {
		b.emitGate() // what else is there to say that nothing is open
	}
	if err := b.emitAddresses(addresses); err != nil {
		return err
	}
	b.assume()
	return nil
}

func (b *builder) assure(classes []*nameClass, a render.Assurance) {
	for _, c := range classes {
		for _, g := range c.Grants {
			b.out.Assure(g, a)
		}
	}
}

func (b *builder) nameClasses(classes []render.NameClass, kind string) ([]*nameClass, error) {
	var out []*nameClass
	for _, c := range classes {
		who, err := accountsOf(c.Sources)
		if err != nil {
			return nil, err
		}
		parts := []string{c.Sources.Key()}
		var calls []accounts
		for _, call := range c.Calls {
			who, err := accountsOf(call.Sources)
			if err != nil {
				return nil, err
			}
			calls = append(calls, who)
			parts = append(parts, policy.Destination{Methods: call.Methods, Paths: call.Paths}.String(), call.Sources.Key())
		}
		for _, d := range c.Denies {
			parts = append(parts, string(d.ID))
		}
		if c.OriginateTLS != nil {
			parts = append(parts, c.OriginateTLS.String())
		}
		out = append(out, &nameClass{c, b.out.Name(fmt.Sprintf("%s-%d", kind, c.Port), parts...), who, calls})
	}
	return out, nil
}

// spell notes that grants hold for the namespaces that are known. Without an inventory this is a loss: there will be others.
func (b *builder) spell(grants []*render.Grant, needs func(accountSelector) bool, lost render.Feature) {
	b.spelled = true
	for _, g := range grants {
		if !b.cluster.complete && slices.ContainsFunc(g.Source.Accounts, needs) {
			b.out.Skip(g, lost, "Istio cannot say its namespaces but by name, and without an inventory those that no policy names are left out")
		}
	}
}

// home is the namespace of the objects that are for several namespaces.
func (b *builder) home() string {
	if b.direct() {
		return b.profile.RootNamespace
	}
	return b.profile.Gateway.Namespace
}

// byPort returns the classes of each port, in order.
func byPort(classes []*nameClass) [][]*nameClass {
	var out [][]*nameClass
	for _, c := range classes {
		if n := len(out); n > 0 && out[n-1][0].Port == c.Port {
			out[n-1] = append(out[n-1], c)
		} else {
			out = append(out, []*nameClass{c})
		}
	}
	return out
}
