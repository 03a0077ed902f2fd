package kube

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxLists bounds how deep lists are nested in lists.
const maxLists = 8

// An object is what an inventory needs of a Kubernetes object, and of a list of them.
type object struct {
	at               place
	apiVersion, kind string
	namespace, name  string
	labels           map[string]string
	account          string // spec.serviceAccountName
	items            []object
	bad              *Error // what was wrong first; an object of another kind may have anything
}

// readObject reads an object from the tree of a document. Fields that the inventory has no use for are not looked at.
func readObject(at place, n *yaml.Node, depth int) object {
	at.line = n.Line
	r := reader{object{at: at}}
	top := r.fields(n, "")
	r.apiVersion = r.text(top["apiVersion"], "apiVersion")
	r.kind = r.text(top["kind"], "kind")
	metadata := r.fields(top["metadata"], "metadata")
	r.namespace = r.text(metadata["namespace"], "metadata.namespace")
	r.name = r.text(metadata["name"], "metadata.name")
	for key, value := range r.fields(metadata["labels"], "metadata.labels") {
		if r.labels == nil {
			r.labels = make(map[string]string)
		}
		r.labels[key] = r.text(value, "metadata.labels."+quote(key))
	}
	if r.kind == "Pod" {
		spec := r.fields(top["spec"], "spec")
		r.account = r.text(spec["serviceAccountName"], "spec.serviceAccountName")
	}
	if items := top["items"]; items != nil && strings.HasSuffix(r.kind, "List") {
		r.list(items, depth)
	}
	return r.object
}

// A reader takes an object apart and keeps the first mistake.
type reader struct{ object }

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	at := r.at
	at.line = n.Line
	// The first by line, as maps have no order.
	if r.bad == nil || n.Line < r.bad.Line {
		r.bad = at.errorf(format, args...)
	}
}

// fields returns the values of a mapping by key; none for a null and for a field that is not there.
func (r *reader) fields(n *yaml.Node, path string) map[string]*yaml.Node {
	if n == nil || isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s is %s, not a mapping", what(path), kindOf(n))
		return nil
	}
	out := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag != "!!str":
			r.fail(key, "a key of %s is %s, not a text; put it in quotes", what(path), kindOf(key))
		case out[key.Value] != nil:
			r.fail(key, "%s has the key %s twice", what(path), quote(key.Value))
		default:
			out[key.Value] = value
		}
	}
	return out
}

// text returns the value of a text; none for a null and for a field that is not there.
func (r *reader) text(n *yaml.Node, path string) string {
	if n == nil || isNull(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		r.fail(n, "%s is %s, not a text; put it in quotes", path, kindOf(n))
		return ""
	}
	return n.Value
}

func (r *reader) list(items *yaml.Node, depth int) {
	switch {
	case isNull(items):
	case items.Kind != yaml.SequenceNode:
		r.fail(items, "items is %s, not a list", kindOf(items))
	case depth >= maxLists:
		r.fail(items, "lists in lists, more than %d deep", maxLists)
	default:
		for _, item := range items.Content {
			r.items = append(r.items, readObject(r.at, item, depth+1))
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kindOf names what a node is, for messages.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (write what it stands for)"
	}
	switch n.Tag {
	case "!!null":
		return "empty"
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a truth value"
	case "!!merge":
		return "a merge"
	}
	return quote(n.Tag)
}

func what(path string) string {
	if path == "" {
		return "the object"
	}
	return path
}

// quote quotes s for a message, cut to a length that fits one.
func quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q...", s[:80])
	}
	return fmt.Sprintf("%q", s)
}
