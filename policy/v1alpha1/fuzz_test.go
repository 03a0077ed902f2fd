package v1alpha1_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// Whatever a file holds, it is either refused with places and codes, or read as Kubernetes reads it, and written and read again without a change.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(storefront))
	for _, pattern := range []string{"testdata/wrong/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	for _, text := range []string{
		rule("hosts: [*.bar.com, 'a', \"b\", no]\n      ports: [443, 8000-8100, 22:22]"),
		rule("cidrs: [10.0.0.0/8]\n      except: [10.1.0.0/16]\n      protocol: TCP\n      ports: [1]"),
		from("[{namespaces: [a, 'b*'], podLabels: {matchExpressions: [{key: a, operator: NotIn, values: [x]}]}}]"),
		rule("hosts: &a [x]\n    - hosts: *a\n    - <<: !!map {}") + "---\n" + head + "spec: {}\n...\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			t.Skip("too long to be quick")
		}
		policies, err := v1alpha1.Load(v1alpha1.File{Name: "f", Reader: bytes.NewReader(text)})
		if err != nil {
			lines := bytes.Count(text, []byte("\n")) + 1
			for _, d := range report(t, err) {
				p := d.Position
				if d.Severity != policy.Error || d.Code == "" || d.Message == "" || p.File != "f" || p.Line < 1 || p.Line > lines || p.Column < 1 || len(d.String()) > 10_000 {
					t.Errorf("%#v", d)
				}
			}
			return
		}
		docs, err := v1alpha1.Decode(v1alpha1.File{Name: "f", Reader: bytes.NewReader(text)})
		if err != nil || len(docs) != len(policies) {
			t.Fatalf("loaded, and not decoded: %v", err)
		}
		again, err := v1alpha1.Decode(file("again", encode(t, docs...)))
		if err != nil {
			t.Fatalf("%v\n%s", err, encode(t, docs...))
		}
		if diff := cmp.Diff(docs, again); diff != "" {
			t.Error(diff)
		}
		for i, p := range policies {
			if _, err := v1alpha1.FromPolicy(p); err != nil {
				t.Errorf("document %d: %v", i, err)
			}
		}
		if len(docs) == 1 && !strings.Contains(string(text), "---") && !strings.Contains(string(text), "...") {
			var theirs v1alpha1.EgressPolicy
			if err := yaml.UnmarshalStrict(text, &theirs); err != nil {
				t.Fatalf("Kubernetes: %v", err)
			}
			if diff := cmp.Diff(docs[0], &theirs); diff != "" {
				t.Errorf("Kubernetes: %s", diff)
			}
		}
	})
}
