package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// respelled returns policies that say the same in other words: shuffled, renamed, rules split by pattern, ports spelled out.
func respelled(t *rapid.T, policies []*policy.Policy) []*policy.Policy {
	out := shuffled(policies, rapid.Uint64().Draw(t, "seed"))
	for i, p := range out {
		p.Name = fmt.Sprint("other-", i)
		sections := []*policy.Section{&p.Cluster}
		for j := range p.Sources {
			p.Sources[j].Name = fmt.Sprint("other-", j)
			sections = append(sections, &p.Sources[j].Section)
		}
		for _, s := range sections {
			s.Allow, s.Deny, s.Within = split(s.Allow), split(s.Deny), split(s.Within)
		}
	}
	return out
}

func split(rules []policy.Rule) []policy.Rule {
	var out []policy.Rule
	for _, r := range rules {
		r.Name, r.Reason, r.Owner = "", "in other words", "others"
		if len(r.To.Hosts) == 0 {
			out = append(out, r)
		}
		for _, p := range r.To.Hosts {
			one := r
			one.To.Hosts = []match.Pattern{p, p}
			out = append(out, one)
		}
	}
	return out
}

func TestFingerprintIsOfTheMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := gen.Policies().Draw(t, "policies")
		a := compile(t, policies)
		if b := compile(t, respelled(t, policies)); !a.Equal(b) || a.Fingerprint() != b.Fingerprint() {
			t.Fatalf("in other words it is another fingerprint:\n%q\n%q", texts(a), texts(b))
		}
		// Whatever has the same fingerprint allows the same.
		other := gen.Policies().Draw(t, "other policies")
		c := compile(t, other)
		if a.Equal(c) != (a.Fingerprint() == c.Fingerprint()) {
			t.Fatal("Equal and Fingerprint disagree")
		}
		r := gen.Request(policies).Draw(t, "request")
		if a.Decide(r).Allowed != c.Decide(r).Allowed && a.Equal(c) {
			t.Fatalf("%+v is allowed by one of two equal engines", r)
		}
	})
}

func TestFingerprintTellsMeaningsApart(t *testing.T) {
	base := func() *policy.Policy { return with(func(*policy.Policy, *policy.Source, *policy.Rule) {}) }
	seen := map[string]string{}
	for name, change := range map[string]func(p *policy.Policy, s *policy.Source, r *policy.Rule){
		"nothing":   func(p *policy.Policy, s *policy.Source, r *policy.Rule) {},
		"source":    func(p *policy.Policy, s *policy.Source, r *policy.Rule) { s.From = account("shop", "b") },
		"host":      func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.To = policy.MustHosts("*.foo.com").TLS() },
		"protocol":  func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.To = r.To.TCP(443) },
		"port":      func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.To = r.To.TLS(8443) },
		"http":      func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.To = r.To.HTTP() },
		"originate": func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.To = r.To.HTTP().Originating(443) },
		"mutual": func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
			r.To = r.To.HTTP().OriginatingMutual(443, "c")
		},
		"method": func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
			r.To = r.To.HTTP()
			r.To.Methods = []string{"GET"}
		},
		"deny":     func(p *policy.Policy, s *policy.Source, r *policy.Rule) { s.Allow, s.Deny = nil, s.Allow },
		"within":   func(p *policy.Policy, s *policy.Source, r *policy.Rule) { s.Within = s.Allow },
		"clusters": func(p *policy.Policy, s *policy.Source, r *policy.Rule) { p.Clusters = []string{"prod"} },
		"expired":  func(p *policy.Policy, s *policy.Source, r *policy.Rule) { r.Expires = gen.Now },
		"addresses": func(p *policy.Policy, s *policy.Source, r *policy.Rule) {
			r.To = policy.MustAddresses("10.0.0.0/8").TCP(1)
		},
	} {
		p := base()
		change(p, &p.Sources[0], &p.Sources[0].Allow[0])
		f := compile(t, []*policy.Policy{p}).Fingerprint()
		if o, ok := seen[f]; ok {
			t.Errorf("%s and %s have one fingerprint", name, o)
		}
		seen[f] = name
	}
	if none := (*policy.Engine)(nil).Fingerprint(); none != compile(t, nil).Fingerprint() || seen[none] != "expired" {
		t.Errorf("nothing is %q, of %q", none, seen)
	}
}

// What is the same is the same however it is spread, and a part of it is not.
func TestFingerprintIsOfUnions(t *testing.T) {
	trusting := func(primary string, aliases ...string) policy.Option {
		t.Helper()
		td, err := identity.NewTrustDomains(primary, aliases...)
		if err != nil {
			t.Fatal(err)
		}
		return policy.TrustDomains(td)
	}
	of := func(denies []policy.Rule, opts ...policy.Option) *policy.Engine {
		e, err := policy.Compile([]*policy.Policy{{Name: "p", Cluster: policy.Section{Deny: denies}}}, append(opts, policy.At(gen.Now))...)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	a := policy.MustHosts("a.com")
	allPorts := a
	allPorts.Ports = match.AllPorts()
	read, readAndWrite := a.HTTP(), a.HTTP()
	read.Methods, readAndWrite.Methods = []string{"GET"}, []string{"PUT", "GET"}
	for _, c := range []struct {
		name string
		a, b *policy.Engine
		want bool
	}{
		{"all ports", of(policy.Rules(a)), of(policy.Rules(allPorts)), true},
		{"ports", of(policy.Rules(a.TLS(1, 2))), of(policy.Rules(a.TLS(1), a.TLS(2))), true},
		{"some ports", of(policy.Rules(a.TLS(1, 2))), of(policy.Rules(a.TLS(1))), false},
		{"halves", of(policy.Rules(policy.MustAddresses("10.0.0.0/8"))), of(policy.Rules(policy.MustAddresses("10.0.0.0/9"), policy.MustAddresses("10.128.0.0/9"))), true},
		{"one of two", of(policy.Rules(policy.MustAddresses("10.0.0.0/8"), policy.MustAddresses("11.0.0.0/8"))), of(policy.Rules(policy.MustAddresses("11.0.0.0/8"))), false},
		{"methods", of(policy.Rules(read)), of(policy.Rules(readAndWrite)), false},
		{"trust", of(policy.Rules(a), trusting("a", "b")), of(policy.Rules(a), trusting("b", "a")), true},
		{"another trust", of(policy.Rules(a), trusting("a", "b")), of(policy.Rules(a), trusting("a")), false},
		{"no trust", of(policy.Rules(a), trusting("a")), of(policy.Rules(a)), false},
		{"nothing, and trust", of(nil, trusting("a")), nil, true},
	} {
		if got := c.a.Equal(c.b); got != c.want || (c.a.Fingerprint() == c.b.Fingerprint()) != c.want {
			t.Errorf("%s: equal is %v", c.name, got)
		}
	}
}

// Merging the parts of a policy gives what the policy says.
func TestMergeIsTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := gen.Policy().Draw(t, "policy")
		parts := []*policy.Policy{{}, {}}
		for i := range parts {
			*parts[i] = *p
			parts[i].Cluster, parts[i].Sources = policy.Section{}, nil
		}
		deal := func(s policy.Section) [2]policy.Section {
			var out [2]policy.Section
			for _, r := range s.Allow {
				n := rapid.IntRange(0, 1).Draw(t, "part")
				out[n].Allow = append(out[n].Allow, r)
			}
			for _, r := range s.Deny {
				n := rapid.IntRange(0, 1).Draw(t, "part")
				out[n].Deny = append(out[n].Deny, r)
			}
			if s.Within != nil {
				switch n := rapid.IntRange(0, 2).Draw(t, "part"); n {
				case 2:
					out[0].Within, out[1].Within = s.Within, s.Within
				default:
					out[n].Within = s.Within
				}
			}
			return out
		}
		for i, s := range deal(p.Cluster) {
			parts[i].Cluster = s
		}
		for _, source := range p.Sources {
			for i, s := range deal(source.Section) {
				parts[i].Sources = append(parts[i].Sources, policy.Source{Name: source.Name, From: source.From, Section: s})
			}
		}
		for range 2 {
			merged, err := policy.Merge(parts...)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := texts(compile(t, []*policy.Policy{p})), texts(compile(t, []*policy.Policy{merged})); !slices.Equal(a, b) {
				t.Fatalf("the whole is\n%q\nmerged\n%q", a, b)
			}
			slices.Reverse(parts)
		}
	})
}

func TestMergeConflicts(t *testing.T) {
	base := func() *policy.Policy {
		p := with(func(*policy.Policy, *policy.Source, *policy.Rule) {})
		p.Cluster.Within, p.Sources[0].Within = policy.Rules(policy.MustHosts("a.com")), policy.Rules(policy.MustHosts("a.com"))
		return p
	}
	for field, change := range map[string]func(p *policy.Policy){
		`policy "q"`:                        func(p *policy.Policy) { p.Name = "q" },
		`policy "n/p"`:                      func(p *policy.Policy) { p.Namespace = "n" },
		`policy "p"`:                        func(p *policy.Policy) { p.Clusters = []string{"c"} },
		`policy "p".spec.sources[0].from`:   func(p *policy.Policy) { p.Sources[0].From = identity.Everything() },
		`policy "p".spec.sources[0].within`: func(p *policy.Policy) { p.Sources[0].Within = policy.Rules(policy.MustHosts("b.com")) },
		`policy "p".spec.cluster.within`:    func(p *policy.Policy) { p.Cluster.Within = policy.Rules(policy.MustHosts("b.com")) },
	} {
		p := base()
		change(p)
		_, err := policy.Merge(base(), nil, p)
		var found policy.Diagnostics
		if !errors.As(err, &found) || len(found) != 1 || found[0].Code != "merge-conflict" || found[0].Position.Field != field {
			t.Errorf("at %s: %v", field, err)
		}
	}
	if _, err := policy.Merge(base(), base()); err != nil {
		t.Errorf("the same twice: %v", err)
	}
	// The first part by position says where the policy is; all conflicts are told, in order.
	late, early := base(), base()
	late.At, early.At = policy.Position{File: "b.yaml", Line: 1}, policy.Position{File: "a.yaml", Line: 9}
	late.Sources[0].From, late.Sources[0].At, late.Cluster.Within = identity.Everything(), policy.Position{File: "a.yaml", Line: 3}, policy.Rules(policy.MustHosts("b.com"))
	for _, parts := range [][]*policy.Policy{{late, early}, {early, late}} {
		p, err := policy.Merge(parts...)
		var found policy.Diagnostics
		if !errors.As(err, &found) || len(found) != 2 || found[0].Position.Line != 3 || found[1].Position.Line != 1 || p.At != early.At {
			t.Errorf("merged at %v: %v", p.At, err)
		}
	}
	ending := base()
	ending.Cluster.Within[0].Expires = gen.Now
	if _, err := policy.Merge(base(), ending); err == nil {
		t.Error("a boundary with an end and one without are taken for the same")
	}
	// Sources without a name are told apart by what they select, and from those that have a name like it.
	rules := policy.Section{Allow: policy.Rules(hosts("a.com"))}
	p, err := policy.Merge(&policy.Policy{Name: "p", Sources: []policy.Source{{From: identity.Everything(), Section: rules}, {From: account("a", "x"), Section: rules}}},
		&policy.Policy{Name: "p", Sources: []policy.Source{{Name: "everything", From: account("b", "x"), Section: rules}, {From: account("a", "x"), Section: rules}}})
	if err != nil || len(p.Sources) != 3 {
		t.Errorf("merged %v, %v", p, err)
	}
	// What is merged can be changed without changing the parts.
	part := base()
	if p, err = policy.Merge(part); err != nil {
		t.Fatal(err)
	}
	p.Sources[0].Within[0].Name, p.Sources[0].Allow[0].Name = "x", "x"
	if part.Sources[0].Within[0].Name != "" || part.Sources[0].Allow[0].Name != "r" {
		t.Error("a part was changed")
	}
	if p, err := policy.Merge(); err != nil || p.Name != "" {
		t.Errorf("nothing: %v %v", p, err)
	}
}

// The constructors give what the document gives.
func TestConstructorsSayWhatDocumentsSay(t *testing.T) {
	const document = `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: storefront}
spec:
  cluster:
    allow:
    - hosts: [service1.foo.com, "*.bar.com"]
  sources:
  - name: checkout
    from:
    - {namespaces: [shop], serviceAccounts: [checkout]}
    allow:
    - {hosts: [api.stripe.com], ports: [8443, 443]}
    - {hosts: [edition.cnn.com], protocol: HTTP, originateTLS: {port: 443, mode: Simple}}
    - {hosts: [bank.example], protocol: HTTP, originateTLS: {port: 8443, mode: Mutual, credentialName: client}}
    - {cidrs: [203.0.113.0/24], protocol: TCP, ports: [5432]}
    - {hosts: [quic.example], protocol: UDP, ports: [443]}
    - {cidrs: [198.51.100.0/24], protocol: SCTP, ports: [3868]}
    deny:
    - hosts: ["*.evil.example"]
    within:
    - hosts: ["*.stripe.com", edition.cnn.com]
    - cidrs: [203.0.113.0/24]
`
	loaded, err := v1alpha1.Load(v1alpha1.File{Name: "policy.yaml", Reader: strings.NewReader(document)})
	if err != nil {
		t.Fatal(err)
	}
	built := &policy.Policy{
		Name:    "storefront",
		Cluster: policy.Section{Allow: policy.Rules(policy.MustHosts("service1.foo.com", "*.bar.com").TLS())},
		Sources: []policy.Source{{Name: "checkout", From: account("shop", "checkout"), Section: policy.Section{
			Allow: policy.Rules(
				policy.MustHosts("api.stripe.com").TLS(443, 8443),
				policy.MustHosts("edition.cnn.com").HTTP().Originating(443),
				policy.MustHosts("bank.example").HTTP().OriginatingMutual(8443, "client"),
				policy.MustAddresses("203.0.113.0/24").TCP(5432),
				policy.Hosts(match.MustParsePattern("quic.example")).UDP(443),
				policy.MustAddresses("198.51.100.0/24").SCTP(3868),
			),
			Deny:   policy.Rules(policy.MustHosts("*.evil.example")),
			Within: policy.Rules(policy.MustHosts("*.stripe.com", "edition.cnn.com"), policy.MustAddresses("203.0.113.0/24")),
		}}},
	}
	a, b := compile(t, loaded), compile(t, []*policy.Policy{built})
	if !a.Equal(b) || !slices.Equal(texts(a), texts(b)) {
		t.Errorf("the document says\n%s\nand Go says\n%s", strings.Join(texts(a), "\n"), strings.Join(texts(b), "\n"))
	}
}
