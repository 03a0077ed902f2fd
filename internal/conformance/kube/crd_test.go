package kube

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// schemas are those of Cilium and of the experimental channel of ClusterNetworkPolicy, in the versions that this module requires.
var schemas = sync.OnceValues(func() (map[string]*Schema, error) {
	out := map[string]*Schema{}
	for _, s := range []struct{ module, file, version string }{
		{"github.com/cilium/cilium", "pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml", "v2"},
		{"github.com/cilium/cilium", "pkg/k8s/apis/cilium.io/client/crds/v2/ciliumclusterwidenetworkpolicies.yaml", "v2"},
		{"sigs.k8s.io/network-policy-api", "config/crd/experimental/policy.networking.k8s.io_clusternetworkpolicies.yaml", "v1alpha2"},
	} {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", s.module).Output()
		if err != nil {
			return nil, err
		}
		kind, schema, err := ReadSchema(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(s.file)), s.version)
		if err != nil {
			return nil, err
		}
		out[kind] = schema
	}
	return out, nil
})

// checkSchema fails unless the schema of its kind takes an object in JSON, or the API server's own validation where the kind is its own.
func checkSchema(t testing.TB, data []byte) {
	t.Helper()
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	var meta struct{ Kind string }
	if err := json.Unmarshal(data, &meta); err != nil {
		t.Fatal(err)
	}
	if meta.Kind == "NetworkPolicy" {
		if _, err := DecodeNetworkPolicy(data); err != nil {
			t.Errorf("the API server refuses: %v\n%s", err, data)
		}
		return
	}
	if all[meta.Kind] == nil {
		t.Fatalf("no schema of %s", meta.Kind)
	}
	if err := all[meta.Kind].Check(data); err != nil {
		t.Errorf("the API server refuses: %v\n%s", err, data)
	}
}

// TestSchemasRefuse: the schemas, their rules in CEL and what they know of fields can fail.
func TestSchemasRefuse(t *testing.T) {
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	const order = "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: x}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}, "
	const own = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: x}\nspec: {endpointSelector: {}, "
	for text, ok := range map[string]bool{
		order + "egress: [{action: Accept, to: [{networks: [203.0.113.0/24]}]}]}":                                                                     true,
		order + "egress: [{action: Accept, to: [{networks: [203.0.113.0]}]}]}":                                                                        false, // CEL
		order + "egress: [{action: Accept, to: [{networks: [203.0.113.0/24]}], protocols: [{tcp: {destinationPort: {range: {start: 2, end: 2}}}}]}]}": false, // CEL
		order + "egress: [{action: Allow, to: [{networks: [203.0.113.0/24]}]}]}":                                                                      false,
		order + "egress: [{action: Accept, to: []}]}":                                                                                                 false,
		order + "egress: [{action: Accept, to: [{domainNames: [\"a.*.com\"]}]}]}":                                                                     false,
		own + "egress: [{toFQDNs: [{matchName: foo.com}]}]}":                                                                                          true,
		own + "egress: [{toFQDNs: [{}]}]}":                                                                                                            false,
		own + "egress: [{toFqdns: [{matchName: foo.com}]}]}":                                                                                          false, // unknown
	} {
		data, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		kind := "CiliumNetworkPolicy"
		if strings.HasPrefix(text, order) {
			kind = "ClusterNetworkPolicy"
		}
		if err := all[kind].Check(data); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
