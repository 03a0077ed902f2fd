package istio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	security "istio.io/api/security/v1beta1"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// TestSplits holds objects to the sizes and counts that clusters take: more rules, more names and longer ones than fit into one.
func TestSplits(t *testing.T) {
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".example.com"
	list := func(n int, format string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return strings.Join(out, " ")
	}
	var many []render.NameClass
	for i := range 600 {
		many = append(many, names(policy.HTTP, 80, fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("ns-%d/a", i), ""))
	}
	for _, tt := range []struct {
		name     string
		classes  []render.NameClass
		policies int
		refused  bool
	}{
		{"rules", many, 2, false},
		{"names of a class", []render.NameClass{names(policy.HTTP, 80, list(4000, "n%d."+long), "shop/a", "")}, 6, false},
		{"names below a wildcard", []render.NameClass{names(policy.HTTP, 80, "*.example.com", "shop/a", ""), names(policy.HTTP, 80, list(300, "n%d."+long), "shop/b", "")}, 1, false},
		{"too many names below a wildcard", []render.NameClass{names(policy.HTTP, 80, "*.example.com", "shop/a", ""), names(policy.HTTP, 80, list(1000, "n%d."+long), "shop/b", "")}, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := build(t, defaultRenderer(t), known{}, nil, tt.classes, nil)
			policies := 0
			for _, o := range rec.objects {
				text, err := json.Marshal(o.Spec)
				if err != nil {
					t.Fatal(err)
				}
				if len(text) > maxObject {
					t.Errorf("%s %s has %d bytes", o.Kind, o.Name, len(text))
				}
				if p, ok := o.Spec.(*security.AuthorizationPolicy); ok && strings.HasPrefix(o.Name, "egress-http") {
					policies++
					if len(p.Rules) == 0 || len(p.Rules) > maxRules {
						t.Errorf("%s has %d rules", o.Name, len(p.Rules))
					}
				}
			}
			if policies != tt.policies {
				t.Errorf("%d policies, want %d", policies, tt.policies)
			}
			if got := len(rec.skipped) > 0; got != tt.refused {
				t.Errorf("refused: %v", rec.skipped)
			}
		})
	}
}
