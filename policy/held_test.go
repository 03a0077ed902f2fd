package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/egresskit/egress/policy"
)

// Rules that differ in a single thing are told apart beside each other as they are alone.
func TestWhatRulesShareIsTheSame(t *testing.T) {
	plain := func() policy.Rule { return policy.Rule{To: policy.MustHosts("a.com", "b.com").HTTP(80)} }
	var rules, changed []policy.Rule
	for _, change := range []func(r *policy.Rule){
		func(r *policy.Rule) { r.To = r.To.TCP(80) },
		func(r *policy.Rule) { r.To.Hosts = r.To.Hosts[1:] },
		func(r *policy.Rule) { r.To = r.To.HTTP(81) },
		func(r *policy.Rule) { r.To = policy.MustAddresses("192.0.2.0/24").HTTP(80) },
		func(r *policy.Rule) { r.To = policy.MustAddresses("192.0.2.0/25").HTTP(80) },
		func(r *policy.Rule) { r.To.Methods = []string{"GET"} },
		func(r *policy.Rule) { r.To.Methods = []string{"PUT"} },
		func(r *policy.Rule) { r.To.Paths = []policy.Path{policy.MustParsePath("/a")} },
		func(r *policy.Rule) { r.To.Paths = []policy.Path{policy.MustParsePath("/b")} },
		func(r *policy.Rule) { r.To = r.To.Originating(443) },
		func(r *policy.Rule) { r.To = r.To.Originating(8443) },
		func(r *policy.Rule) { r.Reason = "x" },
		func(r *policy.Rule) { r.Owner = "x" },
		func(r *policy.Rule) { r.Expires = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) },
		func(r *policy.Rule) { r.At.Line = 1 },
		func(r *policy.Rule) { r.At.Line = 2 },
	} {
		a, b := plain(), plain()
		change(&b)
		rules, changed = append(rules, a, b), append(changed, b)
	}
	rules = append(rules, changed...)
	for i := range rules {
		rules[i].Name = fmt.Sprintf("r%02d", i)
	}
	together := slices.Collect(compile(t, []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: rules}}}).Rules())
	for i, r := range rules {
		alone := slices.Collect(compile(t, []*policy.Policy{{Name: "p", Cluster: policy.Section{Allow: []policy.Rule{r}}}}).Rules())
		if !reflect.DeepEqual(together[i], alone[0]) {
			t.Errorf("%+v, alone %+v", together[i], alone[0])
		}
	}
}
