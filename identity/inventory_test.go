package identity_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func TestNewInventory(t *testing.T) {
	labels := map[string]string{"app": "x"}
	inv, err := identity.NewInventory(
		[]identity.Namespace{{Name: "shop", Labels: labels}, {Name: "empty"}},
		[]identity.ServiceAccount{{"shop", "unused"}, {"news", "reader"}},
		[]identity.Pod{
			{Namespace: "shop", Name: "b", ServiceAccount: "checkout", Labels: labels},
			{Namespace: "shop", Name: "a", ServiceAccount: "checkout", Labels: labels},
			{Namespace: "batch", Name: "job"},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	labels["app"] = "changed"
	inv.Namespaces()[3].Labels["app"] = "changed"
	inv.Pods()[1].Labels["app"] = "changed"
	inv.ServiceAccounts()[0].Name = "changed"
	inv.Workloads("", "")[0].NamespaceLabels = nil
	x := map[string]string{"app": "x"}

	if got, want := inv.Namespaces(), []identity.Namespace{{"batch", nil}, {"empty", nil}, {"news", nil}, {"shop", x}}; !reflect.DeepEqual(got, want) {
		t.Errorf("namespaces %v, want %v", got, want)
	}
	if got, want := inv.ServiceAccounts(), []identity.ServiceAccount{{"batch", "default"}, {"news", "reader"}, {"shop", "checkout"}, {"shop", "unused"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("service accounts %v, want %v", got, want)
	}
	if got, want := inv.Pods(), []identity.Pod{{"batch", "job", "default", nil}, {"shop", "a", "checkout", x}, {"shop", "b", "checkout", x}}; !reflect.DeepEqual(got, want) {
		t.Errorf("pods %v, want %v", got, want)
	}
	want := []identity.Workload{
		{"c", "td", "batch", "default", nil, nil},
		{"c", "td", "news", "reader", nil, nil},
		{"c", "td", "shop", "checkout", x, x},
		{"c", "td", "shop", "unused", nil, x},
	}
	if got := inv.Workloads("c", "td"); !reflect.DeepEqual(got, want) {
		t.Errorf("workloads %v, want %v", got, want)
	}
}

func TestNewInventoryErrors(t *testing.T) {
	type (
		ns = identity.Namespace
		sa = identity.ServiceAccount
		po = identity.Pod
	)
	for _, tt := range []struct {
		ns   []ns
		sa   []sa
		po   []po
		want string
	}{
		{ns: []ns{{Name: "a"}, {Name: "b"}, {Name: "a"}}, want: `two namespaces "a"`},
		{sa: []sa{{"a", "x"}, {"a", "x"}}, want: `two service accounts "a/x"`},
		{po: []po{{Namespace: "a", Name: "x"}, {Namespace: "a", Name: "x", ServiceAccount: "s"}}, want: `two pods "a/x"`},
		{ns: []ns{{Name: "A"}}, want: `namespace "A": "A" is not a Kubernetes name`},
		{ns: []ns{{Name: "a", Labels: map[string]string{"b c": ""}}}, want: `namespace "a": label "b c": `},
		{ns: []ns{{Name: "a", Labels: map[string]string{identity.NamespaceNameLabel: "b"}}}, want: `is "b", not the name of the namespace`},
		{sa: []sa{{"", "x"}}, want: `service account "/x": empty name`},
		{sa: []sa{{"a", "x*"}}, want: `service account "a/x*": "x*" is not a Kubernetes name`},
		{po: []po{{Namespace: "a", Name: ""}}, want: `pod "a/": empty name`},
		{po: []po{{Namespace: "a", Name: "x", ServiceAccount: "_"}}, want: `pod "a/x": "_" is not`},
		{po: []po{{Namespace: "a", Name: "x", Labels: map[string]string{"app": "no value"}}}, want: `pod "a/x": label "app": value "no value": `},
	} {
		inv, err := identity.NewInventory(tt.ns, tt.sa, tt.po)
		if inv != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	if _, err := identity.NewInventory([]ns{{Name: "a", Labels: map[string]string{identity.NamespaceNameLabel: "a"}}}, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestNilAndEmptyInventory(t *testing.T) {
	var none *identity.Inventory
	if len(none.Namespaces())+len(none.ServiceAccounts())+len(none.Pods())+len(none.Workloads("", "")) > 0 {
		t.Error("a nil inventory knows something")
	}
	empty, err := identity.NewInventory(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		s                identity.Selector
		accounts, pods   string // by the nil inventory
		accounts2, pods2 string // by the empty one
	}{
		{identity.Everything(), "*/*", "no: every workload", "*/*", ""},
		{identity.Selector{}, "", "", "", ""},
		{term(identity.Term{Namespaces: []string{"b", "a"}}), "a/* b/*", "a b", "a/* b/*", "a b"},
		{term(identity.Term{Namespaces: []string{"a*"}}), "a*/*", "no: namespaces by glob", "a*/*", ""},
		{term(identity.Term{Namespaces: []string{"*"}}), "*/*", "no: namespaces by glob", "*/*", ""},
		{term(identity.Term{ServiceAccounts: []string{"x", "y*"}}), "*/x */y*", "no: service accounts", "*/x */y*", ""},
		{term(identity.Term{Namespaces: []string{"a"}, ServiceAccounts: []string{"*"}}), "a/*", "a", "a/*", "a"},
		{term(identity.Term{Namespaces: []string{"a"}, ServiceAccounts: []string{"x"}}), "a/x", "no: service accounts", "a/x", "no: no pod of the inventory runs as service account a/x"},
		{term(identity.Term{Namespaces: []string{"a"}, PodLabels: matchLabels("app", "x")}), "no: pod labels", "a/app=x", "", "a/app=x"},
		{term(identity.Term{PodLabels: matchLabels("app", "x")}), "no: pod labels", "no: namespaces by glob", "", ""},
		{term(identity.Term{NamespaceLabels: matchLabels("team", "x")}), "no: namespaces by glob", "no: namespaces by glob", "", ""},
		{term(identity.Term{NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "a")}), "a/*", "a", "a/*", "a"},
		{term(identity.Term{Clusters: []string{"c"}}), "no: asks for clusters c", "no: asks for clusters c", "no: asks for clusters c", "no: asks for clusters c"},
	} {
		for _, at := range []struct {
			what, want string
			got        string
		}{
			{"accounts of nil", tt.accounts, accountsText(none, tt.s)},
			{"pods of nil", tt.pods, podsText(none, tt.s)},
			{"accounts of empty", tt.accounts2, accountsText(empty, tt.s)},
			{"pods of empty", tt.pods2, podsText(empty, tt.s)},
		} {
			if strings.HasPrefix(at.want, "no: ") && strings.HasPrefix(at.got, at.want) {
				continue
			}
			if at.got != at.want {
				t.Errorf("%s: %s: %q, want %q", tt.s, at.what, at.got, at.want)
			}
		}
	}
}

func term(t identity.Term) identity.Selector { return identity.MustSelector(t) }

// accountsText and podsText give an answer as one line: its entries, or "no: " and why.
func accountsText(inv *identity.Inventory, s identity.Selector) string {
	accounts, why, ok := inv.Accounts(s)
	if !ok {
		return "no: " + why
	}
	return strings.Trim(fmt.Sprint(accounts), "[]")
}

func podsText(inv *identity.Inventory, s identity.Selector) string {
	pods, why, ok := inv.PodSelectors(s)
	if !ok {
		return "no: " + why
	}
	return strings.Trim(fmt.Sprint(pods), "[]")
}

// Replicas are one workload, wherever their names put them among the pods.
func TestWorkloadsAreDistinct(t *testing.T) {
	inv := inventoryOf(t, "shop/a app=y", "shop/a app=x", "shop/a app=y", "shop/a", "shop/a app=x", "shop/a app=x tier=z")
	var got []string
	for _, w := range inv.Workloads("", "") {
		if w.ServiceAccount == "a" {
			got = append(got, fmt.Sprint(w.Labels))
		}
	}
	if want := []string{"map[]", "map[app:x]", "map[app:x tier:z]", "map[app:y]"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// inventoryOf reads pods as "namespace/account k=v k=v" and numbers their names, beside namespaces with labels and an idle account.
func inventoryOf(t *testing.T, pods ...string) *identity.Inventory {
	var out []identity.Pod
	for i, text := range pods {
		fields := strings.Fields(text)
		namespace, account, _ := strings.Cut(fields[0], "/")
		p := identity.Pod{Namespace: namespace, Name: fmt.Sprintf("p%d", i), ServiceAccount: account, Labels: map[string]string{}}
		for _, f := range fields[1:] {
			k, v, _ := strings.Cut(f, "=")
			p.Labels[k] = v
		}
		out = append(out, p)
	}
	inv, err := identity.NewInventory([]identity.Namespace{{"shop", map[string]string{"team": "s"}}, {"news", map[string]string{"team": "n"}}},
		[]identity.ServiceAccount{{"shop", "idle"}}, out)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestAccounts(t *testing.T) {
	inv := inventoryOf(t, "shop/a app=a", "shop/a app=a tier=x", "shop/b app=b", "shop/b app=b tier=x", "news/a app=a")
	for _, tt := range []struct {
		s    identity.Selector
		want string
	}{
		{identity.Everything(), "*/*"},
		{identity.MustSelector(identity.Term{Namespaces: []string{"shop"}}, identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"a"}}), "shop/*"},
		{identity.MustSelector(identity.Term{ServiceAccounts: []string{"a"}}, identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"a", "b"}}), "*/a shop/b"},
		{term(identity.Term{Namespaces: []string{"other"}, ServiceAccounts: []string{"z"}}), "other/z"},
		{term(identity.Term{NamespaceLabels: matchLabels("team", "s")}), "shop/*"},
		{term(identity.Term{NamespaceLabels: matchLabels("team", "s"), ServiceAccounts: []string{"a", "z*"}}), "shop/a shop/z*"},
		{term(identity.Term{NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "shop")}), "news/*"},
		{term(identity.Term{PodLabels: matchLabels("app", "a")}), "news/a shop/a"},
		{term(identity.Term{PodLabels: matchLabels("app", "a"), Namespaces: []string{"shop"}}), "shop/a"},
		{term(identity.Term{PodLabels: matchLabels("app", "a"), NamespaceLabels: matchLabels("team", "n")}), "news/a"},
		{term(identity.Term{PodLabels: matchLabels("app", "none")}), ""},
		{term(identity.Term{PodLabels: matchLabels("tier", "x")}), "no: service account shop/a runs pod p1, which is selected, and pod p0, which is not"},
		{term(identity.Term{PodLabels: matchLabels("tier", "x"), ServiceAccounts: []string{"b"}}), "no: service account shop/b runs pod p3, which is selected, and pod p2, which is not"},
		// What terms select together counts: one has the pod that the other leaves out.
		{identity.MustSelector(identity.Term{PodLabels: matchLabels("tier", "x")}, identity.Term{PodLabels: matchExpression("tier", metav1.LabelSelectorOpDoesNotExist)}), "news/a shop/a shop/b"},
		{identity.MustSelector(identity.Term{PodLabels: matchLabels("tier", "x")}, identity.Term{ServiceAccounts: []string{"a", "b"}}), "*/a */b"},
	} {
		if got := accountsText(inv, tt.s); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.s, got, tt.want)
		}
	}
}

func TestPodSelectors(t *testing.T) {
	account := func(names ...string) identity.Selector {
		return term(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: names})
	}
	labelled := func(account string, kv ...string) identity.Selector {
		return term(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{account}, PodLabels: matchLabels(kv...)})
	}
	for _, tt := range []struct {
		name string
		pods []string
		s    identity.Selector
		want string
	}{
		{"everything is the namespaces", []string{"x/a"}, identity.Everything(), "news shop x"},
		{"namespace labels are spelled out", nil, term(identity.Term{NamespaceLabels: matchLabels("team", "s")}), "shop"},
		{"a whole namespace holds its parts", []string{"shop/a app=a"}, identity.MustSelector(identity.Term{Namespaces: []string{"shop"}},
			identity.Term{Namespaces: []string{"*s*"}, PodLabels: matchLabels("app", "a")}), "news/app=a shop"},
		{"all accounts are all pods", nil, account("*"), "shop"},

		{"app first", []string{"shop/a app=a aa=1 k8s-app=a", "shop/b app=b aa=2 k8s-app=b"}, account("a"), "shop/app=a"},
		{"then the recommended name", []string{"shop/a aa=1 app.kubernetes.io/name=a", "shop/b"}, account("a"), "shop/app.kubernetes.io/name=a"},
		{"then by few values", []string{"shop/a aa=1 zz=3", "shop/a aa=2 zz=3", "shop/b"}, account("a"), "shop/zz=3"},
		{"then by key", []string{"shop/a b=1 a=1", "shop/b"}, account("a"), "shop/a=1"},
		{"any of several values", []string{"shop/a app=x", "shop/a app=w", "shop/b app=y"}, account("a"), "shop/app in (w,x)"},
		{"app when it will not do", []string{"shop/a app=x zz=1", "shop/b app=x zz=2"}, account("a"), "shop/zz=1"},
		{"not a label that only some have", []string{"shop/a app=x zz=1", "shop/a zz=1", "shop/b app=y zz=2"}, account("a"), "shop/zz=1"},
		{"another namespace does not matter", []string{"shop/a app=x", "news/b app=x"}, account("a"), "shop/app=x"},
		{"two labels", []string{"shop/a app=x tier=1", "shop/b app=x tier=2", "shop/b app=y tier=1"}, account("a"), "shop/app=x,tier=1"},
		{"three labels", []string{"shop/a a=1 b=1 c=1", "shop/b a=1 b=1 c=2", "shop/b a=1 b=2 c=1", "shop/b a=2 b=1 c=1"}, account("a"), "shop/a=1,b=1,c=1"},
		{"a label even when it is alone", []string{"shop/a app=x"}, account("a"), "shop/app=x"},
		{"the default account", []string{"shop/ app=x", "shop/b app=y"}, account("default"), "shop/app=x"},
		{"several accounts, one label each", []string{"shop/a app=x", "shop/b app=y", "shop/c app=z"}, account("a", "b"), "shop/app=x shop/app=y"},
		{"accounts that are selected together may share", []string{"shop/a app=x", "shop/b app=x", "shop/c app=z"}, account("a", "b"), "shop/app=x"},
		{"accounts by glob", []string{"shop/web-1 app=x", "shop/web-2 app=y", "shop/c app=z"}, account("web-*"), "shop/app=x shop/app=y"},
		{"accounts by glob, of none", []string{"shop/c app=z"}, account("web-*"), ""},
		{"an account wherever it runs", []string{"shop/a app=x", "news/a app=y", "news/b"}, term(identity.Term{ServiceAccounts: []string{"a"}}), "news/app=y shop/app=x"},

		{"an account without a pod", nil, account("idle"), "no: no pod of the inventory runs as service account shop/idle, so that its labels are not known"},
		{"an account that is not there", nil, account("z"), "no: no pod of the inventory runs as service account shop/z, so that its labels are not known"},
		{"the same labels", []string{"shop/a app=x", "shop/b app=x"}, account("a"), "no: no labels tell the pods of service account shop/a: pod p1 of service account b has all labels that they have in common"},
		{"nothing in common", []string{"shop/a app=x", "shop/a tier=x", "shop/b"}, account("a"), "no: no labels tell the pods of service account shop/a: they have no lasting label in common"},
		{"no labels", []string{"shop/a"}, account("a"), "no: no labels tell the pods of service account shop/a: they have no lasting label in common"},
		{"labels of a rollout", []string{"shop/a pod-template-hash=1 version=2", "shop/b pod-template-hash=3 version=4"}, account("a"),
			"no: no labels tell the pods of service account shop/a: they have no lasting label in common"},

		{"an account and labels need both", []string{"shop/a app=x tier=1", "shop/a app=x tier=2", "shop/b app=y tier=2"}, labelled("a", "tier", "1"), "shop/app=x,tier=1"},
		{"the same label said twice", []string{"shop/a app=x", "shop/a app=w", "shop/b app=y"}, labelled("a", "app", "x"), "shop/app=x"},
		{"an account told by the term's labels", []string{"shop/a app=x tier=1", "shop/b app=x tier=2"}, labelled("a", "tier", "1"), "shop/tier=1"},
		{"an account told by both", []string{"shop/a app=x tier=1", "shop/b app=x tier=2", "shop/b app=y tier=1"}, labelled("a", "tier", "1"), "shop/app=x,tier=1"},
		{"an account without others of these labels", []string{"shop/a tier=1", "shop/a tier=1 app=x", "shop/b tier=2"}, labelled("a", "tier", "1"), "shop/tier=1"},
		{"labels that no pod of the account has", []string{"shop/a tier=1"}, labelled("a", "tier", "2"), ""},
	} {
		if got := podsText(inventoryOf(t, tt.pods...), tt.s); got != tt.want {
			t.Errorf("%s: %s: %q, want %q", tt.name, tt.s, got, tt.want)
		}
	}
}

func TestLabelSelector(t *testing.T) {
	p := identity.PodSelector{Namespace: "a", Labels: []identity.LabelRequirement{
		{Key: "app", Operator: "In", Values: []string{"x"}},
		{Key: "b", Operator: "In", Values: []string{"x", "y"}},
		{Key: "c", Operator: "Exists"},
	}}
	want := &metav1.LabelSelector{
		MatchLabels: map[string]string{"app": "x"},
		MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "b", Operator: metav1.LabelSelectorOpIn, Values: []string{"x", "y"}}, {Key: "c", Operator: metav1.LabelSelectorOpExists},
		},
	}
	if got := p.LabelSelector(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (identity.PodSelector{Namespace: "a"}).LabelSelector(); !reflect.DeepEqual(got, &metav1.LabelSelector{}) {
		t.Errorf("all pods: %v", got)
	}
	if got, want := p.String(), "a/app=x,b in (x,y),c"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if (identity.LabelRequirement{Key: "app", Operator: "Near"}).Matches(map[string]string{"app": "x"}) {
		t.Error("an unknown operator holds")
	}
}

// The answers choose the inventory's pods that the selector selects: all of them and no others.
func TestAccountsAreExact(t *testing.T) {
	var yes, no int
	rapid.Check(t, func(t *rapid.T) {
		inv, s := inventories().Draw(t, "inventory"), selectors(false).Draw(t, "selector")
		accounts, why, ok := inv.Accounts(s)
		if ok != (why == "") || !ok && accounts != nil {
			t.Fatalf("%v, %q, %v", accounts, why, ok)
		}
		split := make(map[identity.ServiceAccount]int) // 1: a pod is selected, 2: one is not, 3: both
		for _, w := range workloadsOf(inv) {
			got := slices.ContainsFunc(accounts, func(a identity.AccountSelector) bool { return a.Matches(w.Namespace, w.ServiceAccount) })
			want := s.Matches(w)
			if ok && got != want {
				t.Fatalf("%s\nsaid as %v\nworkload %+v: said %v, selected %v", s, accounts, w, got, want)
			}
			bit := 2
			if want {
				bit = 1
			}
			split[identity.ServiceAccount{Namespace: w.Namespace, Name: w.ServiceAccount}] |= bit
		}
		if mixed := slices.Contains(slices.Collect(maps.Values(split)), 3); ok == mixed {
			t.Fatalf("%s: ok %v (%s), while an account is mixed: %v", s, ok, why, mixed)
		}
		if ok {
			yes++
		} else {
			no++
		}
	})
	if yes == 0 || no == 0 {
		t.Errorf("%d said, %d not: the check sees nothing", yes, no)
	}
}

func TestPodSelectorsAreExact(t *testing.T) {
	var yes, no int
	rapid.Check(t, func(t *rapid.T) {
		inv, s := inventories().Draw(t, "inventory"), selectors(false).Draw(t, "selector")
		pods, why, ok := inv.PodSelectors(s)
		if ok != (why == "") || !ok && pods != nil {
			t.Fatalf("%v, %q, %v", pods, why, ok)
		}
		if !ok {
			no++
			return
		}
		yes++
		for _, w := range workloadsOf(inv) {
			got := slices.ContainsFunc(pods, func(p identity.PodSelector) bool { return p.Matches(w.Namespace, w.Labels) })
			if want := s.Matches(w); got != want {
				t.Fatalf("%s\nsaid as %v\nworkload %+v: said %v, selected %v", s, pods, w, got, want)
			}
		}
	})
	if yes == 0 || no == 0 {
		t.Errorf("%d said, %d not: the check sees nothing", yes, no)
	}
}

// The same cluster, told in another order, gives the same answers.
func TestInventoryHasNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv, s := inventories().Draw(t, "inventory"), selectors(false).Draw(t, "selector")
		other, err := identity.NewInventory(
			rapid.Permutation(inv.Namespaces()).Draw(t, "namespaces"),
			rapid.Permutation(inv.ServiceAccounts()).Draw(t, "accounts"),
			rapid.Permutation(inv.Pods()).Draw(t, "pods"),
		)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := accountsText(inv, s), accountsText(other, s); a != b {
			t.Fatalf("accounts of %s: %s, and %s", s, a, b)
		}
		if a, b := podsText(inv, s), podsText(other, s); a != b {
			t.Fatalf("pods of %s: %s, and %s", s, a, b)
		}
		if a, b := inv.Workloads("c", ""), other.Workloads("c", ""); !reflect.DeepEqual(a, b) {
			t.Fatalf("workloads %v, and %v", a, b)
		}
		have := make(map[string]bool)
		for _, w := range inv.Workloads("", "") {
			have[fmt.Sprint(w)] = true
		}
		for _, w := range workloadsOf(inv) {
			if !have[fmt.Sprint(w)] {
				t.Fatalf("%v is not among the workloads %v", w, have)
			}
		}
	})
}
