package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds the nesting in a JSON document. The deepest objects of Kubernetes, definitions of resources, have some tens.
const maxDepth = 200

// loadJSON reads the documents of a file that follow each other. Items of a list are read one by one.
func (c *collector) loadJSON(at place, text []byte) {
	j := newJSONReader(text)
	for j.dec.More() {
		at.document++
		o, err := j.document(at)
		if err != nil {
			at.line = j.line
			c.fail(at.errorf("not JSON: %v", err))
			return
		}
		c.add(o)
	}
	if _, err := j.token(); !errors.Is(err, io.ErrUnexpectedEOF) {
		at.line = j.line
		c.fail(at.errorf("not JSON: something follows the last document"))
	}
}

// A jsonReader turns JSON into trees such as YAML has, with lines.
type jsonReader struct {
	dec  *json.Decoder
	text []byte
	done int // bytes whose lines are counted
	line int
}

// newJSONReader returns a reader of text from its first line.
func newJSONReader(text []byte) *jsonReader {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // numbers are not looked at, and may be of any size
	return &jsonReader{dec: dec, text: text, line: 1}
}

var errDeep = errors.New("nested too deep")

// token returns the next token and moves to its line.
func (j *jsonReader) token() (json.Token, error) {
	tok, err := j.dec.Token()
	at := int(j.dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = int(syntax.Offset)
	}
	if at = min(at, len(j.text)); at > j.done {
		j.line += bytes.Count(j.text[j.done:at], newline)
		j.done = at
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return tok, err
}

// document reads one document. The items of a list become objects as they are met, whatever stands before and after them.
func (j *jsonReader) document(at place) (object, error) {
	tok, err := j.token()
	if err != nil {
		return object{}, err
	}
	if tok != json.Delim('{') {
		n, err := j.value(tok, 0)
		if err != nil {
			return object{}, err
		}
		return readObject(at, n, 0), nil
	}
	head := &yaml.Node{Kind: yaml.MappingNode, Line: j.line}
	var items []object
	for j.dec.More() {
		key, value, err := j.field(0, func(key string, tok json.Token) bool { return key == "items" && tok == json.Delim('[') })
		if err != nil {
			return object{}, err
		}
		if value != nil {
			head.Content = append(head.Content, key, value)
			continue
		}
		for j.dec.More() {
			tok, err := j.token()
			if err != nil {
				return object{}, err
			}
			n, err := j.value(tok, 2)
			if err != nil {
				return object{}, err
			}
			items = append(items, readObject(at, n, 1))
		}
		if _, err := j.token(); err != nil { // ]
			return object{}, err
		}
	}
	if _, err := j.token(); err != nil { // }
		return object{}, err
	}
	o := readObject(at, head, 0)
	o.items = append(o.items, items...)
	return o, nil
}

// field reads a key and its value. The value is nil when it is left to the caller, who says so by the key and the value's first token.
func (j *jsonReader) field(depth int, leave func(key string, first json.Token) bool) (key, value *yaml.Node, err error) {
	tok, err := j.token()
	if err != nil {
		return nil, nil, err
	}
	name, _ := tok.(string) // the decoder takes nothing else for a key
	key = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: j.line}
	if tok, err = j.token(); err != nil {
		return nil, nil, err
	}
	if leave(name, tok) {
		return key, nil, nil
	}
	value, err = j.value(tok, depth+1)
	return key, value, err
}

// value reads the value that begins with tok.
func (j *jsonReader) value(tok json.Token, depth int) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: j.line}
	switch tok := tok.(type) {
	case nil:
		n.Tag = "!!null"
	case string:
		n.Tag, n.Value = "!!str", tok
	case bool:
		n.Tag = "!!bool"
	case json.Number:
		n.Tag = "!!int"
	case json.Delim:
		if depth >= maxDepth {
			return nil, errDeep
		}
		n.Kind = yaml.SequenceNode
		if tok == '{' {
			n.Kind = yaml.MappingNode
		}
		for j.dec.More() {
			if n.Kind == yaml.MappingNode {
				key, value, err := j.field(depth, func(string, json.Token) bool { return false })
				if err != nil {
					return nil, err
				}
				n.Content = append(n.Content, key, value)
				continue
			}
			tok, err := j.token()
			if err != nil {
				return nil, err
			}
			item, err := j.value(tok, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		if _, err := j.token(); err != nil { // ] or }
			return nil, err
		}
	}
	return n, nil
}
