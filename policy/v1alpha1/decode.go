package v1alpha1

import (
	"fmt"
	"math"
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
	if !at.checkKind() {
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
func (p *place) checkKind() bool {
	if kind := p.field("kind"); kind.node != nil && strings.HasSuffix(kind.node.Value, "List") {
		kind.report(CodeWrongKind, "kind is "+quote(kind.node.Value), "write the items as documents of their own, separated by ---")
		return false
	}
	for _, f := range []struct{ name, want string }{{"apiVersion", APIVersion}, {"kind", Kind}} {
		at := p.field(f.name)
		if at.node == nil || at.node.Kind != yaml.ScalarNode || at.node.Tag != "!!str" || at.node.Value == f.want {
			continue
		}
		advice := "write " + f.name + ": " + f.want
		if nearest(at.node.Value, []string{f.want}) == "" {
			advice += ", or keep documents of other kinds in files of their own"
		}
		at.report(CodeWrongKind, f.name+" is "+quote(at.node.Value), advice)
		return false
	}
	return true
}

// decode sets v to what stands at p. What does not fit is reported, and leaves v as it is.
func (p *place) decode(v reflect.Value) {
	n := p.node
	if n.Kind == yaml.AliasNode {
		p.markBad() // reported by the check of the whole tree
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style == 0 {
		if p.src.config && v.Kind() == reflect.Pointer && n.Value != "" {
			v.SetZero()
			return
		}
		what := "key"
		if p.kind == stepIndex {
			what = "entry"
		}
		p.refuse(CodeNoValue, "no value", "write one, or leave the "+what+" out")
		return
	}
	if v.Type() == reflect.TypeFor[intstr.IntOrString]() {
		p.decodePort(v.Addr().Interface().(*intstr.IntOrString))
		return
	}
	if p.src.config && p.decodeText(v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
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
	case reflect.Bool:
		p.decodeBool(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		p.decodeInt(v)
	default:
		p.unknownType(v)
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
		if sf.Anonymous || name == "" || name == "-" {
			continue
		}
		f.names = append(f.names, name)
		f.index = append(f.index, sf.Index)
	}
	if len(f.names) > 1 && f.names[0] == "kind" && f.names[1] == "apiVersion" { // as metav1.TypeMeta has them, and nobody else
		f.names[0], f.names[1] = f.names[1], f.names[0]
		f.index[0], f.index[1] = f.index[1], f.index[0]
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
			if p.src.full() { // what was meant takes time to find out
				p.src.more++
				continue
			}
			e.onKey().report(CodeUnknownField, "unknown field "+quote(e.name), p.adviceForUnknown(e.name, fields.names))
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
			// Fields are not in doubt: none is named like a number or a boolean.
			if what := plainMeaning(key); kind == stepKey && key.Style == 0 && what != "" {
				e.onKey().report(CodeUnquoted, fmt.Sprintf("the key %s is %s for some readers of YAML", shorten(key.Value), what), `write it in quotes: "`+shorten(key.Value)+`"`)
				continue
			}
			if first, ok := seen[key.Value]; ok {
				e.onKey().report(CodeDuplicateKey, fmt.Sprintf("%s is given twice, first in line %d", quote(key.Value), first.Line), "keep one of them")
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
	if v.Type().Key().Kind() != reflect.String || v.Type().Elem().Kind() != reflect.String {
		p.unknownType(v)
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
	v.Set(reflect.ValueOf(m).Convert(v.Type()))
}

// decodeInt reads a whole number, signed or not.
func (p *place) decodeInt(v reflect.Value) {
	n, ok := decimal(p.node)
	switch {
	case p.node.Kind != yaml.ScalarNode || p.node.Style != 0 || p.node.Tag != "!!int":
		p.wrongType("a whole number")
	case !ok:
		p.refuse(CodeWrongType, describe(p.node)+" is too large, or not in decimal", "write it in decimal digits, without leading zeros and underscores")
	case v.CanUint() && (n < 0 || v.OverflowUint(uint64(n))):
		p.refuse(CodeWrongType, describe(p.node)+" is out of range", fmt.Sprintf("write a number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())))
	case v.CanUint():
		v.SetUint(uint64(n))
	case v.OverflowInt(n):
		most := int64(math.MaxInt64) >> (64 - v.Type().Bits())
		p.refuse(CodeWrongType, describe(p.node)+" is out of range", fmt.Sprintf("write a number from %d to %d", -most-1, most))
	default:
		v.SetInt(n)
	}
}

// decodePort reads a number or a text. Whether they are ports is checked with the document.
func (p *place) decodePort(v *intstr.IntOrString) {
	n := p.node
	switch {
	case n.Kind != yaml.ScalarNode:
		p.wrongType("a port")
	case n.Style == 0 && n.Tag == "!!int":
		port, ok := decimal(n)
		if !ok || port != int64(int32(port)) {
			p.refuse(CodeBadPort, describe(n)+" is too large, or not in decimal", "write a number from 1 to 65535 in decimal digits, without leading zeros and underscores")
			return
		}
		*v = intstr.FromInt32(int32(port))
	case n.Style == 0 && sexagesimal.MatchString(n.Value):
		p.refuse(CodeBadPort, n.Value+" is one number to the base 60 for some readers of YAML", `write one port, such as 443, or a range, such as "8000-8100"`)
	case n.Style == 0 && n.Tag != "!!str":
		p.wrongType("a port")
	default:
		*v = intstr.FromString(n.Value)
	}
}

// decimal returns the value of a number in the one spelling that all readers of YAML and JSON agree on.
func decimal(n *yaml.Node) (int64, bool) {
	i, err := strconv.ParseInt(n.Value, 10, 64)
	return i, err == nil && strconv.FormatInt(i, 10) == n.Value
}

// isPlainText reports whether the value is a text for every reader of YAML, and reports it as an error if not.
func (p *place) isPlainText() bool {
	n := p.node
	if n.Kind != yaml.ScalarNode {
		p.wrongType("a text")
		return false
	}
	if n.Style&^yaml.TaggedStyle != 0 || p.kind == stepField && p.name == "expires" {
		return true // quoted, or a block; whatever reads as something else is no date
	}
	if what := plainMeaning(n); what != "" {
		p.refuse(CodeUnquoted, fmt.Sprintf("%s is %s for some readers of YAML, and a text is meant here", shorten(n.Value), what), `write it in quotes: "`+shorten(n.Value)+`"`)
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
	scalar := p.node.Kind == yaml.ScalarNode
	switch {
	case want == "a list" && scalar && p.name != "" && len(p.node.Value) <= 80:
		advice = fmt.Sprintf("write a list: %s: [%s]", p.name, quoteUnlessPlain(p.node.Value))
	case want == "a list" && p.node.Kind == yaml.MappingNode:
		advice = "write a list: begin each entry with a dash"
	case want == "a mapping" && scalar:
		advice = "write fields: a name, a colon, a blank, and the value"
	case want == "a whole number" && scalar:
		if _, ok := decimal(p.node); ok {
			advice = "write it without quotes"
		}
	case want == "a boolean":
		advice = "write true or false"
	case want == "a port":
		advice = `write a number from 1 to 65535, or a range such as "8000-8100"`
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
			return "the number " + shorten(n.Value)
		case "!!bool":
			return "the boolean " + n.Value
		case "!!null":
			return "nothing"
		}
	}
	return "the text " + quote(n.Value)
}
