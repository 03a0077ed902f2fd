package istio

import (
	"fmt"
	"slices"

	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/registry"
)

// RegistryOnly is what closes sidecars to all that is not in Istio's registry.
type RegistryOnly string

const (
	ByRootSidecar       RegistryOnly = "root"       // a Sidecar in the root namespace, for every namespace; the default
	ByNamespaceSidecars RegistryOnly = "namespaces" // a Sidecar in each namespace that is known: for a mesh whose root namespace belongs to others
	ByMeshConfig        RegistryOnly = "mesh"       // the mesh configuration, which is assumed to say REGISTRY_ONLY: no Sidecar
)

// emitBaseline closes the sidecars to everything that is not in the registry.
//
// It covers more grants that nothing but it says.
func (b *builder) emitBaseline(more ...*render.Grant) {
	switch p := &b.profile; p.RegistryOnly {
	case ByNamespaceSidecars:
		for _, ns := range b.cluster.namespaces {
			b.emitSidecar(ns, more)
		}
		if len(b.cluster.namespaces) == 0 {
			for _, g := range b.baseline {
				b.out.Skip(g, render.Baseline, "no namespace is known that a Sidecar could be in")
			}
		}
		b.spelled = true
		b.out.Assume("one-sidecar", "no other Sidecar without a workload selector is in the namespaces that policies or the inventory name, and none with one sets an outbound traffic policy")
	case ByMeshConfig:
		b.out.Assume("registry-only", "the mesh configuration has outboundTrafficPolicy.mode REGISTRY_ONLY, and no Sidecar sets another one")
	default:
		b.emitSidecar(p.RootNamespace, more)
		b.out.Assume("one-root-sidecar", fmt.Sprintf("no other Sidecar without a workload selector is in namespace %s, and none elsewhere sets an outbound traffic policy", p.RootNamespace))
	}
	for _, g := range b.baseline {
		b.out.Assure(g, atSidecar)
	}
}

func (b *builder) emitSidecar(namespace string, more []*render.Grant) {
	b.out.Emit(render.Object{
		APIVersion: networkingV1, Kind: "Sidecar", Namespace: namespace, Name: b.out.Name("egress-baseline"), Spec: registry.NewOnly(),
	}, render.Same, unique(slices.Concat(b.baseline, more))...)
}
