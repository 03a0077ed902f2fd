package rendertest

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/egresskit/egress/render"
)

// Failures runs the suite and returns what its parts find, by part, for tests of the kit on targets that are wrong.
func Failures(r render.Renderer, in Interpreter, opts ...Option) map[string]string {
	out := map[string]string{}
	for _, part := range newSuite([]Layer{{r, in}}, opts).parts() {
		rec := &recorder{name: part.name}
		done := make(chan struct{})
		go func() {
			defer close(done)
			part.check(rec)
		}()
		<-done
		if rec.failed {
			out[part.name] = rec.errors.String()
		}
	}
	return out
}

// recorder is a test that fails quietly.
type recorder struct {
	name   string
	failed bool
	errors strings.Builder
}

func (r *recorder) Helper()             {}
func (r *recorder) Name() string        { return r.name }
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Log(...any)          {}
func (r *recorder) Skipf(string, ...any) {
	runtime.Goexit()
}
func (r *recorder) Skip(...any)  { runtime.Goexit() }
func (r *recorder) SkipNow()     { runtime.Goexit() }
func (r *recorder) Fail()        { r.failed = true }
func (r *recorder) Failed() bool { return r.failed }
func (r *recorder) FailNow()     { r.failed = true; runtime.Goexit() }
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	fmt.Fprintf(&r.errors, format+"\n", args...)
}
func (r *recorder) Error(args ...any)                 { r.Errorf("%s", fmt.Sprintln(args...)) }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); r.FailNow() }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); r.FailNow() }
