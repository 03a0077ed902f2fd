package pilot

import (
	"errors"
	"maps"
	"sync"
	"time"

	"istio.io/istio/pilot/pkg/config/kube/gateway"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/status"
	"istio.io/istio/pkg/config"
)

// AwaitStatus has Pilot write the status of Gateway API objects, and asks ok about what it has written, by "Kind/namespace/name", until
// ok has no error. After the time given it returns the last one. What Pilot writes settles only after a while.
func (p *Pilot) AwaitStatus(patience time.Duration, ok func(written map[string]any) error) error {
	controller, is := p.server.Env().GatewayAPIController.(*gateway.Controller)
	if !is {
		return errors.New("no controller for Gateway API")
	}
	store := &statuses{written: map[string]any{}}
	stop := make(chan struct{})
	defer close(stop)
	manager := status.NewManager(store)
	manager.Start(stop)
	controller.SetStatusWrite(true, manager)
	defer controller.SetStatusWrite(false, nil)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if err := ok(store.snapshot()); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// statuses is a store that takes statuses and nothing else.
type statuses struct {
	model.ConfigStore
	mu      sync.Mutex
	written map[string]any
}

func (s *statuses) Get(kind config.GroupVersionKind, name, namespace string) *config.Config {
	return &config.Config{Meta: config.Meta{GroupVersionKind: kind, Name: name, Namespace: namespace}}
}

func (s *statuses) UpdateStatus(c config.Config) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[c.GroupVersionKind.Kind+"/"+c.Namespace+"/"+c.Name] = c.Status
	return "", nil
}

func (s *statuses) snapshot() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.written)
}
