package identity_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestCoversAndOverlaps(t *testing.T) {
	namespaces := func(n ...string) identity.Term { return identity.Term{Namespaces: n} }
	accounts := func(a ...string) identity.Term { return identity.Term{ServiceAccounts: a} }
	pods := func(s *metav1.LabelSelector) identity.Term { return identity.Term{PodLabels: s} }
	spaces := func(s *metav1.LabelSelector) identity.Term { return identity.Term{NamespaceLabels: s} }
	in, notIn := metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn
	exists, missing := metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist
	sel := func(ts ...identity.Term) identity.Selector { return identity.MustSelector(ts...) }
	name := identity.NamespaceNameLabel

	for _, tt := range []struct {
		a, b               identity.Selector
		aOverB, bOverA, ab bool // a covers b, b covers a, they overlap
	}{
		{identity.Everything(), identity.Everything(), true, true, true},
		{identity.Everything(), identity.Selector{}, true, false, false},
		{identity.Selector{}, identity.Selector{}, true, true, false},
		{identity.Everything(), sel(namespaces("a")), true, false, true},
		{identity.Everything(), sel(namespaces("*")), true, false, true},
		{sel(namespaces("a")), sel(namespaces("b")), false, false, false},
		{sel(namespaces("a", "b")), sel(namespaces("b")), true, false, true},
		{sel(namespaces("a*")), sel(namespaces("ab")), true, false, true},
		{sel(namespaces("a*")), sel(namespaces("ab*")), true, false, true},
		{sel(namespaces("a*")), sel(namespaces("*b")), false, false, true},
		{sel(namespaces("a*")), sel(namespaces("b*")), false, false, false},
		{sel(namespaces("*?")), sel(namespaces("?*")), true, true, true},
		{sel(namespaces("a")), sel(accounts("a")), false, false, true},
		{sel(namespaces("a"), namespaces("b")), sel(namespaces("a", "b")), true, true, true},
		{sel(identity.Term{Namespaces: []string{"a"}, ServiceAccounts: []string{"x"}}), sel(namespaces("a")), false, true, true},
		{sel(identity.Term{Clusters: []string{"c"}, Namespaces: []string{"a"}}), sel(identity.Term{Clusters: []string{"d"}, Namespaces: []string{"a"}}), false, false, false},

		{sel(pods(matchLabels("app", "x"))), sel(pods(matchLabels("app", "y"))), false, false, false},
		{sel(pods(matchLabels("app", "x"))), sel(pods(matchLabels("tier", "y"))), false, false, true},
		{sel(pods(matchLabels("app", "x"))), sel(pods(matchLabels("app", "x", "tier", "y"))), true, false, true},
		{sel(pods(matchExpression("app", in, "x", "y"))), sel(pods(matchLabels("app", "x"))), true, false, true},
		{sel(pods(matchExpression("app", notIn, "x"))), sel(pods(matchLabels("app", "x"))), false, false, false},
		{sel(pods(matchExpression("app", notIn, "x"))), sel(pods(matchLabels("app", "y"))), true, false, true},
		{sel(pods(matchExpression("app", notIn, "x"))), sel(pods(matchExpression("app", missing))), true, false, true},
		{sel(pods(matchExpression("app", notIn, "x"))), sel(pods(matchExpression("app", notIn, "x", "y"))), true, false, true},
		{sel(pods(matchExpression("app", exists))), sel(pods(matchLabels("app", "x"))), true, false, true},
		{sel(pods(matchExpression("app", exists))), sel(pods(matchExpression("app", missing))), false, false, false},
		{sel(pods(matchExpression("app", exists))), sel(pods(matchExpression("app", notIn, "x"))), false, false, true},

		{sel(spaces(matchLabels("team", "x"))), sel(spaces(matchLabels("team", "y"))), false, false, false},
		{sel(spaces(matchLabels("team", "x"))), sel(namespaces("a")), false, false, true},
		{sel(spaces(matchLabels(name, "a"))), sel(namespaces("a")), true, true, true},
		{sel(spaces(matchExpression(name, notIn, "a"))), sel(namespaces("a")), false, false, false},
		{sel(spaces(matchExpression(name, notIn, "a"))), sel(namespaces("b")), true, false, true},
		{sel(spaces(matchExpression(name, notIn, "a"))), sel(namespaces("a", "b")), false, false, true},
		{sel(spaces(matchExpression(name, notIn, "a"))), sel(namespaces("a*")), false, false, true},
	} {
		if got := tt.a.Covers(tt.b); got != tt.aOverB {
			t.Errorf("(%s) covers (%s): %v", tt.a, tt.b, got)
		}
		if got := tt.b.Covers(tt.a); got != tt.bOverA {
			t.Errorf("(%s) covers (%s): %v", tt.b, tt.a, got)
		}
		if got := tt.a.Overlaps(tt.b); got != tt.ab {
			t.Errorf("(%s) overlaps (%s): %v", tt.a, tt.b, got)
		}
	}
}

func TestCoversAndOverlapsAreSound(t *testing.T) {
	var covers, apart int
	rapid.Check(t, func(t *rapid.T) {
		s, o := selectors(true).Draw(t, "s"), selectors(true).Draw(t, "o")
		if !s.Covers(s) || !s.Union(o).Covers(s) || s.Covers(o) && !o.IsZero() && !s.Overlaps(o) || s.Overlaps(o) != o.Overlaps(s) {
			t.Fatalf("laws of %s and %s", s, o)
		}
		c, l := s.Covers(o), s.Overlaps(o)
		if c {
			covers++
		}
		if !l {
			apart++
		}
		for range 20 {
			w := workloads().Draw(t, "workload")
			if c && o.Matches(w) && !s.Matches(w) {
				t.Fatalf("(%s) covers (%s), but for %+v", s, o, w)
			}
			if !l && o.Matches(w) && s.Matches(w) {
				t.Fatalf("(%s) overlaps not (%s), but for %+v", s, o, w)
			}
		}
	})
	if covers == 0 || apart == 0 {
		t.Errorf("%d covered and %d apart: the check sees nothing", covers, apart)
	}
}

// What is covered by several terms together is found for as many combinations as are tried one by one, and globs are not taken for what they
// hold a part of.
func TestCoversHasALimit(t *testing.T) {
	names := func(prefix string, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint(prefix, i))
		}
		return out
	}
	for n, want := range map[int]bool{32: true, 33: false} { // 32 times 32 are 1024
		namespaces, accounts := names("n", 32), names("a", n)
		o := identity.MustSelector(identity.Term{Namespaces: namespaces, ServiceAccounts: accounts})
		s := identity.MustSelector(identity.Term{Namespaces: namespaces[:9], ServiceAccounts: accounts}, identity.Term{Namespaces: namespaces[9:], ServiceAccounts: accounts})
		if got := s.Covers(o); got != want {
			t.Errorf("%d combinations: covers is %v", 32*n, got)
		}
		if !o.Covers(s) {
			t.Error("a term does not cover its parts")
		}
	}
	for _, globs := range [][2]string{{"?", "*"}, {"a?", "a*"}, {"?*", "*"}, {"??*", "?*"}, {"a?b", "a*b"}} {
		narrow, wide := identity.MustSelector(identity.Term{Namespaces: globs[:1]}), identity.MustSelector(identity.Term{Namespaces: globs[1:]})
		if narrow.Covers(wide) || !wide.Covers(narrow) {
			t.Errorf("%s and %s: %v, %v", narrow, wide, narrow.Covers(wide), wide.Covers(narrow))
		}
	}
	// A given name has the label for it, so that to ask for the label too says nothing more.
	left := identity.MustSelector(identity.Term{Namespaces: []string{"a*"}, NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "ab")})
	both := matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "ab")
	both.MatchExpressions = append(both.MatchExpressions, matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpExists).MatchExpressions...)
	if again := identity.MustSelector(identity.Term{Namespaces: []string{"a*"}, NamespaceLabels: both}); !again.Equal(left) {
		t.Errorf("%s and %s", left, again)
	}
}
