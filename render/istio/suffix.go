package istio

import (
	"fmt"
	"slices"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// Without a listener inside the gateway, Istio's API has one thing left to tell names of TLS apart by: the server name that the sidecar asks
// the gateway for. Each name then has a server, a route and a subset of its own, and a server name below the domain of its class, such as
//
//	tls-443-www-foo-com-….tls-443-serviceaccount-a-in-namespace-shop-….egress.invalid
//
// so that one access rule a class holds all of its names, and a new name changes no rule.

// inside reports whether names of TLS are told apart by a listener inside the gateway.
func (r *Renderer) inside() bool {
	return r.profile.EnvoyFilter && !r.version.before(keepsIdentities)
}

// notInside says why not.
func (r *Renderer) notInside() string {
	if !r.profile.EnvoyFilter {
		return "it takes an EnvoyFilter, which the profile does not permit"
	}
	return fmt.Sprintf("it takes proxies of version %s or later, and the profile has %s", keepsIdentities, r.version)
}

// An outerName is what sidecars ask the gateway for in place of a name and port.
type outerName struct {
	label string // of the name and port; also names the subset and the server
	host  string
	name  match.Pattern
	class *nameClass
}

// nameLabel returns the label of a name and port: dots made dashes are not one to one, so it ends in a hash.
func (b *builder) nameLabel(name match.Pattern, port uint16) string {
	return b.out.Name("tls", strconv.Itoa(int(port)), name.String())
}

// classDomain is the domain of the server names of a class.
func classDomain(c *nameClass) string { return c.name + "." + reserved }

// outerNames returns the server names of the names that somebody may reach by TLS. Wildcards have none.
func (b *builder) outerNames() (out []*outerName) {
	for _, c := range b.tls {
		if c.nobody() {
			continue
		}
		for _, p := range c.Patterns {
			if p.Kind() == match.Exact && b.profile.unsayable(p) == "" {
				label := b.nameLabel(p, c.Port)
				out = append(out, &outerName{label, label + "." + classDomain(c), p, c})
			}
		}
	}
	return out
}

// emitOuterNames writes what leads from each server name to its name.
func (b *builder) emitOuterNames() {
	for i, batch := range deal(b.outerNames(), namesABatch, func(o *outerName) string { return o.host }) {
		gateway := &networking.Gateway{Selector: b.profile.Gateway.PodLabels}
		var grants []*render.Grant
		at := b.out.Name("egress-gateway", "names", strconv.Itoa(i))
		for _, o := range batch {
			grants = append(grants, o.class.Grants...)
			// A server of two names would send both to the first one's destination.
			gateway.Servers = append(gateway.Servers, b.server(o.label, b.profile.Gateway.TLS, "TLS", o.host))
			b.emitOuterName(o, at)
		}
		if len(batch) > 0 {
			b.out.Emit(render.Object{APIVersion: networkingV1, Kind: "Gateway", Namespace: b.profile.Gateway.Namespace, Name: at, Spec: gateway},
				render.Same, unique(grants)...)
		}
	}
}

// emitOuterName writes where a server name leads: to what the name resolves to, whatever the application's TLS asks for.
func (b *builder) emitOuterName(o *outerName, gateway string) {
	name := b.out.Name("egress-tls", strconv.Itoa(int(o.class.Port)), o.name.String())
	port := servicePort("TLS", o.class.Port)
	emit := func(kind string, spec any) {
		b.out.Emit(render.Object{APIVersion: networkingV1, Kind: kind, Namespace: b.profile.Gateway.Namespace, Name: name, Spec: spec}, render.Same, o.class.Grants...)
	}
	// The entry has the server name for its host, and not the name itself, which HTTP may have an entry for.
	emit("ServiceEntry", &networking.ServiceEntry{
		Hosts: []string{o.host}, Ports: []*networking.ServicePort{port}, ExportTo: []string{"."},
		Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_DNS,
		Endpoints: []*networking.WorkloadEntry{{Address: o.name.String()}},
	})
	emit("VirtualService", &networking.VirtualService{
		Hosts: []string{o.host}, Gateways: []string{b.profile.Gateway.Namespace + "/" + gateway}, ExportTo: []string{"."},
		Tcp: []*networking.TCPRoute{{Route: []*networking.RouteDestination{{
			Destination: &networking.Destination{Host: o.host, Port: &networking.PortSelector{Number: port.Number}},
		}}}},
	})
}

// emitOuterSubsets says by which server name sidecars ask the gateway for which name.
func (b *builder) emitOuterSubsets() {
	for i, batch := range deal(b.outerNames(), namesABatch, func(o *outerName) string { return o.host }) {
		rule := &networking.DestinationRule{Host: b.profile.host()}
		for _, o := range batch {
			rule.Subsets = append(rule.Subsets, subset(o.label, o.host))
		}
		if len(batch) > 0 {
			b.out.Emit(render.Object{
				APIVersion: networkingV1, Kind: "DestinationRule", Namespace: b.profile.Gateway.Namespace,
				Name: b.out.Name("egress-gateway", "names", strconv.Itoa(i)), Spec: rule,
			}, render.Same)
		}
	}
}

// emitOuterGate writes the access rules of the server names, one a class. Without any, nobody may ask the gateway for anything.
func (b *builder) emitOuterGate() {
	var rules []*security.Rule
	covers := slices.Clone(b.baseline)
	for _, c := range b.tls {
		if !c.nobody() {
			principals, except, why := b.principals(c.who)
			if why != "" {
				b.skipAll(c, why)
				continue
			}
			here := &security.Operation{Ports: []string{strconv.Itoa(int(b.profile.Gateway.TLS.TargetPort))}}
			rules = append(rules, b.certs.rule(principals, except, []*security.Rule_To{{Operation: here}},
				&security.Condition{Key: "connection.sni", Values: []string{"*." + classDomain(c)}}))
			if slices.ContainsFunc(c.who.any, needsSpelling) {
				b.spell(c.Grants, needsSpelling, render.SourceAccountGlob)
			}
		}
		covers = append(covers, c.Grants...)
	}
	for _, c := range b.http {
		if c.nobody() {
			covers = append(covers, c.Grants...)
		}
		covers = append(covers, c.Denies...) // where no rule lets anything pass, this takes all
	}
	b.emitAccess("egress-tls", security.AuthorizationPolicy_ALLOW, rules, unique(covers))
}

// byServerName is the assurance of names of TLS that the sidecar asks for in place of the application.
var byServerName = render.Assurance{EnforcedAt: "egress gateway", Holds: render.Advisory,
	Why: "the gateway checks the certificate of the source, and connects to addresses of its names alone; " +
		"but it does not see the name that the application's TLS asks for, by which a front end shared with others may lead elsewhere"}
