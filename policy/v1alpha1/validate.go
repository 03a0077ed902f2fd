package v1alpha1

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/egresskit/egress/policy"
)

// ValidateSpec checks a spec that is embedded in another API's type, as an admission webhook does: at is the path of the spec in that
// type, and namespace that of the object if the policy speaks for its namespace alone, and empty otherwise. The errors are those of [ToPolicy], in
// order of path.
func ValidateSpec(spec *EgressPolicySpec, namespace string, at *field.Path) field.ErrorList {
	root := &place{src: newSource("")}
	if at != nil {
		root.name = at.String()
	}
	convertSpec(root, spec, &policy.Policy{Namespace: namespace})
	found := root.src.diagnostics()
	found.Sort()
	var list field.ErrorList
	for _, d := range found {
		detail := d.Message
		if d.Advice != "" {
			detail += "; " + d.Advice
		}
		// The message quotes the value where that helps.
		list = append(list, &field.Error{Type: errorType(d.Code), Field: d.Position.Field, BadValue: field.OmitValueType{}, Detail: detail, Origin: d.Code})
	}
	return list
}

// errorType returns the type of error that API clients see for a code.
func errorType(code string) field.ErrorType {
	switch code {
	case CodeClusterSection, CodeForeignNamespace, CodeTwoDestinations, CodeMethodsNotHTTP, CodePathsNotHTTP,
		CodeOriginateDeny, CodeOriginateWithin, CodeOriginateNotHTTP:
		return field.ErrorTypeForbidden
	case CodeNoDestination, CodeEmptyList, CodeEmptyWithin:
		return field.ErrorTypeRequired
	}
	switch {
	case strings.HasPrefix(code, "missing-"):
		return field.ErrorTypeRequired
	case strings.HasPrefix(code, "duplicate-"):
		return field.ErrorTypeDuplicate
	}
	return field.ErrorTypeInvalid
}
