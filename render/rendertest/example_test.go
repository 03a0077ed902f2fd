package rendertest_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/rendertest"
)

// listRenderer is a whole target: an imaginary proxy that knows its clients by their certificates, and reads one list a port, in which the line with
// the most specific name decides.
type listRenderer struct{}

// accessList is the spec of the proxy's one kind of object.
type accessList struct {
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	Lines    []line `json:"lines"`
}

type line struct {
	Names  []string `json:"names"`            // www.foo.com, or *.foo.com for all names below foo.com
	Allow  []string `json:"allow,omitempty"`  // namespace/account, either of which may be "*"; none: nobody
	Except []string `json:"except,omitempty"` // the same
}

func (listRenderer) Target() string { return "list" }

// Features are what the proxy's lists can say. All else is kept from Render, and reported.
func (listRenderer) Features() render.Features {
	return render.Features{
		render.TLSByName: render.Same, render.HTTPByName: render.Same,
		render.HostExact: render.Same, render.HostSubdomains: render.Same,
		render.SourceEveryone: render.Same, render.SourceAccounts: render.Same,
		render.Baseline: render.Same,
	}
}

// Render makes a list of the classes of each port. Denies and boundaries are applied in them, as the proxy needs it.
func (listRenderer) Render(p *render.Plan, out *render.Emitter) error {
	for _, protocol := range []policy.Protocol{policy.TLS, policy.HTTP} {
		classes := p.NameClasses(protocol)
		for len(classes) > 0 {
			n := slices.IndexFunc(classes, func(c render.NameClass) bool { return c.Port != classes[0].Port })
			if n < 0 {
				n = len(classes)
			}
			emitList(out, protocol, classes[:n])
			classes = classes[n:]
		}
	}
	for g := range p.Grants() {
		if g.Kind == render.BaselineGrant {
			// The proxy denies what no line allows: an empty list says so for clients that have no other.
			out.Emit(listObject(out.Name("baseline"), &accessList{}), render.Same, g)
			out.Assure(g, render.Assurance{EnforcedAt: "proxy", Holds: render.WithPacketFilter, Why: "pods that go round the proxy are not held by it"})
		}
	}
	out.Assume("only-way", "the proxy is the only way out of the cluster")
	return nil
}

func emitList(out *render.Emitter, protocol policy.Protocol, classes []render.NameClass) {
	list := &accessList{Protocol: protocol.String(), Port: classes[0].Port}
	var covers []*render.Grant
	for _, c := range classes {
		l := line{Allow: clients(c.Sources.Any), Except: clients(c.Sources.Except)}
		for _, p := range c.Patterns {
			l.Names = append(l.Names, p.String())
		}
		list.Lines = append(list.Lines, l)
		covers = append(covers, c.Grants...)
	}
	out.Emit(listObject(out.Name("list", protocol.String(), fmt.Sprint(list.Port)), list), render.Same, covers...)
}

func listObject(name string, list *accessList) render.Object {
	return render.Object{APIVersion: "proxy.example.com/v1", Kind: "AccessList", Namespace: "proxy", Name: name, Spec: list}
}

func clients(sources []render.Source) (out []string) {
	star := func(s string) string {
		if s == "" {
			return "*"
		}
		return s
	}
	for _, s := range sources {
		for _, a := range s.Accounts {
			out = append(out, star(a.Namespace)+"/"+star(a.ServiceAccount))
		}
	}
	return out
}

// listReader answers as the proxy does. It shares nothing with the renderer.
type listReader struct{}

func (listReader) Interpret(objects []render.Object) (rendertest.Evaluator, error) {
	return func(r policy.Request) bool {
		for _, o := range objects {
			if list := o.Spec.(*accessList); list.Protocol == r.Protocol.String() && list.Port == r.Port {
				return list.allows(r.Host, r.Source)
			}
		}
		return false
	}, nil
}

func (list *accessList) allows(host match.Host, from identity.Workload) bool {
	best, allowed := -1, false
	for _, l := range list.Lines {
		for _, name := range l.Names {
			suffix, below := strings.CutPrefix(name, "*")
			if below && strings.HasSuffix(host.String(), suffix) || host.String() == name {
				if length := len(suffix); length > best {
					best, allowed = length, named(l.Allow, from) && !named(l.Except, from)
				}
			}
		}
	}
	return allowed
}

func named(clients []string, from identity.Workload) bool {
	return slices.ContainsFunc(clients, func(c string) bool {
		ns, account, _ := strings.Cut(c, "/")
		return (ns == "*" || ns == from.Namespace) && (account == "*" || account == from.ServiceAccount)
	})
}

// A renderer and a reader of its objects, as small as a target can be. The renderer's own test is one call:
//
//	func TestList(t *testing.T) { rendertest.Run(t, listRenderer{}, listReader{}) }
func Example() {
	e, err := policy.Compile([]*policy.Policy{{Name: "shop", Sources: []policy.Source{{
		Name: "checkout", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}),
		Section: policy.Section{Allow: policy.Rules(policy.MustHosts("*.foo.com").TLS()), Deny: policy.Rules(policy.MustHosts("bad.foo.com"))},
	}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := render.Render(render.NewPlan(e, ""), render.Stack{listRenderer{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range result.Objects[1].Spec.(*accessList).Lines {
		fmt.Println(l.Names, "allow", l.Allow)
	}
	passes, err := listReader{}.Interpret(result.Objects)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"www.foo.com", "bad.foo.com"} {
		fmt.Println(host, passes(policy.Request{Source: identity.Workload{Namespace: "shop", ServiceAccount: "a"},
			Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: match.MustParseHost(host)}}))
	}
	// Output:
	// [*.foo.com] allow [shop/*]
	// [bad.foo.com] allow []
	// www.foo.com true
	// bad.foo.com false
}
