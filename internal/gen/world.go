package gen

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
)

// A World is a cluster with policies.
type World struct {
	Policies  []*policy.Policy
	Engine    *policy.Engine
	Pods      []identity.Workload // what runs in it; all of what may be known is
	Inventory *identity.Inventory // of the pods
}

// Worlds generates clusters of that name with up to most pods, where more than one pod runs as one service account, and some service account has
// labels that others share.
func Worlds(cluster string, most int) *rapid.Generator[World] {
	return rapid.Custom(func(t *rapid.T) World {
		w := World{Policies: Policies().Draw(t, "policies")}
		var err error
		if w.Engine, err = policy.Compile(w.Policies, policy.At(Now)); err != nil {
			t.Fatalf("gen: %v", err)
		}
		var known []identity.Namespace
		labels := map[string]map[string]string{}
		for _, name := range namespaces {
			labels[name] = labelSet(t, "labels of "+name)
			known = append(known, identity.Namespace{Name: name, Labels: labels[name]})
		}
		var pods []identity.Pod
		for i := range rapid.IntRange(1, most).Draw(t, "pods") {
			p := identity.Pod{
				Namespace: pick(t, "namespace", namespaces...), Name: fmt.Sprintf("pod-%d", i), ServiceAccount: pick(t, "account", accounts...), Labels: labelSet(t, "labels"),
			}
			pods = append(pods, p)
			w.Pods = append(w.Pods, identity.Workload{
				Cluster: cluster, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, Labels: p.Labels, NamespaceLabels: labels[p.Namespace],
			})
		}
		if w.Inventory, err = identity.NewInventory(known, nil, pods); err != nil {
			t.Fatalf("gen: %v", err)
		}
		return w
	})
}

// Destinations are all that the rules in force name.
func (w World) Destinations() []policy.Destination {
	var all []policy.Destination
	for r := range w.Engine.Rules() {
		all = append(all, r.To...)
	}
	return all
}

// Access generates accesses to what the rules in force name, or nearly so.
func (w World) Access() *rapid.Generator[policy.Access] { return Access(w.Destinations()) }
