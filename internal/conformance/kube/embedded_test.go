package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// embedded is a definition as the author of a controller writes it around the schema of the spec, in a part of a spec of its own.
func embedded(t testing.TB) (*apiextensionsv1.CustomResourceDefinition, []byte) {
	t.Helper()
	kept, err := os.ReadFile(filepath.FromSlash("../../../policy/v1alpha1/schema/egresspolicyspec.openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var egress apiextensionsv1.JSONSchemaProps
	if err := yaml.UnmarshalStrict(kept, &egress); err != nil {
		t.Fatal(err)
	}
	object := func(fields map[string]apiextensionsv1.JSONSchemaProps) apiextensionsv1.JSONSchemaProps {
		return apiextensionsv1.JSONSchemaProps{Type: "object", Properties: fields}
	}
	schema := object(map[string]apiextensionsv1.JSONSchemaProps{"spec": object(map[string]apiextensionsv1.JSONSchemaProps{"egress": egress})})
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Name = "tenants.example.com"
	crd.Spec = apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "example.com", Scope: apiextensionsv1.NamespaceScoped,
		Names:    apiextensionsv1.CustomResourceDefinitionNames{Plural: "tenants", Singular: "tenant", Kind: "Tenant", ListKind: "TenantList"},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &schema}}},
	}
	data, err := yaml.Marshal(crd)
	if err != nil {
		t.Fatal(err)
	}
	return crd, data
}

// The API server takes a definition with the spec in it: its schema is structural.
func TestEmbeddedSpecIsStructural(t *testing.T) {
	crd, _ := embedded(t)
	refused := func(crd *apiextensionsv1.CustomResourceDefinition) []string {
		crd = crd.DeepCopy()
		apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
		var internal apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil); err != nil {
			t.Fatal(err)
		}
		internal.Status.StoredVersions = []string{"v1"}
		var out []string
		for _, err := range crdvalidation.ValidateCustomResourceDefinition(context.Background(), &internal) {
			out = append(out, err.Error())
		}
		return out
	}
	if errs := refused(crd); len(errs) > 0 {
		t.Errorf("refused:\n%s", strings.Join(errs, "\n"))
	}
	// And it would not take one that is not.
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	egress := spec.Properties["egress"]
	egress.Type = ""
	spec.Properties["egress"] = egress
	if errs := refused(crd); !slices.ContainsFunc(errs, func(e string) bool { return strings.Contains(e, "spec].properties[egress].type") }) {
		t.Errorf("without a type, refused for %q", errs)
	}
}

// Whatever documents say, the API server takes in an embedded spec and drops nothing of it; some mistakes it finds itself.
func TestEmbeddedSpecIsTaken(t *testing.T) {
	_, data := embedded(t)
	file := filepath.Join(t.TempDir(), "crd.yaml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, schema, err := ReadSchema(file, "v1")
	if err != nil {
		t.Fatal(err)
	}
	tenant := func(spec any) []byte {
		data, err := json.Marshal(map[string]any{
			"apiVersion": "example.com/v1", "kind": "Tenant", "metadata": map[string]any{"name": "x"}, "spec": map[string]any{"egress": spec},
		})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	rapid.Check(t, func(t *rapid.T) {
		doc, err := v1alpha1.FromPolicy(gen.Policy().Draw(t, "policy"))
		if err != nil {
			t.Skip("the model says what documents can't")
		}
		if data := tenant(doc.Spec); schema.Check(data) != nil {
			t.Fatalf("refused: %v\n%s", schema.Check(data), data)
		}
	})
	for wrong, want := range map[string]string{
		`{"cluster":{"allow":[{"hosts":["a.com"],"prots":[1]}]}}`:                     "prots",
		`{"cluster":{"allow":[{"hosts":["a.com"],"cidrs":["10.0.0.0/8"]}]}}`:          "oneOf",
		`{"cluster":{"allow":[{"hosts":["a.com"],"ports":[0]}]}}`:                     "ports[0]",
		`{"cluster":{"allow":[{"hosts":["a.com"],"ports":["http"]}]}}`:                "ports[0]",
		`{"cluster":{"allow":[{"hosts":["a.com"],"protocol":"tls"}]}}`:                "protocol",
		`{"cluster":{"within":[]}}`:                                                   "within",
		`{"sources":[{"allow":[{"hosts":["a.com"]}]}]}`:                               "from",
		`{"cluster":{"allow":[{"hosts":["a.com"],"expires":"2027-06-30T00:00:00"}]}}`: "expires",
	} {
		err := schema.Check(tenant(json.RawMessage(wrong)))
		if err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
