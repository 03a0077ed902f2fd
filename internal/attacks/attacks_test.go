package attacks

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of the README anew")

// TestReadme: the README shows the list.
func TestReadme(t *testing.T) {
	const readme, begin, end = "../../README.md", "<!-- attacks: go test ./internal/attacks -update -->\n", "<!-- end of attacks -->\n"
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the table")
	}
	want := before + begin + Table() + end + after
	if *update {
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
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
