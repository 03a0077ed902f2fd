package v1alpha1

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/egresskit/egress/policy"
)

// A place is where a value stands: the path to it, and the node that it was read from, when it was read from a text. Decoding and
// checking walk the same places, so that an error found in a typed document knows the line that it comes from, and the same checks
// serve documents that never were a text.
type place struct {
	src  *source
	up   *place // nil at the root
	name string // of the field in up; the whole path at the root
	at   int    // of an entry in the list up
	kind stepKind
	key  *yaml.Node // the field's key, if in the text
	node *yaml.Node // nil: not from a text, or not there
}

type stepKind uint8

const (
	stepField stepKind = iota // .name
	stepIndex                 // [at]
	stepKey                   // [name]
)

// field returns the place of a field. It need not be there.
func (p *place) field(name string) *place {
	key, value := lookup(p.node, name)
	return &place{src: p.src, up: p, name: name, kind: stepField, key: key, node: value}
}

// index returns the place of the i-th entry of a list.
func (p *place) index(i int) *place {
	c := &place{src: p.src, up: p, at: i, kind: stepIndex}
	if p.node != nil && p.node.Kind == yaml.SequenceNode && i < len(p.node.Content) {
		c.node = p.node.Content[i]
	}
	return c
}

// labels returns what gives the places of the keys of a map, which may be many.
func (p *place) labels() func(key string) *place {
	at := map[string]int{}
	if p.node != nil && p.node.Kind == yaml.MappingNode {
		for i := len(p.node.Content) - 2; i >= 0; i -= 2 { // of several of one name, the first
			at[p.node.Content[i].Value] = i
		}
	}
	return func(key string) *place {
		c := &place{src: p.src, up: p, name: key, kind: stepKey}
		if i, ok := at[key]; ok {
			c.key, c.node = p.node.Content[i], p.node.Content[i+1]
		}
		return c
	}
}

// onKey returns a place with the position of the key at p in place of its value's.
func (p *place) onKey() *place {
	c := *p
	if p.key != nil {
		c.node = p.key
	}
	return &c
}

// entry returns the place of a key of a mapping, with its value.
func (p *place) entry(kind stepKind, key, value *yaml.Node) *place {
	return &place{src: p.src, up: p, name: key.Value, kind: kind, key: key, node: value}
}

// lookup returns the first entry of a mapping with the key name. Later ones are duplicates, which decoding reports.
func lookup(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Value == name {
			return k, n.Content[i+1]
		}
	}
	return nil, nil
}

// bad reports whether what stands at p was reported by decoding, wholly or for some of its entries. The typed document is not to be trusted
// there, and what is missing from it may be what the bad entry was meant to be.
func (p *place) bad() bool { return p.node != nil && p.src.bad[p.node] }

// written reports whether something stands at p, right or wrong; holds says whether the typed document holds something.
func (p *place) written(holds bool) bool { return holds || p.node != nil }

// stated reports whether something stands at p that decoding understood.
func (p *place) stated(holds bool) bool { return p.written(holds) && !p.bad() }

// position returns the position of the value at p; of its key when the value is empty; and of what it is missing from when it is not there.
func (p *place) position() policy.Position {
	pos := policy.Position{File: p.src.name, Field: p.path()}
	for q := p; q != nil; q = q.up {
		n := q.node
		if n != nil && n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 && q.key != nil {
			n = q.key
		}
		if n != nil {
			pos.Line, pos.Column = n.Line, n.Column
			break
		}
	}
	return pos
}

// path returns the path of p, such as spec.sources[0].allow[1].hosts[0].
func (p *place) path() string { return string(p.appendPath(nil)) }

func (p *place) appendPath(b []byte) []byte {
	if p.up == nil {
		return append(b, p.name...)
	}
	b = p.up.appendPath(b)
	switch p.kind {
	case stepIndex:
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(p.at), 10)
		return append(b, ']')
	case stepKey:
		b = append(b, '[')
		b = append(b, shorten(p.name)...)
		return append(b, ']')
	}
	if len(b) > 0 {
		b = append(b, '.')
	}
	return append(b, shorten(p.name)...)
}

func (p *place) report(code, message, advice string) {
	p.src.report(p.position(), code, message, advice)
}

// missing reports that a field is not in the mapping at p, unless it may be there under a name that was not understood.
func (p *place) missing(name, code, message, advice string) {
	if !p.bad() {
		p.field(name).report(code, message, advice)
	}
}
