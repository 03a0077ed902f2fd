package schemagen_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/schemagen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// schema is a Schema as JSON gives it.
type schema = map[string]any

func kept(t *testing.T, name string) schema {
	t.Helper()
	text, err := os.ReadFile(dir + name)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := yaml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The rules for structural schemas: every value has a type, objects have properties or additional properties, and what joins schemas
// sets no types.
func TestStructural(t *testing.T) {
	var walk func(path string, s schema)
	walk = func(path string, s schema) {
		if s["type"] == nil && s["x-kubernetes-int-or-string"] != true {
			t.Errorf("%s has no type", path)
		}
		_, properties := s["properties"].(schema)
		more, additional := s["additionalProperties"]
		if properties && additional || additional && more == false {
			t.Errorf("%s has additional properties", path)
		}
		for _, join := range []string{"anyOf", "oneOf"} {
			list, _ := s[join].([]any)
			for _, j := range list {
				for k := range j.(schema) {
					if k != "required" && s["x-kubernetes-int-or-string"] != true {
						t.Errorf("%s.%s holds %s", path, join, k)
					}
				}
			}
		}
		if s["type"] == "array" && s["x-kubernetes-list-type"] != "atomic" {
			t.Errorf("%s is no atomic list", path)
		}
		for _, sub := range []string{"items", "additionalProperties"} {
			if c, ok := s[sub].(schema); ok {
				walk(path+"."+sub, c)
			}
		}
		fields, _ := s["properties"].(schema)
		for k, c := range fields {
			walk(path+"."+k, c.(schema))
		}
	}
	walk("spec", kept(t, "egresspolicyspec.openapi.yaml"))
}

// What documents say is valid by both schemas.
func TestDocumentsAreValid(t *testing.T) {
	editor, structural := kept(t, "egresspolicy.schema.json"), kept(t, "egresspolicyspec.openapi.yaml")
	rapid.Check(t, func(t *rapid.T) {
		doc, err := v1alpha1.FromPolicy(gen.Policy().Draw(t, "policy"))
		if err != nil {
			t.Skip("the model says what documents can't")
		}
		if errs := check(editor, value(t, doc), ""); errs != nil {
			t.Fatal(strings.Join(errs, "\n"))
		}
		if errs := check(structural, value(t, doc.Spec), ""); errs != nil {
			t.Fatal(strings.Join(errs, "\n"))
		}
	})
}

func value(t interface{ Fatal(...any) }, v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What is wrong in a document in ways that schemas can say, they say at the same place.
func TestWrongDocumentsAreNot(t *testing.T) {
	editor := kept(t, "egresspolicy.schema.json")
	document := func(spec string) string {
		return "{apiVersion: egresskit.io/v1alpha1, kind: EgressPolicy, metadata: {name: p}, spec: " + spec + "}"
	}
	rule := func(r string) string { return document("{cluster: {allow: [" + r + "]}}") }
	for _, c := range []struct{ text, want string }{
		{"{apiVersion: v1, kind: EgressPolicy, metadata: {name: p}, spec: {}}", "apiVersion"},
		{"{apiVersion: egresskit.io/v1alpha1, kind: EgressPolicy, spec: {}}", "metadata"},
		{document("{}") + " ", ""},
		{document("{allow: []}"), "spec.allow"},
		{document("{clusters: []}"), "spec.clusters"},
		{document("{cluster: {within: []}}"), "spec.cluster.within"},
		{rule("{hosts: [a.com], prots: [1]}"), "spec.cluster.allow[0].prots"},
		{rule("{hosts: [a.com], cidrs: [10.0.0.0/8]}"), "spec.cluster.allow[0]"},
		{rule("{}"), "spec.cluster.allow[0]"},
		{rule("{hosts: [a.com], ports: [0]}"), "spec.cluster.allow[0].ports[0]"},
		{rule("{hosts: [a.com], ports: [http]}"), "spec.cluster.allow[0].ports[0]"},
		{rule("{hosts: [a.com], ports: ['80-81', 443]}"), ""},
		{rule("{hosts: [a.com], ports: [" + strings.Repeat("443,", policy.MaxListed) + "]}"), ""},
		{rule("{hosts: [a.com], ports: [" + strings.Repeat("443,", policy.MaxListed+1) + "]}"), "spec.cluster.allow[0].ports"},
		{rule("{hosts: [a.com], protocol: tls}"), "spec.cluster.allow[0].protocol"},
		{rule("{hosts: [a.com], protocol: HTTP, originateTLS: {port: 443}}"), "spec.cluster.allow[0].originateTLS.mode"},
		{document("{sources: [{}]}"), "spec.sources[0].from"},
		{document("{sources: [{from: [{}]}]}"), "spec.sources[0].from[0]"},
		{document("{sources: [{from: [{podLabels: {}}]}]}"), "spec.sources[0].from[0].podLabels"},
	} {
		var v any
		if err := yaml.Unmarshal([]byte(c.text), &v); err != nil {
			t.Fatal(err)
		}
		errs := check(editor, v, "")
		if c.want == "" && errs != nil || c.want != "" && (len(errs) != 1 || !strings.HasPrefix(errs[0], c.want+": ")) {
			t.Errorf("%s: got %q, want %q", c.text, errs, c.want)
		}
	}
}

func TestUnknownMarker(t *testing.T) {
	source := strings.Replace(string(source(t)), "+listType=atomic", "+listTyp=atomic", 1)
	if _, err := schemagen.Structural([]byte(source)); err == nil || !strings.Contains(err.Error(), "+listTyp=atomic") {
		t.Errorf("a misspelt marker: %v", err)
	}
}

// check returns what a schema has against a value: the part of JSON Schema that ours use.
func check(s schema, v any, path string) (errs []string) {
	fail := func(at, format string, args ...any) {
		errs = append(errs, strings.TrimPrefix(at, ".")+": "+fmt.Sprintf(format, args...))
	}
	number := func(key string) float64 { n, _ := s[key].(float64); return n }
	if want, ok := s["type"].(string); ok && want != typeOf(v) && !(want == "number" && typeOf(v) == "integer") {
		fail(path, "%v is no %s", v, want)
		return errs
	}
	if list, ok := s["enum"].([]any); ok && !slices.Contains(list, v) {
		fail(path, "%v is none of %v", v, list)
	}
	for join, want := range map[string]func(int) bool{"anyOf": func(n int) bool { return n > 0 }, "oneOf": func(n int) bool { return n == 1 }} {
		list, _ := s[join].([]any)
		n := 0
		for _, alternative := range list {
			if check(alternative.(schema), v, path) == nil {
				n++
			}
		}
		if len(list) > 0 && !want(n) {
			fail(path, "%v is %d of %s %v", v, n, join, list)
		}
	}
	switch v := v.(type) {
	case float64:
		if v < number("minimum") || s["maximum"] != nil && v > number("maximum") {
			fail(path, "%v is out of range", v)
		}
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) || s["maxLength"] != nil && len(v) > int(number("maxLength")) {
			fail(path, "%q does not fit", v)
		}
	case []any:
		if len(v) < int(number("minItems")) || s["maxItems"] != nil && len(v) > int(number("maxItems")) {
			fail(path, "%d items", len(v))
		}
		items, _ := s["items"].(schema)
		for i, c := range v {
			errs = append(errs, check(items, c, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case map[string]any:
		if len(v) < int(number("minProperties")) {
			fail(path, "%d properties", len(v))
		}
		required, _ := s["required"].([]any)
		for _, k := range required {
			if _, ok := v[k.(string)]; !ok {
				fail(path+"."+k.(string), "is missing")
			}
		}
		properties, _ := s["properties"].(schema)
		for k, c := range v {
			p, ok := properties[k].(schema)
			if !ok {
				p, ok = s["additionalProperties"].(schema)
			}
			switch {
			case ok:
				errs = append(errs, check(p, c, path+"."+k)...)
			case s["additionalProperties"] == false:
				fail(path+"."+k, "is not known")
			}
		}
	}
	return errs
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}
