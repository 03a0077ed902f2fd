package kube

import (
	"bytes"
	"fmt"
	"io"

	"github.com/egresskit/egress/identity"
)

// MaxFileSize is the most bytes that a dump may have: about 10,000 pods in YAML, or more in the terser forms. Several files take more.
const MaxFileSize = 256 << 20

// A File is a named dump. The name is what errors say; it need not exist anywhere.
type File struct {
	Name   string
	Reader io.Reader
}

// Load builds an inventory from dumps in YAML or JSON, each with any number of documents: Namespace, ServiceAccount and Pod objects and
// lists of them. Objects of other kinds are counted and otherwise ignored, and so are fields that the inventory has no use for.
//
// The error joins an [*Error] for each mistake, a hundred at most: a text that is neither YAML nor JSON, an object without apiVersion,
// kind or name, a service account or pod without a namespace, a name or label that no API server takes, one object twice, and what
// exceeds the limits: [MaxFileSize], 16 MiB for one object of a YAML list or one document that is not a list, 200 levels of nesting
// in JSON. There is no inventory then; the summary counts what was read.
func Load(files ...File) (*identity.Inventory, Summary, error) {
	var c collector
	for _, f := range files {
		c.load(f, MaxFileSize)
	}
	return c.inventory()
}

// load reads a file of at most limit bytes.
func (c *collector) load(f File, limit int) {
	at := place{file: f.Name}
	if at.file == "" {
		at.file = "dump"
	}
	text, err := io.ReadAll(io.LimitReader(f.Reader, int64(limit)+1))
	switch {
	case err != nil:
		c.fail(at.errorf("%v", err))
		return
	case len(text) > limit:
		c.fail(at.errorf("larger than %d MiB; split the dump, by namespaces for example", limit>>20))
		return
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	objects := c.summary.total()
	failed := len(c.errs)
	if t := bytes.TrimLeft(text, " \t\r\n"); len(t) > 0 && t[0] == '{' {
		c.loadJSON(at, text)
	} else {
		c.loadYAML(at, text)
	}
	if c.summary.total() == objects && len(c.errs) == failed {
		c.fail(at.errorf("holds no objects; write what kubectl get namespaces,serviceaccounts,pods --all-namespaces -o yaml prints"))
	}
}

func (s Summary) total() int {
	n := s.Namespaces + s.ServiceAccounts + s.Pods
	for _, o := range s.Ignored {
		n += o.Count
	}
	return n
}

// tooLarge is the message for what exceeds a limit of bytes.
func tooLarge(what string, limit int) string {
	return fmt.Sprintf("%s larger than %d MiB", what, limit>>20)
}
