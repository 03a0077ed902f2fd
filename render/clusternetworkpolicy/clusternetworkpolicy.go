package clusternetworkpolicy

import (
	"fmt"
	"regexp"
	"slices"

	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/packets"
)

// Target is the name of the target.
const Target = "clusternetworkpolicy"

// A Renderer renders plans as ClusterNetworkPolicies. It is immutable and safe for concurrent use; make it with [New].
type Renderer struct{ profile Profile }

var _ interface {
	render.Renderer
	render.Exempter
	render.Refiner
} = (*Renderer)(nil)

// speller says sources by namespaces and labels.
var speller = packets.Speller{}

// New returns a renderer for a cluster as the profile has it, of which it keeps a copy. The error is a policy.Diagnostics with all that [Profile.Validate] finds.
func New(p Profile) (*Renderer, error) {
	if err := p.Validate().Err(); err != nil {
		return nil, err
	}
	p.Openings = p.Openings.Clone()
	return &Renderer{p}, nil
}

// Target returns "clusternetworkpolicy".
func (r *Renderer) Target() string { return Target }

// Features returns what ClusterNetworkPolicies can say. Denies by address are said on names, denies by name on nothing.
func (r *Renderer) Features() render.Features {
	f := render.Features{
		render.TCPByAddress: render.Same, render.UDPByAddress: render.Same, render.SCTPByAddress: render.Same,
		render.TLSByAddress: render.Wider, render.HTTPByAddress: render.Wider, render.HTTPMethods: render.Wider, render.HTTPPaths: render.Wider,
		render.PortRanges:     render.Same,
		render.SourceEveryone: render.Same, render.SourcePods: render.Same,
		render.Baseline:     render.Same,
		render.PacketFilter: render.Same,
	}
	if r.profile.DomainNames {
		learned := render.Wider
		if r.profile.TrustLearnedAddresses {
			learned = render.Same
		}
		for feature, fidelity := range map[render.Feature]render.Fidelity{
			render.HostExact: render.Same, render.HostSubdomains: render.Same, render.DenyAddressOnName: render.Same,
			render.TCPByName: render.Same, render.UDPByName: render.Same, render.TLSByName: learned, render.HTTPByName: learned,
		} {
			f[feature] = fidelity
		}
	}
	return f
}

// domainName is what the API takes for a name: two labels or more after the wildcard.
var domainName = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?$`)

// Refine refuses names where nothing resolves them or where gateways carry them, and those that the API does not take.
func (r *Renderer) Refine(p *render.Plan, g *render.Grant) (render.Fidelity, render.Feature, string) {
	if len(g.To.Hosts) == 0 {
		return render.Same, "", ""
	}
	switch {
	case r.profile.DNS == nil:
		return 0, render.TCPByName, "addresses are learned from DNS, and the profile has none"
	case len(p.Gateways()) > 0:
		return 0, render.TLSByName, "another layer has gateways for names, and pods are not let out to them here"
	case !domainName.MatchString(g.To.Hosts[0].String()):
		return 0, render.HostExact, "the API takes names of two labels or more, after a wildcard too, each beginning and ending with a letter or digit"
	}
	return render.Same, "", ""
}

// Exemptions returns what the profile leaves open.
func (r *Renderer) Exemptions(*render.Plan) []render.Exemption { return r.profile.Exemptions() }

// A step is what policies of one priority do, in order.
type step int32

const (
	stepUnfiltered step = iota // pass on all of pods that are not filtered
	stepExempt                 // what is open to every pod
	stepDeny                   // addresses that names yield to
	stepAllow                  // what policies allow, and what another layer says exactly
	stepBaseline               // deny everything else
	lastStep       = stepBaseline
)

// Render emits the exemptions, what pods may reach, and the end of it.
func (r *Renderer) Render(p *render.Plan, out *render.Emitter) error {
	sheet, err := packets.Work(p, speller)
	if err != nil {
		return err
	}
	w := writer{profile: &r.profile, out: out}
	for _, d := range sheet.Exempt {
		w.exempt(d)
	}
	for _, d := range packets.Drafts(sheet.Denies, policy.Protocol.Transport) {
		w.write("deny", stepDeny, v1alpha2.ClusterNetworkPolicyRuleActionDeny, d)
	}
	for _, d := range packets.Drafts(sheet.Allows, policy.Protocol.Transport) {
		role := "allow"
		if d.Admit {
			role = "admit"
		}
		w.write(role, stepAllow, v1alpha2.ClusterNetworkPolicyRuleActionAccept, d)
	}
	w.baseline(sheet.Rest)
	for _, l := range sheet.Losses {
		out.Skip(l.Grant, l.Feature, l.Why)
	}
	r.assure(p, sheet, out)
	r.assume(sheet, out)
	return nil
}

// assure tells what holds. In the tier Baseline the NetworkPolicies of a pod come first. A pod that is let out to learned addresses for another layer to judge
// can go round that layer, so that the baseline keeps nobody from it.
func (r *Renderer) assure(p *render.Plan, s *packets.Sheet, out *render.Emitter) {
	const at = "packet filter"
	admits := slices.ContainsFunc(s.Allows, func(w packets.Way) bool { return !w.Host.IsZero() && w.Grant.Admit })
	for g := range p.Grants() {
		if g.Kind != render.BaselineGrant && g.Kind != render.AllowGrant {
			continue
		}
		a := render.Assurance{EnforcedAt: at, Holds: render.Holds, Why: "packets are judged outside the pod, by its labels and namespace"}
		switch {
		case r.profile.Tier == v1alpha2.BaselineTier:
			a = render.Assurance{EnforcedAt: at, Holds: render.Advisory, Why: "NetworkPolicies of a pod come before the tier Baseline"}
		case len(g.To.Hosts) > 0:
			a = render.Assurance{EnforcedAt: at, Holds: render.Advisory, Why: "addresses are learned from DNS, and what shares an address with the name is reached as well"}
		case g.Kind == render.BaselineGrant && admits:
			a = render.Assurance{EnforcedAt: at, Holds: render.Advisory, Why: "pods reach addresses of names straight, with what they like"}
		}
		out.Assure(g, a)
	}
}

func (r *Renderer) assume(s *packets.Sheet, out *render.Emitter) {
	s.Assume(out, r.profile.Openings)
	out.Assume("enforced", "the cluster's network plugin enforces ClusterNetworkPolicies of v1alpha2, with egress, for TCP, UDP and SCTP")
	out.Assume("priorities", fmt.Sprintf("no other ClusterNetworkPolicy of the tier %s accepts or passes on more with a priority up to %d, and who may create one is restricted", r.profile.Tier, r.profile.Priority+int32(lastStep)))
	out.Assume("host-network", "no pod that is to be held runs in the network of its node, which no subject selects")
	out.Assume("nodes", "addresses of nodes are held by rules for networks, or nothing of use to pods listens there: network plugins differ")
	if s.ByName() {
		out.Assume("learned", "the network plugin learns the addresses of names from the answers of the cluster's DNS, which are true, whatever rule lets DNS pass; Cilium learns them "+
			"only where the rule with the names is the one that lets DNS pass, which then lets no other name be asked for: there, use the target cilium")
		if r.profile.TrustLearnedAddresses {
			out.Assume("shared", "the addresses of the names that are allowed serve no other names, and pods speak there what the rules say")
		}
	}
	if r.profile.Tier == v1alpha2.BaselineTier {
		out.Assume("baseline", "no NetworkPolicy selects these pods for egress: it would decide instead")
	}
}
