package check

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	crdvalidation "istio.io/istio/pkg/config/crd"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
)

// Channel is a release channel of Gateway API.
type Channel string

// The channels. The experimental one holds all of the standard one.
const (
	Standard     Channel = "standard"
	Experimental Channel = "experimental"
)

// Schemas returns what the resource definitions of a channel, of the release of Gateway API that renderers are built with, find in objects
// of its groups. A kind or version that the channel does not serve is an error like any other.
func Schemas(c Channel, objs []*objects.Object) ([]Finding, error) {
	schemas, err := channels[c]()
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", c, err)
	}
	var found []Finding
	for _, o := range objs {
		switch o.GroupVersionKind().Group {
		case "gateway.networking.k8s.io", "gateway.networking.x-k8s.io":
			if err := schemas.ValidateCustomResource(o.DeepCopy()); err != nil {
				found = append(found, Finding{Error: true, Check: "schema of channel " + string(c), Object: name(o), Message: err.Error()})
			}
		}
	}
	return found, nil
}

var channels = map[Channel]func() (*crdvalidation.Validator, error){
	Standard:     sync.OnceValues(func() (*crdvalidation.Validator, error) { return channel(Standard) }),
	Experimental: sync.OnceValues(func() (*crdvalidation.Validator, error) { return channel(Experimental) }),
}

// channel reads the resource definitions that ship with Gateway API's Go types.
func channel(c Channel) (*crdvalidation.Validator, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "config/crd", string(c), "gateway.networking.*k8s.io_*s.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no resource definitions in %s: %v", dir, err)
	}
	var definitions []string
	for _, f := range files {
		if !strings.Contains(f, "_vap_") { // an admission policy about the definitions themselves
			definitions = append(definitions, f)
		}
	}
	return crdvalidation.NewValidatorFromFilesWithOptions(definitions, crdvalidation.WithoutCRDValidation())
}
