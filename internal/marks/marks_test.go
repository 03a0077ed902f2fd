package marks

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMarks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const other = "a\n<!-- size: go test -->\nkept\n<!-- end of size -->\n"
	write(other + "<!-- sizes: go run . -->\nold\n<!-- end of sizes -->\nz\n")
	for range 2 { // writing again changes nothing
		if err := Write(file, "sizes", "new\n\nlines\n"); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if want := other + "<!-- sizes: go run . -->\n\nnew\n\nlines\n\n<!-- end of sizes -->\nz\n"; err != nil || string(text) != want {
			t.Errorf("%q, %v; want %q", text, err, want)
		}
		if got, err := Read(file, "sizes"); err != nil || got != "new\n\nlines\n" {
			t.Errorf("read %q, %v", got, err)
		}
	}
	for _, text := range []string{"", "<!-- sizes: go run . -->\n", "<!-- end of sizes -->", "<!-- end of sizes -->\n<!-- sizes: go run . -->\n", "<!-- sizes: go run .\n<!-- end of sizes -->"} {
		write(text)
		if _, err := Read(file, "sizes"); err == nil {
			t.Errorf("%q has marks", text)
		}
		if err := Write(file, "sizes", "new\n"); err == nil {
			t.Errorf("%q has marks to write between", text)
		}
	}
}
