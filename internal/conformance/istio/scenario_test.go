package istio

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// The workloads and gateways of the world that hand-written configuration is judged in.
const (
	sleep = iota // default/sleep
	other        // other/sleep
)

const (
	classic = iota // istio-system/istio-egressgateway
	managed        // default/cnn-egress-gateway
)

func smallWorld() *world.World {
	return &world.World{
		RegistryOnly: true,
		Workloads: []world.Workload{
			{Namespace: "default", ServiceAccount: "sleep", Labels: map[string]string{"app": "sleep"}},
			{Namespace: "other", ServiceAccount: "sleep", Labels: map[string]string{"app": "sleep"}},
		},
		Gateways: []world.Gateway{
			world.ClassicGateway(),
			world.ManagedGateway("default", "cnn-egress-gateway", 80, 443),
		},
	}
}

func readObjects(t *testing.T, file string) []*objects.Object {
	t.Helper()
	y, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	objs, err := objects.Parse(y)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// outsideAt is an address that no rule mentions, as a name server outside might give it.
func outsideAt(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), port)
}

// An ask is a connection and the place where it must end.
type ask struct {
	from   int
	bypass bool   // past the sidecar, to the classic gateway's port
	port   uint16 //
	bytes  walk.Bytes
	want   string // as [place] says it, or how that begins
}

func (a ask) String() string {
	how := "honest"
	if a.bypass {
		how = "bypass"
	}
	return fmt.Sprintf("workload %d %s port %d %v", a.from, how, a.port, a.bytes)
}

func sni(name string) walk.Bytes { return walk.TLS{SNI: name, ALPN: []string{"h2", "http/1.1"}} }

func get(authority string) walk.Bytes { return walk.HTTP{Authority: authority} }

// place says in a few words where a connection ended: "denied: " and why, or where to and by which way, such as "www.foo.com:443 through
// istio-egressgateway-service-account".
func place(o walk.Outcome) string {
	if !o.Reached() {
		return "denied: " + o.Denied
	}
	to := o.Host
	if to == "" {
		to = o.Addr.String()
	}
	to = fmt.Sprintf("%s:%d", to, o.Port)
	if o.Origination != nil {
		to += " by TLS"
	}
	for _, hop := range o.Hops {
		if strings.Contains(hop.Proxy, "gateway") {
			return to + " by gateway"
		}
	}
	return to + " direct"
}

func (a ask) walk(m *pilot.Mesh) (walk.Outcome, error) {
	if a.bypass {
		return m.Bypass(a.from, netip.AddrPortFrom(m.World.ServiceIP(classic), a.port), a.bytes)
	}
	return m.Honest(a.from, outsideAt(a.port), a.bytes)
}

func (a ask) in(t *testing.T, m *pilot.Mesh) {
	t.Helper()
	out, err := a.walk(m)
	if err != nil {
		t.Errorf("%v: %v", a, err)
		return
	}
	if got := place(out); !strings.HasPrefix(got, a.want) {
		t.Errorf("%v: %s, want %s\n%v\n\t%s", a, got, a.want, out, strings.Join(out.Trace, "\n\t"))
	}
}

// A scenario is a file of configuration and what it must do.
type scenario struct {
	file     string
	rejected string // what Envoy refuses, when it does
	asks     []ask
}

func (s scenario) run(t *testing.T) {
	m, err := pilot.NewMesh(smallWorld(), readObjects(t, s.file))
	var refused *walk.RejectedError
	switch {
	case s.rejected != "" && errors.As(err, &refused) && strings.Contains(err.Error(), s.rejected):
		return
	case s.rejected != "":
		t.Fatalf("error %v, want %s", err, s.rejected)
	case err != nil:
		t.Fatal(err)
	}
	for _, a := range s.asks {
		a.in(t, m)
	}
}

// TestDocumentedExamples walks the configuration of Istio's task on egress gateways, as documented.
func TestDocumentedExamples(t *testing.T) {
	for _, s := range documented {
		t.Run(s.file, s.run)
	}
}

// TestTraps keeps the configurations that every static check accepts and that do something else than they say.
func TestTraps(t *testing.T) {
	for _, s := range traps {
		t.Run(s.file, s.run)
	}
}

var documented = []scenario{
	{file: "docs/http.yaml", asks: []ask{
		{from: sleep, port: 80, bytes: get("edition.cnn.com"), want: "edition.cnn.com:80 by gateway"},
		{from: sleep, port: 80, bytes: get("EDITION.CNN.COM"), want: "edition.cnn.com:80 by gateway"},
		{from: sleep, port: 80, bytes: get("edition.cnn.com:80"), want: "edition.cnn.com:80 by gateway"},
		{from: sleep, port: 80, bytes: get("www.cnn.com"), want: "denied"},
		{from: sleep, port: 80, bytes: sni("edition.cnn.com"), want: "denied"},
		// The example routes port 80 alone: TLS goes past the gateway.
		{from: sleep, port: 443, bytes: sni("edition.cnn.com"), want: "edition.cnn.com:443 direct"},
		{from: sleep, port: 443, bytes: sni("www.cnn.com"), want: "denied"},
		// Its DestinationRule lies in default, where other namespaces do not see the subset.
		{from: other, port: 80, bytes: get("edition.cnn.com"), want: "denied"},
	}},
	{file: "docs/tls.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("edition.cnn.com"), want: "edition.cnn.com:443 by gateway"},
		{from: sleep, port: 443, bytes: sni("Edition.CNN.com"), want: "edition.cnn.com:443 by gateway"},
		{from: sleep, port: 443, bytes: sni("www.cnn.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni(""), want: "denied"},
		{from: sleep, port: 443, bytes: get("edition.cnn.com"), want: "denied"},
		{from: sleep, port: 443, bytes: walk.Raw{}, want: "denied"},
		{from: other, port: 443, bytes: sni("edition.cnn.com"), want: "denied"},
		// Passthrough asks nobody who they are.
		{from: other, bypass: true, port: 443, bytes: sni("edition.cnn.com"), want: "edition.cnn.com:443 by gateway"},
		{from: other, bypass: true, port: 443, bytes: sni("www.cnn.com"), want: "denied"},
		{from: other, bypass: true, port: 80, bytes: get("edition.cnn.com"), want: "denied"},
	}},
	{file: "docs/gateway-api.yaml", asks: []ask{
		{from: sleep, port: 80, bytes: get("edition.cnn.com"), want: "edition.cnn.com:80 by gateway"},
		{from: sleep, port: 443, bytes: sni("edition.cnn.com"), want: "edition.cnn.com:443 by gateway"},
		{from: other, port: 80, bytes: get("edition.cnn.com"), want: "edition.cnn.com:80 by gateway"},
		{from: other, port: 443, bytes: sni("edition.cnn.com"), want: "edition.cnn.com:443 by gateway"},
		{from: sleep, port: 80, bytes: get("www.cnn.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni("www.cnn.com"), want: "denied"},
	}},
}

var traps = []scenario{
	{file: "traps/01-one-server-two-hosts.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "a.example.com:443 by gateway"},
		{from: sleep, port: 443, bytes: sni("b.example.com"), want: "a.example.com:443 by gateway"},
	}},
	{file: "traps/01-one-server-a-host.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "a.example.com:443 by gateway"},
		{from: sleep, port: 443, bytes: sni("b.example.com"), want: "b.example.com:443 by gateway"},
	}},
	{file: "traps/02-mutual-server-tls-routes.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "denied"},
	}},
	{file: "traps/03-passthrough-identity.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "denied"},
	}},
	{file: "traps/03-mutual-identity.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "a.example.com:443 by gateway"},
		{from: other, port: 443, bytes: sni("a.example.com"), want: "denied"},
		// Nobody looks at the inner name: it arrives at the destination of the outer one.
		{from: sleep, bypass: true, port: 443, bytes: own(smallWorld(), sleep, "a.example.com", sni("b.example.com")), want: "a.example.com:443 by gateway"},
		{from: sleep, bypass: true, port: 443, bytes: own(smallWorld(), sleep, "a.example.com", get("b.example.com")), want: "a.example.com:443 by gateway"},
		{from: other, bypass: true, port: 443, bytes: own(smallWorld(), other, "a.example.com", sni("a.example.com")), want: "denied"},
		{from: sleep, bypass: true, port: 443, bytes: own(smallWorld(), sleep, "b.example.com", sni("b.example.com")), want: "denied"},
		{from: sleep, bypass: true, port: 443, bytes: sni("a.example.com"), want: "denied"},
	}},
	{file: "traps/04-subset-without-sni.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "denied"},
	}},
	{file: "traps/05-httproute-wildcard.yaml", asks: []ask{
		{from: sleep, port: 80, bytes: get("a.foo.com"), want: "203.0.113.9:80 direct"},
		{from: sleep, port: 443, bytes: sni("a.foo.com"), want: "denied"}, // at the gateway, which has no route
	}},
	{file: "traps/06-resolution-none-gateway.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.foo.com"), want: "denied"},
	}},
	{file: "traps/06-resolution-none-direct.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.foo.com"), want: "203.0.113.9:443 direct"},
		{from: sleep, port: 80, bytes: get("a.foo.com"), want: "203.0.113.9:80 direct"},
		{from: sleep, port: 443, bytes: sni("foo.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni("xfoo.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni("a.b.foo.com"), want: "203.0.113.9:443 direct"},
		{from: sleep, port: 443, bytes: sni("a.foo.com."), want: "denied"},
	}},
	{file: "traps/07-partial-wildcard-entry.yaml", rejected: `partial wildcard "*-a.foo.com"`},
	{file: "traps/07-partial-wildcard-route.yaml", rejected: `partial wildcard "*a.foo.com"`},
	{file: "traps/08-case-twice.yaml", rejected: `the same match: server name "www.foo.com"`},
	{file: "traps/09-deny-hosts-on-tcp.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "denied"},
	}},
	{file: "traps/11-tcp-without-addresses.yaml", asks: []ask{
		{from: sleep, port: 5432, bytes: walk.Raw{}, want: "db1.example.com:5432 direct"},
	}},
	{file: "traps/11-tcp-beside-tls.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.example.com"), want: "a.example.com:443 direct"},
		{from: sleep, port: 443, bytes: sni("evil.example.com"), want: "db.example.com:443 direct"},
	}},
	{file: "traps/12-network-at-zero.yaml", asks: []ask{
		{from: sleep, port: 5432, bytes: walk.Raw{}, want: "203.0.113.9:5432 direct"},
	}},
	{file: "traps/13-destination-rules-twice.yaml", asks: []ask{
		{from: sleep, port: 80, bytes: get("a.example.com"), want: "a.example.com:443 by TLS direct"},
		{from: sleep, port: 81, bytes: get("a.example.com:81"), want: "a.example.com:443 direct"},
	}},
	{file: "traps/14-policy-from-nobody.yaml", asks: []ask{
		{from: other, port: 443, bytes: sni("a.example.com"), want: "a.example.com:443 by gateway"},
	}},
}

// TestMore walks what renderers may use beyond the documented examples, and the doubts about it.
func TestMore(t *testing.T) {
	for _, s := range more {
		t.Run(s.file, s.run)
	}
}

func http(from int, r walk.HTTP, want string) ask {
	return ask{from: from, port: 80, bytes: r, want: want}
}

// raw is an ask past the sidecar, to port 443 of the gateway by mutual TLS.
func raw(from int, name string, inner walk.Bytes, want string) ask {
	return ask{from: from, bypass: true, port: 443, bytes: own(smallWorld(), from, name, inner), want: want}
}

var more = []scenario{
	{file: "more/http-mutual.yaml", asks: []ask{
		http(sleep, walk.HTTP{Authority: "a.example.com"}, "a.example.com:80 by gateway"),
		http(sleep, walk.HTTP{Authority: "a.example.com:80"}, "a.example.com:80 by gateway"),
		http(other, walk.HTTP{Authority: "a.example.com"}, "denied: no access rule"),
		http(sleep, walk.HTTP{Authority: "b.example.com", Path: "/v1/x"}, "denied: no access rule"),
		http(other, walk.HTTP{Authority: "b.example.com", Path: "/v1/x"}, "b.example.com:80 by gateway"),
		http(other, walk.HTTP{Authority: "b.example.com", Path: "/v1"}, "b.example.com:80 by gateway"),
		http(other, walk.HTTP{Authority: "b.example.com", Path: "/v1/x", Method: "POST"}, "denied: no access rule"),
		http(other, walk.HTTP{Authority: "b.example.com", Path: "/v10"}, "denied: no access rule"),
		http(other, walk.HTTP{Authority: "b.example.com:80", Path: "/v1/x"}, "denied: no access rule"), // the rule names no port
		http(sleep, walk.HTTP{Authority: "x.foo.com"}, "denied: no access rule"),
		http(other, walk.HTTP{Authority: "x.foo.com"}, "x.foo.com:80 by gateway"),
		http(sleep, walk.HTTP{Authority: "y.foo.com"}, "denied: sleep answers 502"),
		http(sleep, walk.HTTP{Authority: "c.example.com"}, "c.example.com:443 by TLS by gateway"),
		http(sleep, walk.HTTP{Authority: "d.example.com"}, "d.example.com:443 by TLS by gateway"),
		raw(sleep, "http.egress.internal", walk.HTTP{Authority: "a.example.com", Headers: map[string]string{"x-egress-port": "80"}}, "a.example.com:80 by gateway"),
		raw(sleep, "http.egress.internal", walk.HTTP{Authority: "a.example.com", Headers: map[string]string{"x-egress-port": "81"}}, "denied"),
		raw(sleep, "http.egress.internal", walk.HTTP{Authority: "b.example.com", Path: "/v1"}, "denied: no access rule"),
		raw(sleep, "anything", walk.HTTP{Authority: "c.example.com"}, "c.example.com:443 by TLS by gateway"), // one server takes all names
		raw(sleep, "http.egress.internal", walk.HTTP{Authority: "c.example.com", Method: "CONNECT"}, "denied"),
		raw(sleep, "http.egress.internal", sni("c.example.com"), "denied: istio-egressgateway-service-account expects HTTP"),
		{from: sleep, bypass: true, port: 443, bytes: walk.TLS{Inner: get("a.example.com")}, want: "denied: TLS handshake without a client certificate"},
		{from: sleep, bypass: true, port: 443, bytes: get("a.example.com"), want: "denied: TLS handshake with HTTP"},
	}},
	{file: "more/http-forward-proxy.yaml", asks: []ask{
		http(sleep, walk.HTTP{Authority: "a.foo.com"}, "a.foo.com:80 by gateway"),
		http(other, walk.HTTP{Authority: "a.foo.com"}, "denied: no access rule"),
		http(sleep, walk.HTTP{Authority: "a.foo.com:23"}, "denied: no access rule"),
		http(sleep, walk.HTTP{Authority: "a.foo.com:22"}, "a.foo.com:22 by gateway"), // by way of port 80
	}},
	{file: "more/dynamic-dns-sidecar.yaml", asks: []ask{
		{from: sleep, port: 443, bytes: sni("a.b.foo.com"), want: "a.b.foo.com:443 direct"},
		{from: sleep, port: 443, bytes: sni("foo.com"), want: "denied"},
		{from: sleep, port: 443, bytes: walk.Raw{}, want: "denied"},
	}},
	{file: "more/addresses.yaml", asks: []ask{
		{from: sleep, port: 5432, bytes: walk.Raw{}, want: "203.0.113.9:5432 direct"},
		{from: sleep, port: 5432, bytes: sni("anything"), want: "203.0.113.9:5432 direct"},
		{from: sleep, port: 5433, bytes: walk.Raw{}, want: "denied"},
		{from: other, port: 5432, bytes: walk.Raw{}, want: "denied"},
	}},
	{file: "more/host-twice.yaml", asks: []ask{
		{from: other, port: 80, bytes: get("www.foo.com"), want: "www.foo.com:80 direct"},
		{from: sleep, port: 80, bytes: get("www.foo.com"), want: "denied"},
		{from: sleep, port: 443, bytes: sni("www.foo.com"), want: "www.foo.com:443 direct"},
		{from: sleep, port: 8080, bytes: get("www.foo.com:8080"), want: "www.foo.com:8080 direct"},
		{from: other, port: 8080, bytes: get("www.foo.com:8080"), want: "denied"},
	}},
}

// TestForwardProxyWithoutItsFilter asks for doubt where the answer depends on what other connections have had looked up.
func TestForwardProxyWithoutItsFilter(t *testing.T) {
	m, err := pilot.NewMesh(smallWorld(), readObjects(t, "more/dynamic-dns-gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var unknown *walk.UnknownError
	if out, err := m.Honest(sleep, outsideAt(443), sni("a.foo.com")); !errors.As(err, &unknown) {
		t.Errorf("%v, %v", out, err)
	}
}

// own is what a workload sends past its sidecar: its certificate, any outer name, any bytes.
func own(w *world.World, i int, name string, inner walk.Bytes) walk.Bytes {
	return walk.TLS{SNI: name, Identity: w.SPIFFE(w.Workloads[i]), Inner: inner}
}

// TestOrigination asks what TLS the gateway speaks to destinations.
func TestOrigination(t *testing.T) {
	m, err := pilot.NewMesh(smallWorld(), readObjects(t, "more/http-mutual.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]walk.Origination{
		"c.example.com": {SNI: "c.example.com", Trust: "file-root:system", Names: []string{"c.example.com"}},
		"d.example.com": {SNI: "d.example.com", Trust: "kubernetes://client-cacert", Certificate: "kubernetes://client"},
	} {
		out, err := m.Honest(sleep, outsideAt(80), get(host))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, out.Origination); diff != "" {
			t.Errorf("%s: -want +got\n%s", host, diff)
		}
	}
}
