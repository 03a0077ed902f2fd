package identity_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestValidateCluster(t *testing.T) {
	for _, ok := range []string{"Kubernetes", "a", "gke_my-project_europe-west1-b_prod", "arn:aws:eks:eu-west-1:123:cluster/prod", "admin@prod.example", strings.Repeat("a", 253)} {
		if err := identity.ValidateCluster(ok); err != nil {
			t.Error(ok, err)
		}
	}
	for _, bad := range []string{"", "a b", "a,b", "a*", "a?", "ä", "a\n", `a"`, "a=b", "[a]", strings.Repeat("a", 254)} {
		if identity.ValidateCluster(bad) == nil {
			t.Errorf("%q is a cluster name", bad)
		}
	}
}

// A name is what the API server takes, less the rule that a letter or digit stands on both sides of each dot.
func TestValidateNameTakesWhatKubernetesTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.SampledFrom([]rune("a0-.A_ ")), 0, 6, -1).Draw(t, "name")
		err := identity.ValidateName(name)
		if len(validation.IsDNS1123Subdomain(name)) == 0 && err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if between := strings.Trim(name, "a0"); (err == nil) != (name != "" && strings.Trim(name, "-.") == name && strings.Trim(between, "a0-.") == "") {
			t.Fatalf("%q: %v", name, err)
		}
	})
	for n, ok := range map[int]bool{253: true, 254: false} {
		if err := identity.ValidateName(strings.Repeat("a", n)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := identity.NewSelector(identity.Term{Namespaces: []string{strings.Repeat("a", n-1) + "*"}}); (err == nil) != ok {
			t.Errorf("a glob of %d bytes: %v", n, err)
		}
	}
}
