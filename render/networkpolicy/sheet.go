package networkpolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	netv1 "k8s.io/api/networking/v1"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/render"
)

// The roles that objects have; part of their names.
const (
	roleBaseline = "baseline" // nothing but the exemptions of every pod of a namespace
	roleExempt   = "exempt"   // exemptions of some pods
	roleAllow    = "allow"    // what policies allow, exactly
	roleAdmit    = "admit"    // what another layer says exactly
)

// sheet collects the objects of one rendering.
type sheet struct {
	profile    *Profile
	gateways   []gateway
	inventory  *identity.Inventory
	namespaces []string // of the cluster, in order
	members    members
	drafts     map[string]*draft
	covered    map[render.GrantID]bool
	losses     map[string]loss
	byLabels   map[string]bool // service accounts that are said by labels
}

// draft is one object, or its parts: what some pods may reach in one role.
type draft struct {
	role   string
	pods   identity.PodSelector
	rules  ruleSet
	covers map[render.GrantID]*render.Grant
}

type loss struct {
	grant   *render.Grant
	feature render.Feature
	why     string
}

func newSheet(r *Renderer, p *render.Plan) *sheet {
	gateways := r.gateways(p)
	return &sheet{
		profile:    &r.profile,
		gateways:   gateways,
		inventory:  p.Inventory(),
		namespaces: namespaces(p, gateways),
		members:    membersOf(p.Inventory(), r.profile.Mesh),
		drafts:     map[string]*draft{},
		covered:    map[render.GrantID]bool{},
		losses:     map[string]loss{},
		byLabels:   map[string]bool{},
	}
}

// draft returns the object of a role for some pods, and notes the grants that it covers.
func (s *sheet) draft(role string, pods identity.PodSelector, covers ...*render.Grant) *draft {
	key := draftKey(role, pods)
	d := s.drafts[key]
	if d == nil {
		d = &draft{role: role, pods: pods, covers: map[render.GrantID]*render.Grant{}}
		s.drafts[key] = d
	}
	for _, g := range covers {
		d.covers[g.ID] = g
		s.covered[g.ID] = true
	}
	return d
}

func draftKey(role string, pods identity.PodSelector) string { return role + " " + pods.String() }

func (s *sheet) lose(g *render.Grant, feature render.Feature, why string) {
	s.losses[fmt.Sprintf("%s %s %s", g.ID, feature, why)] = loss{g, feature, why}
}

// pods says a source by namespaces and labels, if they tell it.
func (s *sheet) pods(source render.Source) (pods []identity.PodSelector, ok bool) {
	if source.Selector.IsEverything() {
		return s.whole(s.namespaces), true
	}
	if !source.PodsOK {
		return nil, false
	}
	for _, t := range source.Selector.Terms() {
		if len(t.ServiceAccounts) > 0 {
			s.byLabels[identity.MustSelector(t).String()] = true
		}
	}
	return source.Pods, true
}

// mustPods says a source that this target was only given because labels tell it: see [Renderer.Refine].
func (s *sheet) mustPods(source render.Source) ([]identity.PodSelector, error) {
	pods, ok := s.pods(source)
	if !ok {
		return nil, fmt.Errorf("source %s is not told by pod labels: %s", source.Selector, source.PodsWhy)
	}
	return pods, nil
}

// around returns whole namespaces that hold all pods of a source.
func (s *sheet) around(source render.Source) []identity.PodSelector {
	return s.whole(slices.DeleteFunc(slices.Clone(s.namespaces), func(namespace string) bool { return source.Selector.InNamespace(namespace).IsZero() }))
}

func (s *sheet) whole(namespaces []string) []identity.PodSelector {
	pods := make([]identity.PodSelector, len(namespaces))
	for i, namespace := range namespaces {
		pods[i].Namespace = namespace
	}
	return pods
}

// exempt opens what an exemption leaves open.
func (s *sheet) exempt(g *render.Grant) error {
	pods, err := s.mustPods(g.Source)
	if err != nil {
		return err
	}
	for _, p := range pods {
		role := roleBaseline
		if len(p.Labels) > 0 {
			role = roleExempt
		}
		if err := s.draft(role, p, g).rules.addPeer(g.Peer); err != nil {
			return err
		}
	}
	return nil
}

// admit lets pods with a rule by name out to the gateways: to those that know their callers, and to those that are for them.
func (s *sheet) admit(grants []*render.Grant) {
	byID := map[render.GrantID]*render.Grant{}
	for _, g := range grants {
		byID[g.ID] = g
	}
	shared := false
	for _, g := range s.gateways {
		if g.sources == nil {
			shared = true
			continue
		}
		s.admitTo(g, byID)
	}
	if shared {
		s.admitByCertificate(grants)
	}
	for _, g := range s.unsaid(grants) {
		s.lose(g, render.SourcePods, "no gateway is for its sources")
	}
}

// admitTo lets out to a gateway the pods that it is for. It does not ask who they are, so that nobody is let out if labels do not tell all of them.
func (s *sheet) admitTo(to gateway, grants map[render.GrantID]*render.Grant) {
	var covers []*render.Grant
	for _, id := range to.carries {
		if g := grants[id]; g != nil {
			covers = append(covers, g)
		}
	}
	pods, why := s.told(*to.sources)
	if why != "" {
		for _, g := range covers {
			s.lose(g, render.SourcePods, why)
		}
		return
	}
	peers, key, _ := podPeers(&to.peer) // without exceptions there is no error
	for _, p := range pods {
		s.draft(roleAdmit, p, covers...).rules.addPods(peers, key, traffic{tcp: to.ports})
	}
}

// told says a set of sources by namespaces and labels, or why they do not tell it.
func (s *sheet) told(set render.SourceSet) (pods []identity.PodSelector, why string) {
	except := map[string][]identity.PodSelector{} // by namespace
	for _, source := range set.Except {
		out, ok := s.pods(source)
		if !ok {
			return nil, source.PodsWhy
		}
		for _, p := range out {
			except[p.Namespace] = append(except[p.Namespace], p)
		}
	}
	for _, source := range set.Any {
		in, ok := s.pods(source)
		if !ok {
			return nil, source.PodsWhy
		}
		for _, p := range in {
			rest, fits := minus(p, except[p.Namespace])
			if !fits {
				return nil, fmt.Sprintf("leaving out the pods that are denied it takes more than %d selectors", maxSelectors)
			}
			pods = append(pods, rest...)
		}
	}
	return widest(pods), ""
}

// admitByCertificate lets out to the gateways that know their callers. Which names is for the gateways to tell, and which of a namespace's pods, too,
// where labels do not: a pod that gets to such a gateway has to show a certificate there.
func (s *sheet) admitByCertificate(grants []*render.Grant) {
	var all []identity.PodSelector
	ways := map[render.GrantID][]identity.PodSelector{}
	for _, g := range grants {
		pods, ok := s.pods(g.Source)
		if !ok {
			pods = s.around(g.Source)
		}
		var members []identity.PodSelector
		for _, p := range pods {
			members = append(members, s.members.in(p)...)
		}
		if len(members) == 0 {
			s.lose(g, render.SourcePods, "none of its sources is a pod that takes part in the mesh")
			continue
		}
		ways[g.ID] = members
		all = append(all, members...)
	}
	doors := widest(all)
	for _, g := range grants {
		for _, p := range ways[g.ID] {
			for _, door := range within(doors, p.Namespace) {
				if door.Covers(p) {
					s.openGateways(s.draft(roleAdmit, door, g))
				}
			}
		}
	}
}

func (s *sheet) openGateways(d *draft) {
	for _, g := range s.gateways {
		if g.sources == nil {
			to, key, _ := podPeers(&g.peer) // without exceptions there is no error
			d.rules.addPods(to, key, traffic{tcp: g.ports})
		}
	}
}

// allow says a class by address: exactly where a packet filter can tell its protocol, and otherwise for another layer to look at.
func (s *sheet) allow(c render.AddressClass) error {
	role := roleAllow
	if c.Protocol.Transport() != c.Protocol {
		role = roleAdmit
	}
	except := map[string][]identity.PodSelector{} // by namespace
	for _, source := range c.Sources.Except {
		pods, err := s.mustPods(source)
		if err != nil {
			return err
		}
		for _, p := range pods {
			except[p.Namespace] = append(except[p.Namespace], p)
		}
	}
	left := map[string][]identity.PodSelector{} // by source
	var all []identity.PodSelector              // of every source
	crowded := map[string]bool{}                // sources of which not all is said
	for _, source := range c.Sources.Any {
		pods, err := s.mustPods(source)
		if err != nil {
			return err
		}
		key := source.Selector.String()
		left[key] = nil
		for _, p := range pods {
			rest, fits := minus(p, except[p.Namespace])
			if !fits {
				crowded[key] = true
			}
			left[key] = append(left[key], rest...)
			all = append(all, rest...)
		}
	}
	for _, p := range all {
		s.draft(role, p).rules.addAddresses(c.Addresses, trafficOf(c.Protocol, c.Ports))
	}
	for _, g := range c.Grants {
		key := g.Source.Selector.String()
		pods, own := left[key]
		if !own {
			pods = all // another source of the class holds the grant's
		}
		for _, p := range pods {
			s.draft(role, p, g)
		}
		if crowded[key] || !own && len(crowded) > 0 {
			s.lose(g, render.SourcePods, fmt.Sprintf("leaving out the pods that are denied it takes more than %d selectors", maxSelectors))
		}
	}
	return nil
}

// unsaid returns the grants that are neither covered nor lost: those of which denies and boundaries leave nothing.
func (s *sheet) unsaid(grants []*render.Grant) []*render.Grant {
	lost := map[render.GrantID]bool{}
	for _, l := range s.losses {
		lost[l.grant.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(grants), func(g *render.Grant) bool { return s.covered[g.ID] || lost[g.ID] })
}

// baseline isolates every pod of every namespace.
func (s *sheet) baseline(covers []*render.Grant) {
	for _, p := range s.whole(s.namespaces) {
		s.draft(roleBaseline, p, covers...)
	}
}

// simplify simplifies what pods are allowed by what all pods of their namespace are allowed. A namespace comes before its pods.
func (s *sheet) simplify() {
	for _, key := range slices.Sorted(maps.Keys(s.drafts)) {
		d := s.drafts[key]
		if d.role != roleAllow {
			continue
		}
		var others []*ruleSet
		if whole := s.drafts[draftKey(roleAllow, identity.PodSelector{Namespace: d.pods.Namespace})]; whole != nil && whole != d {
			others = append(others, &whole.rules)
		}
		d.rules.simplify(others)
	}
}

// emit hands over objects and losses.
func (s *sheet) emit(out *render.Emitter) {
	for _, key := range slices.Sorted(maps.Keys(s.drafts)) {
		d := s.drafts[key]
		fidelity := render.Same
		if d.role == roleAdmit {
			fidelity = render.Wider
		}
		var covers []*render.Grant
		for _, id := range slices.Sorted(maps.Keys(d.covers)) {
			g := d.covers[id]
			covers = append(covers, g)
			if fidelity == render.Same {
				out.Assure(g, render.Assurance{EnforcedAt: "packet filter", Holds: render.Holds, Why: "packets are judged outside the pod, by its labels and namespace"})
			}
		}
		for _, o := range d.objects(out) {
			out.Emit(o, fidelity, covers...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.losses)) {
		l := s.losses[key]
		out.Skip(l.grant, l.feature, l.why)
	}
}

// maxCIDRs is how many CIDRs one object holds at most: some 100 kB, below what the API server and kubectl apply take.
const maxCIDRs = 2000

// objects returns the draft's object, or its parts.
func (d *draft) objects(out *render.Emitter) []render.Object {
	name := []string{d.pods.Namespace}
	if len(d.pods.Labels) > 0 {
		name = append(name, strings.TrimPrefix(d.pods.String(), d.pods.Namespace+"/"))
	}
	object := func(egress []netv1.NetworkPolicyEgressRule, part ...string) render.Object {
		return render.Object{
			APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy",
			Namespace: d.pods.Namespace, Name: out.Name(d.role, slices.Concat(name, part)...),
			Spec: &netv1.NetworkPolicySpec{
				PodSelector: *d.pods.LabelSelector(),
				Egress:      egress,
				PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress}, // spelled out: left out, it means Ingress as well
			},
		}
	}
	fixed, blocks := d.rules.fixed(), parts(d.rules.blockRules(), maxCIDRs)
	if len(blocks) == 1 {
		return []render.Object{object(append(fixed, egressOf(blocks[0].rules)...))}
	}
	var objects []render.Object
	if len(fixed) > 0 || d.role == roleBaseline {
		objects = append(objects, object(fixed))
	}
	for _, p := range blocks {
		if len(p.rules) > 0 {
			objects = append(objects, object(egressOf(p.rules), "part "+p.name))
		}
	}
	return objects
}
