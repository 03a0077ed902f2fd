package render

import (
	"fmt"
	"strings"

	"github.com/egresskit/egress/internal/wording"
)

// A WideningError reports rules that take away and that the targets cannot say, or grants that a renderer says wider than it may. There are
// no objects.
type WideningError struct{ Losses []Loss }

func (e *WideningError) Error() string {
	return "the manifests would let more pass than the policies say; change what these say, or accept each by its rule and with a reason:\n" + lines(e.Losses)
}

// An UnaccountedError reports grants that a renderer neither emitted nor skipped: a mistake of the renderer.
type UnaccountedError struct {
	Target string
	Grants []*Grant
}

func (e *UnaccountedError) Error() string {
	ids := make([]string, len(e.Grants))
	for i, g := range e.Grants {
		ids[i] = string(g.ID)
	}
	return fmt.Sprintf("target %s neither emitted nor skipped %s:\n%s", e.Target, wording.Count(len(ids), "grant"), strings.Join(ids, "\n"))
}

// A StrictError reports the losses that made a strict rendering fail.
type StrictError struct{ Losses []Loss }

func (e *StrictError) Error() string {
	return fmt.Sprintf("%s, and the rendering is strict:\n%s", wording.Count(len(e.Losses), "loss"), lines(e.Losses))
}

func lines(losses []Loss) string {
	out := make([]string, len(losses))
	for i, l := range losses {
		out[i] = l.String()
	}
	return strings.Join(out, "\n")
}
