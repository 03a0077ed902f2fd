package v1alpha1

import (
	"encoding"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/egresskit/egress/policy"
)

// DecodeInto reads one document that is no policy, such as the configuration of a tool that embeds the profiles of targets, into what into
// points to, with the strictness of policy documents and errors of the same form and codes. Fields go by their JSON tags; they may be structs,
// pointers, lists, maps of texts, texts, booleans, whole numbers, ports (intstr.IntOrString) and types that implement
// encoding.TextUnmarshaler. What the document does not name is left as it was; what it names takes the place of lists and maps, and is written
// into structs. Null takes away what a pointer points to, and is an error anywhere else.
//
// The error is a policy.Diagnostics with all mistakes; what into points to is not to be used then. [Fields] tell where the fields stand, for
// errors about what they mean, and are never nil.
func DecodeInto(f File, into any) (*Fields, error) {
	s := newSource(f.Name)
	s.config = true
	fields := &Fields{root: &place{src: s}}
	text, ok := s.read(f.Reader)
	if ok {
		s.loadConfig(text, fields, into)
	}
	found := s.diagnostics()
	found.Sort()
	return fields, found.Err()
}

// loadConfig decodes the one document of a text.
func (s *source) loadConfig(text []byte, fields *Fields, into any) {
	parts, ok := s.splitDocuments(text)
	if !ok {
		return
	}
	read := true
	var roots []*yaml.Node
	for _, part := range parts {
		more, ok := s.parse(part)
		roots, read = append(roots, more...), read && ok
	}
	if len(roots) == 0 {
		if read {
			s.report(policy.Position{File: s.name, Line: 1, Column: 1}, CodeEmpty, "the file holds no document", "write fields, or {} for none")
		}
		return
	}
	for _, n := range roots[1:] {
		s.report(policy.Position{File: s.name, Line: n.Line, Column: n.Column}, CodeNotSupported, "a second document", "write all fields in one")
	}
	fields.root.node = roots[0]
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		fields.root.unknownType(v)
		return
	}
	fields.root.decode(v.Elem())
}

// unknownType reports a Go type that no document can be read into: a mistake of the program, and none of the document.
func (p *place) unknownType(v reflect.Value) {
	what := "nil"
	if v.IsValid() {
		what = v.Type().String()
	}
	p.refuse(CodeNotSupported, "the program has no way to read this into "+what, "")
}

// Fields are the places of the fields of a document that [DecodeInto] read. The zero Fields know none.
type Fields struct{ root *place }

// Position returns where a field stands, by its path, such as istio.gateway.podLabels[app] or gateways[0].ports; of one that is not in the
// document, the position of what it is missing from.
func (f *Fields) Position(path string) policy.Position {
	if f.root == nil {
		return policy.Position{Field: path}
	}
	at := f.root
	for rest := path; rest != ""; {
		at, rest = at.step(rest)
	}
	pos := at.position()
	pos.Field = path
	return pos
}

// step returns the place that the first step of a path leads to, and the steps after it.
func (p *place) step(path string) (*place, string) {
	if inner, ok := strings.CutPrefix(path, "["); ok {
		key, rest, _ := strings.Cut(inner, "]")
		rest = strings.TrimPrefix(rest, ".")
		if i, err := strconv.ParseUint(key, 10, 31); err == nil && (p.node == nil || p.node.Kind == yaml.SequenceNode) {
			return p.index(int(i)), rest
		}
		return p.labels()(key), rest
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		return p.field(path), ""
	}
	return p.field(path[:end]), strings.TrimPrefix(path[end:], ".")
}

// decodeBool reads true or false, as YAML 1.2 spells them.
func (p *place) decodeBool(v reflect.Value) {
	if p.node.Kind != yaml.ScalarNode || p.node.Style != 0 || p.node.Tag != "!!bool" {
		p.wrongType("a boolean")
		return
	}
	v.SetBool(strings.EqualFold(p.node.Value, "true"))
}

// decodeText reads a value of a type that decodes itself from a text, and reports whether v is one.
func (p *place) decodeText(v reflect.Value) bool {
	u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		return false
	}
	if !p.isPlainText() {
		return true
	}
	text := p.node.Value
	err := u.UnmarshalText([]byte(text))
	if err == nil {
		return true
	}
	switch v.Type() {
	case reflect.TypeFor[netip.Prefix]():
		_, message, advice := parsePrefix(text)
		p.refuse(CodeBadCIDR, quote(text)+" "+message, advice)
	case reflect.TypeFor[netip.Addr]():
		p.refuse(CodeBadAddress, quote(text)+" is no address", "write an address such as 203.0.113.7 or 2001:db8::7")
	default:
		p.refuse(CodeWrongType, quote(text)+": "+err.Error(), "")
	}
	return true
}
