// Package schemagen writes the schemas of the policy document from its Go types: one for the API server, one for editors.
//
// It reads the source of the types, and not the types, because descriptions and limits stand in comments: the markers that controller-gen
// reads, of which it knows those that the types use and refuses others.
package schemagen

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// A Schema is the part of JSON Schema, and of its dialect in OpenAPI v3, that the document needs.
type Schema struct {
	Dialect              string             `json:"$schema,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 string             `json:"type,omitempty"`
	Format               string             `json:"format,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Minimum              int                `json:"minimum,omitempty"`
	Maximum              int                `json:"maximum,omitempty"`
	MaxLength            int                `json:"maxLength,omitempty"`
	MinItems             int                `json:"minItems,omitempty"`
	MaxItems             int                `json:"maxItems,omitempty"`
	MinProperties        int                `json:"minProperties,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Required             []string           `json:"required,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // *Schema or false
	AnyOf                []*Schema          `json:"anyOf,omitempty"`
	OneOf                []*Schema          `json:"oneOf,omitempty"`
	ListType             string             `json:"x-kubernetes-list-type,omitempty"`
	MapType              string             `json:"x-kubernetes-map-type,omitempty"`
	IntOrString          bool               `json:"x-kubernetes-int-or-string,omitempty"`
}

// Structural returns the structural OpenAPI v3 schema of EgressPolicySpec as YAML, for the CRDs that embed it. types is the Go source of
// the types.
func Structural(types []byte) ([]byte, error) {
	g, err := parse(types, false)
	if err != nil {
		return nil, err
	}
	s, err := g.named("EgressPolicySpec")
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(s)
	return append([]byte("# Generated from policy/v1alpha1/types.go. DO NOT EDIT.\n"), text...), err
}

// Editor returns the JSON Schema of an EgressPolicy document, for editors that check YAML as it is written. It refuses unknown fields.
func Editor(types []byte) ([]byte, error) {
	g, err := parse(types, true)
	if err != nil {
		return nil, err
	}
	s, err := g.named("EgressPolicy")
	if err != nil {
		return nil, err
	}
	s.Dialect, s.Title = "http://json-schema.org/draft-07/schema#", "EgressPolicy of "+g.constants["Group"]+"/"+g.constants["Version"]
	s.Properties["apiVersion"] = &Schema{Type: "string", Enum: []string{g.constants["Group"] + "/" + g.constants["Version"]}}
	s.Properties["kind"] = &Schema{Type: "string", Enum: []string{g.constants["Kind"]}}
	s.Required = append([]string{"apiVersion", "kind"}, s.Required...)
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// A generator makes schemas of the types in one file.
type generator struct {
	editor    bool // JSON Schema that refuses unknown fields; otherwise structural OpenAPI, in which the API server prunes or refuses them
	types     map[string]*typeDecl
	constants map[string]string
}

type typeDecl struct {
	expr ast.Expr
	doc  string
}

func parse(source []byte, editor bool) (*generator, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "types.go", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	g := &generator{editor: editor, types: map[string]*typeDecl{}, constants: map[string]string{}}
	for _, d := range f.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				g.types[spec.Name.Name] = &typeDecl{spec.Type, comment(decl.Doc)}
			case *ast.ValueSpec:
				if lit, ok := literal(spec); ok {
					g.constants[spec.Names[0].Name] = lit
				}
			}
		}
	}
	return g, nil
}

// comment returns the lines of a comment, markers among them, which [ast.CommentGroup.Text] keeps but for its directives.
func comment(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return c.Text()
}

func literal(spec *ast.ValueSpec) (string, bool) {
	if len(spec.Values) != 1 {
		return "", false
	}
	lit, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// named returns the schema of a type of the file.
func (g *generator) named(name string) (*Schema, error) {
	t, ok := g.types[name]
	if !ok {
		return nil, fmt.Errorf("schemagen: no type %s", name)
	}
	s, err := g.of(t.expr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	_, err = describe(s, t.doc)
	return s, err
}

// of returns the schema of a type.
func (g *generator) of(e ast.Expr) (*Schema, error) {
	switch e := e.(type) {
	case *ast.StarExpr:
		return g.of(e.X)
	case *ast.ArrayType:
		items, err := g.of(e.Elt)
		return &Schema{Type: "array", Items: items}, err
	case *ast.MapType:
		values, err := g.of(e.Value)
		return &Schema{Type: "object", AdditionalProperties: values}, err
	case *ast.StructType:
		return g.structure(e)
	case *ast.SelectorExpr:
		return g.imported(e)
	case *ast.Ident:
		switch e.Name {
		case "string":
			return &Schema{Type: "string"}, nil
		case "int32":
			s := &Schema{Type: "integer"}
			if !g.editor {
				s.Format = "int32"
			}
			return s, nil
		}
		return g.named(e.Name)
	}
	return nil, fmt.Errorf("schemagen: a type that is not known: %T", e)
}

// imported returns the schema of a type of apimachinery.
func (g *generator) imported(e *ast.SelectorExpr) (*Schema, error) {
	texts := func() *Schema { return &Schema{Type: "array", Items: &Schema{Type: "string"}, ListType: g.atomic()} }
	switch e.Sel.Name {
	case "IntOrString":
		if g.editor {
			return &Schema{AnyOf: []*Schema{{Type: "integer", Minimum: 1, Maximum: 65535}, {Type: "string", Pattern: "^[0-9]+(-[0-9]+)?$"}}}, nil
		}
		// Limits stand beside anyOf, in which structural schemas hold nothing but types.
		return &Schema{IntOrString: true, AnyOf: []*Schema{{Type: "integer"}, {Type: "string"}}, Minimum: 1, Maximum: 65535, Pattern: "^[0-9]+(-[0-9]+)?$"}, nil
	case "LabelSelector":
		condition := g.closed(&Schema{
			Type:     "object",
			Required: []string{"key", "operator"},
			Properties: map[string]*Schema{
				"key":      {Description: "Key is the key of a label.", Type: "string"},
				"operator": {Description: "Operator is In, NotIn, Exists or DoesNotExist.", Type: "string", Enum: []string{"In", "NotIn", "Exists", "DoesNotExist"}},
				"values":   texts(),
			},
		})
		condition.Properties["values"].Description = "Values are what the label may be, or not be; for In and NotIn."
		s := g.closed(&Schema{
			Type:          "object",
			MinProperties: 1,
			Properties: map[string]*Schema{
				"matchLabels":      {Description: "MatchLabels are labels that must all be there, with these values.", Type: "object", AdditionalProperties: &Schema{Type: "string"}},
				"matchExpressions": {Description: "MatchExpressions are conditions that must all hold.", Type: "array", Items: condition, ListType: g.atomic()},
			},
		})
		if !g.editor {
			s.MapType = "atomic"
		}
		return s, nil
	case "TypeMeta":
		return &Schema{Properties: map[string]*Schema{"apiVersion": {Type: "string"}, "kind": {Type: "string"}}}, nil
	}
	return nil, fmt.Errorf("schemagen: the type %s is not known", e.Sel.Name)
}

// atomic returns the list type of lists, which editors do not know.
func (g *generator) atomic() string {
	if g.editor {
		return ""
	}
	return "atomic"
}

// closed makes editors refuse unknown fields. The API server does so by itself, and takes no schema that says it.
func (g *generator) closed(s *Schema) *Schema {
	if g.editor {
		s.AdditionalProperties = false
	}
	return s
}

func (g *generator) structure(t *ast.StructType) (*Schema, error) {
	s := g.closed(&Schema{Type: "object", Properties: map[string]*Schema{}})
	for _, field := range t.Fields.List {
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return nil, err
		}
		name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		value, err := g.of(field.Type)
		if err != nil {
			return nil, err
		}
		if name == "" { // inlined
			for n, p := range value.Properties {
				s.Properties[n] = p
			}
			s.Required = append(s.Required, value.Required...)
			continue
		}
		required, err := describe(value, comment(field.Doc))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if value.ListType != "" {
			value.ListType = g.atomic()
		}
		if required || !strings.Contains(options, "omit") {
			s.Required = append(s.Required, name)
		}
		s.Properties[name] = value
	}
	return s, nil
}

// describe sets what a comment says of a schema: its text, and its markers.
func describe(s *Schema, doc string) (required bool, err error) {
	var text []string
	for line := range strings.Lines(doc) {
		line = strings.TrimSpace(line)
		marker, ok := strings.CutPrefix(line, "+")
		if !ok {
			text = append(text, line)
			continue
		}
		key, value, _ := strings.Cut(strings.TrimPrefix(marker, "kubebuilder:validation:"), "=")
		var number *int
		switch key {
		case "optional":
		case "required":
			required = true
		case "listType":
			s.ListType = value
		case "Format":
			s.Format = value
		case "Enum":
			s.Enum = strings.Split(value, ";")
		case "ExactlyOneOf":
			for _, f := range strings.Split(value, ";") {
				s.OneOf = append(s.OneOf, &Schema{Required: []string{f}})
			}
		case "MinProperties":
			number = &s.MinProperties
		case "MinItems":
			number = &s.MinItems
		case "MaxItems":
			number = &s.MaxItems
		case "MaxLength":
			number = &s.MaxLength
		case "Minimum":
			number = &s.Minimum
		case "Maximum":
			number = &s.Maximum
		default:
			return false, fmt.Errorf("schemagen: the marker %q is not known", line)
		}
		if number != nil {
			if *number, err = strconv.Atoi(value); err != nil {
				return false, fmt.Errorf("schemagen: the marker %q: %w", line, err)
			}
		}
	}
	if d := strings.TrimSpace(strings.Join(text, " ")); d != "" {
		s.Description = d
	}
	return required, nil
}
