package attacks

import (
	"flag"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/internal/marks"
)

var update = flag.Bool("update", false, "write the table of the README anew")

// TestReadme: the README shows the list.
func TestReadme(t *testing.T) {
	const readme, mark = "../../README.md", "attacks"
	if *update {
		if err := marks.Write(readme, mark, Table()); err != nil {
			t.Fatal(err)
		}
	}
	there, err := marks.Read(readme, mark)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Table(), there); diff != "" {
		t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
	}
}

// TestList: names are unique, and each attack says what it is.
func TestList(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range List() {
		if seen[a.Name] || a.Name == "" || a.Does == "" || a.Because == "" || a.StoppedBy == "" {
			t.Errorf("%+v", a)
		}
		seen[a.Name] = true
	}
}
