package istio

import (
	"slices"

	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/internal/paths"
)

// unambiguousPath is what paths of names with rules by path have to match.
const unambiguousPath = paths.Unambiguous

// byPath reports whether rules tell requests to the names apart by their path.
func (c *nameClass) byPath() bool {
	return slices.ContainsFunc(c.Calls, func(call render.Call) bool { return len(call.Paths) > 0 }) ||
		slices.ContainsFunc(c.Denies, func(d *render.Grant) bool { return len(d.To.Paths) > 0 })
}
