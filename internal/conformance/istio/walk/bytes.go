package walk

import (
	"fmt"
	"strings"
)

// Bytes is what a client sends on a connection, from the outside in: [TLS], [HTTP] or [Raw].
type Bytes interface{ String() string }

// TLS is a TLS session. A client that means harm chooses all of it but the identity.
type TLS struct {
	SNI      string
	ALPN     []string
	Identity string // the SPIFFE ID in the client's certificate, signed by the mesh; empty: no certificate
	Inner    Bytes  // what is sent inside; nil: nothing that anybody but the far end can read

	client *tlsClient // the proxy that speaks it; nil: an application
}

// HTTP is a request in plain text.
type HTTP struct {
	Authority string            // with the port when the client sends one
	Method    string            // empty: GET
	Path      string            // empty: /
	Headers   map[string]string // by name in lower case
	HTTP2     bool              // HTTP/2 by prior knowledge
	Tunnel    Bytes             // with CONNECT: what is sent through the tunnel
}

// Raw is bytes of no protocol that a proxy recognises.
type Raw struct{}

func (t TLS) String() string {
	s := fmt.Sprintf("TLS(sni=%q", t.SNI)
	if t.Identity != "" {
		s += " certificate=" + t.Identity
	}
	if t.Inner != nil {
		s += " inner=" + t.Inner.String()
	}
	return s + ")"
}

func (h HTTP) String() string {
	if h.Tunnel != nil {
		return fmt.Sprintf("HTTP(CONNECT %s %v)", h.Authority, h.Tunnel)
	}
	return fmt.Sprintf("HTTP(%s %s%s)", h.method(), h.Authority, h.path())
}

func (Raw) String() string { return "bytes" }

func (h HTTP) method() string {
	if h.Method == "" {
		return "GET"
	}
	return h.Method
}

func (h HTTP) path() string {
	if h.Path == "" {
		return "/"
	}
	return h.Path
}

// header returns a header or pseudo-header as matchers see it.
func (h *HTTP) header(name string) (string, bool) {
	if h == nil {
		return "", false
	}
	switch name = strings.ToLower(name); name {
	case ":authority", "host":
		return h.Authority, true
	case ":method":
		return h.method(), true
	case ":path":
		return h.path(), true
	case ":scheme":
		return "http", true
	}
	v, ok := h.Headers[name]
	return v, ok
}
