package istio

import (
	"slices"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

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
	checkNames(t, p, func(_ fataler, objects []render.Object, req policy.Request) (named, anyway bool) {
		lets := leaves(objects, req.Source.Namespace, req.Access)
		return lets, lets
	})
}
