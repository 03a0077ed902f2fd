package istio

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// passes reports whether the waypoint lets a name pass for whoever holds a certificate: at the address of the most specific entry, which stands for
// the name, and at the address of any.
func passes(t fataler, objects []render.Object, id identity.SPIFFEID, a policy.Access) (own, anywhere bool) {
	var most match.Pattern
	found := false
	for _, o := range objects {
		e, ok := o.Spec.(*networking.ServiceEntry)
		if !ok || len(e.Addresses) > 0 {
			continue
		}
		lets := slices.ContainsFunc(e.Ports, func(p *networking.ServicePort) bool {
			return p.Number == uint32(a.Port) && p.Protocol == a.Protocol.String()
		}) &&
			waypointRule(t, objects, o.Name, security.AuthorizationPolicy_ALLOW, id, a) && !waypointRule(t, objects, o.Name, security.AuthorizationPolicy_DENY, id, a)
		anywhere = anywhere || lets
		for _, h := range e.Hosts {
			if p := match.MustParsePattern(h); p.Matches(a.Host) && (!found || most.Covers(p)) {
				own, most, found = lets, p, true
			}
		}
	}
	return own, anywhere
}

// waypointRule reports whether a rule of an action for an entry matches.
func waypointRule(t fataler, objects []render.Object, entry string, action security.AuthorizationPolicy_Action, id identity.SPIFFEID, a policy.Access) bool {
	matches := func(principals []string) bool {
		return slices.ContainsFunc(principals, func(p string) bool { return principalMatches(p, id.Principal()) })
	}
	for _, o := range objects {
		p, ok := o.Spec.(*security.AuthorizationPolicy)
		if !ok || p.Action != action || p.TargetRefs[0].Kind != "ServiceEntry" || p.TargetRefs[0].Name != entry {
			continue
		}
		for _, rule := range p.Rules {
			from, op := rule.From[0].Source, rule.To[0].Operation
			ok := matches(from.Principals) && !matches(from.NotPrincipals) && slices.Contains(op.Ports, fmt.Sprint(a.Port)) &&
				(len(op.Hosts) == 0 || hostMatches(op.Hosts, a.Host.String())) && !hostMatches(op.NotHosts, a.Host.String()) &&
				(len(op.Methods) == 0 || slices.Contains(op.Methods, a.Method))
			for _, c := range rule.When {
				switch c.Key {
				case "connection.sni":
					ok = ok && a.Protocol == policy.TLS && hostMatches(c.Values, a.Host.String()) && !hostMatches(c.NotValues, a.Host.String())
				case "source.principal":
					ok = ok && matches(c.Values)
				default:
					t.Fatalf("condition %s", c.Key)
				}
			}
			if ok {
				return true
			}
		}
	}
	return false
}

// TestAmbientMeaning compares what the waypoint's policies say of names with the model.
func TestAmbientMeaning(t *testing.T) {
	p := DefaultProfile()
	p.DataPlane = Ambient
	checkNames(t, p, func(t fataler, objects []render.Object, req policy.Request) (own, anywhere bool) {
		id, _ := req.Source.SPIFFE()
		return passes(t, objects, id, req.Access)
	})
}

// checkNames compares what objects say of names, as they are read, with the model: what is asked for by its name, and whatever way is taken. By HTTP it asks for
// the path / alone.
func checkNames(t *testing.T, p Profile, read func(t fataler, objects []render.Object, req policy.Request) (named, anyway bool)) {
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		engine, err := policy.Compile(policies, policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		res := renderAll(t, r, policies)
		for range 10 {
			a := gen.Request(policies).Draw(t, "request").Access
			if a.Host.IsZero() || a.Protocol != policy.TLS && a.Protocol != policy.HTTP || a.Port == 0 {
				continue
			}
			a = policy.Access{Protocol: a.Protocol, Port: a.Port, Host: a.Host, Method: a.Method}
			if a.Protocol == policy.HTTP {
				a.Method, a.Path = cmp.Or(a.Method, "GET"), "/"
			}
			source := identity.Workload{Cluster: "c1", Namespace: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "namespace"), ServiceAccount: rapid.SampledFrom([]string{"x", "y", "xy"}).Draw(t, "account")}
			req := policy.Request{Source: source, Access: a}
			named, anyway := read(t, res.Objects, req)
			d := engine.Decide(req)
			lost := func(l render.Loss) bool { return l.Grant.Source.Selector.Matches(source) }
			switch {
			case anyway && !d.Allowed && !slices.ContainsFunc(res.Losses, func(l render.Loss) bool { return l.Fidelity == render.Wider && lost(l) }):
				t.Fatalf("%v %v passes, and the model says: %v", source, a, d)
			case d.Allowed && !named && !slices.ContainsFunc(res.Losses, lost):
				t.Fatalf("%v %v does not pass, and the model says: %v", source, a, d)
			}
		}
	})
}

// TestAmbientReserves keeps names that others have, or nobody has, from the address of a wildcard above them.
func TestAmbientReserves(t *testing.T) {
	p := DefaultProfile()
	p.DataPlane = Ambient
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	at := func(account string) identity.Selector {
		return identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{account}})
	}
	for _, protocol := range []policy.Protocol{policy.TLS, policy.HTTP} {
		to := func(name string) policy.Destination {
			return policy.Destination{Hosts: []match.Pattern{match.MustParsePattern(name)}, Protocol: protocol, Ports: match.PortsOf(80)}
		}
		engine, err := policy.Compile([]*policy.Policy{{Name: "p", Sources: []policy.Source{
			{From: at("a"), Section: policy.Section{Allow: policy.Rules(to("*.foo.com")), Deny: policy.Rules(to("closed.foo.com"))}},
			{From: at("b"), Section: policy.Section{Allow: policy.Rules(to("x.foo.com"), to("*.deep.foo.com")), Within: policy.Rules(to("x.foo.com"), to("*.deep.foo.com"))}},
			{From: at("a"), Section: policy.Section{Deny: policy.Rules(to("x.foo.com"), to("*.deep.foo.com"))}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := render.Render(render.NewPlan(engine, ""), render.Stack{r}, render.Strict())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"y.foo.com", "closed.foo.com", "x.foo.com", "z.deep.foo.com", "foo.com"} {
			for _, account := range []string{"a", "b"} {
				source := identity.Workload{Namespace: "shop", ServiceAccount: account}
				id, _ := source.SPIFFE()
				a := policy.Access{Protocol: protocol, Port: 80, Host: match.MustParseHost(name)}
				if protocol == policy.HTTP {
					a.Method, a.Path = "GET", "/"
				}
				want := engine.Decide(policy.Request{Source: source, Access: a}).Allowed
				if own, anywhere := passes(t, res.Objects, id, a); own != want || anywhere != want {
					t.Errorf("%s %v: %t at its address, %t at some, want %t", account, a, own, anywhere, want)
				}
			}
		}
	}
}
