package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	ciliumtarget "github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
	"github.com/egresskit/egress/render/gatewayapi"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// definitions are the files of CustomResourceDefinitions of the targets, in the modules that this one requires. Linkerd's are in none.
var definitions = []struct{ module, files string }{
	{"istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"},
	{"sigs.k8s.io/gateway-api", "config/crd/experimental/gateway*.yaml"},
	{"sigs.k8s.io/network-policy-api", "config/crd/experimental/policy*.yaml"},
	{"github.com/cilium/cilium", "pkg/k8s/apis/cilium.io/client/crds/v2/cilium*networkpolicies.yaml"},
}

// worldsApplied is how many generated worlds are applied for each target.
const worldsApplied = 25

// TestAPIServerTakesWhatIsRendered starts a real API server, installs the definitions of the targets, and applies server-side what is rendered: for the
// quickstart by every target and stack, and for generated policies by each target. It refuses what is broken on purpose. It takes minutes to build
// the server, and so is for the long run alone:
//
//	EGRESS_LONG=1 go test -run TestAPIServer -timeout 30m -v .
func TestAPIServerTakesWhatIsRendered(t *testing.T) {
	if os.Getenv(longRun) == "" {
		t.Skip("building and starting a real API server takes minutes: set " + longRun)
	}
	server, err := StartAPIServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	define(t, server)

	count := map[string]int{} // applied objects, by kind
	namespaces := map[string]bool{}
	apply := func(what string, objects []render.Object) {
		for _, o := range objects {
			data := manifest(t, o)
			if o.Namespace != "" && !namespaces[o.Namespace] {
				namespaces[o.Namespace] = true
				if _, err := server.Apply([]byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + o.Namespace + `"}}`)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := server.Apply(data); err != nil {
				t.Errorf("%s: %v\n%s", what, err, data)
			}
			count[o.Kind]++
		}
	}
	stacks := appliedStacks(t)
	quickstart := loadQuickstart(t)
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		result, err := render.Render(render.NewPlan(quickstart, "", render.WithInventory(lockedDown().inventory(t))), stacks[name], acceptable...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		apply("quickstart by "+name, result.Objects)
		for seed := range worldsApplied {
			w := named(seed)
			result, err := render.Render(render.NewPlan(w.Engine, cluster, render.WithInventory(w.Inventory)), stacks[name], acceptable...)
			if wide := (*render.WideningError)(nil); errors.As(err, &wide) {
				continue
			}
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			apply(fmt.Sprintf("seed %d by %s", seed, name), result.Objects)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%5d %s", count[kind], kind)
	}
	for _, kind := range []string{"NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "ClusterNetworkPolicy", "ServiceEntry", "AuthorizationPolicy",
		"Sidecar", "EnvoyFilter", "Gateway", "TLSRoute", "HTTPRoute"} {
		if count[kind] == 0 {
			t.Errorf("no %s was applied", kind)
		}
	}
	refuses(t, server)
}

// acceptable accepts that routes alone deny nothing that they do not name.
var acceptable = []render.Option{render.AcceptWider(render.BaselineRule, "the server is asked about the objects alone")}

// appliedStacks are the targets, and stacks of them, by name.
func appliedStacks(t *testing.T) map[string]render.Stack {
	t.Helper()
	out := map[string]render.Stack{}
	add := func(name string, r render.Renderer, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out[name] = render.Stack{r}
	}
	sidecars, err := istio.New(istio.DefaultProfile())
	add("istio", sidecars, err)
	inAmbient := istio.DefaultProfile()
	inAmbient.DataPlane = istio.Ambient
	ambient, err := istio.New(inAmbient)
	add("istio in ambient mode", ambient, err)
	routes, err := gatewayapi.New(gatewayapi.DefaultProfile())
	add("gatewayapi", routes, err)
	filter, err := networkpolicy.New(networkpolicy.DefaultProfile())
	add("networkpolicy", filter, err)
	own, err := ciliumtarget.New(ciliumtarget.DefaultProfile())
	add("cilium", own, err)
	named := clusternetworkpolicy.DefaultProfile()
	named.DomainNames, named.TrustLearnedAddresses = true, true
	order, err := clusternetworkpolicy.New(named)
	add("clusternetworkpolicy", order, err)
	out["istio,networkpolicy"] = render.Stack{sidecars, filter}
	out["gatewayapi,networkpolicy"] = render.Stack{routes, filter}
	return out
}

func loadQuickstart(t testing.TB) *policy.Engine {
	t.Helper()
	policies, err := v1alpha1.Load(v1alpha1.Path(filepath.FromSlash("../../../examples/quickstart/policy.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// manifest returns an object in JSON, as it is written.
func manifest(t testing.TB, o render.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := render.WriteYAML(&b, []render.Object{o}); err != nil {
		t.Fatal(err)
	}
	data, err := yaml.YAMLToJSONStrict(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// define installs the definitions, and what comes with them.
func define(t *testing.T, server *APIServer) {
	t.Helper()
	for _, d := range definitions {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", d.module).Output()
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(d.files)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no %s: %v", d.module, d.files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, document := range bytes.Split(data, []byte("\n---")) {
				object, err := yaml.YAMLToJSON(document)
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				var meta struct{ Kind string }
				if err := json.Unmarshal(object, &meta); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				switch meta.Kind {
				case "":
				case "CustomResourceDefinition":
					err = server.Define(object)
				default:
					_, err = server.Apply(object)
				}
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
			}
		}
	}
}

// refuses sees to it that the server can refuse: an unknown field, what schemas and their rules in CEL forbid, what the API server's own validation
// does, and what a definition does not know.
func refuses(t *testing.T, server *APIServer) {
	t.Helper()
	const meta = `, "metadata": {"namespace": "default", "name": "bad"}, "spec": `
	for what, object := range map[string]string{
		"an unknown field":     `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"` + meta + `{"podSelector": {}, "policyTypes": ["Egress"], "egres": []}}`,
		"bits of a host":       `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"` + meta + `{"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.1.2.3/8"}}]}]}}`,
		"a bare star":          `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"` + meta + `{"hosts": ["*"]}}`,
		"a route without host": `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "TLSRoute"` + meta + `{"rules": [{"backendRefs": [{"name": "x", "port": 443}]}]}}`,
		"an empty name":        `{"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy"` + meta + `{"endpointSelector": {}, "egress": [{"toFQDNs": [{}]}]}}`,
		"a star inside": `{"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": {"name": "bad"}, "spec": {"tier": "Admin", "priority": 1,
			"subject": {"namespaces": {}}, "egress": [{"action": "Accept", "to": [{"domainNames": ["a.*.com"]}]}]}}`,
	} {
		if _, err := server.Apply([]byte(object)); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
