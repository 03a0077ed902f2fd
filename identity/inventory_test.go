package identity_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestAccountsAreExact(t *testing.T) {
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		inv, s := inventories().Draw(t, "inventory"), selectors(false).Draw(t, "selector")
		accounts, why, ok := inv.Accounts(s)
		if ok != (why == "") {
			t.Fatalf("ok %v, why %q", ok, why)
		}
		if !ok {
			if len(accounts) > 0 {
				t.Fatalf("not ok, and yet %v", accounts)
			}
			return
		}
		said++
		for _, w := range workloadsOf(inv) {
			got := slices.ContainsFunc(accounts, func(a identity.AccountSelector) bool { return a.Matches(w.Namespace, w.ServiceAccount) })
			if want := s.Matches(w); got != want {
				t.Fatalf("%s\nsaid as %v\nworkload %+v: said %v, selected %v", s, accounts, w, got, want)
			}
		}
	})
	t.Logf("said %d", said)
}

func TestPodSelectorsAreExact(t *testing.T) {
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		inv, s := inventories().Draw(t, "inventory"), selectors(false).Draw(t, "selector")
		pods, why, ok := inv.PodSelectors(s)
		if ok != (why == "") {
			t.Fatalf("ok %v, why %q", ok, why)
		}
		if !ok {
			if len(pods) > 0 {
				t.Fatalf("not ok, and yet %v", pods)
			}
			return
		}
		said++
		for _, w := range workloadsOf(inv) {
			got := slices.ContainsFunc(pods, func(p identity.PodSelector) bool { return p.Matches(w.Namespace, w.Labels) })
			if want := s.Matches(w); got != want {
				t.Fatalf("%s\nsaid as %v\nworkload %+v: said %v, selected %v", s, pods, w, got, want)
			}
		}
	})
	t.Logf("said %d", said)
}
