// Package marks keeps what commands make in documents that people write. It stands between two comments, the first of which tells the command:
//
//	<!-- name: the command -->
//
//	what it makes
//
//	<!-- end of name -->
package marks

import (
	"fmt"
	"os"
	"strings"
)

// Read returns what stands between the marks of that name in a file, without the empty lines around it.
func Read(file, name string) (string, error) {
	d, err := open(file, name)
	return strings.TrimPrefix(strings.TrimSuffix(d.made, "\n"), "\n"), err
}

// Write puts made, whole lines, between the marks of that name in a file, in the place of what stands there.
func Write(file, name, made string) error {
	d, err := open(file, name)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(d.before+"\n"+made+"\n"+d.after), 0o644)
}

// A document is a file, cut at the marks, which stay with what is outside.
type document struct{ before, made, after string }

func open(file, name string) (document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return document{}, err
	}
	text, first, last := string(data), "<!-- "+name+": ", "<!-- end of "+name+" -->"
	if begin := strings.Index(text, first); begin >= 0 {
		if line := strings.Index(text[begin:], " -->\n"); line >= 0 {
			from := begin + line + len(" -->\n")
			if made, _, ok := strings.Cut(text[from:], last); ok {
				return document{text[:from], made, text[from+len(made):]}, nil
			}
		}
	}
	return document{}, fmt.Errorf("%s: no %q, and %q after it", file, first, last)
}
