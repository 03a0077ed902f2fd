package istio

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// reserved is the domain of names that only mean something inside the mesh. Its top level never resolves (RFC 6761, section 6.4).
const reserved = "egress.invalid"

// tlsMarker is the server name that sidecars ask the gateway for when the application speaks TLS to a port.
func tlsMarker(port uint16) string { return fmt.Sprintf("tls-%d.%s", port, reserved) }

// tlsSubset is the name of the gateway service's subset for TLS to a port.
func tlsSubset(port uint16) string { return fmt.Sprintf("tls-%d", port) }

const (
	httpMarker   = "http." + reserved // the server name that sidecars ask the gateway for when the application speaks HTTP
	httpSubset   = "http"
	sinkHost     = "sink." + reserved    // takes nothing
	lookupHost   = "lookup." + reserved  // stands for the forward proxy of HTTP names below a wildcard; takes nothing by itself
	stubDomain   = "stub." + reserved    // names without which sidecars would have no listener
	directDomain = "address." + reserved // names of entries that have addresses only
)

// unsayable returns why a name cannot be said in Istio's API, and "" when it can.
func (p *Profile) unsayable(name match.Pattern) (why string) {
	text := strings.TrimPrefix(name.String(), "*.")
	if name.Kind() == match.Exact && !strings.Contains(text, ".") {
		return "Istio reads a name of one label as a Kubernetes service"
	}
	for _, label := range strings.Split(text, ".") {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return fmt.Sprintf("Istio takes no label such as %q, only letters and digits with '-' between them", label)
		}
	}
	for _, inside := range [...]string{p.ClusterDomain, reserved} {
		// Names of the cluster itself, below it, or a wildcard above it.
		if text == inside || strings.HasSuffix(text, "."+inside) || name.Kind() == match.Subdomains && strings.HasSuffix(inside, "."+text) {
			return fmt.Sprintf("names below %s are inside the mesh", inside)
		}
	}
	return ""
}

// A nameTree orders the patterns of one protocol and port by what covers them.
type nameTree struct {
	class    map[string]*nameClass
	children map[string][]match.Pattern // of the nearest pattern above; canonical order
}

// newNameTree returns the tree of classes, which hold each pattern once.
func newNameTree(classes []*nameClass) nameTree {
	t := nameTree{map[string]*nameClass{}, map[string][]match.Pattern{}}
	for _, c := range classes {
		for _, p := range c.Patterns {
			t.class[p.String()] = c
		}
	}
	for _, c := range classes {
		for _, p := range c.Patterns {
			if up := t.above(p); up != "" {
				t.children[up] = append(t.children[up], p)
			}
		}
	}
	return t
}

// above returns the nearest pattern that covers p, and "" when there is none.
func (t nameTree) above(p match.Pattern) string {
	for rest, ok := parent(p.String()); ok; rest, ok = parent(rest) {
		if t.class["*."+rest] != nil {
			return "*." + rest
		}
	}
	return ""
}

// parent returns the domain that a name, or a wildcard, is in.
func parent(name string) (domain string, ok bool) {
	_, domain, ok = strings.Cut(strings.TrimPrefix(name, "*."), ".")
	return domain, ok
}

// carved returns the patterns below p that are not of its class, and not below another one of them.
func (t nameTree) carved(p match.Pattern) (out []match.Pattern) {
	own := t.class[p.String()]
	for _, q := range t.children[p.String()] {
		if t.class[q.String()] == own {
			out = append(out, t.carved(q)...)
		} else {
			out = append(out, q)
		}
	}
	return out
}

// at returns the class that the names of p belong to, p itself or the nearest pattern above, and the patterns below p that are not of it. It
// is nil where no pattern covers p.
func (t nameTree) at(p match.Pattern) (*nameClass, []match.Pattern) {
	if c := t.class[p.String()]; c != nil {
		return c, t.carved(p)
	}
	up := t.above(p)
	c := t.class[up]
	if c == nil || p.Kind() == match.Exact {
		return c, nil
	}
	var out []match.Pattern
	for _, q := range t.children[up] {
		switch {
		case !p.Covers(q):
		case t.class[q.String()] == c:
			out = append(out, t.carved(q)...)
		default:
			out = append(out, q)
		}
	}
	return c, out
}

// A nameClass is a render.NameClass as this target says it.
type nameClass struct {
	render.NameClass
	name  string // stable, and unique among the classes of all protocols and ports
	who   accounts
	calls []accounts // of the class's Calls
}

// everybody returns those who may reach the names somehow, but for what is excluded.
func (c *nameClass) everybody() []accountSelector {
	all := slices.Clone(c.who.any)
	for _, call := range c.calls {
		all = append(all, call.any...)
	}
	return all
}

// nobody reports whether no certificate lets anybody reach the names: the class is a carve-out, or its sources have no service accounts.
func (c *nameClass) nobody() bool { return len(c.everybody()) == 0 }
