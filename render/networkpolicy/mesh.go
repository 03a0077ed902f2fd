package networkpolicy

import (
	"slices"

	"github.com/egresskit/egress/identity"
)

// members are the pods that take part in the mesh.
type members struct {
	all    bool                              // every pod
	known  map[string][]identity.PodSelector // by namespace; none: nobody there
	closed []string                          // namespaces of the inventory without a member
}

// of returns the members in the namespaces, in order.
func (m members) of(namespaces []string) []identity.PodSelector {
	var pods []identity.PodSelector
	for _, namespace := range namespaces {
		pods = append(pods, m.in(identity.PodSelector{Namespace: namespace})...)
	}
	return pods
}

// in returns the members among some pods. What is not in the inventory is taken to be a member: its labels are not known.
func (m members) in(pods identity.PodSelector) []identity.PodSelector {
	selectors, known := m.known[pods.Namespace]
	if m.all || !known {
		return []identity.PodSelector{pods}
	}
	var out []identity.PodSelector
	for _, s := range selectors {
		if both, ok := pods.With(s.Labels...); ok {
			out = append(out, both)
		}
	}
	return out
}

// marks are the labels by which pods become members where their namespace has none.
func marks(d DataPlane) []identity.LabelRequirement {
	if d == Ambient {
		return []identity.LabelRequirement{{Key: "istio.io/dataplane-mode", Operator: "In", Values: []string{"ambient"}}}
	}
	return []identity.LabelRequirement{
		{Key: "sidecar.istio.io/inject", Operator: "In", Values: []string{"true"}},
		{Key: "istio.io/rev", Operator: "Exists"},
	}
}

// membersOf reads the labels of an inventory as the mesh does.
func membersOf(inv *identity.Inventory, mesh Mesh) members {
	if inv == nil || mesh.Members == AllPods || mesh.DataPlane == "" || mesh.DataPlane == NoMesh {
		return members{all: true}
	}
	member := hasSidecars
	if mesh.DataPlane == Ambient {
		member = isAmbient
	}
	namespaces := inv.Namespaces()
	if !slices.ContainsFunc(namespaces, func(n identity.Namespace) bool { return member(n.Labels) }) {
		return members{all: true} // membership is told in some other way
	}
	asking := map[string][]identity.PodSelector{}
	for _, mark := range marks(mesh.DataPlane) {
		for _, pod := range inv.Pods() {
			s := identity.PodSelector{Namespace: pod.Namespace, Labels: []identity.LabelRequirement{mark}}
			if mark.Matches(pod.Labels) && !slices.ContainsFunc(asking[pod.Namespace], func(o identity.PodSelector) bool { return o.Covers(s) }) {
				asking[pod.Namespace] = append(asking[pod.Namespace], s)
			}
		}
	}
	m := members{known: map[string][]identity.PodSelector{}}
	for _, n := range namespaces {
		switch {
		case member(n.Labels):
			m.known[n.Name] = []identity.PodSelector{{Namespace: n.Name}}
		case mesh.DataPlane == Sidecar && n.Labels["istio-injection"] != "": // disabled, for pods too
			m.known[n.Name] = nil
		default:
			m.known[n.Name] = asking[n.Name]
		}
		if len(m.known[n.Name]) == 0 {
			m.closed = append(m.closed, n.Name)
		}
	}
	return m
}

// hasSidecars reads a namespace's labels as Istio's injector does: istio-injection decides before istio.io/rev.
func hasSidecars(labels map[string]string) bool {
	if injection, ok := labels["istio-injection"]; ok {
		return injection == "enabled"
	}
	return labels["istio.io/rev"] != ""
}

func isAmbient(labels map[string]string) bool { return labels["istio.io/dataplane-mode"] == "ambient" }
