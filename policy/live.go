package policy

import (
	"sync/atomic"

	"github.com/egresskit/egress/identity"
)

// A Live is an engine that can be replaced while requests are decided. The zero Live denies everything until the first Store. It must not
// be copied after first use.
type Live struct{ engine atomic.Pointer[Engine] }

// Store replaces the engine: decisions that begin after it use e. A nil e denies everything.
func (l *Live) Store(e *Engine) { l.engine.Store(e) }

// Load returns the engine in use; nil before the first Store. Decisions that belong together should use one engine.
func (l *Live) Load() *Engine { return l.engine.Load() }

// For returns the view of a workload in the engine in use. The view keeps to that engine.
func (l *Live) For(w identity.Workload) View { return l.Load().For(w) }

// Decide decides by the engine in use.
func (l *Live) Decide(r Request) Decision { return l.Load().Decide(r) }
