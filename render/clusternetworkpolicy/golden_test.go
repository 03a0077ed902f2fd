package clusternetworkpolicy_test

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
	"github.com/egresskit/egress/render/clusternetworkpolicy"
)

var update = flag.Bool("update", false, "write the golden files")

const quickstart = "../../examples/quickstart/"

// TestGolden shows what the quickstart's policy comes to.
func TestGolden(t *testing.T) {
	policies, err := v1alpha1.Load(v1alpha1.Path(quickstart + "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(quickstart + "inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inventory, _, err := kube.Load(kube.File{Name: file.Name(), Reader: file})
	if err != nil {
		t.Fatal(err)
	}
	target, err := clusternetworkpolicy.New(clusternetworkpolicy.DefaultProfile())
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
	got := report.String() + yamlOf(result.Objects)
	const golden = "testdata/quickstart.yaml"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func yamlOf(objects []render.Object) string {
	var b strings.Builder
	if err := render.WriteYAML(&b, objects); err != nil {
		return err.Error()
	}
	return b.String()
}
