package istio

import (
	"slices"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// leaves reports whether the sidecars of a namespace let a name out: the entry of the most specific pattern decides, and of two for one pattern that
// in the namespace itself.
func leaves(objects []render.Object, namespace string, a policy.Access) bool {
	var best *networking.ServiceEntry
	var most match.Pattern
	own := false
	for _, o := range objects {
		e, ok := o.Spec.(*networking.ServiceEntry)
		if !ok || o.Namespace != namespace && e.ExportTo[0] != "*" {
			continue
		}
		for _, h := range e.Hosts {
			p := match.MustParsePattern(h)
			if !p.Matches(a.Host) || best != nil && (p.Covers(most) && p != most || p == most && own) {
				continue
			}
			// On a port that an entry does not have, a wider one decides.
			if has := slices.ContainsFunc(e.Ports, func(port *networking.ServicePort) bool { return port.Number == uint32(a.Port) }); has || p == most {
				best, most, own = e, p, o.Namespace == namespace
			}
		}
	}
	return best != nil && best.Resolution != networking.ServiceEntry_STATIC && slices.ContainsFunc(best.Ports, func(port *networking.ServicePort) bool {
		return port.Number == uint32(a.Port) && port.Protocol == a.Protocol.String()
	})
}

// TestDirectMeaning compares what the entries of sidecars say with the model.
func TestDirectMeaning(t *testing.T) {
	p := DefaultProfile()
	p.Egress = Direct
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
			a = policy.Access{Protocol: a.Protocol, Port: a.Port, Host: a.Host}
			if a.Protocol == policy.HTTP {
				a.Method, a.Path = "GET", "/"
			}
			source := identity.Workload{Cluster: "c1", Namespace: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "namespace"), ServiceAccount: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "account")}
			lets, d := leaves(res.Objects, source.Namespace, a), engine.Decide(policy.Request{Source: source, Access: a})
			lost := func(l render.Loss) bool { return l.Grant.Source.Selector.Matches(source) }
			switch {
			case lets && !d.Allowed && !slices.ContainsFunc(res.Losses, func(l render.Loss) bool { return l.Fidelity == render.Wider && lost(l) }):
				t.Fatalf("%v %v is let out, and the model says: %v", source, a, d)
			case d.Allowed && !lets && !slices.ContainsFunc(res.Losses, lost):
				t.Fatalf("%v %v is not let out, and the model says: %v", source, a, d)
			}
		}
	})
}
