package render

import "io"

// WriteYAML writes the objects as a stream of YAML documents, sorted by apiVersion, kind, namespace and name. The same objects give the same
// bytes. Nothing is written when an object cannot be encoded.
func WriteYAML(w io.Writer, objects []Object) error { panic("render: not written yet") }

// WriteJSON writes the objects as one JSON List (v1), indented, in the order of [WriteYAML].
func WriteJSON(w io.Writer, objects []Object) error { panic("render: not written yet") }
