// Package reconciler stands in for github.com/cilium/statedb/reconciler.
package reconciler

import (
	"time"

	"github.com/cilium/hive/cell"
)

// Status of an object that no reconciler handles.
type Status struct {
	Kind      Kind
	UpdatedAt time.Time
}

// Kind of a status.
type Kind string

func (k Kind) String() string { return string(k) }

func (Status) GetError() string { return "" }

type Metrics interface {
	PruneDuration(moduleID cell.FullModuleID, name string, duration time.Duration)
	PruneError(moduleID cell.FullModuleID, name string, err error)
	ReconciliationDuration(moduleID cell.FullModuleID, name, operation string, duration time.Duration)
	ReconciliationErrors(moduleID cell.FullModuleID, name string, new, current int)
}
