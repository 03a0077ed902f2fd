package kube

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json" // numbers without a fraction are integers, as CEL needs them
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// A Schema is what the API server holds objects of a kind to: structure, limits and rules in CEL.
type Schema struct {
	structural *schema.Structural
	values     validation.SchemaValidator
	rules      *cel.Validator
}

// ReadSchema reads the CustomResourceDefinition in a file, of which it takes one version, and returns its kind.
func ReadSchema(file, version string) (kind string, s *Schema, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return "", nil, err
	}
	for _, v := range crd.Spec.Versions {
		if v.Name != version {
			continue
		}
		var internal apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &internal, nil); err != nil {
			return "", nil, err
		}
		structural, err := schema.NewStructural(&internal)
		if err != nil {
			return "", nil, err
		}
		values, _, err := validation.NewSchemaValidator(&internal)
		if err != nil {
			return "", nil, err
		}
		return crd.Spec.Names.Kind, &Schema{structural, values, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
	}
	return "", nil, fmt.Errorf("%s has no version %s", file, version)
}

// Check returns an error for an object in JSON that the API server would refuse, or would drop a field of.
func (s *Schema) Check(data []byte) error {
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	if errs := validation.ValidateCustomResource(nil, object, s.values); len(errs) > 0 {
		return errs.ToAggregate()
	}
	if errs, _ := s.rules.Validate(context.Background(), field.NewPath(""), s.structural, object, nil, celconfig.RuntimeCELCostBudget); len(errs) > 0 {
		return errs.ToAggregate()
	}
	unknown := pruning.PruneWithOptions(object, s.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return fmt.Errorf("unknown fields: %v", unknown)
	}
	return nil
}
