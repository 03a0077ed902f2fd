package gatewayapi

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/egresskit/egress/match"
)

// unsayable returns why a name can't be said, and "" when it can. Gateway API takes the labels of Hostname (shared_types.go): no '_' and no '-' at
// either end.
func (p Profile) unsayable(name match.Pattern) string {
	text := strings.TrimPrefix(name.String(), "*.")
	for _, label := range strings.Split(text, ".") {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return fmt.Sprintf("Gateway API takes no label such as %q, only letters and digits with '-' between them", label)
		}
	}
	if p.istio() && !strings.Contains(text, ".") {
		return "Istio reads a name of one label as a Kubernetes service"
	}
	if text == p.ClusterDomain || strings.HasSuffix(text, "."+p.ClusterDomain) || name.Kind() == match.Subdomains && strings.HasSuffix(p.ClusterDomain, "."+text) {
		return fmt.Sprintf("names below %s are inside the cluster", p.ClusterDomain)
	}
	return ""
}
