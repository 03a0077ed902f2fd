package render_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/render"
)

func TestName(t *testing.T) {
	for _, test := range []struct {
		parts []string
		want  string // without the hash
	}{
		{[]string{"allow", "shop", "checkout"}, "allow-shop-checkout"},
		{[]string{"host", "*.Foo.com"}, "host-foo-com"},
		{[]string{"8443", "x"}, "n8443-x"},
		{[]string{"9"}, "n9"},
		{[]string{"a", "b"}, "a-b"},
		{[]string{"Zebra", "a0z9", "_"}, "zebra-a0z9"},
		{[]string{"--", "€"}, "n"},
		{[]string{""}, "n"},
		{[]string{"allow", strings.Repeat("a", 100)}, "allow-" + strings.Repeat("a", 44)},
		{[]string{strings.Repeat("a", 49), "b"}, strings.Repeat("a", 49)}, // no dash before the hash's
	} {
		got := render.Name(test.parts[0], test.parts[1:]...)
		if prefix := got[:len(got)-13]; prefix != test.want || got[len(prefix)] != '-' {
			t.Errorf("Name(%q) = %q, want %s-…", test.parts, got, test.want)
		}
	}
	// Names are API: objects of an earlier version are pruned or replaced by them.
	if got, want := render.Name("allow", "shop", "checkout"), "allow-shop-checkout-2db6642dh5pb"; got != want {
		t.Errorf("Name = %q, and was %q", got, want)
	}
}

func TestNamesDiffer(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(rapid.StringN(0, 4, 80), rapid.SampledFrom([]string{"", "a", "-", "ab", "b", "A"}))
		a, b := rapid.SliceOfN(part, 1, 3).Draw(t, "a"), rapid.SliceOfN(part, 1, 3).Draw(t, "b")
		x, y := render.Name(a[0], a[1:]...), render.Name(b[0], b[1:]...)
		if !valid.MatchString(x) || len(x) > 63 {
			t.Errorf("Name(%q) = %q", a, x)
		}
		if (x == y) != slices.Equal(a, b) {
			t.Errorf("Name(%q) = %q, Name(%q) = %q", a, x, b, y)
		}
	})
}
