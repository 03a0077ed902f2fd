package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/egresskit/egress/policy"
)

func TestDiagnosticsReadAtOnce(t *testing.T) {
	for want, d := range map[string]policy.Diagnostic{
		"f.yaml:3:5: spec.x: error bad-name: m; a": {Severity: policy.Error, Code: "bad-name", Position: policy.Position{File: "f.yaml", Line: 3, Column: 5, Field: "spec.x"}, Message: "m", Advice: "a"},
		"f.yaml:1:1: warning c: m":                 {Severity: policy.Warning, Code: "c", Position: policy.Position{File: "f.yaml", Line: 1, Column: 1}, Message: "m"},
		"f.yaml:2: info c: m":                      {Severity: policy.Info, Code: "c", Position: policy.Position{File: "f.yaml", Line: 2}, Message: "m"},
		"f.yaml: spec: error c: m":                 {Severity: policy.Error, Code: "c", Position: policy.Position{File: "f.yaml", Column: 9, Field: "spec"}, Message: "m"}, // a column without a line is none
		"2:1: error c: m":                          {Severity: policy.Error, Code: "c", Position: policy.Position{Line: 2, Column: 1}, Message: "m"},
		"spec: error c: m":                         {Severity: policy.Error, Code: "c", Position: policy.Position{Field: "spec"}, Message: "m"},
		"invalid c: m; a":                          {Code: "c", Message: "m", Advice: "a"},
	} {
		if got := d.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// File before line, line before column, and so on: what comes first decides, whatever follows says.
func TestDiagnosticsSort(t *testing.T) {
	at := func(file string, line, column int, field, code, message string) policy.Diagnostic {
		return policy.Diagnostic{Severity: policy.Error, Code: code, Position: policy.Position{File: file, Line: line, Column: column, Field: field}, Message: message}
	}
	want := policy.Diagnostics{
		at("a", 2, 2, "b", "b", "b"),
		at("b", 1, 2, "b", "b", "b"),
		at("b", 2, 1, "b", "b", "b"),
		at("b", 2, 10, "a", "b", "b"),
		at("b", 2, 10, "b", "a", "b"),
		at("b", 2, 10, "b", "b", "a"),
		at("b", 2, 10, "b", "b", "b"),
		at("b", 10, 1, "a", "a", "a"),
	}
	got := slices.Clone(want)
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		shuffle(r, got)
		got.Sort()
		if !slices.Equal(got, want) {
			t.Fatalf("sorted:\n%v", got)
		}
	}
}

// Only errors are an error, and then all findings are told.
func TestDiagnosticsErr(t *testing.T) {
	notes := policy.Diagnostics{{Severity: policy.Warning, Code: "w", Message: "m"}, {Severity: policy.Info, Code: "i", Message: "m"}}
	for _, ds := range []policy.Diagnostics{nil, {}, notes} {
		if err := ds.Err(); err != nil {
			t.Errorf("%v", err)
		}
	}
	err := append(notes, policy.Diagnostic{Severity: policy.Error, Code: "e", Message: "m"}).Err()
	if err == nil || err.Error() != "warning w: m\ninfo i: m\nerror e: m" {
		t.Errorf("got %v", err)
	}
}
