package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// storefront is the document that the design shows.
const storefront = `apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata:
  name: storefront
spec:
  clusters: [prod-*]
  cluster:
    allow:
    - hosts: [service1.foo.com, "*.bar.com"]
  sources:
  - name: checkout
    from:
    - namespaces: [shop]
      serviceAccounts: [checkout]
    - namespaceLabels: {matchLabels: {team: payments}}
      podLabels: {matchLabels: {app: checkout}}
    allow:
    - name: card-payments
      hosts: [api.stripe.com]
      ports: [443]
      protocol: TLS
      reason: card payments
      owner: team-payments
      expires: 2027-06-30
    - hosts: [edition.cnn.com]
      protocol: HTTP
      originateTLS: {port: 443, mode: Simple}
    - cidrs: [203.0.113.0/24]
      except: [203.0.113.7/32]
      protocol: TCP
      ports: [5432, "8000-8100"]
    deny:
    - hosts: ["*.evil.example"]
    within:
    - hosts: ["*.stripe.com", edition.cnn.com]
`

func file(name, text string) v1alpha1.File {
	return v1alpha1.File{Name: name, Reader: strings.NewReader(text)}
}

func TestLoad(t *testing.T) {
	policies, err := v1alpha1.Load(file("policy.yaml", storefront))
	if err != nil {
		t.Fatal(err)
	}
	if len(policies) != 1 {
		t.Fatalf("%d policies, want 1", len(policies))
	}
	p := policies[0]
	s := p.Sources[0]
	for _, c := range []struct{ what, got, want string }{
		{"name", p.Name, "storefront"},
		{"clusters", strings.Join(p.Clusters, ","), "prod-*"},
		{"cluster hosts", p.Cluster.Allow[0].To.Hosts[1].String(), "*.bar.com"},
		{"default protocol", p.Cluster.Allow[0].To.Protocol.String(), "TLS"},
		{"default ports", p.Cluster.Allow[0].To.Ports.String(), "443"},
		{"expires", s.Allow[0].Expires.String(), "2027-06-30 00:00:00 +0000 UTC"},
		{"HTTP port", s.Allow[1].To.Ports.String(), "80"},
		{"origination", s.Allow[1].To.OriginateTLS.Mode.String(), "Simple"},
		{"ports", s.Allow[2].To.Ports.String(), "5432,8000-8100"},
		{"deny protocol", s.Deny[0].To.Protocol.String(), "any"},
		{"deny ports", s.Deny[0].To.Ports.String(), ""},
		{"rule position", s.Allow[0].At.String(), "policy.yaml:18:7: spec.sources[0].allow[0]"},
		{"source position", s.At.String(), "policy.yaml:11:5: spec.sources[0]"},
		{"policy position", p.At.String(), "policy.yaml:1:1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	if w := (identity.Workload{Cluster: "prod-1", Namespace: "shop", ServiceAccount: "checkout"}); !s.From.Matches(w) {
		t.Errorf("%v does not select %v", s.From, w)
	}
	if s.Allow[0].To.OriginateTLS != nil || len(s.Within) != 1 || p.Cluster.Within != nil {
		t.Error("origination or boundary out of nothing")
	}
}
