package istio

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// lookupRoute is the name of the routes that the EnvoyFilter gives to the forward proxy.
const lookupRoute = "egress-lookup"

const (
	maxRules      = 512 // of an AuthorizationPolicy, by its definition
	maxOperations = 512 // of a rule

	// Sizes in Protocol Buffers' binary form; as JSON it is up to twice as much. A policy of maxAccess is one that clusters store for sure.
	maxAccess = maxObject / 4
	maxRule   = maxAccess / 2
	maxHosts  = 128 // of an operation that could be several
)

const tooManyBelow = "so many names below its wildcards are for others that a rule which takes them out gets too large"

// batches cuts a list into parts of so many items at most, and of about size at most.
func batches[M proto.Message](list []M, items, size int) (out [][]M) {
	sum := 0
	for _, m := range list {
		n := proto.Size(m)
		if last := len(out) - 1; last < 0 || len(out[last]) == items || sum+n > size {
			out, sum = append(out, nil), 0
		}
		sum += n
		out[len(out)-1] = append(out[len(out)-1], m)
	}
	return out
}

// emitHTTP writes where names of HTTP lead to, and who may ask for them.
func (b *builder) emitHTTP() {
	if len(b.http) == 0 {
		return
	}
	b.emitNames(b.emitRules())
}

// emitRules writes the access rules of HTTP. It returns the classes that they cannot say, whose grants it skips.
func (b *builder) emitRules() (refused map[*nameClass]bool) {
	refused = map[*nameClass]bool{}
	var rules, denials []*security.Rule
	var grants, denies []*render.Grant
	for _, classes := range byPort(b.http) {
		tree := newNameTree(classes)
		for _, c := range classes {
			if c.nobody() {
				continue
			}
			rule, why := b.rule(c, tree)
			if why != "" {
				refused[c] = true
				b.skipAll(c, why)
				continue
			}
			rules = append(rules, rule...)
			grants = append(grants, c.Grants...)
			denials = append(denials, b.denials(c, tree)...)
			denies = append(denies, c.Denies...)
			if slices.ContainsFunc(c.everybody(), needsSpelling) {
				b.spell(c.Grants, needsSpelling, render.SourceAccountGlob)
			}
		}
	}
	if len(rules) > 0 {
		b.emitAccess("egress-http", security.AuthorizationPolicy_ALLOW, rules, unique(grants))
	}
	if len(denials) > 0 {
		b.emitAccess("egress-http-deny", security.AuthorizationPolicy_DENY, denials, unique(denies))
	}
	return refused
}

// emitAccess writes rules about what comes to the gateway, in as many policies as it takes; without a rule one, which takes no part in a DENY and
// lets nothing pass as an ALLOW.
func (b *builder) emitAccess(role string, action security.AuthorizationPolicy_Action, rules []*security.Rule, covers []*render.Grant) {
	parts := batches(rules, maxRules, maxAccess)
	if len(parts) == 0 {
		parts = append(parts, nil)
	}
	for i, rules := range parts {
		b.out.Emit(render.Object{
			APIVersion: securityV1, Kind: "AuthorizationPolicy", Namespace: b.profile.Gateway.Namespace, Name: b.out.Name(role, strconv.Itoa(i)),
			Spec: &security.AuthorizationPolicy{Selector: b.gatewayPods(), Action: action, Rules: rules},
		}, render.Same, covers...)
	}
}

// skipAll skips the grants of a class.
func (b *builder) skipAll(c *nameClass, why string) {
	lost := render.SourceAccountGlob
	if why == tooManyBelow {
		lost = render.HostSubdomains
	}
	for _, g := range c.Grants {
		b.out.Skip(g, lost, why)
	}
}

// principals says who may reach the names of a class as AuthorizationPolicy does, or why it cannot.
func (b *builder) principals(who accounts) (any, except []string, why string) {
	any, unsaid := b.certs.principals(spellOut(who.any, b.cluster.namespaces))
	// What is excluded is never spelled out: later namespaces would be let in.
	except, unsaidExcept := b.certs.principals(who.except)
	switch {
	case unsaid != nil:
		return nil, nil, fmt.Sprintf("AuthorizationPolicy says globs of one '*' at an end, and %s is not", unsaid)
	case unsaidExcept != nil:
		return nil, nil, fmt.Sprintf("AuthorizationPolicy says globs of one '*' at an end, and what is excluded, %s, is not", unsaidExcept)
	case len(any) == 0:
		return nil, nil, "no namespace is known that it selects" // and no principals would be everybody
	}
	return any, except, ""
}

// rule returns the access rules for a class, or why there are none.
func (b *builder) rule(c *nameClass, tree nameTree) (rules []*security.Rule, why string) {
	if len(c.who.any) > 0 {
		if rules, why = b.access(c, c.who, nil, nil, tree); why != "" {
			return nil, why
		}
	}
	for i, call := range c.Calls {
		if len(c.calls[i].any) == 0 {
			continue
		}
		some, why := b.access(c, c.calls[i], call.Methods, call.Paths, tree)
		if why != "" {
			return nil, why
		}
		rules = append(rules, some...)
	}
	return rules, ""
}

// access returns the access rules for some who may make some calls.
func (b *builder) access(c *nameClass, who accounts, methods []string, paths []policy.Path, tree nameTree) (rules []*security.Rule, why string) {
	principals, except, why := b.principals(who)
	if why != "" {
		return nil, why
	}
	to := b.operations(c, methods, paths, tree)
	if slices.ContainsFunc(to, func(t *security.Rule_To) bool { return proto.Size(t) > maxRule }) {
		return nil, tooManyBelow
	}
	return b.ruleOf(principals, except, to, c.Port), ""
}

// ruleOf returns a rule for requests to a port, or as many as it takes.
func (b *builder) ruleOf(principals, except []string, to []*security.Rule_To, port uint16) (rules []*security.Rule) {
	for _, part := range batches(to, maxOperations, maxRule) {
		rules = append(rules, b.certs.rule(principals, except, part,
			&security.Condition{Key: "request.headers[" + portHeader + "]", Values: []string{strconv.Itoa(int(port))}}))
	}
	return rules
}

// operations returns what asks for the names of a class by some methods and paths; by none, by all.
func (b *builder) operations(c *nameClass, methods []string, paths []policy.Path, tree nameTree) (to []*security.Rule_To) {
	var below []string
	for _, p := range paths {
		below = append(below, p.String()) // "/v1/*" is a prefix here as there, and neither has '*' elsewhere
	}
	operation := func(hosts []string, carved []match.Pattern) {
		to = append(to, &security.Rule_To{Operation: &security.Operation{
			Hosts: withPort(hosts, c.Port), NotHosts: withPort(patternTexts(carved), c.Port), Methods: methods, Paths: below,
			// Without the port, Istio would apply what it can of a rule to connections by TLS.
			Ports: []string{strconv.Itoa(int(b.profile.Gateway.HTTP.TargetPort))},
		}})
	}
	names, _ := split(c.Patterns)
	for names := range slices.Chunk(names, maxHosts) {
		operation(names, nil)
	}
	for _, p := range c.Patterns {
		if p.Kind() != match.Exact {
			operation([]string{p.String()}, tree.carved(p))
		}
	}
	return to
}

// denials returns the rules for the calls that denies take from a class. They name the same hosts in the same words as those that let requests
// pass, so that no spelling of a host is let pass and not denied.
func (b *builder) denials(c *nameClass, tree nameTree) (rules []*security.Rule) {
	for _, d := range c.Denies {
		if principals := b.deniedTo(c, d); len(principals) > 0 {
			rules = append(rules, b.ruleOf(principals, nil, b.operations(c, d.To.Methods, d.To.Paths, tree), c.Port)...)
		}
	}
	return rules
}

// deniedTo returns the principals that a deny takes from, and skips the grants of a class where it has to take from more.
func (b *builder) deniedTo(c *nameClass, d *render.Grant) []string {
	who, wider := []accountSelector{{}}, !d.Source.AccountsOK
	if d.Source.AccountsOK {
		who = d.Source.Accounts
		_, unsaid := b.certs.principals(who)
		wider = unsaid != nil
	}
	if wider {
		for _, g := range c.Grants {
			b.out.Skip(g, render.SourceAccounts, fmt.Sprintf("deny %s takes from more sources than it says: AuthorizationPolicy cannot say %s", d.Rule, d.Source.Selector))
		}
	}
	return b.certs.gate(who)
}

// withPort returns the hosts as Host headers say them, which may have the port.
func withPort(hosts []string, port uint16) []string {
	var out []string
	for _, h := range hosts {
		out = append(out, h, fmt.Sprintf("%s:%d", h, port))
	}
	return out
}

func patternTexts(ps []match.Pattern) []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.String()
	}
	return out
}

// A namePort is where one port of a name leads to.
type namePort struct {
	port     uint16
	grants   []*render.Grant
	original *policy.TLSOrigination // nil: as the application speaks
	paths    bool                   // whether some rule tells requests apart by path
	lookup   bool                   // whether the name is looked up as it comes: below a wildcard, and where addresses are dropped
}

// emitNames writes the routes and destinations of the names of HTTP, which several classes hold when they have several ports. The gateway
// chooses the routes by the most specific name, whatever the port, so that a name also has the ports of the wildcards above it.
func (b *builder) emitNames(refused map[*nameClass]bool) {
	var trees []nameTree
	var order []match.Pattern
	open := func(c *nameClass) bool { return c != nil && !c.nobody() && !refused[c] }
	seen := map[string]bool{}
	for _, classes := range byPort(b.http) {
		trees = append(trees, newNameTree(classes))
		for _, c := range classes {
			for _, p := range c.Patterns {
				if open(c) && !seen[p.String()] && b.profile.unsayable(p) == "" {
					seen[p.String()] = true
					order = append(order, p)
				}
			}
		}
	}
	ports := map[string][]namePort{}
	for _, p := range order {
		for _, tree := range trees {
			if c, _ := tree.at(p); open(c) {
				own := tree.class[p.String()] == c
				ports[p.String()] = append(ports[p.String()], namePort{c.Port, c.Grants, c.OriginateTLS, c.byPath(), !own || p.Kind() != match.Exact || b.looksUp(c)})
			}
		}
	}
	slices.SortFunc(order, match.Pattern.Compare)
	for _, p := range order {
		b.emitName(p, ports[p.String()])
	}
	if slices.ContainsFunc(order, func(p match.Pattern) bool {
		return slices.ContainsFunc(ports[p.String()], func(port namePort) bool { return port.lookup })
	}) {
		b.emitStub(b.out.Name("egress-lookup"), lookupHost, []*networking.ServicePort{servicePort("HTTP", 80)}, []string{"."})
	}
}

// looksUp reports whether the names of a class are looked up as they come because some addresses are denied: other ways would not keep from them.
func (b *builder) looksUp(c *nameClass) bool {
	return !b.dropped.IsEmpty() && looksUp(c.OriginateTLS, match.PortsOf(c.Port))
}

func (b *builder) emitName(p match.Pattern, ports []namePort) {
	name := b.out.Name("egress-http", p.String())
	var grants []*render.Grant
	route := &networking.VirtualService{Hosts: []string{p.String()}, Gateways: []string{b.gatewayName()}, ExportTo: []string{"."}}
	entry := &networking.ServiceEntry{
		Hosts: []string{p.String()}, ExportTo: []string{"."}, Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_DNS,
	}
	rule := &networking.DestinationRule{Host: p.String(), ExportTo: []string{"."}, TrafficPolicy: &networking.TrafficPolicy{}}
	for _, port := range ports {
		grants = append(grants, port.grants...)
		out := &networking.HTTPRoute{
			Match: []*networking.HTTPMatchRequest{{
				Headers: map[string]*networking.StringMatch{portHeader: {MatchType: &networking.StringMatch_Exact{Exact: strconv.Itoa(int(port.port))}}},
				// Access rules look at the end of a Host header, and routes at what is before its last colon. Only where it is a name
				// and at most the port do they look at the same.
				Authority: &networking.StringMatch{MatchType: &networking.StringMatch_Regex{Regex: fmt.Sprintf("[-._0-9A-Za-z]+(:%d)?", port.port)}},
			}},
			Headers: &networking.Headers{Request: &networking.Headers_HeaderOperations{Remove: []string{portHeader}}},
			Route: []*networking.HTTPRouteDestination{{Destination: &networking.Destination{
				Host: p.String(), Port: &networking.PortSelector{Number: uint32(port.port)},
			}}},
		}
		if port.paths {
			out.Match[0].Uri = &networking.StringMatch{MatchType: &networking.StringMatch_Regex{Regex: unambiguousPath}}
			b.out.Assume("paths", "paths are judged, and sent on, as the gateway's path normalization (meshConfig.pathNormalization) has made them; those that are still ambiguous then are refused")
		}
		if port.lookup {
			out.Name = lookupRoute
			out.Route[0].Destination = &networking.Destination{Host: lookupHost, Port: &networking.PortSelector{Number: 80}}
		}
		route.Http = append(route.Http, out)
		if port.lookup {
			continue // the entry has no such port
		}
		at := servicePort("HTTP", port.port)
		if o := port.original; o != nil {
			at.TargetPort = uint32(o.Port)
			rule.TrafficPolicy.PortLevelSettings = append(rule.TrafficPolicy.PortLevelSettings, &networking.TrafficPolicy_PortTrafficPolicy{
				Port: &networking.PortSelector{Number: uint32(port.port)}, Tls: b.origination(p.String(), o),
			})
		}
		entry.Ports = append(entry.Ports, at)
	}
	grants = unique(grants)
	emit := func(kind string, spec any) {
		b.out.Emit(render.Object{APIVersion: networkingV1, Kind: kind, Namespace: b.profile.Gateway.Namespace, Name: name, Spec: spec}, render.Same, grants...)
	}
	emit("VirtualService", route)
	if len(entry.Ports) > 0 {
		emit("ServiceEntry", entry)
		if len(rule.TrafficPolicy.PortLevelSettings) > 0 {
			emit("DestinationRule", rule)
		}
	}
}

func (b *builder) origination(name string, o *policy.TLSOrigination) *networking.ClientTLSSettings {
	tls := &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_SIMPLE, Sni: name, SubjectAltNames: []string{name}}
	if o.Mode == policy.MutualTLS {
		tls.Mode, tls.CredentialName = networking.ClientTLSSettings_MUTUAL, o.CredentialName
		b.out.Assume("credential", fmt.Sprintf("namespace %s has the secrets with the certificates of rules that originate mutual TLS", b.profile.Gateway.Namespace))
	}
	return tls
}
