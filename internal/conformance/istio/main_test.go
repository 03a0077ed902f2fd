package istio

import (
	"testing"

	"istio.io/istio/pkg/log"
)

func TestMain(m *testing.M) {
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
	m.Run()
}
