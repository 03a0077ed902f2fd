package schemagen_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/egresskit/egress/internal/schemagen"
)

var update = flag.Bool("update", false, "write the schemas anew")

const (
	types = "../../policy/v1alpha1/types.go"
	dir   = "../../policy/v1alpha1/schema/"
)

func source(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(types)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The schemas that are kept are those of the types.
func TestFresh(t *testing.T) {
	for name, generate := range map[string]func([]byte) ([]byte, error){
		"egresspolicyspec.openapi.yaml": schemagen.Structural,
		"egresspolicy.schema.json":      schemagen.Editor,
	} {
		want, err := generate(source(t))
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(dir+name, want, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(dir + name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale: go test ./internal/schemagen -update writes it anew (%v)", name, err)
		}
	}
}
