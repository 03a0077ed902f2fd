package istio

import (
	"slices"

	"github.com/egresskit/egress/render"
)

// Paths that servers read in different ways get round rules by path, whatever they allow: "/public/../admin", "//admin", "/%61dmin". How many
// of them a gateway makes one of before it looks at rules is a setting of the mesh. So routes of names with such rules take only
// paths that all servers read in the same way, as the model does.
const (
	plain   = `[-~!$&'()*+,;=:@\w\x{80}-\x{10FFFF}]`
	encoded = `%(?:2[0235]|3[CEFcef]|5[BDEbde]|60|7[BCDbcd]|[89A-Fa-f][\dA-Fa-f])` // what cannot stand for itself, is no '/', no '\', and no control byte

	first   = `(?:` + plain + `|` + encoded + `)`
	other   = `(?:\.|` + plain + `|` + encoded + `)`
	segment = `(?:\.?` + first + other + `*|\.\.` + other + `+)` // but for "", "." and ".."

	// unambiguousPath matches a path, without its query, that has one reading.
	unambiguousPath = `/(?:` + segment + `(?:/` + segment + `)*/?)?`
)

// byPath reports whether rules tell requests to the names apart by their path.
func (c *nameClass) byPath() bool {
	return slices.ContainsFunc(c.Calls, func(call render.Call) bool { return len(call.Paths) > 0 }) ||
		slices.ContainsFunc(c.Denies, func(d *render.Grant) bool { return len(d.To.Paths) > 0 })
}
