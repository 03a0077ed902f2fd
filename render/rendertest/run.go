package rendertest

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// An Interpreter reads objects as the target does.
type Interpreter interface {
	// Interpret returns how the target answers requests with the objects of a rendering in force. All that it needs to know must be in the
	// objects, or the same for each rendering. In a stack it is given the objects of all layers.
	Interpret(objects []render.Object) (Evaluator, error)
}

// An Evaluator reports whether the target lets a request pass. All that may be known of the source is; host, address, method and path are known
// or not. A target that resolves names by itself does not look at the address of a request by name.
type Evaluator func(policy.Request) bool

// A Layer is a renderer with the reading of its objects.
type Layer struct {
	Renderer    render.Renderer
	Interpreter Interpreter
}

// An Option changes what a renderer is judged by.
type Option func(*suite)

// Only limits the requests that are judged to those that the target has a say about: of some protocols, say, or by name.
func Only(about func(policy.Request) bool) Option { return func(s *suite) { s.about = about } }

// Run judges a renderer. Each part of the suite is a subtest; how much is generated is for rapid's flags to say (-rapid.checks).
func Run(t *testing.T, r render.Renderer, in Interpreter, opts ...Option) {
	t.Helper()
	RunStack(t, []Layer{{r, in}}, opts...)
}

// RunStack judges renderers as the layers of a stack: what passes is what each of them lets pass.
func RunStack(t *testing.T, layers []Layer, opts ...Option) {
	t.Helper()
	s := newSuite(layers, opts)
	for _, part := range s.parts() {
		t.Run(part.name, func(t *testing.T) { part.check(t) })
	}
}

// A suite is what Run does.
type suite struct {
	layers []Layer
	about  func(policy.Request) bool
	counts tally
}

func newSuite(layers []Layer, opts []Option) *suite {
	s := &suite{layers: layers, counts: tally{}, about: func(policy.Request) bool { return true }}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// A part of the suite takes what tests and the kit's own tests have in common.
type part struct {
	name  string
	check func(t rapid.TB)
}

func (s *suite) parts() []part {
	return []part{
		{"Cases", s.checkCases},
		{"Faithful", s.checkFaithful},
		{"Order", s.checkOrder},
		{"Concurrent", s.checkConcurrent},
	}
}

func (s *suite) stack() render.Stack {
	var stack render.Stack
	for _, l := range s.layers {
		stack = append(stack, l.Renderer)
	}
	return stack
}

// interpret reads the objects back by all layers.
func (s *suite) interpret(t fataler, objects []render.Object) Evaluator {
	t.Helper()
	var all []Evaluator
	for _, l := range s.layers {
		e, err := l.Interpreter.Interpret(objects)
		if err != nil {
			t.Fatalf("the objects can't be read back as %s: %v\n%s", l.Renderer.Target(), err, yamlOf(objects))
		}
		all = append(all, e)
	}
	return func(r policy.Request) bool {
		for _, allows := range all {
			if !allows(r) {
				return false
			}
		}
		return true
	}
}

// fataler is what tests and properties have in common.
type fataler interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
