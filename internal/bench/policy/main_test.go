package main

import (
	"fmt"
	"strings"
	"testing"
)

// All contestants answer the same, and the answer is the one that is written down in the names.
func TestContestantsAgree(t *testing.T) {
	w := world{3, 40, 40}
	for _, b := range builders {
		build, err := b.prepare(w)
		if err != nil {
			t.Fatalf("%s: %v", b.what, err)
		}
		asks, err := build()
		if err != nil || len(asks) != len(b.names) {
			t.Fatalf("%s: %d contestants, %v", b.what, len(asks), err)
		}
		for n, ask := range asks {
			for s := range asking {
				for i, h := range w.hosts() {
					want := strings.Contains(h, fmt.Sprintf(".s%d.", s)) || strings.Contains(h, ".shared.")
					if got := ask(s, i); got != want {
						t.Errorf("%s: %s to %s: %v", b.names[n], source(s), h, got)
					}
				}
			}
		}
	}
}
