// Package objects reads Kubernetes manifests the way an API server does: one object a document, with integers kept as integers.
package objects

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/egresskit/egress/render"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// An Object is a manifest that was read.
type Object = unstructured.Unstructured

// Parse reads a stream of YAML or JSON documents in order. Empty documents are skipped; the items of a List count one by one.
func Parse(manifests []byte) ([]*Object, error) {
	var out []*Object
	docs := yamlstream.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for n := 1; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		// Unstructured's own decoder keeps integers apart from floats, which CEL rules of CRDs insist on; a plain map would not.
		js, err := yaml.YAMLToJSONStrict(doc)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if bytes.Equal(bytes.TrimSpace(js), []byte("null")) {
			continue
		}
		o := &Object{}
		if err := o.UnmarshalJSON(js); err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if !o.IsList() {
			out = append(out, o)
			continue
		}
		list, err := o.ToList()
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		for i := range list.Items {
			out = append(out, &list.Items[i])
		}
	}
}

// Rendered reads what a renderer made, through the bytes that a user would apply.
func Rendered(rendered []render.Object) ([]*Object, error) {
	var b bytes.Buffer
	if err := render.WriteYAML(&b, rendered); err != nil {
		return nil, err
	}
	return Parse(b.Bytes())
}
