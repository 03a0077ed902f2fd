package istio

import (
	"runtime/debug"
	"testing"

	"istio.io/istio/pkg/log"
)

func TestMain(m *testing.M) {
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
	debug.SetGCPercent(300) // servers come and go, and memory is cheaper here than time
	m.Run()
}
