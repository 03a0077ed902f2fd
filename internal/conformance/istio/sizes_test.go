package istio

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	istiotarget "github.com/egresskit/egress/render/istio"
)

// TestSizes measures what proxies are told for many hosts, and prints it as a table:
//
//	EGRESS_LONG=1 go test -run TestSizes -v .
//
// Without EGRESS_LONG it measures as much as it takes to see what is linear and what is not.
//
// Each class of hosts is for three service accounts of a namespace of its own; the client is a pod of the first.
func TestSizes(t *testing.T) {
	counts := []int{100, 1000}
	if os.Getenv("EGRESS_LONG") != "" {
		counts = []int{100, 500, 1000, 5000}
	}
	var table strings.Builder
	fmt.Fprintln(&table, "| hosts | classes | | gateway, listeners + clusters + routes | client | objects | as JSON | Pilot, gateway and client | filter chains changed by one more host |")
	fmt.Fprintln(&table, "|---|---|---|---|---|---|---|---|---|")
	sizes := map[string]measure{}
	for _, shape := range []struct {
		name     string
		protocol policy.Protocol
		objects  func(*testing.T, policy.Protocol, int, int) []*objects.Object
		most     int // above it, sizes follow from those at most: listeners are quadratic, and the rest is linear
	}{
		{"rendered, TLS", policy.TLS, renderedFor, math.MaxInt},
		{"rendered, HTTP", policy.HTTP, renderedFor, math.MaxInt},
		{"documented recipe, TLS", policy.TLS, recipeFor, 100},
	} {
		for _, hosts := range counts {
			for _, classes := range []int{1, 50} {
				if hosts > shape.most {
					m := sizes[fmt.Sprint(shape.name, shape.most, classes)].grown(float64(hosts) / float64(shape.most))
					fmt.Fprintf(&table, "| %d | %d | %s | about %v | about %v | %d | about %s | | |\n", hosts, classes, shape.name, m.gateway, m.client, m.objects, kb(float64(m.json)))
					continue
				}
				m := measured(t, shape.objects(t, shape.protocol, hosts, classes))
				churn := ""
				if shape.protocol == policy.TLS {
					more := measured(t, shape.objects(t, shape.protocol, hosts+1, classes))
					changed := 0
					for chain := range m.chains {
						if !more.chains[chain] {
							changed++
						}
					}
					churn = fmt.Sprintf("%d of %d", changed, len(m.chains))
					if shape.most == math.MaxInt && changed > 1 {
						t.Errorf("%s, %d hosts in %d classes: one more host changes %s filter chains", shape.name, hosts, classes, churn)
					}
				}
				sizes[fmt.Sprint(shape.name, hosts, classes)] = m
				fmt.Fprintf(&table, "| %d | %d | %s | %v | %v | %d | %s | %d + %d ms | %s |\n", hosts, classes, shape.name, m.gateway, m.client, m.objects, kb(float64(m.json)),
					m.gatewayTime.Milliseconds(), m.clientTime.Milliseconds(), churn)
			}
		}
	}
	t.Logf("\n%s", table.String())

	if m := sizes["rendered, TLS100050"]; m.gateway.listeners+m.gateway.clusters > 100_000 {
		t.Errorf("1000 hosts in 50 classes: %v at the gateway, more than 100 KB", m.gateway)
	}
	for _, shape := range []string{"rendered, TLS", "rendered, HTTP"} {
		for _, classes := range []int{1, 50} {
			small, large := sizes[fmt.Sprint(shape, 100, classes)], sizes[fmt.Sprint(shape, 1000, classes)]
			// Ten times the hosts is at most ten times the configuration, and what there is without hosts.
			if large.gateway.total() > 11*small.gateway.total() || large.client.total() > 11*small.client.total() {
				t.Errorf("%s, %d classes: %v and %v at 100 hosts, %v and %v at 1000: more than linear", shape, classes, small.gateway, small.client, large.gateway, large.client)
			}
		}
	}
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

func (b volume) String() string {
	return fmt.Sprintf("%s + %s + %s", kb(float64(b.listeners)), kb(float64(b.clusters)), kb(float64(b.routes)))
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

// renderedFor renders the policies that give each class its hosts.
func renderedFor(t *testing.T, protocol policy.Protocol, hosts, classes int) []*objects.Object {
	t.Helper()
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
	target, err := istiotarget.New(istiotarget.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	r, err := renderPolicies([]*policy.Policy{p}, render.Stack{target}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.result.Losses) > 0 {
		t.Fatal(r.result.Losses)
	}
	return r.objs
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
