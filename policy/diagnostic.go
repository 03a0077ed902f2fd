package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity ranks diagnostics. The zero Severity is invalid.
type Severity uint8

const (
	Error   Severity = iota + 1 // the input can't be used
	Warning                     // the input does something that its author may not have meant
	Info
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Info:
		return "info"
	}
	return "invalid"
}

// A Position is a place in a document. Line and Column count from 1; 0 means unknown, as for policies built in Go.
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Field  string `json:"field,omitempty"` // path, such as spec.sources[0].allow[1].hosts[0]
}

// String returns "file:line:column: field" with the unknown parts left out.
func (p Position) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		if b.Len() > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	if p.Field != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p.Field)
	}
	return b.String()
}

// Compare orders positions by file, line, column and field.
func (p Position) Compare(o Position) int {
	return cmp.Or(strings.Compare(p.File, o.File), cmp.Compare(p.Line, o.Line), cmp.Compare(p.Column, o.Column), strings.Compare(p.Field, o.Field))
}

// A Diagnostic is one finding about an input.
type Diagnostic struct {
	Severity Severity `json:"-"`
	Code     string   `json:"code"` // stable: scripts and tests may depend on it
	Position Position `json:"position"`
	Message  string   `json:"message"`          // what was found
	Advice   string   `json:"advice,omitempty"` // what to write instead
}

// String returns "position: severity code: message; advice".
func (d Diagnostic) String() string {
	s := fmt.Sprintf("%s %s: %s", d.Severity, d.Code, d.Message)
	if p := d.Position.String(); p != "" {
		s = p + ": " + s
	}
	if d.Advice != "" {
		s += "; " + d.Advice
	}
	return s
}

// Diagnostics are findings; as an error they print one a line. An empty list is no error: use [Diagnostics.Err].
type Diagnostics []Diagnostic

func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns ds as an error when it holds an Error, and nil otherwise.
func (ds Diagnostics) Err() error {
	if slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error }) {
		return ds
	}
	return nil
}

// Sort orders ds by position, code and message, in place.
func (ds Diagnostics) Sort() {
	slices.SortFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(a.Position.Compare(b.Position), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
}
