package v1alpha1

import (
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/egresskit/egress/internal/wording"
	"github.com/egresskit/egress/policy"
)

// maxFound bounds how many errors of one file are kept: a file with more is wrong in one way many times over.
const maxFound = 1000

// A source is a file that is being read, or the Go value that is being checked, and what was found wrong with it.
type source struct {
	name   string
	config bool // read by DecodeInto
	found  policy.Diagnostics
	more   int                           // findings beyond maxFound
	bad    map[*yaml.Node]bool           // what could not be understood, and mappings with such entries
	fields map[reflect.Type]structFields // of the types met so far
}

func newSource(name string) *source {
	return &source{name: name, bad: map[*yaml.Node]bool{}, fields: map[reflect.Type]structFields{}}
}

func (s *source) report(at policy.Position, code, message, advice string) {
	if s.full() {
		s.more++
		return
	}
	s.found = append(s.found, policy.Diagnostic{Severity: policy.Error, Code: code, Position: at, Message: message, Advice: advice})
}

// diagnostics returns what was found, and says how much more there was.
func (s *source) diagnostics() policy.Diagnostics {
	if s.more == 0 {
		return s.found
	}
	last := policy.Position{File: s.name}
	for _, d := range s.found {
		if last.Compare(d.Position) < 0 {
			last = d.Position
		}
	}
	last.Field = ""
	return append(s.found, policy.Diagnostic{
		Severity: policy.Error, Code: CodeTooManyErrors, Position: last,
		Message: wording.Count(s.more, "more error") + " not listed",
	})
}

// full reports whether further findings are only counted.
func (s *source) full() bool { return len(s.found) >= maxFound }

// maxShown bounds how much of a text from an input a message repeats, in bytes.
const maxShown = 64

// quote quotes a text for a message, and shortens it when it is long.
func quote(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q… (%d bytes)", beginning(s), len(s))
}

// shorten returns a text as it is, or its beginning when it is long.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return beginning(s) + "…"
}

// beginning returns the characters in the first bytes of a longer text.
func beginning(s string) string {
	end := maxShown
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
