package istio

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// maxInEntry is how many addresses, and how many ports, a ServiceEntry takes by its definition.
const maxInEntry = 256

// maxPrefixes limits the networks of one destination, each of which is a filter chain of every sidecar that may use it.
const maxPrefixes = 1024

// emitAddresses opens connections by address at the sidecars of the namespaces whose pods may make them.
func (b *builder) emitAddresses(classes []render.AddressClass) error {
	for _, c := range classes {
		who, err := accountsOf(c.Sources)
		if err != nil {
			return err
		}
		whole, part, spelled := who.wholly(b.cluster)
		why := "no namespace is known that it selects"
		said := map[*render.Grant]bool{}
		if texts := addressTexts(c.Addresses); len(texts) == 0 {
			why = "0.0.0.0 and :: are no destinations"
		} else {
			part = b.refuse(c.Grants, part, said, render.TCPByAddress)
			b.emitDirect(c, texts, whole, render.Same, said)
			b.emitDirect(c, texts, part, render.Wider, said)
		}
		for _, g := range c.Grants {
			if !said[g] {
				b.out.Skip(g, render.TCPByAddress, why)
			}
		}
		if spelled {
			b.spell(c.Grants, anyNamespace, render.TCPByAddress)
		}
	}
	return nil
}

// refuse returns the namespaces of part that may be opened as a whole: those where another layer tells the pods apart for each grant. The
// grants that have to do without a namespace are skipped, and noted as said.
func (b *builder) refuse(grants []*render.Grant, part scope, said map[*render.Grant]bool, lost render.Feature) scope {
	var open scope
	for _, ns := range part.namespaces {
		reaches := func(g *render.Grant) bool {
			return slices.ContainsFunc(g.Source.Accounts, func(a accountSelector) bool { return inNamespace(a, ns) })
		}
		if !slices.ContainsFunc(grants, func(g *render.Grant) bool { return reaches(g) && !g.Admit }) {
			open.namespaces = append(open.namespaces, ns)
			continue
		}
		for _, g := range grants {
			if reaches(g) && !said[g] {
				said[g] = true
				b.out.Skip(g, lost, fmt.Sprintf("not all pods of namespace %s may, and their sidecars are not told apart", ns))
			}
		}
	}
	return open
}

// emitDirect writes the addresses of a class for the namespaces of a scope.
func (b *builder) emitDirect(c render.AddressClass, addresses []string, to scope, f render.Fidelity, said map[*render.Grant]bool) {
	if to.isZero() {
		return
	}
	var grants []*render.Grant
	for _, g := range c.Grants {
		if to.all || slices.ContainsFunc(to.namespaces, func(ns string) bool {
			return slices.ContainsFunc(g.Source.Accounts, func(a accountSelector) bool { return inNamespace(a, ns) })
		}) {
			grants = append(grants, g)
			said[g] = true
			b.out.Assure(g, atSidecar)
		}
	}
	var ports []*networking.ServicePort
	for _, r := range c.Ports.Ranges() {
		for port := int(r.First); port <= int(r.Last); port++ {
			ports = append(ports, servicePort("TCP", uint16(port)))
		}
	}
	for i, addresses := range chunk(addresses, maxInEntry) {
		for j, ports := range chunk(ports, maxInEntry) {
			name := b.out.Name("egress-address", c.Sources.Key(), c.Ports.String(), f.String(), strconv.Itoa(i), strconv.Itoa(j))
			b.out.Emit(render.Object{
				APIVersion: networkingV1, Kind: "ServiceEntry", Namespace: b.home(), Name: name,
				Spec: &networking.ServiceEntry{
					Hosts: []string{name + "." + directDomain}, Addresses: addresses, Ports: ports, ExportTo: to.exportTo(),
					Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_NONE,
				},
			}, f, grants...)
		}
	}
}

// chunk cuts a list into parts of n at most.
func chunk[T any](list []T, n int) [][]T { return slices.Collect(slices.Chunk(list, n)) }

// unspecified are addresses that nothing can be sent to. Istio would take them, and every IPv4 network that begins with one, for all
// addresses there are.
var unspecified = match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}, nil)

// addressTexts returns the networks as Istio writes them: those of one address without a length, so that they get a listener of their own.
func addressTexts(s match.Prefixes) []string {
	var out []string
	for _, p := range s.Subtract(unspecified).Prefixes() {
		if !p.IsSingleIP() {
			out = append(out, p.String())
		} else if !p.Addr().IsUnspecified() {
			out = append(out, p.Addr().String())
		}
	}
	return out
}
