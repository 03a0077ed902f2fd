package policy_test

import (
	"runtime"
	"testing"
)

// Rules for everyone are held once, not once a source.
func TestSharedRulesAreHeldOnce(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const sources, own, shared = 500, 2, 2000
	policies := fleet(sources, own, shared)
	before := heap()
	e := compile(t, policies)
	held := heap() - before
	if perRule := held / (sources*own + shared); perRule > 400 {
		t.Errorf("%d bytes a rule", perRule)
	}
	runtime.KeepAlive(e)
	runtime.KeepAlive(policies)
}
