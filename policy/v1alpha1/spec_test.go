package v1alpha1_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/egresskit/egress/policy/v1alpha1"
)

func load(t *testing.T, text string) *v1alpha1.EgressPolicy {
	t.Helper()
	docs, err := v1alpha1.Decode(file("f", text))
	if err != nil {
		t.Fatal(err)
	}
	return docs[0]
}

func TestValidateSpec(t *testing.T) {
	spec := load(t, storefront).Spec
	if errs := v1alpha1.ValidateSpec(&spec, "", field.NewPath("spec", "egress")); errs != nil {
		t.Fatal(errs)
	}
	spec.Sources[0].Allow[0].Hosts[0] = "*"
	spec.Sources[0].From = nil
	spec.Sources = append(spec.Sources, v1alpha1.Source{Name: "checkout", From: []v1alpha1.Peer{{Namespaces: []string{"a"}}}})
	errs := v1alpha1.ValidateSpec(&spec, "shop", field.NewPath("spec", "egress"))
	var got []string
	for _, e := range errs {
		got = append(got, string(e.Type)+" "+e.Field)
	}
	want := []string{
		"FieldValueForbidden spec.egress.cluster",
		"FieldValueInvalid spec.egress.sources[0].allow[0].hosts[0]",
		"FieldValueRequired spec.egress.sources[0].from",
		"FieldValueForbidden spec.egress.sources[1].from[0].namespaces[0]",
		"FieldValueDuplicate spec.egress.sources[1].name",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := errs[1].Error(); s != `spec.egress.sources[0].allow[0].hosts[0]: Invalid value: "*": would match every host; name the domains, such as "*.foo.com"` {
		t.Error(s)
	}
	if errs := v1alpha1.ValidateSpec(new(v1alpha1.EgressPolicySpec), "", nil); errs != nil {
		t.Error(errs)
	}
}

// fill sets everything in v to something.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("v"))
	case reflect.String:
		v.SetString("s")
	default:
		v.SetInt(1)
	}
}

// spoil changes everything that v reaches.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		spoil(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("spoilt"))
	case reflect.String:
		v.SetString("spoilt")
	default:
		v.SetInt(2)
	}
}

// A copy is equal, and shares nothing: whatever becomes of it, the original stays as it was.
func TestDeepCopy(t *testing.T) {
	full := new(v1alpha1.EgressPolicy)
	fill(reflect.ValueOf(full).Elem())
	before, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]any{
		"policy": full.DeepCopy(), "spec": full.Spec.DeepCopy(), "metadata": full.Metadata.DeepCopy(), "section": full.Spec.Cluster.DeepCopy(),
		"source": full.Spec.Sources[0].DeepCopy(), "peer": full.Spec.Sources[0].From[0].DeepCopy(), "rule": full.Spec.Cluster.Allow[0].DeepCopy(),
		"origination": full.Spec.Cluster.Allow[0].OriginateTLS.DeepCopy(),
	} {
		spoil(reflect.ValueOf(c))
		if after, _ := json.Marshal(full); string(after) != string(before) {
			t.Fatalf("%s: the copy shares with the original", name)
		}
	}
	if diff := cmp.Diff(full, full.DeepCopy()); diff != "" {
		t.Error(diff)
	}
	if (*v1alpha1.EgressPolicy)(nil).DeepCopy() != nil {
		t.Error("a copy of nil")
	}
	empty := &v1alpha1.Section{Within: []v1alpha1.Rule{}}
	if c := empty.DeepCopy(); c.Within == nil || c.Allow != nil {
		t.Error("nil and empty are not kept apart")
	}
}

// A list that is present and empty, which is an error, does not become one that is absent, which means any, on the way through JSON.
func TestEmptyListsStay(t *testing.T) {
	full := new(v1alpha1.EgressPolicySpec)
	fill(reflect.ValueOf(full).Elem())
	empty(reflect.ValueOf(full).Elem())
	full.Cluster.Within = []v1alpha1.Rule{}
	full.Sources[1].From = []v1alpha1.Peer{}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	back := new(v1alpha1.EgressPolicySpec)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, back); diff != "" {
		t.Error(diff)
	}
	errs := v1alpha1.ValidateSpec(back, "", nil)
	var got []string
	for _, e := range errs {
		got = append(got, string(e.Type)+" "+e.Field)
	}
	want := []string{
		"FieldValueRequired cluster.allow[0].cidrs",
		"FieldValueRequired cluster.allow[0].except",
		"FieldValueRequired cluster.allow[0].hosts",
		"FieldValueRequired cluster.within",
		"FieldValueRequired clusters",
		"FieldValueRequired sources[0].from[0].namespaces",
		"FieldValueRequired sources[1].from",
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no %s in %v", w, got)
		}
	}
}

// empty empties the innermost lists.
func empty(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		empty(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[metav1.LabelSelector]() {
			return // not ours
		}
		for i := range v.NumField() {
			empty(v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct || v.Type().Elem() == reflect.TypeFor[intstr.IntOrString]() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return
		}
		for i := range v.Len() {
			empty(v.Index(i))
		}
	}
}
