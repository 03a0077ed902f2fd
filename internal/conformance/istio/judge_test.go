package istio

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// bounds is what configuration rendered from a plan must and may let pass. Between them lie the losses.
type bounds struct {
	must []*policy.EffectiveRule // without the allows that were lost
	may  []*policy.EffectiveRule // without the denies and boundaries that were given up
	lost map[render.GrantID]bool
}

func boundsOf(p *render.Plan, losses []render.Loss) bounds {
	b := bounds{lost: map[render.GrantID]bool{}}
	for _, l := range losses {
		b.lost[l.Grant.ID] = true
	}
	for g := range p.Grants() {
		r := &policy.EffectiveRule{ID: policy.RuleID(g.ID), Sources: g.Source.Selector, To: []policy.Destination{g.To}}
		switch g.Kind {
		case render.AllowGrant:
			r.Effect = policy.Allow
		case render.DenyGrant:
			r.Effect = policy.Deny
		case render.BoundaryGrant:
			r.Effect, r.To = policy.Within, g.Within
		default:
			continue
		}
		if r.Effect != policy.Allow || !b.lost[g.ID] {
			b.must = append(b.must, r)
		}
		if r.Effect == policy.Allow || !b.lost[g.ID] {
			b.may = append(b.may, r)
		}
	}
	return b
}

// allowed returns what somebody may reach.
func (b bounds) allowed() (out []policy.Destination) {
	for _, r := range b.must {
		if r.Effect == policy.Allow {
			out = append(out, r.To...)
		}
	}
	return out
}

// mustPass reports whether configuration that lets r not pass is wrong.
func (b bounds) mustPass(r policy.Request) bool { return reference.DecideRules(b.must, r).Allowed }

// mayPass reports whether configuration that lets r pass is right.
func (b bounds) mayPass(r policy.Request) bool { return reference.DecideRules(b.may, r).Allowed }

// direct reports whether the address of an access lies in a network that somebody may reach by address. Sidecars let such connections out
// directly, whatever name they are for: the rules for the address hold and not those for the name, which is a gap of the target's and
// known.
func (b bounds) direct(a policy.Access) bool {
	return a.Address.IsValid() && slices.ContainsFunc(b.may, func(r *policy.EffectiveRule) bool {
		return r.Effect == policy.Allow && len(r.To[0].Hosts) == 0 && r.To[0].Addresses.Contains(a.Address) && r.To[0].Ports.Contains(a.Port)
	})
}

// rendered is configuration that was rendered for policies, and what may be expected of it.
type rendered struct {
	plan   *render.Plan
	result *render.Result
	bounds bounds
	objs   []*objects.Object
}

// renderPolicies renders policies for a stack. Denies and boundaries that the stack cannot say are given up, and do not count.
func renderPolicies(policies []*policy.Policy, stack render.Stack, cluster string, inv *identity.Inventory, options ...policy.Option) (*rendered, error) {
	engine, err := policy.Compile(policies, options...)
	if err != nil {
		return nil, err
	}
	plan := render.NewPlan(engine, cluster)
	if inv != nil {
		plan = render.NewPlan(engine, cluster, render.WithInventory(inv))
	}
	result, err := render.Render(plan, stack)
	var accept []render.Option
	for wider := (*render.WideningError)(nil); errors.As(err, &wider) && len(accept) < 1000; {
		for _, l := range wider.Losses {
			accept = append(accept, render.AcceptWider(l.Grant.Rule, "not what is tested here"))
		}
		result, err = render.Render(plan, stack, accept...)
	}
	if err != nil {
		return nil, err
	}
	objs, err := objects.Rendered(result.Objects)
	if err != nil {
		return nil, err
	}
	return &rendered{plan, result, boundsOf(plan, result.Losses), objs}, nil
}

// workloadsOf returns an inventory's pods, which keep their order.
func workloadsOf(inv *identity.Inventory) (out []world.Workload) {
	for _, p := range inv.Pods() {
		out = append(out, world.Workload{Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, Labels: p.Labels})
	}
	return out
}

// sourceOf returns the i-th workload of a world as the model knows it.
func sourceOf(w *world.World, i int, cluster string, inv *identity.Inventory) identity.Workload {
	p := w.Workloads[i]
	s := identity.Workload{Cluster: cluster, TrustDomain: w.TrustDomain, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, Labels: p.Labels}
	for _, n := range inv.Namespaces() {
		if n.Name == p.Namespace {
			s.NamespaceLabels = n.Labels
		}
	}
	return s
}

// spoken returns what an honest application sends for an access, and where to; or why it is not for the mesh to judge.
func spoken(a policy.Access) (to netip.AddrPort, b walk.Bytes, why string) {
	addr := a.Address.Unmap()
	if !addr.IsValid() {
		addr = elsewhere
	}
	switch {
	case a.Port == 0 || addr.IsUnspecified():
		return to, nil, "to no address or port"
	case addr.Is6():
		return to, nil, "to IPv6, which the world has not"
	}
	to = netip.AddrPortFrom(addr, a.Port)
	switch a.Protocol {
	case policy.TLS:
		return to, sni(a.Host.String()), ""
	case policy.HTTP:
		if strings.Contains(a.Path, "//") || strings.ContainsAny(a.Path, "%\\;") || strings.Contains(a.Path, "..") {
			return to, nil, "of an ambiguous path, which is no request to the model"
		}
		authority := a.Host.String()
		if authority == "" {
			authority = addr.String()
		}
		if a.Port != 80 {
			authority = fmt.Sprintf("%s:%d", authority, a.Port)
		}
		return to, walk.HTTP{Authority: authority, Method: a.Method, Path: a.Path}, ""
	case policy.TCP:
		return to, walk.Raw{}, ""
	}
	return to, nil, "neither TCP nor on top of it"
}

// elsewhere is the address of names outside that requests do not give one for. Only rules for every address hold it.
var elsewhere = netip.MustParseAddr("192.0.2.77")

// judge reports what is wrong with where bytes of a source arrived: that no rule allows it.
func (b bounds) judge(source identity.Workload, o walk.Outcome) error {
	if !o.Reached() {
		return nil
	}
	landed := policy.Access{Port: o.Port, Address: o.Addr}
	if o.Host != "" {
		h, err := match.ParseHost(o.Host)
		if err != nil {
			return nil // no name server knows it
		}
		landed.Host = h
	}
	arrives := o.Arrives
	if o.Origination != nil {
		return b.judgeOriginated(source, landed, o)
	}
	switch a := arrives.(type) {
	case walk.TLS:
		landed.Protocol = policy.TLS
		landed.Host = nameInside(landed.Host, a.SNI)
	case walk.HTTP:
		landed.Protocol, landed.Method, landed.Path = policy.HTTP, orElse(a.Method, "GET"), orElse(a.Path, "/")
		name, _, _ := strings.Cut(a.Authority, ":")
		landed.Host = nameInside(landed.Host, name)
		for _, h := range slices.Sorted(maps.Keys(a.Headers)) {
			if strings.HasPrefix(h, "x-egress-") {
				return fmt.Errorf("header %s leaves the mesh", h)
			}
		}
	default:
		landed.Protocol = policy.TCP
	}
	if r := (policy.Request{Source: source, Access: landed}); !b.mayPass(r) {
		return fmt.Errorf("reaches %v, which no rule allows", landed)
	}
	// Who dials an address itself may call it by any name. Only a rule for the address lets that pass.
	named := landed
	landed.Host = match.Host{}
	if r := (policy.Request{Source: source, Access: landed}); o.Host == "" && !b.mayPass(r) {
		return fmt.Errorf("reaches %v, which may be any address that is called so", named)
	}
	return nil
}

// nameInside returns the name of a connection that went to an address: the one that the client asked for inside.
func nameInside(host match.Host, asked string) match.Host {
	if !host.IsZero() {
		return host
	}
	h, _ := match.ParseHost(asked)
	return h
}

// judgeOriginated asks for a rule that has the enforcement point speak this TLS.
func (b bounds) judgeOriginated(source identity.Workload, landed policy.Access, o walk.Outcome) error {
	t, _ := o.Arrives.(walk.TLS)
	req, ok := t.Inner.(walk.HTTP)
	if !ok {
		return fmt.Errorf("TLS is spoken for %v", t.Inner)
	}
	landed.Protocol, landed.Method, landed.Path = policy.HTTP, orElse(req.Method, "GET"), orElse(req.Path, "/")
	if o.Origination.Trust == "" {
		return fmt.Errorf("the certificate of %s is not verified", o.Host)
	}
	if o.Origination.SNI != o.Host {
		return fmt.Errorf("%s is asked for %q", o.Host, o.Origination.SNI)
	}
	for _, r := range b.may {
		if r.Effect != policy.Allow || r.To[0].OriginateTLS == nil {
			continue
		}
		want := r.To[0].OriginateTLS
		if want.Port != o.Port || (want.Mode == policy.MutualTLS) != (o.Origination.Certificate != "") || !strings.HasSuffix(o.Origination.Certificate, want.CredentialName) {
			continue
		}
		for _, ports := range r.To[0].Ports.Ranges() {
			for _, port := range []uint16{ports.First, ports.Last} {
				landed.Port = port
				alone := []*policy.EffectiveRule{r}
				for _, other := range b.may {
					if other.Effect != policy.Allow {
						alone = append(alone, other)
					}
				}
				if reference.DecideRules(alone, policy.Request{Source: source, Access: landed}).Allowed {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("reaches %s:%d by TLS %+v, which no rule asks for", o.Host, o.Port, *o.Origination)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
