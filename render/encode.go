package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// WriteYAML writes the objects as a stream of YAML documents, sorted by apiVersion, kind, namespace and name. The same objects give the same
// bytes. Nothing is written when an object cannot be encoded.
func WriteYAML(w io.Writer, objects []Object) error {
	encoded, err := encodeAll(objects)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for i, e := range encoded {
		doc, err := yaml.JSONToYAML(e)
		if err != nil {
			return fmt.Errorf("render: %w", err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(doc)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// WriteJSON writes the objects as one JSON List (v1), indented, in the order of [WriteYAML]. Nothing is written when an object cannot be
// encoded.
func WriteJSON(w io.Writer, objects []Object) error {
	encoded, err := encodeAll(objects)
	if err != nil {
		return err
	}
	items := make([]json.RawMessage, len(encoded))
	for i, e := range encoded {
		items[i] = e
	}
	list, err := marshal(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{"v1", "List", items})
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, list, "", "  "); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

// encodeAll returns the objects in order, each as one line of JSON.
func encodeAll(objects []Object) ([][]byte, error) {
	sorted := slices.Clone(objects)
	sortObjects(sorted)
	out := make([][]byte, len(sorted))
	for i := range sorted {
		e, err := encode(&sorted[i])
		if err != nil {
			return nil, fmt.Errorf("render: %s: %w", sorted[i].id(), err)
		}
		out[i] = e
	}
	return out, nil
}

func sortObjects(objects []Object) {
	slices.SortStableFunc(objects, func(a, b Object) int {
		return cmp.Or(strings.Compare(a.APIVersion, b.APIVersion), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name))
	})
}

// encode returns o as JSON with sorted keys: apiVersion, kind, what is given of metadata, and spec. Typed objects of Kubernetes would add
// an empty status and nulls, which server-side apply takes as a claim to these fields.
func encode(o *Object) ([]byte, error) {
	if o.APIVersion == "" || o.Kind == "" || o.Name == "" {
		return nil, fmt.Errorf("an object needs apiVersion, kind and name")
	}
	meta := map[string]any{"name": o.Name}
	if o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	if len(o.Labels) > 0 {
		meta["labels"] = o.Labels
	}
	if len(o.Annotations) > 0 {
		meta["annotations"] = o.Annotations
	}
	out := map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": meta}
	if o.Spec != nil {
		spec, err := plain(o.Spec)
		if err != nil {
			return nil, err
		}
		out["spec"] = spec
	}
	return marshal(out)
}

// plain returns a spec as maps, lists, strings, numbers and booleans without nulls. Going through encoding/json evens out the random
// blanks that protojson puts between tokens.
func plain(spec any) (map[string]any, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // float64 would spoil large integers
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the spec encodes to %.20q and not to a JSON object", data)
	}
	return m, dropNulls(m)
}

// dropNulls removes the fields that are null, at every depth. A null in a list is an error: without it the others would move.
func dropNulls(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			if err := dropNulls(e); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if e == nil {
				return fmt.Errorf("the spec has a null in a list")
			}
			if err := dropNulls(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// marshal is json.Marshal that leaves '<', '>' and '&' as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
