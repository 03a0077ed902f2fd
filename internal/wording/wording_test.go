package wording

import "testing"

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 pods": Count(0, "pod"), "1 pod": Count(1, "pod"), "2 pods": Count(2, "pod"),
		"0 losses": Count(0, "loss"), "1 loss": Count(1, "loss"), "12 losses": Count(12, "loss"),
		"1 more error": Count(1, "more error"), "2 more errors": Count(2, "more error"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
