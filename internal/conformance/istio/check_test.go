package istio

import (
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
)

func TestChecksPassWhatIsDocumented(t *testing.T) {
	for _, file := range []string{"docs/http.yaml", "docs/tls.yaml", "docs/gateway-api.yaml", "s6/s6.yaml"} {
		w := smallWorld()
		if strings.HasPrefix(file, "s6/") {
			w = s6World()
		}
		found, err := check.Run(w, readObjects(t, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range check.Unexplained(found) {
			t.Errorf("%s: %v", file, f)
		}
	}
}

// TestChecksMissTraps records what the checks say of the traps: mostly nothing, which is why traffic is walked.
func TestChecksMissTraps(t *testing.T) {
	for file, want := range map[string][]string{
		"01-one-server-two-hosts":     nil,
		"02-mutual-server-tls-routes": nil,
		"03-passthrough-identity":     nil,
		"04-subset-without-sni":       nil,
		"05-httproute-wildcard":       nil,
		"06-resolution-none-gateway":  nil,
		"06-resolution-none-direct":   nil,
		"07-partial-wildcard-entry":   {"IST0133", "webhook"},
		"07-partial-wildcard-route":   nil,
		"08-case-twice":               nil,
		"09-deny-hosts-on-tcp":        {"IST0133", "webhook"},
		"11-tcp-without-addresses":    {"IST0134"},
		"11-tcp-beside-tls":           {"IST0134"},
		"12-network-at-zero":          nil,
		"13-destination-rules-twice":  nil,
		"14-policy-from-nobody":       nil,
	} {
		found, err := check.Run(smallWorld(), readObjects(t, "traps/"+file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range check.Unexplained(found) {
			if f.Error {
				t.Errorf("%s: %v", file, f)
			}
			got = append(got, f.Check)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
}

// TestChecksFindMistakes makes sure that each check is really made.
func TestChecksFindMistakes(t *testing.T) {
	const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec: {hosts: [a.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
`
	for _, tt := range []struct{ name, yaml, check, message string }{
		{"unknown field", strings.Replace(entry, "resolution", "resolver: x, resolution", 1), "schema", "resolver"},
		{"too many hosts", strings.Replace(entry, "[a.example.com]", "["+strings.Repeat("a.example.com,", 257)+"]", 1), "schema", "256"},
		{"rule of the schema", strings.Replace(entry, "DNS}", "NONE, workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.2.3.4}]}", 1), "schema", "only one of"},
		{"every host", strings.Replace(entry, "a.example.com", `"*"`, 1), "webhook", "wildcard"},
		{"wildcard looked up", strings.Replace(entry, "a.example.com", `"*.example.com"`, 1), "webhook", "hosts must be FQDN"},
		{"route of too many hosts", `
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: a, namespace: default}
spec: {hostnames: [a.example.com], rules: [{backendRefs: [{name: a, port: 443}]}, {backendRefs: [{name: a, port: 443}]}]}
`, "schema", "rules"},
		{"missing gateway", `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec: {hosts: [a.example.com], gateways: [nowhere], tcp: [{route: [{destination: {host: a.example.com, port: {number: 443}}}]}]}
`, "IST0101", "nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			objs, err := objects.Parse([]byte(tt.yaml))
			if err != nil {
				t.Fatal(err)
			}
			found, err := check.Run(smallWorld(), objs)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(check.Unexplained(found), func(f check.Finding) bool {
				return f.Error && f.Check == tt.check && strings.Contains(f.Message, tt.message)
			}) {
				t.Errorf("no error of %s about %q in %v", tt.check, tt.message, found)
			}
		})
	}
}
