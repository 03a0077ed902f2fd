package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/policy/v1alpha1"
)

func TestPath(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	if err := os.WriteFile(good, []byte(storefront), 0o666); err != nil {
		t.Fatal(err)
	}
	if p, err := v1alpha1.Load(v1alpha1.Path(good)); err != nil || len(p) != 1 || p[0].At.File != good {
		t.Errorf("%v, %v", p, err)
	}
	// Files that can't be read are in the report of those that can.
	missing := filepath.Join(dir, "missing.yaml")
	_, err := v1alpha1.Load(v1alpha1.Path(missing), v1alpha1.Path(good), v1alpha1.Path(dir), file("z", "a"),
		v1alpha1.File{Name: "y", Reader: iotest.ErrReader(errors.New("torn cable"))})
	var got []string
	for _, d := range report(t, err) {
		got = append(got, strings.TrimPrefix(summary(d), dir))
	}
	want := []string{":0:0 unreadable", "/missing.yaml:0:0 unreadable", "y:0:0 unreadable", "z:1:1 wrong-kind"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if name := v1alpha1.Path("-").Name; name != "<stdin>" {
		t.Errorf("standard input is named %q", name)
	}
}

func TestNoFiles(t *testing.T) {
	if p, err := v1alpha1.Load(); len(p) != 0 || err != nil {
		t.Errorf("%v, %v", p, err)
	}
}

// JSON is YAML, however it is indented.
func TestJSON(t *testing.T) {
	doc := load(t, storefront)
	text, err := json.MarshalIndent(doc, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, load(t, string(text))); diff != "" {
		t.Error(diff)
	}
}

// Documents of one file come in their order, with lines that count from the top of the file.
func TestDocuments(t *testing.T) {
	text := "\ufeff# two\n---\n" + strings.Replace(storefront, "storefront", "one", 1) + "...\n---\n\n--- # another\n" + storefront + "---\n"
	text = strings.ReplaceAll(text, "\n", "\r\n")
	policies, err := v1alpha1.Load(file("f", text))
	if err != nil || len(policies) != 2 || policies[0].Name != "one" || policies[1].Name != "storefront" {
		t.Fatalf("%v, %v", policies, err)
	}
	for i, want := range []string{"f:20:7: spec.sources[0].allow[0]", "f:59:7: spec.sources[0].allow[0]"} {
		at := policies[i].Sources[0].Allow[0].At
		if at.String() != want {
			t.Errorf("%v, want %s", at, want)
		}
		if line := strings.Split(text, "\r\n")[at.Line-1]; line != "    - name: card-payments" {
			t.Errorf("line %d is %q", at.Line, line)
		}
	}
}

// What a text costs to read and to report is bounded, whatever it holds.
func TestBounds(t *testing.T) {
	policies := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "---\napiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p%d}\nspec: {}\n", i)
		}
		return b.String()
	}
	for _, c := range []struct {
		what, text, code string
		found            int
	}{
		{"policies", policies(2000), "", 0},
		{"size", strings.Repeat(" ", v1alpha1.MaxFileSize+1), "too-large", 1},
		{"documents", strings.Repeat("---\n", 150_000), "too-large", 1},
		{"values", "spec: [" + strings.Repeat("a,", 3_100_000) + "]", "too-large", 1},
		{"depth in brackets", strings.Repeat("[", 50_000), "syntax", 1},
		{"depth by dashes", strings.Repeat("- ", 5_000), "too-large", 1},
		{"errors", head + "spec: {cluster: {allow: [" + strings.Repeat("{},", 3000) + "]}}", "too-many-errors", 1001},
		{"one key often", head + strings.Repeat("spec: {}\n", 2000), "too-many-errors", 1001},
		{"directives", strings.Repeat("%TAG !a! b\n", 5000) + "---\na", "not-supported", 2},
		{"labels", from("[{podLabels: {matchLabels: {" + strings.Repeat("a b: c d,", 5000) + "}}}]"), "too-many-errors", 1001},
	} {
		_, err := v1alpha1.Load(file("f", c.text))
		found := report(t, err)
		last := ""
		for _, d := range found {
			if d.Code == c.code {
				last = c.code
			}
			if d.Code == v1alpha1.CodeTooManyErrors && d.Position.Field != "" {
				t.Errorf("%s: %v is about a field", c.what, d)
			}
		}
		if len(found) != c.found || last != c.code {
			t.Errorf("%s: %d errors, want %d and one of them %s; the first is %v", c.what, len(found), c.found, c.code, found[:min(1, len(found))])
		}
	}
}

// An endless file is not read to its end.
func TestEndless(t *testing.T) {
	r := &endless{}
	_, err := v1alpha1.Load(v1alpha1.File{Name: "f", Reader: r})
	if found := report(t, err); len(found) != 1 || found[0].Code != v1alpha1.CodeTooLarge || r.read > 2*v1alpha1.MaxFileSize {
		t.Errorf("%v after %d bytes", err, r.read)
	}
}

type endless struct{ read int }

func (r *endless) Read(b []byte) (int, error) {
	r.read += len(b)
	return copy(b, bytes.Repeat([]byte("a"), len(b))), nil
}

// largeFile returns a policy of n rules.
func largeFile(n int) string {
	var b strings.Builder
	b.WriteString(head + "spec:\n  sources:\n")
	for i := range n {
		if i%100 == 0 {
			fmt.Fprintf(&b, "  - from:\n    - namespaces: [ns-%d]\n      serviceAccounts: [sa-%d]\n    allow:\n", i/100, i/100)
		}
		fmt.Fprintf(&b, "    - name: rule-%d\n      hosts: [service-%d.example.com, \"*.wild-%d.example.com\"]\n      ports: [443]\n      owner: team-payments\n      reason: needed by the team\n", i, i, i)
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		text := largeFile(n)
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := v1alpha1.Load(file("f", text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The order of files changes nothing in a report.
func TestReportOrder(t *testing.T) {
	a, b := rule("hosts: [www..com]"), rule("host: [www.com]")
	_, ab := v1alpha1.Load(file("a", a), file("b", b))
	_, ba := v1alpha1.Load(file("b", b), file("a", a))
	if diff := cmp.Diff(report(t, ab), report(t, ba)); diff != "" {
		t.Error(diff)
	}
	if found := report(t, ab); len(found) != 3 || found[1].Code != v1alpha1.CodeDuplicatePolicy || found[1].Position.File != "b" {
		t.Error(ab)
	}
}
