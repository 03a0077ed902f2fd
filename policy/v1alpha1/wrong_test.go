package v1alpha1_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// report returns the diagnostics of an error; the test fails when it holds anything else.
func report(t testing.TB, err error) policy.Diagnostics {
	t.Helper()
	var found policy.Diagnostics
	if err != nil && !errors.As(err, &found) {
		t.Fatalf("an error without position: %v", err)
	}
	return found
}

// summary returns the stable part of a diagnostic.
func summary(d policy.Diagnostic) string {
	p := d.Position
	return strings.TrimSpace(fmt.Sprintf("%s:%d:%d %s %s", p.File, p.Line, p.Column, d.Code, p.Field))
}

// wrongFiles returns the documents of testdata/wrong and those that are too large to keep.
func wrongFiles(t *testing.T) []v1alpha1.File {
	paths, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []v1alpha1.File
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file(filepath.Base(p), string(text)))
	}
	return append(files,
		file("17-one-key.yaml", strings.Repeat("k", 10<<20)+": 1\n"),
		file("18-deep.yaml", "spec: "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"\n"),
	)
}

// All mistakes of all files come in one report, each with its place and with advice.
func TestWrongDocuments(t *testing.T) {
	_, err := v1alpha1.Load(wrongFiles(t)...)
	found := report(t, err)
	var got []string
	for _, d := range found {
		got = append(got, summary(d))
		if d.Advice == "" {
			t.Errorf("%v: no advice", d)
		}
	}
	text, err := os.ReadFile("testdata/wrong/want.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
