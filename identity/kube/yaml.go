package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxYAML bounds what is parsed at once, since the tree of a text takes many times its size.
const maxYAML = 16 << 20

// loadYAML reads the documents of a file. A document is parsed by itself, and so is each item of a list in the form that kubectl
// writes, so that a large dump takes little more memory than its text.
func (c *collector) loadYAML(at place, text []byte) {
	above := 0 // lines before the document
	for len(text) > 0 {
		var doc []byte
		doc, text = cutDocument(text)
		if !blank(doc) {
			at.document++
			c.loadDocument(at, doc, above)
		}
		above += bytes.Count(doc, newline)
	}
}

var newline = []byte("\n")

// cutDocument splits a text before its second document. The marker --- at the beginning of a line is one wherever it stands: within a
// value, lines are indented.
func cutDocument(text []byte) (doc, rest []byte) {
	for end := lineEnd(text); end < len(text); end += lineEnd(text[end:]) {
		if marker(text[end:]) {
			return text[:end], text[end:]
		}
	}
	return text, nil
}

func marker(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// lineEnd returns the length of the first line, with its end.
func lineEnd(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return len(text)
}

// blank reports whether a document is but markers, comments and blank lines.
func blank(doc []byte) bool {
	for len(doc) > 0 {
		line := doc[:lineEnd(doc)]
		doc = doc[len(line):]
		line = bytes.TrimSpace(line)
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("---")))
		if len(line) > 0 && line[0] != '#' && string(line) != "..." {
			return false
		}
	}
	return true
}

func (c *collector) loadDocument(at place, doc []byte, above int) {
	head, items, itemsAbove := cutItems(doc)
	n, err := c.parse(at, "a document", head, above)
	if err != nil {
		c.fail(err)
		return
	}
	o := readObject(at, n, 0)
	for itemsAbove += above; len(items) > 0; {
		end := lineEnd(items)
		for end < len(items) && items[end] != '-' {
			end += lineEnd(items[end:])
		}
		n, err := c.parse(at, "an object", items[:end], itemsAbove)
		switch {
		case err != nil:
			c.fail(err)
		case n.Kind == yaml.SequenceNode && len(n.Content) == 1:
			o.items = append(o.items, readObject(at, n.Content[0], 1))
		default:
			at.line = n.Line
			c.fail(at.errorf("not an item of the list above"))
		}
		itemsAbove += bytes.Count(items[:end], newline)
		items = items[end:]
	}
	c.add(o)
}

// cutItems takes the items out of a list in the form that kubectl writes: "items:" and the dashes of the items at the beginning of a
// line, where YAML allows nothing else that could be mistaken for them. The head keeps its lines; items is empty in any other form.
func cutItems(doc []byte) (head, items []byte, above int) {
	start := 0
	for !bytes.HasPrefix(doc[start:], []byte("items:")) {
		start += lineEnd(doc[start:])
		if start == len(doc) {
			return doc, nil, 0
		}
	}
	from := start + lineEnd(doc[start:])
	if string(bytes.TrimSpace(doc[start:from])) != "items:" || from == len(doc) || !bytes.HasPrefix(doc[from:], []byte("- ")) {
		return doc, nil, 0
	}
	to := from
	for to < len(doc) && strings.IndexByte("- #\r\n", doc[to]) >= 0 && !bytes.HasPrefix(doc[to:], []byte("---")) {
		to += lineEnd(doc[to:])
	}
	above = bytes.Count(doc[:from], newline)
	gone := bytes.Count(doc[start:to], newline)
	head = bytes.Join([][]byte{doc[:start], bytes.Repeat(newline, gone), doc[to:]}, nil)
	return head, doc[from:to], above
}

// parse returns the root of a text in which there is one document, whose lines it moves by those above.
func (c *collector) parse(at place, what string, text []byte, above int) (root *yaml.Node, bad *Error) {
	at.line = above + 1
	if len(text) > maxYAML {
		return nil, at.errorf("%s", tooLarge(what, maxYAML))
	}
	// The library reports mistakes by panics of its own, which it recovers. For a text that it has no words for, it would let others
	// through.
	defer func() {
		if r := recover(); r != nil {
			root, bad = nil, at.errorf("not YAML: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); err != nil {
		line, message := syntaxError(err)
		at.line += max(line-1, 0)
		return nil, at.errorf("not YAML: %s", message)
	}
	if err := dec.Decode(&next); !errors.Is(err, io.EOF) {
		return nil, at.errorf("more than one document; put --- between them")
	}
	root = doc.Content[0]
	moveLines(root, above, 0)
	return root, nil
}

// moveLines moves the lines of what an inventory may look at: lists in lists are as deep as it gets.
func moveLines(n *yaml.Node, by, depth int) {
	n.Line += by
	if depth < 4*maxLists {
		for _, child := range n.Content {
			moveLines(child, by, depth+1)
		}
	}
}

// syntaxError splits an error of the library into the line, 0 when it names none, and what was found.
func syntaxError(err error) (line int, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, after, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				return line, after
			}
		}
	}
	return 0, fmt.Sprintf("%.200s", message)
}
