package main

import (
	"fmt"
	"strings"
	"testing"
)

// All contestants answer the same, and the answer is the one that is written down in the names.
func TestContestantsAgree(t *testing.T) {
	w := world{3, 40, 40}
	for _, c := range contestants {
		ask, err := c.build(w)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for s := range asking {
			for i, h := range w.hosts() {
				want := strings.Contains(h, fmt.Sprintf(".s%d.", s)) || strings.Contains(h, ".shared.")
				if got := ask(s, i); got != want {
					t.Errorf("%s: %s to %s: %v", c.name, source(s), h, got)
				}
			}
		}
	}
}
