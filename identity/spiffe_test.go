package identity_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestParseSPIFFEID(t *testing.T) {
	for _, ok := range []string{
		"spiffe://cluster.local/ns/shop/sa/checkout",
		"spiffe://prod_eu.example.org/ns/a.b/sa/x-1",
		"spiffe://" + strings.Repeat("t", 255) + "/ns/" + strings.Repeat("n", 253) + "/sa/" + strings.Repeat("s", 253),
	} {
		id, err := identity.ParseSPIFFEID(ok)
		if err != nil || id.String() != ok || "spiffe://"+id.Principal() != ok {
			t.Errorf("%s: %s, %v", ok, id, err)
		}
	}
	for _, bad := range []string{
		"", "spiffe://", "cluster.local/ns/shop/sa/checkout", "SPIFFE://cluster.local/ns/shop/sa/checkout",
		"spiffe:///ns/shop/sa/checkout", "spiffe://cluster.local/ns/shop/sa/", "spiffe://cluster.local/ns//sa/checkout",
		"spiffe://cluster.local/ns/shop/sa/checkout/", "spiffe://cluster.local/ns/shop/sa/checkout?x", "spiffe://cluster.local/ns/shop/sa/%61",
		"spiffe://Cluster.local/ns/shop/sa/checkout", "spiffe://cluster.local:443/ns/shop/sa/checkout", "spiffe://u@cluster.local/ns/shop/sa/checkout",
		"spiffe://cluster.local/ns/../sa/checkout", "spiffe://cluster.local/ns/shop/sa/*", "spiffe://cluster.local/sa/shop/ns/checkout",
		"spiffe://cluster.local/NS/shop/sa/checkout", "spiffe://cluster.local/ns/shop/SA/checkout", "spiffe://cluster.local/ns/shop/sa/checkout/x", "spiffe://cluster.local/ns/shop/sa",
		"spiffe://" + strings.Repeat("a", 256) + "/ns/shop/sa/checkout", "spiffe://" + strings.Repeat("a", 1<<20),
	} {
		if id, err := identity.ParseSPIFFEID(bad); err == nil || id != (identity.SPIFFEID{}) || len(err.Error()) > 300 {
			t.Errorf("%.60q: %s, %v", bad, id, err)
		}
	}
	if zero := (identity.SPIFFEID{}); zero.String() != "" || zero.Principal() != "" {
		t.Errorf("zero: %q, %q", zero.String(), zero.Principal())
	}
}

func FuzzParseSPIFFEID(f *testing.F) {
	f.Add("spiffe://cluster.local/ns/shop/sa/checkout")
	f.Add("spiffe://a/ns/b/sa/c/d")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := identity.ParseSPIFFEID(s)
		if err != nil {
			if id != (identity.SPIFFEID{}) {
				t.Errorf("%q: %v, and %s", s, err, id)
			}
			return
		}
		if id.String() != s {
			t.Errorf("%q prints as %q", s, id)
		}
	})
}

func TestSPIFFEOfWorkload(t *testing.T) {
	for _, tt := range []struct {
		w    identity.Workload
		want string
	}{
		{identity.Workload{Namespace: "shop", ServiceAccount: "a"}, "spiffe://cluster.local/ns/shop/sa/a"},
		{identity.Workload{TrustDomain: "td", Namespace: "shop", ServiceAccount: "a"}, "spiffe://td/ns/shop/sa/a"},
		{identity.Workload{Namespace: "shop"}, ""},
		{identity.Workload{ServiceAccount: "a"}, ""},
	} {
		if id, ok := tt.w.SPIFFE(); id.String() != tt.want || ok != (tt.want != "") {
			t.Errorf("%+v: %s, %v", tt.w, id, ok)
		}
	}
}

func TestTrustDomains(t *testing.T) {
	td, err := identity.NewTrustDomains("new", "old", "older", "old", "new")
	if err != nil || td.String() != "new,old,older" || td.Primary() != "new" {
		t.Fatal(td, err)
	}
	id := identity.SPIFFEID{TrustDomain: "old", Namespace: "shop", ServiceAccount: "a"}
	if got, ok := td.Canonical(id); !ok || got.String() != "spiffe://new/ns/shop/sa/a" {
		t.Error(got, ok)
	}
	want := []identity.SPIFFEID{{"new", "shop", "a"}, {"old", "shop", "a"}, {"older", "shop", "a"}}
	if got := td.Spellings(id); !slices.Equal(got, want) {
		t.Error(got)
	}
	foreign := identity.SPIFFEID{TrustDomain: "evil", Namespace: "shop", ServiceAccount: "a"}
	if got, ok := td.Canonical(foreign); ok || got != foreign {
		t.Error(got, ok)
	}
	if got := td.Spellings(foreign); !slices.Equal(got, []identity.SPIFFEID{foreign}) {
		t.Error(got)
	}
	if _, ok := td.Canonical(identity.SPIFFEID{}); ok {
		t.Error("nobody is of the set")
	}
	if td.Contains("") || td.Contains(identity.DefaultTrustDomain) || td.Contains("ol") {
		t.Error("contains others")
	}

	var zero identity.TrustDomains
	if !zero.Contains("") || !zero.Contains(identity.DefaultTrustDomain) || zero.Contains("new") || zero.String() != identity.DefaultTrustDomain {
		t.Error("zero", zero)
	}
	if got, ok := zero.Canonical(identity.SPIFFEID{}); ok || got != (identity.SPIFFEID{}) {
		t.Error("nobody is of the zero set")
	}
	if td, err := identity.NewTrustDomains("", "old"); err != nil || td.String() != "cluster.local,old" {
		t.Error(td, err)
	}
	for _, bad := range [][]string{{"A"}, {"a", "B"}, {"a", ""}, {"a b"}, {strings.Repeat("a", 256)}} {
		if td, err := identity.NewTrustDomains(bad[0], bad[1:]...); err == nil || td.Primary() != identity.DefaultTrustDomain {
			t.Error(bad, td, err)
		}
	}
	names := td.Names()
	names[0] = "changed"
	if td.Primary() != "new" {
		t.Error("Names shares its memory")
	}
	if n := testing.AllocsPerRun(100, func() { td.Contains("old") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTrustDomainsAreOfOneOrder(t *testing.T) {
	domain := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	rapid.Check(t, func(t *rapid.T) {
		primary, aliases := domain.Draw(t, "primary"), rapid.SliceOfN(domain, 0, 4).Draw(t, "aliases")
		td, err := identity.NewTrustDomains(primary, aliases...)
		if err != nil {
			t.Fatal(err)
		}
		other, err := identity.NewTrustDomains(primary, rapid.Permutation(aliases).Draw(t, "permuted")...)
		if err != nil || td.String() != other.String() {
			t.Fatalf("%s and %s", td, other)
		}
		id := identity.SPIFFEID{TrustDomain: domain.Draw(t, "td"), Namespace: "n", ServiceAccount: "s"}
		spellings := td.Spellings(id)
		for _, s := range spellings {
			if !slices.Equal(td.Spellings(s), spellings) {
				t.Fatalf("%s is spelled %v, and %s %v", id, spellings, s, td.Spellings(s))
			}
		}
		if !slices.Contains(spellings, id) {
			t.Fatalf("%s is not among its spellings %v", id, spellings)
		}
	})
}

// An empty primary is the default one, which is then no alias of itself.
func TestTrustDomainsByDefault(t *testing.T) {
	d, err := identity.NewTrustDomains("", identity.DefaultTrustDomain, "old", "old")
	if err != nil || d.String() != "cluster.local,old" || !d.Contains("") || !d.Contains("cluster.local") || d.Contains("other") {
		t.Errorf("%s, %v", d, err)
	}
	if _, err := identity.NewTrustDomains("", strings.Repeat("a", 256)); err == nil {
		t.Error("a name that is too long is an alias")
	}
}
