package rendertest_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/rendertest"
)

func TestList(t *testing.T) { rendertest.Run(t, listRenderer{}, listReader{}) }

// A target with a stated limit is judged by the requests that it has a say about.
func TestOnly(t *testing.T) {
	in := reader(func(objects []render.Object, r policy.Request) bool {
		return r.Protocol == policy.HTTP || read(objects, r) // HTTP goes where it likes
	})
	rendertest.Run(t, listRenderer{}, in, rendertest.Only(func(r policy.Request) bool { return r.Protocol != policy.HTTP }))
}

// In a stack, each layer reads the objects of all.
func TestStack(t *testing.T) {
	second := mutant{target: "second", features: func(f render.Features) {
		f[render.SourceAccounts], f[render.HostSubdomains] = render.Wider, render.Wider
	}, render: func(p *render.Plan, out *render.Emitter) error {
		for g := range p.Grants() {
			f := render.Same
			if g.Admit {
				f = render.Wider
			}
			out.Emit(render.Object{APIVersion: "v1", Kind: "Open", Name: out.Name("open", string(g.ID)), Spec: &openTo{To: g.To.String()}}, f, g)
		}
		return nil
	}}
	everything := reader(func([]render.Object, policy.Request) bool { return true })
	lists := reader(func(objects []render.Object, r policy.Request) bool {
		return read(slices.DeleteFunc(slices.Clone(objects), func(o render.Object) bool { return o.Kind != "AccessList" }), r)
	})
	rendertest.RunStack(t, []rendertest.Layer{{Renderer: listRenderer{}, Interpreter: lists}, {Renderer: second, Interpreter: everything}})
}

type openTo struct {
	To string `json:"to"`
}

type reader func([]render.Object, policy.Request) bool

func (f reader) Interpret(objects []render.Object) (rendertest.Evaluator, error) {
	return func(r policy.Request) bool { return f(objects, r) }, nil
}

func read(objects []render.Object, r policy.Request) bool {
	passes, _ := listReader{}.Interpret(objects)
	return passes(r)
}

// mutant is the list renderer with a mistake.
type mutant struct {
	target   string
	features func(render.Features)
	render   func(p *render.Plan, out *render.Emitter) error
}

func (m mutant) Target() string { return m.target }

func (m mutant) Features() render.Features {
	f := listRenderer{}.Features()
	if m.features != nil {
		m.features(f)
	}
	return f
}

func (m mutant) Render(p *render.Plan, out *render.Emitter) error {
	if m.render == nil {
		return listRenderer{}.Render(p, out)
	}
	return m.render(p, out)
}

// byClass renders one list a port with the lines changed, and says that it covers all.
func byClass(change func(*accessList)) func(p *render.Plan, out *render.Emitter) error {
	return func(p *render.Plan, out *render.Emitter) error {
		lists := map[string]*accessList{}
		for _, protocol := range []policy.Protocol{policy.TLS, policy.HTTP} {
			for _, c := range p.NameClasses(protocol) {
				key := fmt.Sprint(protocol, c.Port)
				if lists[key] == nil {
					lists[key] = &accessList{Protocol: protocol.String(), Port: c.Port}
				}
				l := line{Allow: clients(c.Sources.Any), Except: clients(c.Sources.Except)}
				for _, q := range c.Patterns {
					l.Names = append(l.Names, q.String())
				}
				lists[key].Lines = append(lists[key].Lines, l)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(lists)) {
			change(lists[key])
			out.Emit(listObject(out.Name("list", key), lists[key]), render.Same)
		}
		out.Emit(listObject(out.Name("baseline"), &accessList{}), render.Same, slices.Collect(p.Grants())...)
		return nil
	}
}

// The suite finds mistakes as renderers make them.
func TestMistakesAreFound(t *testing.T) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "0s", "rapid.checks": "20"} {
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Value.Set(before); err != nil {
				t.Error(err)
			}
		})
	}
	var calls atomic.Int64
	for _, test := range []struct {
		name   string
		mutant mutant
		in     rendertest.Interpreter
		parts  string // that must fail; the others may, as chance has it
		want   string // in what one of them says
	}{
		{name: "no mistake", mutant: mutant{render: byClass(func(*accessList) {})}},
		{name: "exceptions forgotten", mutant: mutant{render: byClass(func(l *accessList) {
			for i := range l.Lines {
				l.Lines[i].Except = nil
			}
		})}, parts: "Cases", want: `case "a name denied to some": TLS www.foo.com port 443 from`},
		{name: "carve-outs forgotten", mutant: mutant{render: byClass(func(l *accessList) {
			l.Lines = slices.DeleteFunc(l.Lines, func(l line) bool { return len(l.Allow) == 0 })
		})}, parts: "Cases", want: `case "a name denied below a wildcard"`},
		{name: "a line forgotten", mutant: mutant{render: byClass(func(l *accessList) { l.Lines = l.Lines[1:] })}, parts: "Cases", want: "and that is no loss"},
		{name: "wildcards that hold the domain", in: reader(func(objects []render.Object, r policy.Request) bool {
			below := r
			below.Host = match.MustParseHost("x." + r.Host.String())
			return read(objects, r) || !r.Host.IsZero() && read(objects, below)
		}), parts: "Cases", want: `case "subdomains are not the domain"`},
		{name: "another port", mutant: mutant{render: byClass(func(l *accessList) { l.Port = 8443 })}, parts: "Cases"},
		{name: "open where nothing is said", in: reader(func(objects []render.Object, r policy.Request) bool { return len(objects) < 2 || read(objects, r) }), parts: "Cases", want: `case "nothing is allowed"`},
		{name: "rule by rule", mutant: mutant{render: func(p *render.Plan, out *render.Emitter) error {
			for g := range p.Grants() {
				l := &accessList{}
				if g.Kind == render.AllowGrant {
					l = &accessList{Protocol: g.To.Protocol.String(), Port: g.To.Ports.Ranges()[0].First, Lines: []line{{Names: []string{g.To.Hosts[0].String()}, Allow: clients([]render.Source{g.Source})}}}
				}
				out.Emit(listObject(out.Name("rule", string(g.ID)), l), render.Same, g)
			}
			return nil
		}}, parts: "Cases"},
		{name: "a feature too many", mutant: mutant{features: func(f render.Features) { f[render.HostGlob] = render.Same }}, parts: "Cases", want: "neither emitted nor skipped"},
		{name: "nothing rendered", mutant: mutant{render: func(p *render.Plan, out *render.Emitter) error {
			var rest []*render.Grant
			for g := range p.Grants() {
				if g.Kind == render.AllowGrant {
					out.Skip(g, render.HostExact, "it is hard")
				} else {
					rest = append(rest, g)
				}
			}
			out.Emit(listObject("baseline", &accessList{}), render.Same, rest...)
			return nil
		}}, parts: "Faithful", want: "nothing is proved"},
		{name: "nothing at all is said", mutant: mutant{render: byClass(func(l *accessList) { l.Lines = nil })}, parts: "Cases"},
		{name: "losses without a reason", mutant: mutant{render: func(p *render.Plan, out *render.Emitter) error {
			for g := range p.Grants() {
				if g.Kind == render.AllowGrant {
					out.Skip(g, render.HostExact, "")
				}
			}
			return listRenderer{}.Render(p, out)
		}}, parts: "Cases", want: "what, where and why"},
		{name: "names that change", mutant: mutant{render: func(p *render.Plan, out *render.Emitter) error {
			out.Emit(listObject(fmt.Sprintf("call-%d", calls.Add(1)), &accessList{}), render.Same)
			return listRenderer{}.Render(p, out)
		}}, parts: "Concurrent Order", want: "a second rendering of the same plan differs"},
		{name: "a name that is too long", mutant: mutant{render: func(p *render.Plan, out *render.Emitter) error {
			out.Emit(listObject(strings.Repeat("a", 64), &accessList{}), render.Same)
			return listRenderer{}.Render(p, out)
		}}, parts: "Cases", want: "at most 63"},
		{name: "objects that can't be read", in: unreadable{}, parts: "Cases", want: "can't be read back as list: garbled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.mutant.target == "" {
				test.mutant.target = "list"
			}
			if test.in == nil {
				test.in = listReader{}
			}
			found := rendertest.Failures(test.mutant, test.in)
			var all string
			for _, part := range slices.Sorted(maps.Keys(found)) {
				all += part + ": " + found[part]
			}
			for _, part := range strings.Fields(test.parts) {
				if found[part] == "" {
					t.Errorf("part %s does not fail", part)
				}
			}
			if test.parts == "" && len(found) > 0 {
				t.Errorf("without a mistake:\n%.2000s", all)
			}
			if !strings.Contains(all, test.want) {
				t.Errorf("the failure does not say %q:\n%.2000s", test.want, all)
			}
		})
	}
}

type unreadable struct{}

func (unreadable) Interpret([]render.Object) (rendertest.Evaluator, error) {
	return nil, errors.New("garbled")
}
