// Package check puts objects through every check that Istio and its users' API servers make before configuration takes effect: the schemas of
// the custom resources with their CEL rules, the validation webhook, and the analyzers of istioctl.
package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/local"
	crdvalidation "istio.io/istio/pkg/config/crd"
	"istio.io/istio/pkg/config/resource"
	"istio.io/istio/pkg/config/schema/collections"
	schemaresource "istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/test/env"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// A Finding is what one of the checks says about an object.
type Finding struct {
	Error   bool   // else a warning or information
	Check   string // "schema", "webhook", or the code of an analyzer's message, such as IST0145
	Object  string // kind and name; empty when the check names none
	Message string
	// Known tells why the finding says nothing against the objects; empty for one that does.
	Known string
}

func (f Finding) String() string {
	level := "warning"
	if f.Error {
		level = "error"
	}
	return fmt.Sprintf("%s %s %s: %s", level, f.Check, f.Object, f.Message)
}

// Run returns what the checks find in objs, applied to the cluster of w. The world's own objects are there for analyzers to look at;
// findings about them are not returned. The error is for checks that could not be made.
func Run(w *world.World, objs []*objects.Object) ([]Finding, error) {
	schemas, err := crds()
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, o := range objs {
		if err := schemas.ValidateCustomResource(o.DeepCopy()); err != nil {
			found = append(found, Finding{Error: true, Check: "schema", Object: name(o), Message: err.Error()})
		}
		f, err := webhook(o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(o), err)
		}
		found = append(found, f...)
	}
	analyzed, err := analyze(w, objs)
	if err != nil {
		return nil, err
	}
	found = append(found, analyzed...)
	for i := range found {
		found[i].Known = known(found[i])
	}
	return found, nil
}

// Unexplained returns the findings that say something against the objects.
func Unexplained(found []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Known != "" })
}

func name(o *objects.Object) string {
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

// crds reads the resource definitions that ship with Istio's sources: Istio's own and those of Gateway API, the experimental channel included.
var crds = sync.OnceValues(func() (*crdvalidation.Validator, error) {
	v, err := crdvalidation.NewValidatorFromFilesWithOptions([]string{
		filepath.Join(env.IstioSrc, "manifests/charts/base/files/crd-all.gen.yaml"),
		filepath.Join(env.IstioSrc, "tests/integration/pilot/testdata/gateway-api-crd.yaml"),
	}, crdvalidation.WithoutCRDValidation())
	if err != nil {
		return nil, err
	}
	v.SkipMissing = true // Kubernetes' own kinds have no resource definitions
	return v, nil
})

// webhook asks Istio's validating webhook about o, if it is of a kind that the webhook reads.
func webhook(o *objects.Object) ([]Finding, error) {
	gvk := o.GroupVersionKind()
	schema, ok := collections.All.FindByGroupVersionAliasesKind(schemaresource.FromKubernetesGVK(&gvk))
	if !ok {
		return nil, nil
	}
	js, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var kind crd.IstioKind
	if err := json.Unmarshal(js, &kind); err != nil {
		return nil, err
	}
	c, err := crd.ConvertObject(schema, &kind, "cluster.local")
	if err != nil {
		return []Finding{{Error: true, Check: "webhook", Object: name(o), Message: err.Error()}}, nil
	}
	warning, err := schema.ValidateConfig(*c)
	var found []Finding
	if err != nil {
		found = append(found, Finding{Error: true, Check: "webhook", Object: name(o), Message: err.Error()})
	}
	if warning != nil {
		found = append(found, Finding{Check: "webhook", Object: name(o), Message: warning.Error()})
	}
	return found, nil
}

func analyze(w *world.World, objs []*objects.Object) ([]Finding, error) {
	background, err := w.Objects()
	if err != nil {
		return nil, err
	}
	sa := local.NewSourceAnalyzer(analyzers.AllCombined(), "", resource.Namespace(w.RootNamespace()), nil)
	for _, source := range []struct {
		name string
		objs []*objects.Object
	}{{"world", background}, {"objects", objs}} {
		var b bytes.Buffer
		for _, o := range source.objs {
			y, err := yaml.Marshal(o.Object)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "---\n%s", y)
		}
		// The readers for tests keep pods and namespaces, without which everything would be "not found".
		if err := sa.AddTestReaderKubeSource([]local.ReaderSource{{Name: source.name, Reader: &b}}); err != nil {
			return nil, fmt.Errorf("analyzers: %w", err)
		}
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := sa.Analyze(stop)
	if err != nil {
		return nil, fmt.Errorf("analyzers: %w", err)
	}
	var found []Finding
	for _, m := range result.Messages {
		f := Finding{
			Error:   m.Type.Level() == diag.Error,
			Check:   m.Type.Code(),
			Message: fmt.Sprintf(m.Type.Template(), m.Parameters...),
		}
		if m.Resource != nil {
			f.Object = strings.TrimSpace(m.Resource.Origin.FriendlyName())
			if ref := m.Resource.Origin.Reference(); ref != nil && strings.HasPrefix(ref.String(), "world") {
				continue
			}
		}
		found = append(found, f)
	}
	return found, nil
}
