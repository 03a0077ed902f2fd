// Package golden compares what tests make with files that people have read. A test of a package that imports it takes the flag -update, which writes the files.
package golden

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/identity/kube"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
)

var update = flag.Bool("update", false, "write the golden files")

// Compare compares text with a file.
func Compare(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: run with -update if this is meant (-want +got):\n%s", file, diff)
	}
}

// YAML returns objects as they are written, or why they cannot be, which is good for comparing and for failures alike.
func YAML(objects []render.Object) string {
	var b strings.Builder
	if err := render.WriteYAML(&b, objects); err != nil {
		return err.Error()
	}
	return b.String()
}

// Quickstart renders the quickstart's policy for its cluster, and returns what is said of it, as comments, and the objects. It is for packages that
// stand where those of the targets do.
func Quickstart(t testing.TB, target render.Renderer) string {
	t.Helper()
	const dir = "../../examples/quickstart/"
	policies, err := v1alpha1.Load(v1alpha1.Path(dir + "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(dir + "inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inventory, _, err := kube.Load(kube.File{Name: file.Name(), Reader: file})
	if err != nil {
		t.Fatal(err)
	}
	result, err := render.Render(render.NewPlan(engine, "", render.WithInventory(inventory)), render.Stack{target})
	if err != nil {
		t.Fatal(err)
	}
	var report strings.Builder
	for _, l := range result.Losses {
		l.Grant.At = policy.Position{} // which begins with the path of the file
		fmt.Fprintf(&report, "# loss: %s\n", l)
	}
	for _, a := range result.Assumptions {
		fmt.Fprintf(&report, "# assumption: %s\n", a)
	}
	for _, a := range result.Assurances {
		fmt.Fprintf(&report, "# assurance: %s\n", a)
	}
	return report.String() + YAML(result.Objects)
}
