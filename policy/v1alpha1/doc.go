// Package v1alpha1 is the document that egress policies are written in: its types, strict decoding with positions, and conversion to
// and from the model of package policy.
//
// [Load] is the short way from files to policies that policy.Compile takes:
//
//	policies, err := v1alpha1.Load(v1alpha1.Path("policy.yaml"))
//
// # What is read
//
// Files hold YAML or JSON, one document or several. Decoding is strict, because a policy that is half understood is a wrong policy: unknown
// fields, duplicate keys, values of another type, empty values, and documents of another kind are errors. So are the parts of YAML by
// which two readers of one text may come to differ, or by which a small text grows large: anchors, aliases, merge keys, tags, directives,
// and plain scalars that YAML 1.1 reads as a number or boolean where a text is meant, such as no, on or 22:22.
//
// A list that is present but empty is an error wherever an absent list means "any": what a template left empty must not widen a rule.
//
// Files are UTF-8 of at most [MaxFileSize] bytes; a byte order mark in front and CRLF line ends are taken, other control characters are not.
//
// # Errors
//
// Every error of every file is reported together, in order of file and position. Errors are policy.Diagnostics, each with file, line, column
// (both counted from 1, columns in characters), field path, and one of the codes of this package, which are stable. The texts are not.
//
// Tools have documents of their own beside policies, such as the profiles of targets. [DecodeInto] reads those into Go values in the same way
// and with the same errors.
//
// # Schemas
//
// The directory schema holds the structural OpenAPI schema of [EgressPolicySpec] for CRDs that embed it, and a JSON Schema of the document
// for editors, both generated from the types. They say less than decoding checks; [ValidateSpec] says it all, for webhooks.
package v1alpha1
