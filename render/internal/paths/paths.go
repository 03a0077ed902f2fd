// Package paths says which paths of HTTP requests have one reading, for targets that tell requests apart by path.
//
// Paths that servers read in different ways get round rules by path, whatever they allow: "/public/../admin", "//admin", "/%61dmin". How many
// of them a gateway makes one of before it looks at rules is a setting of the mesh. So routes of names with such rules take only
// paths that all servers read in the same way, as the model does.
package paths

const (
	plain   = `[-~!$&'()*+,;=:@\w\x{80}-\x{10FFFF}]`
	encoded = `%(?:2[0235]|3[CEFcef]|5[BDEbde]|60|7[BCDbcd]|[89A-Fa-f][\dA-Fa-f])` // what cannot stand for itself, is no '/', no '\', and no control byte

	first   = `(?:` + plain + `|` + encoded + `)`
	other   = `(?:\.|` + plain + `|` + encoded + `)`
	segment = `(?:\.?` + first + other + `*|\.\.` + other + `+)` // but for "", "." and ".."

	// Unambiguous matches a path, without its query, that has one reading. It is in RE2's syntax, and within the 1,024 bytes that Gateway API takes.
	Unambiguous = `/(?:` + segment + `(?:/` + segment + `)*/?)?`
)
