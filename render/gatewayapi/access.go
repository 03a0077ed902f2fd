package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	security "istio.io/api/security/v1beta1"
	selector "istio.io/api/type/v1beta1"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// maxRules is how many rules an AuthorizationPolicy takes, and operations a rule of ours (istio.io/api, security/v1beta1).
const maxRules = 512

// An access is what some sources may ask of an endpoint: by some methods and paths, or by all.
type access struct {
	endpoint
	from    render.SourceSet
	methods []string
	paths   []policy.Path
}

// accesses returns what the endpoints are open for.
func (b *builder) accesses() (out []access) {
	for _, e := range b.endpoints {
		if !e.sources.Nobody() {
			out = append(out, access{e, e.sources, nil, nil})
		}
		for _, c := range e.calls {
			out = append(out, access{e, c.Sources, c.Methods, c.Paths})
		}
	}
	return out
}

// emitAccess emits who may reach what: one AuthorizationPolicy for each set of sources on each gateway. What none of them allows the
// gateway denies.
func (b *builder) emitAccess() {
	type key struct {
		gateway int
		sources string
	}
	groups := map[key][]access{}
	var keys []key
	for _, a := range b.accesses() {
		k := key{a.slot.gateway, a.from.Key()}
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], a)
	}
	for _, k := range keys {
		from, _ := b.peers(groups[k][0].from) // can be said: add has asked
		// A rule of its own for each protocol: one that asks for a host says nothing about TLS connections, ports and all.
		var rules []*security.Rule
		var covers []*render.Grant
		var ports []string
		var http []access
		for _, a := range groups[k] {
			covers = append(covers, a.grants...)
			if a.protocol == policy.TLS {
				ports = append(ports, strconv.Itoa(int(a.listenPort())))
			} else {
				http = append(http, a)
			}
		}
		if len(ports) > 0 {
			slices.Sort(ports)
			rules = append(rules, &security.Rule{From: from, To: []*security.Rule_To{{Operation: &security.Operation{Ports: ports}}}})
		}
		rules = append(rules, rulesFor(from, http)...)
		name := b.gatewayName(k.gateway)
		b.emitAuthorization(security.AuthorizationPolicy_ALLOW, name, []string{"allow", name, k.sources}, rules, covers)
	}
}

// rulesFor returns the rules for calls by HTTP.
func rulesFor(from []*security.Rule_From, calls []access) (rules []*security.Rule) {
	type key struct {
		port uint16
		call string
	}
	operations := map[key]*security.Operation{}
	var keys []key
	for _, a := range calls {
		k := key{a.port, policy.Destination{Methods: a.methods, Paths: a.paths}.String()}
		if operations[k] == nil {
			keys = append(keys, k)
			operations[k] = &security.Operation{Ports: []string{strconv.Itoa(int(a.port))}, Methods: a.methods}
			for _, p := range a.paths {
				operations[k].Paths = append(operations[k].Paths, p.String()) // "/v1/*" is a prefix here as there, and neither has '*' elsewhere
			}
		}
		// The Host header may carry the port; any other port would be another destination.
		operations[k].Hosts = append(operations[k].Hosts, a.host, fmt.Sprintf("%s:%d", a.host, a.port))
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.call, b.call)) })
	for some := range slices.Chunk(keys, maxRules) {
		rule := &security.Rule{From: from}
		for _, k := range some {
			slices.Sort(operations[k].Hosts)
			rule.To = append(rule.To, &security.Rule_To{Operation: operations[k]})
		}
		rules = append(rules, rule)
	}
	return rules
}

// emitDenials emits the calls that denies take from what is open, which by class and by name alone is not said. A deny whose sources can't be said
// takes the calls from everybody, which is a loss of what it takes them from.
func (b *builder) emitDenials() {
	denied := map[*render.Grant][]access{}
	var denies []*render.Grant
	for _, e := range b.endpoints {
		for _, d := range e.denies {
			if denied[d] == nil {
				denies = append(denies, d)
			}
			denied[d] = append(denied[d], access{endpoint: e, methods: d.To.Methods, paths: d.To.Paths})
		}
	}
	slices.SortFunc(denies, func(a, b *render.Grant) int { return cmp.Compare(a.ID, b.ID) })
	var rules []*security.Rule
	for _, d := range denies {
		set := render.SourceSet{Any: []render.Source{d.Source}}
		if lost, why := b.unsayable(set); why != "" {
			for _, a := range denied[d] {
				for _, g := range a.grants {
					b.out.Skip(g, lost, fmt.Sprintf("deny %s takes from more sources than it says: %s", d.Rule, why))
				}
			}
			set.Any = nil
		}
		from, _ := b.peers(set)
		if len(from) == 0 {
			from = []*security.Rule_From{{Source: &security.Source{Principals: []string{"*"}}}} // a certificate is what everybody has to have
		}
		rules = append(rules, rulesFor(from, denied[d])...)
	}
	if len(rules) > 0 {
		name := b.gatewayName(0) // HTTP names are taken in by the first
		b.emitAuthorization(security.AuthorizationPolicy_DENY, name, []string{"deny", name}, rules, denies)
	}
}

// emitAuthorization emits rules about what comes to a gateway, in as many policies as they take.
func (b *builder) emitAuthorization(action security.AuthorizationPolicy_Action, gateway string, name []string, rules []*security.Rule, covers []*render.Grant) {
	i := 0
	for some := range slices.Chunk(rules, maxRules) {
		own := slices.Clone(name)
		if i > 0 {
			own = append(own, strconv.Itoa(i))
		}
		b.out.Emit(render.Object{
			APIVersion: istioSecurity, Kind: "AuthorizationPolicy", Namespace: b.profile.Namespace, Name: render.Name(own[0], own[1:]...),
			Spec: &security.AuthorizationPolicy{
				TargetRefs: []*selector.PolicyTargetReference{{Group: "gateway.networking.k8s.io", Kind: "Gateway", Name: gateway}},
				Action:     action,
				Rules:      some,
			},
		}, render.Same, covers...)
		i++
	}
}
