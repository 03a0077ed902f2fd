package identity

import (
	"testing"

	"github.com/gobwas/glob"
	"pgregory.net/rapid"
)

var (
	globTexts = rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 0, 6, -1)
	nameTexts = rapid.StringOfN(rapid.SampledFrom([]rune("abc.")), 0, 8, -1)
)

func TestGlobsAgainstNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := globTexts.Draw(t, "a"), globTexts.Draw(t, "b")
		pa, pb := glob.MustCompile(a), glob.MustCompile(b)
		covers, overlap := globCovers(a, b), globsOverlap(a, b)
		if overlap != globsOverlap(b, a) {
			t.Fatalf("%q and %q: the order matters", a, b)
		}
		for range 10 {
			name := nameTexts.Draw(t, "name")
			if covers && pb.Match(name) && !pa.Match(name) {
				t.Fatalf("%q covers %q, but for %q", a, b, name)
			}
			if !overlap && pb.Match(name) && pa.Match(name) {
				t.Fatalf("%q and %q both match %q", a, b, name)
			}
			if got, want := globCovers(a, name), pa.Match(name); got != want {
				t.Fatalf("%q on %q: %v, want %v", a, name, got, want)
			}
			if got, want := globsOverlap(a, name), pa.Match(name); got != want {
				t.Fatalf("%q and %q overlap: %v, want %v", a, name, got, want)
			}
		}
	})
}

// Overlap is exact: globs that overlap have a text, and on a small alphabet a short one.
func TestGlobOverlapHasWitness(t *testing.T) {
	var texts []string
	for level, i := 0, 0; level <= 6; level++ {
		if level == 0 {
			texts = []string{""}
			continue
		}
		end := len(texts)
		for ; i < end; i++ {
			texts = append(texts, texts[i]+"a", texts[i]+"b")
		}
	}
	short := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := short.Draw(t, "a"), short.Draw(t, "b")
		pa, pb := glob.MustCompile(a), glob.MustCompile(b)
		witness := false
		for _, s := range texts {
			witness = witness || pa.Match(s) && pb.Match(s)
		}
		if got := globsOverlap(a, b); got != witness {
			t.Fatalf("%q and %q: %v, want %v", a, b, got, witness)
		}
	})
}
