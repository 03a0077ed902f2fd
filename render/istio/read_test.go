package istio

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A reader says what objects let pass by name, by the documented meaning of Istio's and Envoy's rules and without either. Proofs by their own
// code are kept elsewhere; this is quick enough for every test run.
type reader struct {
	t       fataler
	objects []render.Object
	profile Profile
}

// steers reports whether the sidecars of a namespace send a name to the gateway.
func (r reader) steers(namespace string, protocol policy.Protocol, port uint16, host match.Host) bool {
	return r.subset(namespace, protocol, port, host) != ""
}

// subset returns the subset of the gateway that the sidecars of a namespace send a name to, and "" for none.
func (r reader) subset(namespace string, protocol policy.Protocol, port uint16, host match.Host) string {
	for _, o := range r.objects {
		v, ok := o.Spec.(*networking.VirtualService)
		if !ok || v.Gateways[0] != "mesh" || v.ExportTo[0] != "*" && !slices.Contains(v.ExportTo, namespace) {
			continue
		}
		matches := func(hosts []string) bool {
			return slices.ContainsFunc(hosts, func(h string) bool { return match.MustParsePattern(h).Matches(host) })
		}
		for _, route := range v.Tls {
			if m := route.Match[0]; protocol == policy.TLS && m.Port == uint32(port) && matches(m.SniHosts) {
				return route.Route[0].Destination.Subset
			}
		}
		for _, route := range v.Http {
			if protocol == policy.HTTP && route.Match[0].Port == uint32(port) && matches(v.Hosts) {
				return route.Route[0].Destination.Subset
			}
		}
	}
	return ""
}

// marker returns the server name by which a subset asks the gateway.
func (r reader) marker(subset string) string {
	for _, o := range r.objects {
		if d, ok := o.Spec.(*networking.DestinationRule); ok {
			for _, s := range d.Subsets {
				if s.Name == subset {
					return s.TrafficPolicy.Tls.Sni
				}
			}
		}
	}
	return ""
}

// leads returns the names that the gateway connects to for the server name of a server of its own, with the port, for whoever may ask.
func (r reader) leads(marker string) (name string, port uint16) {
	served := false
	for _, o := range r.objects {
		if g, ok := o.Spec.(*networking.Gateway); ok {
			served = served || slices.ContainsFunc(g.Servers, func(s *networking.Server) bool { return s.Hosts[0] == "./"+marker })
		}
	}
	for _, o := range r.objects {
		if e, ok := o.Spec.(*networking.ServiceEntry); ok && served && e.Hosts[0] == marker && len(e.Endpoints) == 1 {
			return e.Endpoints[0].Address, uint16(e.Ports[0].Number)
		}
	}
	return "", 0
}

// outer reports whether some server name leads whoever holds the certificate to a name.
func (r reader) outer(id identity.SPIFFEID, port uint16, host string) bool {
	for _, o := range r.objects {
		v, ok := o.Spec.(*networking.VirtualService)
		if !ok || len(v.Tcp) == 0 {
			continue
		}
		to, at := r.leads(v.Tcp[0].Route[0].Destination.Host)
		if to == host && at == port && r.authorized(id, v.Hosts[0], request{at: r.profile.Gateway.TLS.TargetPort}) {
			return true
		}
	}
	return false
}

// lets reports whether the gateway lets a name pass for whoever holds the certificate, whatever sidecars do.
func (r reader) lets(id identity.SPIFFEID, protocol policy.Protocol, port uint16, host, method, path string) bool {
	if protocol == policy.TLS {
		if r.outer(id, port, host) {
			return true
		}
		return r.authorized(id, tlsMarker(port), request{at: r.profile.Gateway.TLS.TargetPort}) && r.chain(id, port, host)
	}
	q := request{r.profile.Gateway.HTTP.TargetPort, host, port, method, path}
	return r.authorized(id, httpMarker, q) && r.routed(q)
}

// A request is what comes to a port of the gateway; without an authority it is a connection.
type request struct {
	at           uint16
	authority    string
	port         uint16
	method, path string
}

// authorized asks the AuthorizationPolicies, of which one has to allow, and none may deny.
func (r reader) authorized(id identity.SPIFFEID, sni string, q request) bool {
	return r.ruled(security.AuthorizationPolicy_ALLOW, id, sni, q) && !r.ruled(security.AuthorizationPolicy_DENY, id, sni, q)
}

// ruled reports whether a rule of an action matches.
func (r reader) ruled(action security.AuthorizationPolicy_Action, id identity.SPIFFEID, sni string, q request) bool {
	matches := func(principals []string) bool {
		return slices.ContainsFunc(principals, func(p string) bool { return principalMatches(p, id.Principal()) })
	}
	for _, o := range r.objects {
		a, ok := o.Spec.(*security.AuthorizationPolicy)
		if !ok || a.Action != action {
			continue
		}
		for _, rule := range a.Rules {
			from := rule.From[0].Source
			ok := matches(from.Principals) && !matches(from.NotPrincipals)
			for _, c := range rule.When {
				switch c.Key {
				case "connection.sni":
					ok = ok && hostMatches(c.Values, sni)
				case "request.headers[" + portHeader + "]":
					ok = ok && slices.Contains(c.Values, fmt.Sprint(q.port))
				case "source.principal":
					ok = ok && matches(c.Values)
				default:
					r.t.Fatalf("condition %s", c.Key)
				}
			}
			for _, to := range rule.To {
				op := to.Operation
				if ok && slices.Contains(op.Ports, fmt.Sprint(q.at)) && (len(op.Hosts) == 0 || hostMatches(op.Hosts, q.authority)) && !hostMatches(op.NotHosts, q.authority) &&
					(len(op.Methods) == 0 || slices.Contains(op.Methods, q.method)) &&
					(len(op.Paths) == 0 || slices.ContainsFunc(op.Paths, func(p string) bool { return principalMatches(p, q.path) })) {
					return true
				}
			}
		}
	}
	return false
}

// chain asks the chain of the listener inside that takes a server name, which Envoy chooses by the most specific one.
func (r reader) chain(id identity.SPIFFEID, port uint16, host string) bool {
	for _, o := range r.objects {
		f, ok := o.Spec.(*networking.EnvoyFilter)
		if !ok {
			continue
		}
		for _, p := range f.ConfigPatches {
			listener := p.Patch.Value.AsMap()
			if p.ApplyTo != networking.EnvoyFilter_LISTENER || listener["name"] != fmt.Sprintf("egress-tls-%d", port) {
				continue
			}
			chains := map[any]fields{}
			for _, c := range listener["filter_chains"].([]any) {
				for _, name := range c.(fields)["filter_chain_match"].(fields)["server_names"].([]any) {
					chains[name] = c.(fields)
				}
			}
			chain := chains[host]
			for domain, ok := parent(host); chain == nil && ok; domain, ok = parent(domain) {
				chain = chains["*."+domain]
			}
			if filters, _ := chain["filters"].([]any); len(filters) > 0 {
				return r.rbac(id, filters[0].(fields)["typed_config"].(fields)["rules"].(fields))
			}
		}
	}
	return false
}

func (r reader) rbac(id identity.SPIFFEID, rules fields) bool {
	for _, p := range rules["policies"].(fields) {
		for _, principal := range p.(fields)["principals"].([]any) {
			if envoyMatches(r.t, principal.(fields), id.String()) {
				return rules["action"] == "ALLOW"
			}
		}
	}
	return false
}

// routed asks the virtual host of a name for a route, which looks at the Host header without its port.
func (r reader) routed(q request) bool {
	name, _, _ := strings.Cut(q.authority, ":")
	routes := map[string]*networking.VirtualService{}
	for _, o := range r.objects {
		if v, ok := o.Spec.(*networking.VirtualService); ok && v.Gateways[0] != "mesh" {
			routes[v.Hosts[0]] = v
		}
	}
	v := routes[name]
	for domain, ok := parent(name); v == nil && ok; domain, ok = parent(domain) {
		v = routes["*."+domain]
	}
	for _, route := range v.GetHttp() {
		m := route.Match[0]
		matches := func(regex, s string) bool { return regexp.MustCompile("^(?:" + regex + ")$").MatchString(s) }
		if m.Headers[portHeader].GetExact() == fmt.Sprint(q.port) && matches(m.Authority.GetRegex(), q.authority) && (m.Uri == nil || matches(m.Uri.GetRegex(), q.path)) {
			return true
		}
	}
	return false
}

// byPath reports whether the routes of a name and port look at paths.
func (r reader) byPath(authority string, port uint16) bool {
	name, _, _ := strings.Cut(authority, ":")
	for _, o := range r.objects {
		if v, ok := o.Spec.(*networking.VirtualService); ok && len(v.Http) > 0 && match.MustParsePattern(v.Hosts[0]).Matches(match.MustParseHost(name)) {
			for _, route := range v.Http {
				if m := route.Match[0]; m.Uri != nil && m.Headers[portHeader].GetExact() == fmt.Sprint(port) {
					return true
				}
			}
		}
	}
	return false
}

// named reports whether names of TLS have server names of their own.
func (r reader) named() bool {
	return !slices.ContainsFunc(r.objects, func(o render.Object) bool { return o.Kind == "EnvoyFilter" })
}

// straight reports whether sidecars that send a name to the gateway ask by a server name that leads to it.
func (r reader) straight(req policy.Request) bool {
	subset := r.subset(req.Source.Namespace, req.Protocol, req.Port, req.Host)
	name, port := r.leads(r.marker(subset))
	return subset == "" || name == req.Host.String() && port == req.Port
}

// TestMeaning compares what the objects say with the model, for honest pods and for ones that go to the gateway by themselves.
func TestMeaning(t *testing.T) {
	for name, r := range renderers(t) {
		t.Run(name, func(t *testing.T) { checkMeaning(t, r) })
	}
}

func checkMeaning(t *testing.T, r *Renderer) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		engine, err := policy.Compile(policies, policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		res := renderAll(t, r, policies)
		read := reader{t, res.Objects, r.profile}
		for range 10 {
			req := gen.Request(policies).Draw(t, "request")
			if req.Host.IsZero() || req.Protocol != policy.TLS && req.Protocol != policy.HTTP || req.Port == 0 {
				continue
			}
			req.Access = policy.Access{Protocol: req.Protocol, Port: req.Port, Host: req.Host, Method: req.Method, Path: req.Path}
			if req.Protocol == policy.HTTP && (req.Method == "" || req.Path == "") {
				continue // no request of HTTP comes without
			}
			// Without an inventory, namespaces that no policy names are not known, and labels are nobody's.
			req.Source = identity.Workload{Cluster: "c1", Namespace: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "namespace"),
				ServiceAccount: rapid.SampledFrom([]string{"x", "y", "xy"}).Draw(t, "account")}
			id, _ := req.Source.SPIFFE()
			authority := req.Host.String()
			if req.Protocol == policy.HTTP && req.Port != 80 {
				authority = fmt.Sprintf("%s:%d", authority, req.Port)
			}
			lets := read.lets(id, req.Protocol, req.Port, authority, req.Method, req.Path)
			d := engine.Decide(req)
			lost := func(l render.Loss) bool { return l.Grant.Source.Selector.Matches(req.Source) }
			switch {
			case d.Reason == policy.InvalidRequest && !read.byPath(authority, req.Port):
				// Without a rule by path, all paths are as good.
			case lets && !d.Allowed && !slices.ContainsFunc(res.Losses, func(l render.Loss) bool { return l.Fidelity == render.Wider && lost(l) }):
				t.Fatalf("%v %v is let pass, and the model says: %v", id, req.Access, d)
			case lets && req.Protocol == policy.TLS && read.named() && !read.straight(req):
				t.Fatalf("%v is not steered to where it is let pass", req.Access)
			case d.Allowed && !(lets && read.steers(req.Source.Namespace, req.Protocol, req.Port, req.Host)) && !slices.ContainsFunc(res.Losses, lost):
				t.Fatalf("%v %v does not pass, and the model says: %v", id, req.Access, d)
			}
		}
	})
}
