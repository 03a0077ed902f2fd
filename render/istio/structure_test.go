package istio

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// fataler is what tests of tables and of properties have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkStructure holds objects to what Istio takes without a word, or refuses as a whole.
func checkStructure(t fataler, objects []render.Object) {
	t.Helper()
	ids := map[string]bool{}
	services := map[string]bool{}
	for _, o := range objects {
		id := o.Kind + "/" + o.Namespace + "/" + o.Name
		if ids[id] {
			t.Fatalf("%s is there twice", id)
		}
		ids[id] = true
		if e, ok := o.Spec.(*networking.ServiceEntry); ok {
			checkEntry(t, id, e)
			for _, h := range e.Hosts {
				if services[h] {
					t.Fatalf("host %s has two entries", h)
				}
				services[h] = true
			}
		}
	}
	var steered []match.Pattern
	for _, o := range objects {
		id := o.Kind + "/" + o.Name
		switch spec := o.Spec.(type) {
		case *networking.VirtualService:
			for _, r := range spec.Tls {
				for _, m := range r.Match {
					if sub := slices.DeleteFunc(slices.Clone(m.SniHosts), func(h string) bool { return slices.Contains(spec.Hosts, h) }); len(sub) > 0 {
						t.Fatalf("%s: %v are not among its hosts", id, sub)
					}
				}
			}
			for _, h := range spec.Hosts {
				if spec.Gateways[0] == "mesh" && !services[h] {
					steered = append(steered, match.MustParsePattern(h))
				}
			}
		case *networking.EnvoyFilter:
			checkListeners(t, spec)
		case *security.AuthorizationPolicy:
			if len(spec.Rules) > maxRules {
				t.Fatalf("%s has %d rules", id, len(spec.Rules))
			}
			for _, r := range spec.Rules {
				for _, to := range r.To {
					if len(to.Operation.Ports) != 1 {
						t.Fatalf("%s: a rule for all ports lets a certificate for TLS pass for HTTP", id)
					}
				}
			}
		}
	}
	// Of two VirtualServices for one name Istio takes one, and reports those that overlap.
	for i, p := range steered {
		for _, q := range steered[:i] {
			if p.Overlaps(q) {
				t.Fatalf("%s and %s are steered both", p, q)
			}
		}
	}
}

func checkEntry(t fataler, id string, e *networking.ServiceEntry) {
	t.Helper()
	ports := map[uint32]bool{}
	names := map[string]bool{}
	for _, p := range e.Ports {
		if ports[p.Number] || names[p.Name] {
			t.Fatalf("%s has port %d %s twice", id, p.Number, p.Name)
		}
		ports[p.Number], names[p.Name] = true, true
		if p.Protocol == "TCP" && len(e.Addresses) == 0 {
			t.Fatalf("%s: TCP without addresses takes every address", id)
		}
	}
	if len(e.Hosts) > 256 || len(e.Addresses) > 256 || len(e.Ports) > 256 || len(e.Ports) == 0 {
		t.Fatalf("%s has %d hosts, %d addresses, %d ports", id, len(e.Hosts), len(e.Addresses), len(e.Ports))
	}
	if e.Resolution == networking.ServiceEntry_NONE && len(e.Addresses) == 0 {
		t.Fatalf("%s: without resolution and addresses, a name leads to any address", id)
	}
	if len(e.ExportTo) == 0 {
		t.Fatalf("%s is exported to all by saying nothing", id)
	}
}

// checkListeners holds the listeners to what Envoy refuses: two chains for one server name, or chains without a condition.
func checkListeners(t fataler, f *networking.EnvoyFilter) {
	t.Helper()
	for _, p := range f.ConfigPatches {
		if p.ApplyTo != networking.EnvoyFilter_LISTENER {
			continue
		}
		listener := p.Patch.Value.AsMap()
		seen := map[any]bool{}
		names := map[any]bool{}
		for _, c := range listener["filter_chains"].([]any) {
			chain := c.(fields)
			if names[chain["name"]] {
				t.Fatalf("chain %v is there twice", chain["name"])
			}
			names[chain["name"]] = true
			at := chain["filter_chain_match"].(fields)
			if at["transport_protocol"] != "tls" || len(at["server_names"].([]any)) == 0 {
				t.Fatalf("chain %v takes what has no name", chain["name"])
			}
			if filters := chain["filters"].([]any); len(filters) > 0 {
				checkChain(t, fmt.Sprint(listener["name"]), filters)
			}
			for _, name := range at["server_names"].([]any) {
				if seen[name] {
					t.Fatalf("server name %v is there twice", name)
				}
				seen[name] = true
			}
		}
	}
}

// checkChain holds the filters of a chain to asking who it is, and to the port of their listener.
func checkChain(t fataler, listener string, filters []any) {
	t.Helper()
	config := func(i int) fields { return filters[i].(fields)["typed_config"].(fields) }
	if len(filters) != 3 || filters[0].(fields)["name"] != rbacFilter {
		t.Fatalf("%s: a chain asks nobody who it is", listener)
	}
	for _, p := range config(0)["rules"].(fields)["policies"].(fields) {
		if len(p.(fields)["principals"].([]any)) == 0 {
			t.Fatalf("%s: a policy of nobody, which Envoy refuses with all of the listener", listener)
		}
	}
	if port := fmt.Sprint(config(1)["port_value"]); !strings.HasSuffix(listener, "-"+port) {
		t.Fatalf("%s leads to port %s", listener, port)
	}
	if config(1)["dns_cache_config"].(fields)["name"] != config(2)["cluster"] {
		t.Fatalf("%s: a name is looked up in one cache and connected to by another", listener)
	}
}

func build(t fataler, r *Renderer, cluster known, tls, http []render.NameClass, addresses []render.AddressClass) *recorder {
	t.Helper()
	rec := newRecorder()
	b := builder{Renderer: r, out: rec, cluster: cluster, baseline: []*render.Grant{{ID: "baseline", Kind: render.BaselineGrant}}}
	if err := b.build(tls, http, addresses); err != nil {
		t.Fatalf("%v", err)
	}
	return rec
}

func defaultRenderer(t testing.TB) *Renderer {
	t.Helper()
	r, err := New(DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// renderers returns one for each shape.
func renderers(t testing.TB) map[string]*Renderer {
	t.Helper()
	forbidden, older := DefaultProfile(), DefaultProfile()
	forbidden.EnvoyFilter = false
	older.Version = "1.29.1"
	out := map[string]*Renderer{"inside": defaultRenderer(t)}
	for name, p := range map[string]Profile{"server names": forbidden, "server names of older proxies": older} {
		r, err := New(p)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = r
	}
	return out
}

// drawClasses draws a partition of some names for each of two ports, which protocols may share.
func drawClasses(t *rapid.T, protocol policy.Protocol) []render.NameClass {
	var out []render.NameClass
	for _, port := range []uint16{80, 443} {
		if !rapid.Bool().Draw(t, fmt.Sprintf("%s on port %d", protocol, port)) {
			continue
		}
		for i, c := range someClasses(t) {
			from := rapid.SampledFrom([]string{"", "*/*", "a/*", "a/x b/y", "a*/*", "*/x"}).Draw(t, "from")
			class := names(protocol, port, strings.Join(patternTexts(c.Patterns), " "), cmp.Or(from, "a/x"), rapid.SampledFrom([]string{"", "b/*", "b/x*"}).Draw(t, "except"))
			if from == "" {
				class.Sources, class.Grants = render.SourceSet{}, nil
			}
			// Classes of one port have different sources.
			class.Sources.Any = append(class.Sources.Any, sources(fmt.Sprintf("only/%d", i))[:min(1, len(class.Sources.Any))]...)
			if from != "" || !slices.ContainsFunc(out, func(o render.NameClass) bool { return o.Port == port && o.Sources.Nobody() }) {
				out = append(out, class)
			}
		}
	}
	return out
}

// onlyNames leaves wildcards to classes of nobody, as they are where they cannot be said.
func onlyNames(classes []render.NameClass) (out []render.NameClass) {
	for _, c := range classes {
		if !c.Nobody() {
			c.Patterns = slices.DeleteFunc(slices.Clone(c.Patterns), func(p match.Pattern) bool { return p.Kind() != match.Exact })
		}
		if len(c.Patterns) > 0 {
			out = append(out, c)
		}
	}
	return out
}

func TestStructure(t *testing.T) {
	for name, r := range renderers(t) {
		t.Run(name, func(t *testing.T) { checkShape(t, r) })
	}
}

func checkShape(t *testing.T, r *Renderer) {
	rapid.Check(t, func(t *rapid.T) {
		tls, http := drawClasses(t, policy.TLS), drawClasses(t, policy.HTTP)
		if !r.inside() {
			tls, http = onlyNames(tls), onlyNames(http)
		}
		rec := build(t, r, known{[]string{"a", "ab", "b"}, rapid.Bool().Draw(t, "inventory")}, tls, http, nil)
		checkStructure(t, rec.objects)
		checkSources(t, reader{t, rec.objects, r.profile}, slices.Concat(tls, http))
		for _, c := range slices.Concat(tls, http) {
			for _, g := range c.Grants {
				if rec.said[g] != render.Same && rec.skipped[g] == "" {
					t.Fatalf("%s is neither said nor skipped", g.ID)
				}
				want := render.WithPacketFilter
				if c.Protocol == policy.TLS && !r.inside() {
					want = render.Advisory
				}
				if got := rec.assured[g]; got.Holds != want || got.EnforcedAt != "egress gateway" {
					t.Fatalf("%s: %v", g.ID, got)
				}
			}
		}
	})
}

// checkSources holds every name that is spelled out to its class: those of its sources may reach it, their sidecars lead there, and nobody
// else may.
func checkSources(t fataler, read reader, classes []render.NameClass) {
	t.Helper()
	for _, c := range classes {
		for _, p := range c.Patterns {
			if p.Kind() != match.Exact {
				continue
			}
			host := match.MustParseHost(p.String())
			for _, who := range [...]identity.Workload{{Namespace: "a", ServiceAccount: "x"}, {Namespace: "ab", ServiceAccount: "x"}, {Namespace: "b", ServiceAccount: "xy"}, {Namespace: "b", ServiceAccount: "y"}} {
				id, _ := who.SPIFFE()
				in := func(from []render.Source) bool {
					return slices.ContainsFunc(from, func(s render.Source) bool { return s.Accounts[0].Matches(who.Namespace, who.ServiceAccount) })
				}
				want := in(c.Sources.Any) && !in(c.Sources.Except)
				authority := host.String()
				if c.Protocol == policy.HTTP {
					authority = fmt.Sprintf("%s:%d", host, c.Port)
				}
				if got := read.lets(id, c.Protocol, c.Port, authority, "GET", "/"); got != want {
					t.Fatalf("%s %s port %d for %s: %t", c.Protocol, host, c.Port, id, got)
				}
				req := policy.Request{Source: who, Access: policy.Access{Protocol: c.Protocol, Port: c.Port, Host: host}}
				if want && !read.steers(who.Namespace, c.Protocol, c.Port, host) || c.Protocol == policy.TLS && read.named() && !read.straight(req) {
					t.Fatalf("sidecars of %s do not lead to %s", who.Namespace, host)
				}
			}
		}
	}
}

// TestExportTo has sidecars learn of names only where somebody may reach them.
func TestExportTo(t *testing.T) {
	for name, r := range renderers(t) {
		rec := build(t, r, known{[]string{"a", "ab", "b"}, true}, []render.NameClass{
			names(policy.TLS, 443, "one.example.com", "a/x", ""), names(policy.TLS, 443, "two.example.com", "a/x b/*", ""), names(policy.TLS, 443, "all.example.com", "*/*", "a/x"),
		}, []render.NameClass{names(policy.HTTP, 80, "one.example.com", "b/x", "")}, nil)
		got := map[string]string{}
		for _, o := range rec.objects {
			if v, ok := o.Spec.(*networking.VirtualService); ok && v.Gateways[0] == "mesh" {
				for _, h := range v.Hosts {
					got[h] = strings.Join(v.ExportTo, " ")
				}
				for _, e := range rec.objects {
					if e, ok := e.Spec.(*networking.ServiceEntry); ok && strings.HasSuffix(e.Hosts[0], stubDomain) && slices.Contains(v.Hosts, e.Hosts[0]) && !slices.Equal(e.ExportTo, v.ExportTo) {
						t.Errorf("%s: a stub is exported to %v, and its route to %v", name, e.ExportTo, v.ExportTo)
					}
				}
			}
		}
		for host, want := range map[string]string{"one.example.com": "a b", "two.example.com": "a b", "all.example.com": "*"} {
			if got[host] != want {
				t.Errorf("%s: %s is exported to %q, want %q", name, host, got[host], want)
			}
		}
	}
}

// TestLarge builds more than fits into one object of each kind.
func TestLarge(t *testing.T) {
	r := defaultRenderer(t)
	var tls, http []render.NameClass
	for i := range 600 {
		from := fmt.Sprintf("ns-%d/a", i)
		http = append(http, names(policy.HTTP, 80, fmt.Sprintf("h%d.example.com", i), from, ""))
		if i >= 200 {
			continue // all chains are in one object
		}
		tls = append(tls, names(policy.TLS, 443, fmt.Sprintf("a%d.example.com b%d.example.com *.w%d.example.com", i, i, i), from, ""))
	}
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("m%d.example.net", i))
	}
	tls = append(tls, names(policy.TLS, 443, strings.Join(many, " "), "*/*", ""))
	rec := build(t, r, known{}, tls, http, nil)
	checkStructure(t, rec.objects)

	// One more name changes no object but the one it is in, and the EnvoyFilter, whose other chains stay.
	before := specs(rec)
	tls[len(tls)-1] = names(policy.TLS, 443, strings.Join(append(many, "new.example.net"), " "), "*/*", "")
	changed := 0
	for id, text := range specs(build(t, r, known{}, tls, http, nil)) {
		if before[id] != text {
			changed++
		}
	}
	if changed != 2 {
		t.Errorf("one more name changes %d objects, want 2", changed)
	}
}

// TestTooLarge refuses to write an object that clusters do not store, and to cut it.
func TestTooLarge(t *testing.T) {
	var tls []*nameClass
	for i := range 1000 {
		c := names(policy.TLS, 443, fmt.Sprintf("a%d.example.com", i), fmt.Sprintf("ns-%d/a", i), "")
		who, err := accountsOf(c.Sources)
		if err != nil {
			t.Fatal(err)
		}
		tls = append(tls, &nameClass{NameClass: c, name: fmt.Sprintf("c%d", i), who: who})
	}
	rec := newRecorder()
	b := builder{Renderer: defaultRenderer(t), out: rec, tls: tls}
	if err := b.emitEnvoyFilter(); err == nil || !strings.Contains(err.Error(), "bytes") || len(rec.objects) > 0 {
		t.Errorf("error %v, and %d objects", err, len(rec.objects))
	}
}

// TestServerNames has a server, a subset and a destination of its own for each name, in objects of a size that clusters store, and one more
// name changes no access rule and no route of another.
func TestServerNames(t *testing.T) {
	r := renderers(t)["server names"]
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("m%d.example.net", i))
	}
	classes := func(names_ ...string) []render.NameClass {
		return []render.NameClass{names(policy.TLS, 443, strings.Join(append(many, names_...), " "), "*/*", ""), names(policy.TLS, 443, "a-b.com a.b.com", "ns/a", "")}
	}
	rec := build(t, r, known{}, classes(), nil, nil)
	checkStructure(t, rec.objects)
	servers, subsets := map[string]bool{}, map[string]bool{}
	for _, o := range rec.objects {
		switch spec := o.Spec.(type) {
		case *networking.Gateway:
			for _, s := range spec.Servers {
				servers[s.Port.Name+" "+s.Hosts[0]] = true
				if len(s.Hosts) != 1 {
					t.Fatalf("a server of %d names sends all to the first", len(s.Hosts))
				}
			}
		case *networking.DestinationRule:
			for _, s := range spec.Subsets {
				subsets[s.Name+" ./"+s.TrafficPolicy.Tls.Sni] = true
			}
		case *networking.EnvoyFilter:
			t.Errorf("%s is an EnvoyFilter", o.Name)
		}
	}
	if len(servers) != 2002 || len(subsets) != 2002 {
		t.Errorf("%d servers and %d subsets", len(servers), len(subsets))
	}
	for s := range servers {
		if !subsets[s] {
			t.Fatalf("nobody asks for %s", s)
		}
	}
	before := specs(rec)
	changed := map[string]int{}
	for id, text := range specs(build(t, r, known{}, classes("new.example.net"), nil, nil)) {
		if before[id] != text {
			changed[strings.SplitN(id, "/", 2)[0]]++
		}
	}
	if changed["Gateway"] != 1 || changed["DestinationRule"] != 1 || changed["VirtualService"] != 2 || changed["ServiceEntry"] != 1 || changed["AuthorizationPolicy"] != 0 {
		t.Errorf("one more name changes %v", changed)
	}
}

func specs(rec *recorder) map[string]string {
	out := map[string]string{}
	for _, o := range rec.objects {
		out[o.Kind+"/"+o.Name] = fmt.Sprint(o.Spec)
	}
	return out
}

// TestCovered steers a name below a wildcard by the wildcard, on its own ports and for its own namespaces.
func TestCovered(t *testing.T) {
	r := defaultRenderer(t)
	rec := build(t, r, known{}, []render.NameClass{
		names(policy.TLS, 443, "*.foo.com", "shop/*", ""),
		names(policy.TLS, 8443, "a.foo.com *.b.foo.com", "news/x", ""),
	}, []render.NameClass{names(policy.HTTP, 80, "c.b.foo.com", "stage/*", "")}, nil)
	checkStructure(t, rec.objects)
	read := reader{t, rec.objects, r.profile}
	for _, u := range []struct {
		namespace, host string
		protocol        policy.Protocol
		port            uint16
	}{{"shop", "x.foo.com", policy.TLS, 443}, {"news", "a.foo.com", policy.TLS, 8443}, {"news", "x.b.foo.com", policy.TLS, 8443}, {"stage", "c.b.foo.com", policy.HTTP, 80}} {
		if !read.steers(u.namespace, u.protocol, u.port, match.MustParseHost(u.host)) {
			t.Errorf("%v is not steered", u)
		}
	}
}

// TestPortOfWildcard has a name that is asked for on a port of its own: the gateway chooses routes by the name alone, and the name must not lose the
// port of the wildcard above it.
func TestPortOfWildcard(t *testing.T) {
	r := defaultRenderer(t)
	rec := build(t, r, known{}, nil, []render.NameClass{
		names(policy.HTTP, 80, "*.foo.com", "shop/*", ""), names(policy.HTTP, 80, "closed.foo.com", "", ""),
		names(policy.HTTP, 8080, "a.foo.com closed.foo.com", "shop/*", ""),
	}, nil)
	checkStructure(t, rec.objects)
	read := reader{t, rec.objects, r.profile}
	for _, q := range []struct {
		host string
		port uint16
		want bool
	}{{"a.foo.com", 80, true}, {"a.foo.com", 8080, true}, {"b.foo.com", 80, true}, {"b.foo.com", 8080, false}, {"closed.foo.com", 80, false}, {"closed.foo.com", 8080, true}} {
		if got := read.routed(request{port: q.port, authority: q.host, path: "/"}); got != q.want {
			t.Errorf("%s on port %d is routed: %v", q.host, q.port, got)
		}
	}
}

// TestNoNamespace skips a class whose namespaces are not known, rather than to write a rule without a source, which is one for everybody.
func TestNoNamespace(t *testing.T) {
	class := names(policy.HTTP, 80, "a.foo.com", "z*/x", "")
	rec := build(t, defaultRenderer(t), known{[]string{"shop"}, true}, nil, []render.NameClass{class}, nil)
	if rec.skipped[class.Grants[0]] == "" {
		t.Error("the grant is not skipped")
	}
	for _, o := range rec.objects {
		if a, ok := o.Spec.(*security.AuthorizationPolicy); ok && len(a.Rules) > 0 {
			t.Errorf("%s has rules: %v", o.Name, a.Rules)
		}
	}
}
