package istio

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// recorder is an emitter that keeps what it is given.
type recorder struct {
	objects []render.Object
	as      []render.Fidelity                 // of each object
	said    map[*render.Grant]render.Fidelity // the worst
	skipped map[*render.Grant]string
	assumed map[string]string
	assured map[*render.Grant]render.Assurance
}

func newRecorder() *recorder {
	return &recorder{nil, nil, map[*render.Grant]render.Fidelity{}, map[*render.Grant]string{}, map[string]string{}, map[*render.Grant]render.Assurance{}}
}

func (r *recorder) Emit(o render.Object, f render.Fidelity, covers ...*render.Grant) {
	r.objects, r.as = append(r.objects, o), append(r.as, f)
	for _, g := range covers {
		r.said[g] = max(f, r.said[g])
	}
}
func (r *recorder) Skip(g *render.Grant, _ render.Feature, why string) { r.skipped[g] = why }
func (r *recorder) Assume(code, text string)                           { r.assumed[code] = text }
func (r *recorder) Assure(g *render.Grant, a render.Assurance)         { r.assured[g] = a }
func (r *recorder) Name(role string, parts ...string) string {
	h := fnv.New64a()
	h.Write([]byte(role + "\x00" + strings.Join(parts, "\x00")))
	return fmt.Sprintf("%s-%x", role, h.Sum64())
}

// sources returns the accounts "namespace/account", with "*" for all, separated by blanks.
func sources(text string) (out []render.Source) {
	for _, s := range strings.Fields(text) {
		ns, sa, _ := strings.Cut(s, "/")
		one := identity.AccountSelector{}
		if ns != "*" {
			one.Namespace = ns
		}
		if sa != "*" {
			one.ServiceAccount = sa
		}
		term := identity.Term{Namespaces: strings.Fields(one.Namespace), ServiceAccounts: strings.Fields(one.ServiceAccount)}
		selector := identity.Everything()
		if one != (identity.AccountSelector{}) {
			selector = identity.MustSelector(term)
		}
		out = append(out, render.Source{Selector: selector, Accounts: []identity.AccountSelector{one}, AccountsOK: true})
	}
	return out
}

// names returns a class of names, with a grant for each source.
func names(protocol policy.Protocol, port uint16, patterns, from, except string) render.NameClass {
	c := render.NameClass{Protocol: protocol, Port: port, Sources: render.SourceSet{Any: sources(from), Except: sources(except)}}
	for _, p := range strings.Fields(patterns) {
		c.Patterns = append(c.Patterns, match.MustParsePattern(p))
	}
	for i, s := range c.Sources.Any {
		c.Grants = append(c.Grants, &render.Grant{
			ID: render.GrantID(fmt.Sprintf("%s/%d/%s/%d", protocol, port, patterns, i)), Kind: render.AllowGrant, Source: s,
			To: policy.Destination{Hosts: c.Patterns, Protocol: protocol, Ports: match.PortsOf(port)},
		})
	}
	return c
}
