package walk

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// The secrets that Istio's agent serves to proxies: the workload's certificate, and the mesh's authorities.
const (
	meshCertificate = "default"
	meshAuthority   = "ROOTCA"
)

// tlsClient is a proxy that speaks TLS with an upstream.
type tlsClient struct {
	Origination
	accepts func(identity string) error // asks for the server's identity in the mesh
}

func terminatesTLS(s *corev3.TransportSocket) (bool, error) {
	if s == nil {
		return false, nil
	}
	m, err := unpack(s.GetTypedConfig())
	if err != nil {
		return false, err
	}
	switch m.(type) {
	case *tlsv3.DownstreamTlsContext:
		return true, nil
	case *rawbufferv3.RawBuffer:
		return false, nil
	}
	return false, unknown("transport socket %s", s.GetName())
}

// terminate does the TLS handshake of a chain and leaves what was sent inside to be read.
func (j *journey) terminate(c *conn, s *corev3.TransportSocket) error {
	var ctx tlsv3.DownstreamTlsContext
	if err := s.GetTypedConfig().UnmarshalTo(&ctx); err != nil {
		return err
	}
	if err := only(&ctx, "common_tls_context", "require_client_certificate",
		"session_ticket_keys", "disable_stateless_session_resumption", "disable_stateful_session_resumption", "ocsp_staple_policy"); err != nil {
		return err
	}
	v, err := readValidation(ctx.GetCommonTlsContext())
	if err != nil {
		return err
	}
	hello, ok := c.bytes.(TLS)
	if !ok {
		return deny("TLS handshake with %v", c.bytes)
	}
	identity := hello.Identity
	if ctx.GetRequireClientCertificate().GetValue() || v.trust != "" {
		switch {
		case identity == "" && ctx.GetRequireClientCertificate().GetValue():
			return deny("TLS handshake without a client certificate")
		case v.trust != meshAuthority:
			return unknown("client certificates signed by %q", v.trust)
		case identity != "":
			if err := v.accept(identity); err != nil {
				return err
			}
		}
	} else {
		identity = "" // the server does not ask for a certificate
	}
	if hello.client != nil {
		if err := hello.client.accepts(c.proxy.Identity); err != nil {
			return err
		}
	}
	c.tls, c.peer, c.bytes = true, identity, hello.Inner
	if c.bytes == nil {
		c.bytes = Raw{}
	}
	j.note("%s: terminates TLS of %q", c.proxy.name(), identity)
	return nil
}

// validation is how one side of TLS checks the other's certificate.
type validation struct {
	trust string // the secret or file of authorities; empty: nothing is checked
	names []*matcherv3.StringMatcher
}

func readValidation(ctx *tlsv3.CommonTlsContext) (validation, error) {
	if err := only(ctx, "tls_params", "tls_certificates", "tls_certificate_sds_secret_configs", "validation_context", "validation_context_sds_secret_config",
		"combined_validation_context", "alpn_protocols"); err != nil {
		return validation{}, err
	}
	var v validation
	v.trust = ctx.GetValidationContextSdsSecretConfig().GetName()
	inline := ctx.GetValidationContext()
	if c := ctx.GetCombinedValidationContext(); c != nil {
		if err := only(c, "default_validation_context", "validation_context_sds_secret_config"); err != nil {
			return validation{}, err
		}
		v.trust, inline = c.GetValidationContextSdsSecretConfig().GetName(), c.GetDefaultValidationContext()
	}
	if inline == nil {
		return v, nil
	}
	if err := only(inline, "trusted_ca", "match_subject_alt_names", "match_typed_subject_alt_names", "system_root_certs"); err != nil {
		return validation{}, err
	}
	if f := inline.GetTrustedCa().GetFilename(); f != "" {
		v.trust = f
	} else if inline.GetSystemRootCerts() != nil {
		v.trust = "system"
	}
	v.names = inline.GetMatchSubjectAltNames()
	for _, n := range inline.GetMatchTypedSubjectAltNames() {
		v.names = append(v.names, n.GetMatcher())
	}
	return v, nil
}

// accept asks whether a mesh identity is among the names.
func (v validation) accept(identity string) error {
	if len(v.names) == 0 {
		return nil
	}
	for _, n := range v.names {
		if ok, err := matchString(n, identity); err != nil || ok {
			return err
		}
	}
	return deny("TLS handshake: the certificate of %s has none of the names asked for", identity)
}

// originate puts the TLS of an upstream transport socket around b.
func originate(p *Proxy, ctx *tlsv3.UpstreamTlsContext, sni string, b Bytes) (TLS, error) {
	if err := only(ctx, "common_tls_context", "sni", "allow_renegotiation", "max_session_keys", "auto_host_sni", "auto_sni_san_validation"); err != nil {
		return TLS{}, err
	}
	common := ctx.GetCommonTlsContext()
	v, err := readValidation(common)
	if err != nil {
		return TLS{}, err
	}
	t := TLS{SNI: sni, ALPN: common.GetAlpnProtocols(), Inner: b, client: &tlsClient{Origination: Origination{SNI: sni, Trust: v.trust}, accepts: v.accept}}
	switch certs := common.GetTlsCertificateSdsSecretConfigs(); {
	case len(common.GetTlsCertificates()) > 0 || len(certs) > 1:
		return TLS{}, unknown("client certificates of an upstream connection")
	case len(certs) == 1:
		if t.client.Certificate = certs[0].GetName(); t.client.Certificate == meshCertificate {
			t.Identity = p.Identity
		}
	}
	for _, n := range v.names {
		t.client.Names = append(t.client.Names, describeString(n))
	}
	if ctx.GetAutoSniSanValidation() {
		t.client.Names = append(t.client.Names, sni)
	}
	return t, nil
}

// describeString returns a matcher's pattern, marked with '*' where more may follow.
func describeString(m *matcherv3.StringMatcher) string {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return p.Exact
	case *matcherv3.StringMatcher_Prefix:
		return p.Prefix + "*"
	case *matcherv3.StringMatcher_Suffix:
		return "*" + p.Suffix
	}
	return strings.TrimSpace(m.String())
}
