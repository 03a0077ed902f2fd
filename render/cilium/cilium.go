package cilium

import (
	"fmt"
	"slices"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/packets"
)

// Target is the name of the target.
const Target = "cilium"

// A Renderer renders plans for Cilium. It is immutable and safe for concurrent use; make it with [New].
type Renderer struct{ profile Profile }

var _ interface {
	render.Renderer
	render.Exempter
	render.Refiner
} = (*Renderer)(nil)

// speller says sources: Cilium knows service accounts.
var speller = packets.Speller{Accounts: true}

// New returns a renderer for Cilium as the profile has it, of which it keeps a copy. The error is a policy.Diagnostics with all that [Profile.Validate] finds.
func New(p Profile) (*Renderer, error) {
	if err := p.Validate().Err(); err != nil {
		return nil, err
	}
	p.Openings = p.Openings.Clone()
	return &Renderer{p}, nil
}

// Target returns "cilium".
func (r *Renderer) Target() string { return Target }

// Features returns what Cilium can say. Denies by address are said on names, denies by name on nothing: those are left to what is allowed.
func (r *Renderer) Features() render.Features {
	f := render.Features{
		render.TCPByAddress: render.Same, render.UDPByAddress: render.Same, render.SCTPByAddress: render.Same,
		render.TLSByAddress: render.Wider, render.HTTPByAddress: render.Wider, render.HTTPMethods: render.Wider, render.HTTPPaths: render.Wider,
		render.TCPByName: render.Same, render.UDPByName: render.Same, render.TLSByName: render.Wider, render.HTTPByName: render.Wider,
		render.HostExact: render.Same, render.HostGlob: render.Same,
		render.PortRanges:     render.Same,
		render.SourceEveryone: render.Same, render.SourcePods: render.Same, render.SourceAccounts: render.Same,
		render.DenyAddressOnName: render.Same,
		render.Baseline:          render.Same,
		render.PacketFilter:      render.Same,
	}
	if r.profile.deep() {
		f[render.HostSubdomains] = render.Same
	}
	if r.profile.TLSInspection || r.profile.TrustLearnedAddresses {
		f[render.TLSByName] = render.Same
	}
	if r.profile.TrustLearnedAddresses {
		f[render.HTTPByName] = render.Same
	}
	return f
}

// Refine refuses names where nothing resolves them or where gateways carry them, and patterns that Cilium's dialect does not have.
func (r *Renderer) Refine(p *render.Plan, g *render.Grant) (render.Fidelity, render.Feature, string) {
	if len(g.To.Hosts) == 0 {
		return render.Same, "", ""
	}
	host := g.To.Hosts[0]
	switch _, ok := fqdn(host, r.profile.deep()); {
	case !ok && host.Kind() == match.Glob:
		return 0, render.HostGlob, "Cilium's patterns have no '?', and before 1.19 none for any number of labels"
	case r.profile.DNS == nil:
		return 0, render.TCPByName, "addresses are learned from DNS, and the profile has none"
	case len(p.Gateways()) > 0:
		return 0, render.TLSByName, "another layer has gateways for names, and pods are not let out to them here"
	case r.inspects(g.To.Protocol) && host.Kind() == match.Glob && !r.profile.deep():
		return 0, render.HostGlob, "before 1.19 server names take no wildcards"
	}
	return render.Same, "", ""
}

// inspects reports whether Cilium's proxy sees to it that a protocol is what it says.
func (r *Renderer) inspects(p policy.Protocol) bool {
	return p == policy.TLS && r.profile.TLSInspection
}

// kind returns what Cilium tells of a protocol.
func (r *Renderer) kind(hosts bool) func(policy.Protocol) policy.Protocol {
	return func(p policy.Protocol) policy.Protocol {
		if hosts && r.inspects(p) {
			return p
		}
		return p.Transport()
	}
}

// Exemptions returns what the profile leaves open.
func (r *Renderer) Exemptions(*render.Plan) []render.Exemption { return r.profile.Exemptions() }

// The roles that objects have; part of their names.
const (
	roleBaseline = "baseline" // denies what is not allowed, and leaves open what every pod needs
	roleExempt   = "exempt"   // leaves open what some pods need
	roleAllow    = "allow"    // what policies allow, exactly
	roleAdmit    = "admit"    // what another layer says exactly
	roleDeny     = "deny"     // addresses that names yield to
)

// Render emits a baseline for all pods, the exemptions, and what pods may reach.
func (r *Renderer) Render(p *render.Plan, out *render.Emitter) error {
	sheet, err := packets.Work(p, speller)
	if err != nil {
		return err
	}
	byName, byAddress := apart(sheet.Allows)
	w := writer{out: out, names: len(byName) > 0, deep: r.profile.deep()}
	everyone := packets.Draft{}
	for _, d := range sheet.Exempt {
		if len(d.Pods.Labels) == 0 {
			everyone = d
			continue
		}
		w.exempt(roleExempt, d)
	}
	everyone.Grants = append(everyone.Grants, sheet.Rest...)
	w.exempt(roleBaseline, everyone)
	// By name and by address are different rules even where protocols and ports are the same, and protocols mean different things.
	for _, d := range together(packets.Drafts(byName, r.kind(true)), packets.Drafts(byAddress, r.kind(false))) {
		role := roleAllow
		if d.Admit {
			role = roleAdmit
		}
		w.allow(role, d)
	}
	for _, d := range packets.Drafts(sheet.Denies, r.kind(false)) {
		w.allow(roleDeny, d)
	}
	for _, l := range sheet.Losses {
		out.Skip(l.Grant, l.Feature, l.Why)
	}
	r.assure(p, byName, out)
	r.assume(sheet, out)
	return nil
}

func apart(ways []packets.Way) (byName, byAddress []packets.Way) {
	for _, w := range ways {
		if w.Host.IsZero() {
			byAddress = append(byAddress, w)
		} else {
			byName = append(byName, w)
		}
	}
	return byName, byAddress
}

// together puts drafts of the same pods and kind together, in order.
func together(lists ...[]packets.Draft) []packets.Draft {
	var out []packets.Draft
	for _, d := range slices.Concat(lists...) {
		i := slices.IndexFunc(out, func(o packets.Draft) bool { return o.Admit == d.Admit && o.Pods.String() == d.Pods.String() })
		if i < 0 {
			out = append(out, d)
			continue
		}
		out[i].Rules, out[i].Grants = append(out[i].Rules, d.Rules...), append(out[i].Grants, d.Grants...)
	}
	return out
}

// assure tells what holds. A pod that is let out to learned addresses for another layer to judge can go round that layer, so that the baseline
// keeps nobody from it.
func (r *Renderer) assure(p *render.Plan, byName []packets.Way, out *render.Emitter) {
	const at = "packet filter"
	learned := render.Assurance{EnforcedAt: at, Holds: render.Advisory, Why: "addresses are learned from DNS, and what shares an address with the name is reached as well"}
	for g := range p.Grants() {
		holds := render.Assurance{EnforcedAt: at, Holds: render.Holds, Why: "packets are judged outside the pod, by its labels, account and namespace"}
		switch {
		case g.Kind == render.BaselineGrant && slices.ContainsFunc(byName, func(w packets.Way) bool { return w.Grant.Admit }):
			holds = render.Assurance{EnforcedAt: at, Holds: render.Advisory, Why: "pods reach addresses of names straight, with what they like"}
		case g.Kind == render.AllowGrant && len(g.To.Hosts) > 0 && !r.inspects(g.To.Protocol):
			holds = learned
		case g.Kind == render.AllowGrant && len(g.To.Hosts) > 0:
			holds = render.Assurance{EnforcedAt: "packet filter and proxy of the node", Holds: render.Holds, Why: "the server name is judged outside the pod, on addresses that DNS gave for the name"}
		case g.Kind != render.BaselineGrant && g.Kind != render.AllowGrant:
			continue
		}
		out.Assure(g, holds)
	}
}

func (r *Renderer) assume(s *packets.Sheet, out *render.Emitter) {
	s.Assume(out, r.profile.Openings)
	out.Assume("enforced", fmt.Sprintf("Cilium, of version %s or later, enforces policies for every pod: policy enforcement is default or always", r.profile.Version))
	out.Assume("additive", "no other policy of Cilium or Kubernetes opens more to these pods, and who may create one is restricted: policies add up")
	out.Assume("host-network", "no pod that is to be held runs in the network of its node, where policies for pods do not reach")
	out.Assume("outside", "addresses that policies name are outside the cluster: by default Cilium takes no address for a pod or node")
	if s.ByName() {
		out.Assume("learned", "pods ask the cluster's DNS for names, which gives true answers; an address is known for a name as long as Cilium keeps it")
		if r.profile.TrustLearnedAddresses {
			out.Assume("shared", "the addresses of the names that are allowed serve no other names, and pods speak there what the rules say")
		}
	}
	if slices.ContainsFunc(s.Allows, func(w packets.Way) bool { return w.Protocol == policy.SCTP }) {
		out.Assume("sctp", "SCTP is enabled in Cilium, which otherwise lets none of it pass")
	}
}
