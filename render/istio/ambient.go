package istio

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	selector "istio.io/api/type/v1beta1"
	gatewayapi "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// In ambient mode a waypoint is the egress gateway. ztunnel answers the DNS questions of pods with an address that stands for the name, and
// hands what they send there to the waypoint, with their certificate. The waypoint tells names apart by that address, asks an
// AuthorizationPolicy of the name's own ServiceEntry who may pass, and looks the name up itself. No EnvoyFilter is needed.
//
// What must not be left out: an entry for all other addresses, or ztunnel would let them pass; a policy without rules on the waypoint,
// or a name without a policy would be open to the mesh; the SNI and Host of names, or an allowed pod would have the waypoint
// look up any name below a wildcard, or ask the front end of its name for another one; the names below a wildcard that others have for
// themselves; and exportTo, or pods with sidecars would go past it all.
//
// Connections by address come to the waypoint, too, which knows the certificate and where they were bound for. See ambient_address.go.

// DataPlane is how the mesh captures what pods send.
type DataPlane string

const (
	Sidecars DataPlane = "sidecar" // the default
	Ambient  DataPlane = "ambient"
)

// A Waypoint is the egress gateway of a mesh in ambient mode. Its namespace is the platform's own: who may create ServiceEntries or policies there may
// open it.
type Waypoint struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

const (
	useWaypoint   = "istio.io/use-waypoint"
	waypointClass = "istio-waypoint"
	hbonePort     = 15008
	restHost      = "everything-else." + reserved
)

// namesAnEntry is about how many names an entry has. Its policy lists them and is part of what the waypoint has for each of them, so that the size of
// all is their number times this one.
const namesAnEntry = 16

func (r *Renderer) ambient() bool { return r.profile.DataPlane == Ambient }

// ambientFeatures returns what a waypoint can say. It sees the certificate on connections by address, too. Of calls it tells methods apart; paths are left
// out, since it has no routes of ours that would refuse those that servers read in several ways.
func ambientFeatures() render.Features {
	return render.Features{
		render.HostExact:          render.Same,
		render.HostSubdomains:     render.Same,
		render.TLSByName:          render.Same,
		render.HTTPByName:         render.Same,
		render.TCPByAddress:       render.Same,
		render.HTTPMethods:        render.Same,
		render.OriginateSimpleTLS: render.Same,
		render.OriginateMutualTLS: render.Same,
		render.SourceEveryone:     render.Same,
		render.SourceAccounts:     render.Same,
		render.SourceAccountGlob:  render.Same,
		render.Baseline:           render.Same,
		render.NamesApart:         render.Same,
		render.TCPAlone:           render.Same,
	}
}

// refineAmbient adds to what holds for both data planes that a waypoint asks AuthorizationPolicies about all protocols.
func refineAmbient(g *render.Grant) (f render.Fidelity, lost render.Feature, why string) {
	for _, a := range g.Source.Accounts {
		if _, ok := suffixPrincipal(a); !ok && isGlob(a.ServiceAccount) && !isPrefix(a.ServiceAccount) {
			return 0, render.SourceAccountGlob, fmt.Sprintf("AuthorizationPolicy says globs of one '*' at an end, and %s is not", a)
		}
	}
	return render.Same, "", ""
}

// An ambientPort is one port of a name: who may reach it there.
type ambientPort struct {
	class *nameClass
	carve []match.Pattern // below the name, for others
}

// An ambientName is a pattern with its ports.
type ambientName struct {
	pattern match.Pattern
	ports   []ambientPort
}

// buildAmbient makes the objects of a plan for a mesh in ambient mode.
func (b *builder) buildAmbient(tls, http []render.NameClass, addresses []render.AddressClass) error {
	var err error
	if b.tls, err = b.nameClasses(tls, "tls"); err != nil {
		return err
	}
	if b.http, err = b.nameClasses(http, "http"); err != nil {
		return err
	}
	b.emitWaypoint()
	wildcardTLS := false
	for _, group := range b.ambientGroups() {
		b.emitAmbientEntry(group)
		for _, p := range group.names[0].ports {
			wildcardTLS = wildcardTLS || p.class.Protocol == policy.TLS && group.names[0].pattern.Kind() != match.Exact
		}
	}
	b.assure(b.tls, atWaypoint)
	b.assure(b.http, atWaypoint)
	if err := b.emitAmbientAddresses(addresses); err != nil {
		return err
	}
	if b.profile.AccessLog != "" {
		b.emitWaypointLog()
	}
	b.assumeAmbient(wildcardTLS)
	return nil
}

// atWaypoint is the assurance of everything that the waypoint checks.
var atWaypoint = render.Assurance{EnforcedAt: "waypoint", Holds: render.WithPacketFilter,
	Why: "the waypoint asks for the source's certificate; only a packet filter keeps a pod outside of ztunnel from going round the waypoint"}

// emitWaypoint writes the waypoint, closed, and the entry that has it take everything that no other entry names.
func (b *builder) emitWaypoint() {
	w := b.profile.Waypoint
	everything := slices.Clone(b.baseline)
	for _, g := range b.baseline {
		b.out.Assure(g, render.Assurance{EnforcedAt: "ztunnel and waypoint", Holds: render.Advisory, Why: "a pod outside of ztunnel is not held by it, and neither is UDP"})
	}
	same := gatewayapi.NamespacesFromSame
	b.out.Emit(render.Object{
		APIVersion: "gateway.networking.k8s.io/v1", Kind: "Gateway", Namespace: w.Namespace, Name: w.Name,
		Spec: &gatewayapi.GatewaySpec{GatewayClassName: waypointClass, Listeners: []gatewayapi.Listener{{
			Name: "mesh", Port: hbonePort, Protocol: "HBONE",
			AllowedRoutes: &gatewayapi.AllowedRoutes{Namespaces: &gatewayapi.RouteNamespaces{From: &same}},
		}}},
	}, render.Same, everything...)
	closed := slices.Clone(everything)
	for _, c := range slices.Concat(b.tls, b.http) {
		if c.nobody() {
			closed = append(closed, c.Grants...) // of sources without a pod
		}
		closed = append(closed, c.Denies...) // where no rule lets anything pass, this takes all
	}
	b.out.Emit(render.Object{
		APIVersion: securityV1, Kind: "AuthorizationPolicy", Namespace: w.Namespace, Name: b.out.Name("egress-nobody"),
		Spec: &security.AuthorizationPolicy{TargetRefs: []*selector.PolicyTargetReference{{Group: "gateway.networking.k8s.io", Kind: "Gateway", Name: w.Name}}},
	}, render.Same, unique(closed)...)
	ports := []*networking.ServicePort{servicePort("HTTP", 80), servicePort("TLS", 443)}
	b.emitEntry(b.out.Name("egress-rest"), &networking.ServiceEntry{
		Hosts: []string{restHost}, Addresses: []string{"0.0.0.0/0", "::/0"}, Ports: ports, Resolution: networking.ServiceEntry_NONE,
	}, everything)
}

// emitEntry writes an entry of the waypoint: seen by nobody with a sidecar, and handed to the waypoint by every ztunnel.
func (b *builder) emitEntry(name string, entry *networking.ServiceEntry, covers []*render.Grant) {
	entry.ExportTo, entry.Location = []string{"."}, networking.ServiceEntry_MESH_EXTERNAL
	b.out.Emit(render.Object{
		APIVersion: networkingV1, Kind: "ServiceEntry", Namespace: b.profile.Waypoint.Namespace, Name: name,
		Labels: map[string]string{useWaypoint: b.profile.Waypoint.Name}, Spec: entry,
	}, render.Same, covers...)
}

// ambientGroups returns the names by entry: exact names that the same sources may reach on the same ports share entries, wildcards have one
// each. A name's address is that of the most specific entry that has it, whatever the port, so that an entry also has the ports of the
// wildcards above it. Classes whose sources can't be said are skipped.
func (b *builder) ambientGroups() []ambientGroup {
	var trees []nameTree
	names := map[string]*ambientName{}
	var order []string
	for _, classes := range slices.Concat(byPort(b.tls), byPort(b.http)) {
		trees = append(trees, newNameTree(classes))
		for _, c := range classes {
			if !b.sayAmbient(c) {
				c.who.any, c.calls = nil, nil
			}
			for _, p := range c.Patterns {
				if names[p.String()] == nil && !c.nobody() && b.profile.unsayable(p) == "" {
					names[p.String()] = &ambientName{pattern: p}
					order = append(order, p.String())
				}
			}
		}
	}
	for _, text := range order {
		n := names[text]
		for _, tree := range trees {
			if c, carve := tree.at(n.pattern); c != nil && !c.nobody() {
				n.ports = append(n.ports, ambientPort{c, carve})
			}
		}
	}
	slices.Sort(order)
	groups := map[string][]ambientName{}
	var keys []string
	for _, text := range order {
		n := names[text]
		key := n.key()
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], *n)
	}
	var out []ambientGroup
	for _, key := range keys {
		if first := groups[key][0]; first.pattern.String() == key {
			out = append(out, ambientGroup{b.out.Name("egress-name", key), groups[key]})
			continue
		}
		for i, batch := range deal(groups[key], namesAnEntry, func(n ambientName) string { return n.pattern.String() }) {
			if len(batch) > 0 {
				out = append(out, ambientGroup{b.out.Name("egress-names", key, strconv.Itoa(i)), batch})
			}
		}
	}
	return out
}

// An ambientGroup is names that share an entry, and its name.
type ambientGroup struct {
	name  string
	names []ambientName
}

// patterns returns the names of the group.
func (g ambientGroup) patterns() (out []match.Pattern) {
	for _, n := range g.names {
		out = append(out, n.pattern)
	}
	return out
}

// sayAmbient reports whether the sources of a class can be said, and skips its grants where they can't.
func (b *builder) sayAmbient(c *nameClass) bool {
	if c.nobody() {
		return true
	}
	for _, who := range append([]accounts{c.who}, c.calls...) {
		if _, _, why := b.principals(who); why != "" && len(who.any) > 0 {
			b.skipAll(c, why)
			return false
		}
	}
	if slices.ContainsFunc(c.everybody(), needsSpelling) {
		b.spell(c.Grants, needsSpelling, render.SourceAccountGlob)
	}
	return true
}

// key is what exact names of one entry have in common. A wildcard has nothing in common with others, and neither has a name that TLS is originated
// to, which a DestinationRule of its own says.
func (n *ambientName) key() string {
	var parts []string
	for _, p := range n.ports {
		parts = append(parts, p.class.name)
		if p.class.OriginateTLS != nil {
			return n.pattern.String()
		}
	}
	if n.pattern.Kind() != match.Exact {
		return n.pattern.String()
	}
	return strings.Join(parts, "\x00")
}

// emitAmbientEntry writes the entry of names that the same sources may reach on the same ports, and its policy.
func (b *builder) emitAmbientEntry(group ambientGroup) {
	first, name := group.names[0], group.name
	entry := &networking.ServiceEntry{Resolution: networking.ServiceEntry_DNS}
	if first.pattern.Kind() != match.Exact {
		entry.Resolution = networking.ServiceEntry_DYNAMIC_DNS
	}
	entry.Hosts = patternTexts(group.patterns())
	var rules, denials []*security.Rule
	var covers, denies []*render.Grant
	origins := &networking.DestinationRule{Host: first.pattern.String(), ExportTo: []string{"."}, TrafficPolicy: &networking.TrafficPolicy{}}
	taken := map[uint16]bool{}
	for _, p := range first.ports {
		c := p.class
		if taken[c.Port] {
			for _, g := range c.Grants {
				b.out.Skip(g, render.HTTPByName, fmt.Sprintf("port %d of %s is taken by TLS, and an entry's port takes one protocol", c.Port, first.pattern))
			}
			continue
		}
		taken[c.Port] = true
		covers = append(covers, c.Grants...)
		port := servicePort(c.Protocol.String(), c.Port)
		if o := c.OriginateTLS; o != nil {
			port.TargetPort = uint32(o.Port)
			origins.TrafficPolicy.PortLevelSettings = append(origins.TrafficPolicy.PortLevelSettings, &networking.TrafficPolicy_PortTrafficPolicy{
				Port: &networking.PortSelector{Number: uint32(c.Port)}, Tls: b.origination(first.pattern.String(), o),
			})
		}
		entry.Ports = append(entry.Ports, port)
		allow, deny := b.ambientRules(group.patterns(), p)
		rules, denials = append(rules, allow...), append(denials, deny...)
		denies = append(denies, c.Denies...)
	}
	slices.SortFunc(entry.Ports, func(a, b *networking.ServicePort) int { return cmp.Compare(a.Number, b.Number) })
	covers = unique(covers)
	b.emitEntry(name, entry, covers)
	b.emitAmbientPolicy(name, security.AuthorizationPolicy_ALLOW, rules, covers, name)
	if len(denials) > 0 {
		b.emitAmbientPolicy(b.out.Name("egress-deny", name), security.AuthorizationPolicy_DENY, denials, unique(denies), name)
	}
	if len(origins.TrafficPolicy.PortLevelSettings) > 0 {
		b.out.Emit(render.Object{APIVersion: networkingV1, Kind: "DestinationRule", Namespace: b.profile.Waypoint.Namespace, Name: name, Spec: origins}, render.Same, covers...)
	}
}

// emitAmbientPolicy writes who may reach what entries stand for.
func (b *builder) emitAmbientPolicy(name string, action security.AuthorizationPolicy_Action, rules []*security.Rule, covers []*render.Grant, entries ...string) {
	policy := &security.AuthorizationPolicy{Action: action, Rules: rules}
	for _, entry := range entries {
		policy.TargetRefs = append(policy.TargetRefs, &selector.PolicyTargetReference{Group: "networking.istio.io", Kind: "ServiceEntry", Name: entry})
	}
	b.out.Emit(render.Object{
		APIVersion: securityV1, Kind: "AuthorizationPolicy", Namespace: b.profile.Waypoint.Namespace, Name: name, Spec: policy,
	}, render.Same, covers...)
}

// ambientRules returns who may reach names on a port, and what is denied there. Names are pinned: the address of a wildcard says no more than that it is
// one of its names, and the front end that has the address of a name may have other names, too.
func (b *builder) ambientRules(names []match.Pattern, p ambientPort) (allow, deny []*security.Rule) {
	c := p.class
	hosts, below := patternTexts(names), patternTexts(p.carve)
	rule := func(principals, except, methods []string) *security.Rule {
		to := &security.Operation{Ports: []string{strconv.Itoa(int(c.Port))}, Methods: methods}
		var when *security.Condition
		if c.Protocol == policy.TLS {
			when = &security.Condition{Key: "connection.sni", Values: hosts, NotValues: below}
		} else {
			to.Hosts, to.NotHosts = withPort(hosts, c.Port), withPort(below, c.Port)
		}
		return b.certs.rule(principals, except, []*security.Rule_To{{Operation: to}}, when)
	}
	say := func(who accounts, methods []string) {
		if len(who.any) > 0 {
			principals, except, _ := b.principals(who) // can be said: sayAmbient has asked
			allow = append(allow, rule(principals, except, methods))
		}
	}
	say(c.who, nil)
	for i, call := range c.Calls {
		say(c.calls[i], call.Methods)
	}
	for _, d := range c.Denies {
		if principals := b.deniedTo(c, d); len(principals) > 0 {
			deny = append(deny, rule(principals, nil, d.To.Methods))
		}
	}
	return allow, deny
}

func (b *builder) assumeAmbient(wildcardTLS bool) {
	w := b.profile.Waypoint
	b.out.Assume("ambient", fmt.Sprintf("every pod is captured by ztunnel of version %s or later (istio.io/dataplane-mode=ambient), with DNS capture on, and the trust domain is %s", b.version, b.certs.trust))
	b.out.Assume("allocated-addresses", "istiod allocates addresses for names (PILOT_ENABLE_IP_AUTOALLOCATE, on by default); pods that resolve names elsewhere reach nothing")
	b.out.Assume("waypoint", fmt.Sprintf("the waypoint %s/%s is programmed: without one, ztunnel dials the names directly and asks nobody", w.Namespace, w.Name))
	b.out.Assume("waypoint-namespace", fmt.Sprintf("namespace %s is the platform's own: who may write there may open the waypoint", w.Namespace))
	b.out.Assume("names-are-ours", "nobody else may create ServiceEntries in namespaces of the mesh: an older entry of the same name, or a tenant's own for all addresses, goes past the waypoint")
	b.out.Assume("tcp-only", "ztunnel sees TCP alone: something else keeps UDP and other protocols from leaving pods")
	if wildcardTLS {
		b.out.Assume("wildcard-tls", "istiod runs with ENABLE_WILDCARD_HOST_SERVICE_ENTRIES_FOR_TLS=true")
	}
	if b.spelled {
		b.assumeNamespaces()
	}
}
