package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/egresskit/egress/policy"
)

// MaxFileSize is the most bytes that a file may have. A policy of 100,000 rules has about 15 MB.
const MaxFileSize = 32 << 20

// A File is a named text of documents. The name is what positions say; it need not exist anywhere.
type File struct {
	Name   string
	Reader io.Reader
}

// Path returns the file at path; "-" is standard input. It is opened whenever it is read, and closed then. That it can't be opened is
// reported together with the errors of other files.
func Path(path string) File {
	if path == "-" {
		return File{"<stdin>", os.Stdin}
	}
	return File{path, &fileAt{path: path}}
}

// fileAt opens a file at the first read and closes it when a read ends in an error or io.EOF.
type fileAt struct {
	path string
	f    *os.File
}

func (r *fileAt) Read(b []byte) (int, error) {
	if r.f == nil {
		f, err := os.Open(r.path)
		if err != nil {
			return 0, err
		}
		r.f = f
	}
	n, err := r.f.Read(b)
	if err != nil {
		r.close()
	}
	return n, err
}

func (r *fileAt) close() {
	if r.f != nil {
		r.f.Close()
		r.f = nil
	}
}

// Load reads the policies of files, in the order of files and of the documents in them. Policies without errors have positions for
// whatever a later diagnostic may be about. The error is a policy.Diagnostics with all errors of all files; no policies are returned then.
func Load(files ...File) ([]*policy.Policy, error) {
	docs, err := load(files)
	if err != nil {
		return nil, err
	}
	out := make([]*policy.Policy, len(docs))
	for i, d := range docs {
		out[i] = d.policy
	}
	return out, nil
}

// Decode reads the documents of files as they are written, with the checks of [Load] and the same errors.
func Decode(files ...File) ([]*EgressPolicy, error) {
	docs, err := load(files)
	if err != nil {
		return nil, err
	}
	out := make([]*EgressPolicy, len(docs))
	for i, d := range docs {
		out[i] = d.written
	}
	return out, nil
}

// A document is one policy, as written and as meant.
type document struct {
	written *EgressPolicy
	policy  *policy.Policy
	nameAt  policy.Position
}

func load(files []File) ([]document, error) {
	var docs []document
	var found policy.Diagnostics
	for _, f := range files {
		src := newSource(f.Name)
		docs = append(docs, src.load(f.Reader)...)
		found = append(found, src.diagnostics()...)
	}
	found = append(found, duplicatePolicies(docs)...)
	found.Sort()
	if err := found.Err(); err != nil {
		return nil, err
	}
	return docs, nil
}

// load reads the documents of one file. What is wrong is in s.found.
func (s *source) load(r io.Reader) []document {
	text, ok := s.read(r)
	if !ok {
		return nil
	}
	var docs []document
	empty := true
	parts, ok := s.splitDocuments(text)
	if !ok {
		return nil
	}
	for _, part := range parts {
		roots, ok := s.parse(part)
		empty = empty && ok && len(roots) == 0
		for _, n := range roots {
			if d, ok := s.document(n); ok {
				docs = append(docs, d)
			}
		}
	}
	if empty {
		what := "the file is empty"
		if len(bytes.TrimSpace(text)) > 0 {
			what = "the file holds no document"
		}
		s.report(policy.Position{File: s.name, Line: 1, Column: 1}, CodeEmpty, what, "write a policy: apiVersion: "+APIVersion+", kind: "+Kind)
	}
	return docs
}

// read reads no more than MaxFileSize bytes and checks that they are text.
func (s *source) read(r io.Reader) ([]byte, bool) {
	if r == nil {
		s.report(policy.Position{File: s.name}, CodeUnreadable, "the file has no reader", "")
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxFileSize+1))
	if c, ok := r.(*fileAt); ok {
		c.close()
	}
	var pathErr *os.PathError
	switch {
	case errors.As(err, &pathErr):
		s.report(policy.Position{File: s.name}, CodeUnreadable, pathErr.Op+": "+pathErr.Err.Error(), "")
		return nil, false
	case err != nil:
		s.report(policy.Position{File: s.name}, CodeUnreadable, err.Error(), "")
		return nil, false
	case len(text) > MaxFileSize:
		s.report(policy.Position{File: s.name, Line: 1, Column: 1}, CodeTooLarge, fmt.Sprintf("the file has more than %d MiB", MaxFileSize>>20), "split it into several files")
		return nil, false
	}
	return s.checkText(text)
}

// duplicatePolicies reports each policy whose namespace and name an earlier one has.
func duplicatePolicies(docs []document) policy.Diagnostics {
	type key struct{ namespace, name string }
	first := make(map[key]policy.Position, len(docs))
	var found policy.Diagnostics
	// By position, so that which one counts as the first does not depend on the order of files.
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b document) int { return a.nameAt.Compare(b.nameAt) })
	for _, d := range docs {
		k := key{d.policy.Namespace, d.policy.Name}
		if k.name == "" {
			continue // reported already
		}
		if other, ok := first[k]; ok {
			found = append(found, policy.Diagnostic{
				Severity: policy.Error, Code: CodeDuplicatePolicy, Position: d.nameAt,
				Message: fmt.Sprintf("another policy is named %q, at %s", policyName(d.policy), other),
				Advice:  "give each policy a name of its own, or merge the two",
			})
			continue
		}
		first[k] = d.nameAt
	}
	return found
}

func policyName(p *policy.Policy) string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}
