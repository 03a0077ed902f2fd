package networkpolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/render"
)

// assume records what must be true of the cluster.
func (s *sheet) assume(out *render.Emitter) {
	out.Assume("enforced", "the cluster's network plugin enforces NetworkPolicies, with egress and endPort, for TCP, UDP and SCTP")
	out.Assume("additive", "no other NetworkPolicy opens more to these pods, and who may create one is restricted: NetworkPolicies add up")
	out.Assume("host-network", "no pod that is to be held runs in the network of its node, where NetworkPolicies do not reach")
	out.Assume("outside", "addresses that policies name are outside the cluster: network plugins differ on whether an ipBlock holds for pods, services and nodes")
	if s.inventory == nil {
		out.Assume("namespaces", "the cluster has these namespaces, which policies or the profile name, and no other that is to be held: "+strings.Join(s.namespaces, ", "))
	} else {
		out.Assume("namespaces", "no namespace has been added since the inventory was taken: it would have no baseline")
	}
	if accounts := slices.Sorted(maps.Keys(s.byLabels)); len(accounts) > 0 {
		out.Assume("labels", "labels tell service accounts apart as they do in the inventory, and who may create or label pods is restricted: "+strings.Join(accounts, "; "))
	}
	s.assumeMesh(out)
	if s.profile.InCluster == Open {
		out.Assume("in-cluster", "pods do not carry each other's traffic out: traffic between pods is open, so that a pod that relays lets others out as far as it may go itself")
	}
	if s.profile.DNS.Namespace != "" || s.profile.DNS.NodeLocal.IsValid() {
		out.Assume("dns", "the resolvers of the cluster do not carry data out in names that they are asked for")
	}
}

func (s *sheet) assumeMesh(out *render.Emitter) {
	if len(s.gateways) == 0 {
		return
	}
	var asking, guarded []string
	for _, g := range s.gateways {
		if text := fmt.Sprintf("%s on %s", g.pods, g.ports); g.sources == nil {
			asking = append(asking, text)
		} else {
			guarded = append(guarded, text)
		}
	}
	if len(asking) > 0 {
		out.Assume("gateways", "only gateways that know their callers by certificate are the pods "+strings.Join(asking, ", "))
	}
	if len(guarded) > 0 {
		out.Assume("guarded-gateways", "only gateways that let out whoever gets to them are the pods "+strings.Join(guarded, ", "))
	}
	out.Assume("unroutable", "names outside resolve to none of the networks that the profile keeps gateways from")
	if len(s.members.closed) > 0 {
		out.Assume("members", "no pod of these namespaces takes part in the mesh, and none gets to a gateway: "+strings.Join(s.members.closed, ", "))
	}
}
