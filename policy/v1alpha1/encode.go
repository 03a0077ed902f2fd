package v1alpha1

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Encode writes documents as YAML that [Decode] reads as the same documents, if they are right. Fields come in the order of the types, maps in the
// order of their keys, and lists as they are; what is short stands in one line. The same documents give the same bytes.
func Encode(w io.Writer, docs ...*EgressPolicy) error {
	var b bytes.Buffer
	for i, doc := range docs {
		if i > 0 {
			b.WriteString("---\n")
		}
		if doc == nil {
			return fmt.Errorf("v1alpha1: document %d is nil", i)
		}
		e := encoder{source: newSource("")}
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		enc.CompactSeqIndent()
		if err := enc.Encode(e.node(reflect.ValueOf(doc).Elem())); err != nil {
			return err
		}
		if err := enc.Close(); err != nil {
			return err
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// An encoder is the inverse of decoding: it walks the types in the same way.
type encoder struct{ *source }

// node returns the node of a value, and nil for one that documents leave out.
func (e encoder) node(v reflect.Value) *yaml.Node {
	if v.Type() == reflect.TypeFor[intstr.IntOrString]() {
		port := v.Interface().(intstr.IntOrString)
		if port.Type == intstr.Int {
			return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.Itoa(int(port.IntVal))}
		}
		return text(port.StrVal)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return e.node(v.Elem())
	case reflect.Struct:
		return e.mapping(v)
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, e.node(v.Index(i)))
		}
		return inline(n)
	case reflect.Map:
		return stringMap(v)
	case reflect.Int32:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatInt(v.Int(), 10)}
	}
	if v.String() == "" {
		return nil
	}
	return text(v.String())
}

func (e encoder) mapping(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	fields := e.fieldsOf(v.Type())
	for i, name := range fields.names {
		if value := e.node(v.FieldByIndex(fields.index[i])); value != nil {
			n.Content = append(n.Content, text(name), value)
		}
	}
	switch v.Interface().(type) {
	case EgressPolicy, Metadata, EgressPolicySpec, Section, Source, Peer, Rule:
		if len(n.Content) > 0 {
			return n
		}
	}
	return inline(n)
}

func stringMap(v reflect.Value) *yaml.Node {
	if v.Len() == 0 {
		return nil
	}
	m := v.Interface().(map[string]string)
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range keys {
		n.Content = append(n.Content, text(k), text(m[k]))
	}
	return inline(n)
}

// inline makes n stand in one line when that is short, and all of it does.
func inline(n *yaml.Node) *yaml.Node {
	const most = 80
	length := 0
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode && c.Style&yaml.FlowStyle == 0 {
			return n
		}
		length += width(c) + len(", ")
	}
	if length <= most {
		n.Style = yaml.FlowStyle
	}
	return n
}

// width returns about how many bytes a node takes in one line.
func width(n *yaml.Node) int {
	w := len(n.Value)
	for _, c := range n.Content {
		w += width(c) + len(", ")
	}
	return w
}

// text returns the node of a text, in quotes unless it is one for every reader without them.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: s}
	n.Tag = n.ShortTag()
	if !plainBytes(s) || plainMeaning(n) != "" {
		n.Style = yaml.DoubleQuotedStyle
		n.Tag = "!!str"
	}
	return n
}

// plainBytes reports whether s has nothing that YAML could read as other than a text, in a line of its own or between brackets.
func plainBytes(s string) bool {
	if s == "" || strings.HasPrefix(s, "-") || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(" -._/", c) >= 0) {
			return false
		}
	}
	return true
}
