package istio_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/egresskit/egress/internal/golden"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/istio"
)

// scenario returns the plan of the scenario's policy.
func scenario(t testing.TB) *render.Plan {
	t.Helper()
	policies, err := v1alpha1.Load(v1alpha1.Path(filepath.Join("testdata", "scenario.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	return render.NewPlan(engine, "")
}

// TestScenario compares what the scenario gives with golden files: the objects, and what is said about them.
func TestScenario(t *testing.T) {
	for name, change := range map[string]func(*istio.Profile){
		"scenario":                func(*istio.Profile) {},
		"scenario-no-envoyfilter": func(p *istio.Profile) { p.EnvoyFilter = false },
		"scenario-direct":         func(p *istio.Profile) { p.Egress = istio.Direct },
		"scenario-ambient":        func(p *istio.Profile) { p.DataPlane = istio.Ambient },
	} {
		t.Run(name, func(t *testing.T) {
			p := istio.DefaultProfile()
			change(&p)
			checkScenario(t, name, p)
		})
	}
}

func checkScenario(t *testing.T, name string, p istio.Profile) {
	r, err := istio.New(p)
	if err != nil {
		t.Fatal(err)
	}
	res, err := render.Render(scenario(t), render.Stack{r})
	if err != nil {
		t.Fatal(err)
	}
	var report strings.Builder
	for _, l := range res.Losses {
		fmt.Fprintf(&report, "loss: %s\n", l)
	}
	for _, a := range res.Assumptions {
		fmt.Fprintf(&report, "assumption %s: %s\n", a.Code, a.Text)
	}
	for _, a := range res.Assurances {
		fmt.Fprintf(&report, "assurance %s: %d at the %s: %s\n", a.Grant.ID, a.Holds, a.EnforcedAt, a.Why)
	}
	golden.Compare(t, filepath.Join("testdata", name+".objects.yaml"), golden.YAML(res.Objects))
	golden.Compare(t, filepath.Join("testdata", name+".report.txt"), report.String())
}
