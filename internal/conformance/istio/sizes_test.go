package istio

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/internal/marks"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	istiotarget "github.com/egresskit/egress/render/istio"
)

var update = flag.Bool("update", false, "measure everything that the README has a table of, and write it anew")

// A shape is a way to configure the mesh for many hosts.
type shape struct {
	name     string
	protocol policy.Protocol
	objects  func(t *testing.T, protocol policy.Protocol, hosts, classes int) []*objects.Object
	most     int // above it, sizes follow from those at most: listeners are quadratic, and the rest is linear
	large    int // how many hosts to see by that it is linear
}

// TestSizes measures what proxies are told for many hosts. The table is printed by
//
//	go test -run TestSizes -update -v .
//
// which also writes it into the README. Without -update it measures as much as it takes to see that nothing is more than linear.
//
// Each class of hosts is for three service accounts of a namespace of its own; the client is a pod of the first.
func TestSizes(t *testing.T) {
	unextended := func(p *istiotarget.Profile) { p.EnvoyFilter = false }
	rendered := shape{"rendered", policy.TLS, renderedFor(func(*istiotarget.Profile) {}), math.MaxInt, 1000}
	recipe := shape{"documented recipe", policy.TLS, recipeFor, 100, 100}
	http := shape{"rendered, HTTP", policy.HTTP, renderedFor(func(*istiotarget.Profile) {}), math.MaxInt, 400}
	plain := shape{"rendered without EnvoyFilter", policy.TLS, renderedFor(unextended), 1000, 400}

	counts := []int{100, 1000}
	if *update {
		counts = []int{100, 500, 1000, 5000}
	}
	sizes := sizes{}
	table := sizes.table(t, counts, rendered, recipe)
	t.Logf("\n%s", table)
	t.Logf("other shapes\n%s", sizes.table(t, []int{100, 400}, http, plain))
	writeTable(t, table)

	if m := sizes.of(t, rendered, 1000, 50); m.gateway.listeners+m.gateway.clusters > 100_000 {
		t.Errorf("1000 hosts in 50 classes: %v at the gateway, more than 100 KB", m.gateway)
	}
	for _, s := range []shape{rendered, http, plain} {
		for _, classes := range []int{1, 50} {
			small, large := sizes.of(t, s, 100, classes), sizes.of(t, s, s.large, classes)
			// Ten times the hosts is at most ten times the configuration, and a tenth for names that get longer.
			most := s.large / 100 * 11 / 10
			if large.gateway.total() > most*small.gateway.total() || large.client.total() > most*small.client.total() {
				t.Errorf("%s, %d classes: %v and %v at 100 hosts, %v and %v at %d: more than linear", s.name, classes, small.gateway, small.client, large.gateway, large.client, s.large)
			}
		}
		// Twice the classes add as much again, whatever the hosts.
		one, half, full := sizes.of(t, s, s.large, 1), sizes.of(t, s, s.large, 26), sizes.of(t, s, s.large, 51)
		if first, second := half.gateway.total()-one.gateway.total(), full.gateway.total()-half.gateway.total(); 4*second > 5*first {
			t.Errorf("%s: 25 classes add %d bytes to the gateway, and 25 more add %d: more than linear", s.name, first, second)
		}
	}
}

// writeTable puts the table into the README, or without -update makes sure that there is one for the shapes and counts that it promises.
func writeTable(t *testing.T, table string) {
	t.Helper()
	const readme, mark = "../../../README.md", "sizes"
	if *update {
		if err := marks.Write(readme, mark, table); err != nil {
			t.Fatal(err)
		}
		return
	}
	there, err := marks.Read(readme, mark)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(table, "\n")
	if rows := strings.Count(there, "\n"); !strings.HasPrefix(there, head) || rows != 2+2*2*4 {
		t.Errorf("the table of the README has %d rows below %q; -update writes it", rows, head)
	}
}

// sizes are the measures made so far.
type sizes map[string]measure

// of measures a shape.
func (z sizes) of(t *testing.T, s shape, hosts, classes int) measure {
	t.Helper()
	key := fmt.Sprint(s.name, " ", hosts, " ", classes)
	m, ok := z[key]
	if !ok {
		m = measured(t, s.objects(t, s.protocol, hosts, classes))
		z[key] = m
	}
	return m
}

// table returns the measures of shapes as Markdown.
func (z sizes) table(t *testing.T, counts []int, shapes ...shape) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, "| hosts | classes | | gateway | client | objects | Pilot | filter chains that one more host changes |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|")
	for _, hosts := range counts {
		for _, classes := range []int{1, 50} {
			for _, s := range shapes {
				if hosts > s.most {
					m := z.of(t, s, s.most, classes).grown(float64(hosts) / float64(s.most))
					fmt.Fprintf(&b, "| %d | %d | %s | about %v | about %v | %d of %s | | all |\n", hosts, classes, s.name, m.gateway, m.client, m.objects, kb(float64(m.json)))
					continue
				}
				m := z.of(t, s, hosts, classes)
				churn := "" // HTTP has one chain, and routes of each name's own
				if s.protocol == policy.TLS {
					changed := m.changed(measured(t, s.objects(t, s.protocol, hosts+1, classes)))
					churn = fmt.Sprintf("%d of %d", changed, len(m.chains))
					if s.most > 100 && changed > 1 {
						t.Errorf("%s, %d hosts in %d classes: one more host changes %s filter chains", s.name, hosts, classes, churn)
					}
				}
				fmt.Fprintf(&b, "| %d | %d | %s | %v | %v | %d of %s | %d ms | %s |\n", hosts, classes, s.name, m.gateway, m.client, m.objects, kb(float64(m.json)),
					(m.gatewayTime + m.clientTime).Milliseconds(), churn)
			}
		}
	}
	return b.String()
}

// TestRecipeIsQuadratic keeps the tenth trap of Istio: every filter chain of a gateway holds the rules for all of its hosts.
func TestRecipeIsQuadratic(t *testing.T) {
	small, large := measured(t, recipeFor(t, policy.TLS, 50, 1)), measured(t, recipeFor(t, policy.TLS, 100, 1))
	if large.gateway.listeners < 3*small.gateway.listeners {
		t.Errorf("listeners of %v with 50 hosts and %v with 100", small.gateway, large.gateway)
	}
}

// A measure is how much configuration came of objects.
type measure struct {
	gateway, client         volume
	gatewayTime, clientTime time.Duration
	objects, json           int
	chains                  map[string]bool // the gateway's filter chains
}

// changed returns how many filter chains of the gateway are not there any more.
func (m measure) changed(next measure) (n int) {
	for chain := range m.chains {
		if !next.chains[chain] {
			n++
		}
	}
	return n
}

// grown returns what the documented recipe comes to with f times the hosts. Every filter chain of the gateway holds the rules of all hosts.
func (m measure) grown(f float64) measure {
	grow := func(n int, f float64) int { return int(float64(n) * f) }
	return measure{
		gateway: volume{grow(m.gateway.listeners, f*f), grow(m.gateway.clusters, f), grow(m.gateway.routes, f)},
		client:  volume{grow(m.client.listeners, f), grow(m.client.clusters, f), grow(m.client.routes, f)},
		objects: grow(m.objects, f), json: grow(m.json, f),
	}
}

type volume struct{ listeners, clusters, routes int }

func (b volume) total() int { return b.listeners + b.clusters + b.routes }

// String returns the bytes of listeners and clusters, and those of routes where it is they that names are in.
func (b volume) String() string {
	s := kb(float64(b.listeners)) + " + " + kb(float64(b.clusters))
	if b.routes > (b.listeners+b.clusters)/10 {
		s += " + " + kb(float64(b.routes))
	}
	return s
}

func kb(n float64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%.1f KB", n/1000)
	case n < 1_000_000:
		return fmt.Sprintf("%.0f KB", n/1000)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f MB", n/1_000_000)
	}
	return fmt.Sprintf("%.0f MB", n/1_000_000)
}

func measured(t *testing.T, objs []*objects.Object) measure {
	t.Helper()
	w := &world.World{
		Workloads: []world.Workload{{Namespace: "team-0", ServiceAccount: "a", Labels: map[string]string{"app": "a"}}},
		Gateways:  []world.Gateway{world.ClassicGateway()},
	}
	m := measure{objects: len(objs), chains: map[string]bool{}}
	for _, o := range objs {
		js, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		m.json += len(js)
	}
	err := pilot.Run(w, objs, func(p *pilot.Pilot) error {
		began := time.Now()
		gateway := p.Gateway(0)
		m.gatewayTime = time.Since(began)
		began = time.Now()
		client := p.Sidecar(0)
		m.clientTime = time.Since(began)
		m.gateway, m.client = volumeOf(gateway), volumeOf(client)
		for _, l := range gateway.Listeners {
			for _, ch := range l.GetFilterChains() {
				raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(ch)
				if err != nil {
					return err
				}
				m.chains[string(raw)] = true
			}
		}
		_, err := walk.NewProxy(gateway)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func volumeOf(c walk.Config) volume {
	var b volume
	for _, l := range c.Listeners {
		b.listeners += proto.Size(l)
	}
	for _, cl := range c.Clusters {
		b.clusters += proto.Size(cl)
	}
	for _, r := range c.Routes {
		b.routes += proto.Size(r)
	}
	return b
}

func hostName(i int) string { return fmt.Sprintf("host-%05d.example.com", i) }

var members = []string{"a", "b", "c"} // the service accounts of a class

// renderedFor returns what renders the policies that give each class its hosts.
func renderedFor(change func(*istiotarget.Profile)) func(*testing.T, policy.Protocol, int, int) []*objects.Object {
	profile := istiotarget.DefaultProfile()
	change(&profile)
	return func(t *testing.T, protocol policy.Protocol, hosts, classes int) []*objects.Object {
		t.Helper()
		target, err := istiotarget.New(profile)
		if err != nil {
			t.Fatal(err)
		}
		r, err := renderPolicies([]*policy.Policy{classed(protocol, hosts, classes)}, render.Stack{target}, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.result.Losses) > 0 {
			t.Fatal(r.result.Losses)
		}
		return r.objs
	}
}

// classed returns the policy that deals hosts to classes.
func classed(protocol policy.Protocol, hosts, classes int) *policy.Policy {
	p := &policy.Policy{Name: "sizes", Sources: make([]policy.Source, classes)}
	for i := range p.Sources {
		p.Sources[i] = policy.Source{
			Name:    fmt.Sprintf("team-%d", i),
			From:    identity.MustSelector(identity.Term{Namespaces: []string{fmt.Sprintf("team-%d", i)}, ServiceAccounts: members}),
			Section: policy.Section{Allow: []policy.Rule{{Name: fmt.Sprintf("hosts-%d", i), To: policy.Destination{Protocol: protocol}}}},
		}
	}
	for i := range hosts {
		to := &p.Sources[i%classes].Allow[0].To
		to.Hosts = append(to.Hosts, match.MustParsePattern(hostName(i)))
	}
	return p
}

// recipeFor writes what the documentation of egress gateways adds up to: for each host a ServiceEntry, a server, a subset with its server
// name, a VirtualService, and a rule of an AuthorizationPolicy.
func recipeFor(t *testing.T, _ policy.Protocol, hosts, classes int) []*objects.Object {
	t.Helper()
	const gateway = "istio-egressgateway.istio-system.svc.cluster.local"
	var b, servers, subsets, rules bytes.Buffer
	for i := range hosts {
		host := hostName(i)
		fmt.Fprintf(&servers, "  - {port: {number: 443, name: tls-%d, protocol: TLS}, hosts: [%s], tls: {mode: ISTIO_MUTUAL}}\n", i, host)
		fmt.Fprintf(&subsets, "  - {name: h%d, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: %s}}}\n", i, host)
		var principals []string
		for _, m := range members {
			principals = append(principals, fmt.Sprintf("cluster.local/ns/team-%d/sa/%s", i%classes, m))
		}
		fmt.Fprintf(&rules, "  - {from: [{source: {principals: [%s]}}], when: [{key: connection.sni, values: [%s]}]}\n", strings.Join(principals, ", "), host)
		fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: h%[1]d, namespace: istio-system}
spec: {hosts: [%[2]s], location: MESH_EXTERNAL, ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: h%[1]d, namespace: istio-system}
spec:
  hosts: [%[2]s]
  gateways: [mesh, egress]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: [%[2]s]}]
    route: [{destination: {host: %[3]s, subset: h%[1]d, port: {number: 443}}}]
  tcp:
  - match: [{gateways: [egress], port: 443}]
    route: [{destination: {host: %[2]s, port: {number: 443}}}]
`, i, host, gateway)
	}
	fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers:
%s---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: egress, namespace: istio-system}
spec:
  host: %s
  subsets:
%s---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: egress, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: egressgateway}}
  rules:
%s`, servers.String(), gateway, subsets.String(), rules.String())
	objs, err := objects.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return objs
}
