package v1alpha1

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// document decodes and checks one document. The second result is false when it is no policy at all.
func (s *source) document(root *yaml.Node) (document, bool) {
	at := &place{src: s, node: root}
	const advice = "write a policy: apiVersion: " + APIVersion + ", kind: " + Kind
	switch {
	case root.Kind != yaml.MappingNode:
		at.report(CodeWrongKind, "a document that is "+describe(root), advice)
		return document{}, false
	case at.field("apiVersion").key == nil && at.field("kind").key == nil && at.field("spec").key == nil:
		at.report(CodeWrongKind, "a document without apiVersion, kind and spec", advice)
		return document{}, false
	}
	if !at.checkKind("apiVersion", APIVersion) || !at.checkKind("kind", Kind) {
		return document{}, false
	}
	doc := new(EgressPolicy)
	at.decode(reflect.ValueOf(doc).Elem())
	for _, f := range []struct{ name, advice string }{
		{"apiVersion", "write apiVersion: " + APIVersion},
		{"kind", "write kind: " + Kind},
		{"spec", "write spec: with cluster or sources"},
	} {
		if !at.field(f.name).written(false) {
			at.missing(f.name, CodeMissingField, f.name+" is missing", f.advice)
		}
	}
	return document{doc, convert(at, doc), at.field("metadata").field("name").position()}, true
}

// checkKind reports an apiVersion or kind that is another than ours. One that is missing or no text is left to decoding.
func (p *place) checkKind(name, want string) bool {
	f := p.field(name)
	if f.node == nil || f.node.Kind != yaml.ScalarNode || f.node.Tag != "!!str" || f.node.Value == want {
		return true
	}
	advice := "write " + name + ": " + want
	if name == "kind" && strings.HasSuffix(f.node.Value, "List") {
		advice = "write the items as documents of their own, separated by ---"
	} else if nearest(f.node.Value, []string{want}) == "" {
		advice += ", or keep documents of other kinds in files of their own"
	}
	f.report(CodeWrongKind, fmt.Sprintf("%s is %s", name, quote(f.node.Value)), advice)
	return false
}

// decode sets v to what stands at p. What does not fit is reported, and leaves v as it is.
func (p *place) decode(v reflect.Value) {
	n := p.node
	if n.Kind == yaml.AliasNode {
		p.markBad() // reported by the check of the whole tree
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style == 0 {
		p.refuse(CodeNoValue, "no value", "write one, or leave the key out")
		return
	}
	if v.Type() == reflect.TypeFor[intstr.IntOrString]() {
		p.decodePort(v.Addr().Interface().(*intstr.IntOrString))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		p.decode(v.Elem())
	case reflect.Struct:
		p.decodeStruct(v)
	case reflect.Slice:
		p.decodeList(v)
	case reflect.Map:
		p.decodeMap(v)
	case reflect.String:
		if p.isPlainText() {
			v.SetString(n.Value)
		}
	case reflect.Int32:
		p.decodeInt(v)
	}
}

func (p *place) markBad() { p.src.bad[p.node] = true }

// refuse reports what stands at p, and that it is not in the typed document.
func (p *place) refuse(code, message, advice string) {
	p.report(code, message, advice)
	p.markBad()
}

// structFields are the fields of a struct by the names that documents give them, embedded ones included, in order.
type structFields struct {
	names []string
	index [][]int
}

func (s *source) fieldsOf(t reflect.Type) structFields {
	if f, ok := s.fields[t]; ok {
		return f
	}
	var f structFields
	for _, sf := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if sf.Anonymous || name == "" {
			continue
		}
		f.names = append(f.names, name)
		f.index = append(f.index, sf.Index)
	}
	s.fields[t] = f
	return f
}

func (f structFields) find(name string) []int {
	for i, n := range f.names {
		if n == name {
			return f.index[i]
		}
	}
	return nil
}

func (p *place) decodeStruct(v reflect.Value) {
	if p.node.Kind != yaml.MappingNode {
		p.wrongType("a mapping")
		return
	}
	fields := p.src.fieldsOf(v.Type())
	for e := range p.entries(stepField) {
		index := fields.find(e.name)
		if index == nil {
			p.markBad()
			p.src.report(e.keyPosition(), CodeUnknownField, "unknown field "+quote(e.name), adviceForUnknown(e.name, p.name, fields.names))
			continue
		}
		e.decode(v.FieldByIndex(index))
	}
}

// entries yields the entries of the mapping at p that can be read: those with another key than a text, or with one that was there
// before, are reported.
func (p *place) entries(kind stepKind) func(yield func(*place) bool) {
	return func(yield func(*place) bool) {
		c := p.node.Content
		var seen map[string]*yaml.Node // the first key of each name
		if len(c) > 2 {
			seen = make(map[string]*yaml.Node, min(len(c)/2, 64))
		}
		for i := 0; i+1 < len(c); i += 2 {
			key := c[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				if key.Kind != yaml.AliasNode && key.Tag != "!!merge" { // those are reported by the check of the whole tree
					e := place{src: p.src, up: p, name: "?", kind: kind, key: key, node: key}
					e.report(CodeWrongType, "a key that is "+describe(key), "write a name followed by a colon")
				}
				p.markBad()
				continue
			}
			e := p.entry(kind, key, c[i+1])
			if first, ok := seen[key.Value]; ok {
				p.src.report(e.keyPosition(), CodeDuplicateKey, fmt.Sprintf("%s is given twice, first in line %d", quote(key.Value), first.Line), "keep one of them")
				continue
			}
			if seen != nil {
				seen[key.Value] = key
			}
			if !yield(e) {
				return
			}
		}
	}
}

func (p *place) decodeList(v reflect.Value) {
	if p.node.Kind != yaml.SequenceNode {
		p.wrongType("a list")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(p.node.Content), len(p.node.Content))
	for i := range p.node.Content {
		p.index(i).decode(list.Index(i))
	}
	v.Set(list)
}

func (p *place) decodeMap(v reflect.Value) {
	if p.node.Kind != yaml.MappingNode {
		p.wrongType("a mapping")
		return
	}
	m := make(map[string]string, len(p.node.Content)/2)
	for e := range p.entries(stepKey) {
		if e.node.Kind == yaml.ScalarNode && e.node.Tag == "!!null" && e.node.Style == 0 {
			e.refuse(CodeNoValue, "no value", `write one; the empty text is ""`)
			continue
		}
		if e.isPlainText() {
			m[e.name] = e.node.Value
		}
	}
	v.Set(reflect.ValueOf(m))
}

func (p *place) decodeInt(v reflect.Value) {
	n, err := decimal(p.node)
	switch {
	case p.node.Kind != yaml.ScalarNode || p.node.Style != 0 || p.node.Tag != "!!int":
		p.wrongType("a number")
	case err != nil:
		p.refuse(CodeWrongType, "the number "+quote(p.node.Value), err.Error())
	default:
		v.SetInt(int64(n))
	}
}

// decodePort reads a number or a text. Whether they are ports is checked with the document.
func (p *place) decodePort(v *intstr.IntOrString) {
	n := p.node
	switch {
	case n.Kind != yaml.ScalarNode:
		p.wrongType("a port")
	case n.Style == 0 && n.Tag == "!!int":
		port, err := decimal(n)
		if err != nil {
			p.refuse(CodeBadPort, "the number "+quote(n.Value), err.Error())
			return
		}
		*v = intstr.FromInt32(port)
	case n.Style == 0 && sexagesimal.MatchString(n.Value):
		p.refuse(CodeBadPort, n.Value+" is one number to the base 60 for some readers of YAML", `write one port, such as 443, or a range, such as "8000-8100"`)
	case n.Style == 0 && n.Tag != "!!str":
		p.wrongType("a port")
	default:
		*v = intstr.FromString(n.Value)
	}
}

// decimal returns the value of a number in the one spelling that all readers of YAML and JSON agree on.
func decimal(n *yaml.Node) (int32, error) {
	i, err := strconv.ParseInt(n.Value, 10, 32)
	if err == nil && strconv.FormatInt(i, 10) == n.Value {
		return int32(i), nil
	}
	return 0, fmt.Errorf("write a decimal number without leading zeros, signs or underscores, not larger than %d", 65535)
}

// isPlainText reports whether the value is a text for every reader of YAML, and reports it as an error if not.
func (p *place) isPlainText() bool {
	n := p.node
	if n.Kind != yaml.ScalarNode {
		p.wrongType("a text")
		return false
	}
	if n.Style&^yaml.TaggedStyle != 0 {
		return true // quoted, or a block
	}
	if what := plainMeaning(n); what != "" {
		p.refuse(CodeUnquoted, fmt.Sprintf("%s is %s for some readers of YAML, and a text is meant here", n.Value, what), `write it in quotes: "`+n.Value+`"`)
		return false
	}
	return true
}

// What YAML 1.1 reads otherwise than YAML 1.2: https://yaml.org/type/bool.html and https://yaml.org/type/int.html.
var (
	oldBoolean  = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`)
	sexagesimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)
)

// plainMeaning says what a plain scalar may be read as other than a text, and "" when nothing. Dates count as texts, as they do for
// Kubernetes.
func plainMeaning(n *yaml.Node) string {
	switch n.Tag {
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "null"
	case "!!merge":
		return "a merge key"
	}
	switch {
	case len(n.Value) > 40:
		return ""
	case oldBoolean.MatchString(n.Value):
		return "a boolean"
	case sexagesimal.MatchString(n.Value):
		return "a number"
	case n.Value == "=":
		return "a default key"
	}
	return ""
}

// wrongType reports that the value at p is not what is wanted, with the way to write it when that is plain.
func (p *place) wrongType(want string) {
	advice := "write " + want
	if want == "a list" {
		switch p.node.Kind {
		case yaml.ScalarNode:
			if p.name != "" && len(p.node.Value) <= 80 {
				advice = fmt.Sprintf("write a list: %s: [%s]", p.name, quoteUnlessPlain(p.node.Value))
			}
		case yaml.MappingNode:
			advice = "write a list: begin each entry with a dash"
		}
	}
	p.refuse(CodeWrongType, describe(p.node)+" where "+want+" is wanted", advice)
}

func quoteUnlessPlain(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' && i > 0) {
			return strconv.Quote(s)
		}
	}
	return s
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Style == 0 {
		switch n.Tag {
		case "!!int", "!!float":
			return "the number " + quote(n.Value)
		case "!!bool":
			return "the boolean " + n.Value
		case "!!null":
			return "nothing"
		}
	}
	return "the text " + quote(n.Value)
}
