package istio

import (
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

const third = 2 // third/sleep, which is allowed nothing

// s6World is the world of testdata/s6: a gateway in a namespace of its own with a port for each marker.
func s6World() *world.World {
	w := &world.World{RegistryOnly: true}
	for _, p := range [][2]string{{"default", "sleep"}, {"other", "sleep"}, {"third", "sleep"}} {
		w.Workloads = append(w.Workloads, world.Workload{Namespace: p[0], ServiceAccount: p[1], Labels: map[string]string{"app": "sleep"}})
	}
	g := world.ClassicGateway()
	g.Namespace = "istio-egress"
	g.Ports = []world.Port{{Name: "tls", Number: 443, Target: 8443}, {Name: "tls-8443", Number: 8443, Target: 9443}}
	w.Gateways = []world.Gateway{g}
	return w
}

func s6Mesh(t *testing.T, w *world.World, replace ...string) *pilot.Mesh {
	t.Helper()
	m, err := pilot.NewMesh(w, replaced(t, "testdata/s6/s6.yaml", replace...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	marker     = "tls-443.egress.internal"
	marker8443 = "tls-8443.egress.internal"
)

// s6Asks is what identity handed to an internal listener must do with each name, for its own and for other sources, honest and not.
var s6Asks = func() []ask {
	const to, denied, noRule, closed = "by gateway", "denied", "denied: no access rule", "denied: filter chain \"nobody\" has no filters"
	honest := func(from int, name, want string) ask {
		if want == to {
			want = strings.ToLower(name) + ":443 " + to
		}
		return ask{from: from, port: 443, bytes: sni(name), want: want}
	}
	raw := func(from int, outer string, inner walk.Bytes, want string) ask {
		return ask{from: from, bypass: true, port: 443, bytes: own(s6World(), from, outer, inner), want: want}
	}
	return []ask{
		// Members reach their own names, and nobody else does.
		honest(sleep, "a.example.com", to), honest(sleep, "x.y.foo.com", to), honest(sleep, "A.Example.COM", to),
		honest(other, "b.example.com", to), honest(other, "x.foo.com", to),
		honest(other, "a.example.com", denied), honest(sleep, "b.example.com", denied), honest(other, "y.foo.com", denied),
		honest(third, "a.example.com", denied), honest(third, "b.example.com", denied), honest(third, "both.example.com", denied),
		// A name of two sources.
		honest(sleep, "both.example.com", to), honest(other, "both.example.com", to),
		// More specific names of other classes below an allowed wildcard, and a deeper wildcard.
		honest(sleep, "x.foo.com", noRule), honest(other, "p.deep.foo.com", to), honest(sleep, "p.deep.foo.com", to), honest(sleep, "bad.foo.com", closed),
		// What the wildcard does not hold.
		honest(sleep, "foo.com", denied), honest(sleep, "xfoo.com", denied), honest(sleep, "evil.example.com", denied),
		{from: sleep, port: 443, bytes: get("a.example.com"), want: denied}, {from: sleep, port: 443, bytes: walk.Raw{}, want: denied},

		// A pod that speaks to the gateway by itself, with its own certificate.
		raw(sleep, marker, sni("a.example.com"), "a.example.com:443 by gateway"), raw(sleep, marker, sni("z.foo.com"), "z.foo.com:443 by gateway"),
		raw(sleep, marker, sni("x.foo.com"), noRule), raw(sleep, marker, sni("b.example.com"), noRule), raw(sleep, marker, sni("bad.foo.com"), closed),
		raw(sleep, marker, sni("evil.example.com"), "denied: no filter chain of listener egress_in_443"), raw(sleep, marker, sni(""), "denied: no filter chain of listener egress_in_443"),
		raw(sleep, marker, get("a.example.com"), "denied: no filter chain of listener egress_in_443"), raw(sleep, marker, walk.Raw{}, "denied: no filter chain of listener egress_in_443"),
		raw(sleep, marker, walk.TLS{SNI: "a.example.com", Identity: "spiffe://cluster.local/ns/other/sa/sleep"}, "a.example.com:443 by gateway"), // a certificate for the far end says nothing here
		raw(sleep, marker, walk.TLS{SNI: "b.example.com", Identity: "spiffe://cluster.local/ns/other/sa/sleep"}, noRule),
		raw(third, marker, sni("a.example.com"), noRule), raw(third, marker, sni("both.example.com"), noRule),
		raw(sleep, "a.example.com", sni("a.example.com"), "denied: no filter chain of listener 0.0.0.0_8443"), raw(sleep, "", sni("a.example.com"), "denied: no filter chain of listener 0.0.0.0_8443"),
		{from: sleep, bypass: true, port: 443, bytes: walk.TLS{SNI: marker, Inner: sni("a.example.com")}, want: "denied: TLS handshake without a client certificate"},
		{from: sleep, bypass: true, port: 443, bytes: sni("a.example.com"), want: denied},

		// A second port with classes of its own.
		{from: sleep, port: 8443, bytes: sni("alt.example.com"), want: "alt.example.com:8443 by gateway"},
		{from: other, port: 8443, bytes: sni("alt.example.com"), want: denied},
		{from: sleep, port: 8443, bytes: sni("a.example.com"), want: denied},
		{from: sleep, port: 443, bytes: sni("alt.example.com"), want: denied},
		{from: sleep, bypass: true, port: 8443, bytes: own(s6World(), sleep, marker8443, sni("alt.example.com")), want: "alt.example.com:8443 by gateway"},
		{from: sleep, bypass: true, port: 8443, bytes: own(s6World(), sleep, marker8443, sni("a.example.com")), want: "denied: no filter chain of listener egress_in_8443"},
		{from: sleep, bypass: true, port: 8443, bytes: own(s6World(), sleep, marker, sni("a.example.com")), want: denied},
		{from: other, bypass: true, port: 8443, bytes: own(s6World(), other, marker8443, sni("alt.example.com")), want: noRule},
	}
}()

func TestIdentityHandedToInternalListener(t *testing.T) {
	for _, capture := range []bool{false, true} {
		w := s6World()
		w.DNSCapture = capture
		m := s6Mesh(t, w)
		for _, a := range s6Asks {
			a.in(t, m)
		}
	}
}

// TestIdentityHandedOverWrongly changes one thing in the configuration at a time. Each mistake must deny.
func TestIdentityHandedOverWrongly(t *testing.T) {
	for name, replace := range map[string][]string{
		"identity read before the handshake": {"on_downstream_tls_handshake:", "on_new_connection:"},
		"connects before the handshake":      {"upstream_connect_mode: ON_DOWNSTREAM_TLS_HANDSHAKE", "upstream_connect_mode: IMMEDIATE"},
		"identity not shared":                {"shared_with_upstream: ONCE", "shared_with_upstream: NONE"},
		"socket that hands nothing over": {
			"@type\": type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport\n            transport_socket:\n              name: envoy.transport_sockets.raw_buffer\n              typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}",
			"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
		"no EnvoyFilter": {"workloadSelector: {labels: {istio: egressgateway}}", "workloadSelector: {labels: {istio: nothing}}"},
	} {
		t.Run(name, func(t *testing.T) {
			m := s6Mesh(t, s6World(), replace...)
			ask{from: sleep, port: 443, bytes: sni("a.example.com"), want: "denied"}.in(t, m)
			ask{from: sleep, bypass: true, port: 443, bytes: own(s6World(), sleep, marker, sni("a.example.com")), want: "denied"}.in(t, m)
		})
	}
	t.Run("identity that pools do not ask for", func(t *testing.T) {
		m := s6Mesh(t, s6World(), "istio.hashable_string", "envoy.string")
		if out, err := m.Honest(sleep, outsideAt(443), sni("a.example.com")); err == nil || !strings.Contains(err.Error(), "not hashable") {
			t.Errorf("%v, %v", out, err)
		}
	})
}
