// Package wording writes numbers of things as a person would.
package wording

import (
	"fmt"
	"strings"
)

// Count returns a number of things, of which one is called what: "1 pod", "2 pods", "0 losses". What takes -s in the plural, or -es after an s.
func Count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		what += "es"
	default:
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
