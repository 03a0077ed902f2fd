package identity_test

import (
	"fmt"
	"testing"

	"github.com/egresskit/egress/identity"
)

// TestAccountsAreFew: names in names multiply, and what they would come to is not spelled out.
func TestAccountsAreFew(t *testing.T) {
	names := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("n%d", i))
		}
		return out
	}
	for _, tc := range []struct {
		namespaces, accounts, more int
		ok                         bool
	}{{100, 100, 0, true}, {100, 100, 1, false}, {100, 101, 0, false}, {0, 10_000, 0, true}, {3000, 3000, 0, false}} {
		terms := []identity.Term{{Namespaces: names(tc.namespaces), ServiceAccounts: names(tc.accounts)}}
		if tc.more > 0 {
			terms = append(terms, identity.Term{Namespaces: []string{"more"}, ServiceAccounts: names(tc.more)})
		}
		accounts, why, ok := (*identity.Inventory)(nil).Accounts(identity.MustSelector(terms...))
		if ok != tc.ok || ok != (why == "") || ok && len(accounts) != max(tc.namespaces, 1)*tc.accounts {
			t.Errorf("%+v: %d accounts, %v, %q", tc, len(accounts), ok, why)
		}
	}
}
