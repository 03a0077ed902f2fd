package identity_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/egresskit/egress/identity"
)

func matchLabels(kv ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := 0; i < len(kv); i += 2 {
		s.MatchLabels[kv[i]] = kv[i+1]
	}
	return s
}

func matchExpression(key string, op metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op, Values: values}}}
}

func TestMatches(t *testing.T) {
	checkout := identity.Workload{
		Cluster: "Kubernetes", Namespace: "shop", ServiceAccount: "checkout",
		Labels: map[string]string{"app": "checkout"}, NamespaceLabels: map[string]string{"team": "payments"},
	}
	unknown := identity.Workload{Namespace: "shop"}
	for _, tt := range []struct {
		term          identity.Term
		known, sparse bool // whether it matches checkout, and unknown
	}{
		{identity.Term{Namespaces: []string{"shop"}}, true, true},
		{identity.Term{Namespaces: []string{"shop", "news"}}, true, true},
		{identity.Term{Namespaces: []string{"news"}}, false, false},
		{identity.Term{Namespaces: []string{"s*"}}, true, true},
		{identity.Term{Namespaces: []string{"*"}}, true, true},
		{identity.Term{Namespaces: []string{"sh?p"}}, true, true},
		{identity.Term{Namespaces: []string{"sho"}}, false, false},
		{identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"checkout"}}, true, false},
		{identity.Term{Namespaces: []string{"news"}, ServiceAccounts: []string{"checkout"}}, false, false},
		{identity.Term{ServiceAccounts: []string{"*"}}, true, false},
		{identity.Term{Clusters: []string{"Kubernetes"}}, true, false},
		{identity.Term{Clusters: []string{"kubernetes"}}, false, false},
		{identity.Term{Clusters: []string{"Kube*"}}, true, false},
		{identity.Term{PodLabels: matchLabels("app", "checkout")}, true, false},
		{identity.Term{PodLabels: matchLabels("app", "checkout", "tier", "x")}, false, false},
		{identity.Term{PodLabels: matchExpression("app", metav1.LabelSelectorOpNotIn, "cart")}, true, true},
		{identity.Term{PodLabels: matchExpression("app", metav1.LabelSelectorOpDoesNotExist)}, false, true},
		{identity.Term{PodLabels: matchExpression("app", metav1.LabelSelectorOpExists)}, true, false},
		{identity.Term{NamespaceLabels: matchLabels("team", "payments")}, true, false},
		{identity.Term{NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "shop")}, true, true},
		{identity.Term{NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "shop")}, false, false},
		{identity.Term{NamespaceLabels: matchLabels("team", "payments"), PodLabels: matchLabels("app", "cart")}, false, false},
	} {
		s := identity.MustSelector(tt.term)
		if got := s.Matches(checkout); got != tt.known {
			t.Errorf("%s matches checkout: %v", s, got)
		}
		if got := s.Matches(unknown); got != tt.sparse {
			t.Errorf("%s matches the unknown: %v", s, got)
		}
		if !identity.Everything().Matches(unknown) || (identity.Selector{}).Matches(checkout) {
			t.Error("everything or nothing")
		}
	}
}

func TestNewSelectorErrors(t *testing.T) {
	empty := &metav1.LabelSelector{}
	for _, tt := range []struct {
		term identity.Term
		want string // part of the error
	}{
		{identity.Term{}, "selects every workload"},
		{identity.Term{PodLabels: empty, NamespaceLabels: empty}, "selects every workload"},
		{identity.Term{Namespaces: []string{""}}, "namespaces: empty name"},
		{identity.Term{Namespaces: []string{"Shop"}}, `namespaces: "Shop" is not a Kubernetes name`},
		{identity.Term{Namespaces: []string{"shop_a"}}, "is not a Kubernetes name"},
		{identity.Term{Namespaces: []string{"-shop"}}, "begin and end with a letter or digit"},
		{identity.Term{Namespaces: []string{strings.Repeat("a", 254)}}, "longer than 253 bytes"},
		{identity.Term{Namespaces: []string{"Team-*"}}, "neither a name nor a glob"},
		{identity.Term{Namespaces: []string{"**"}}, "write one '*'"},
		{identity.Term{Namespaces: []string{"team-[ab]*"}}, "neither a name nor a glob"},
		{identity.Term{Namespaces: []string{"{a,b}*"}}, "neither a name nor a glob"},
		{identity.Term{ServiceAccounts: []string{"a/b"}}, "serviceAccounts: "},
		{identity.Term{Clusters: []string{"prod eu"}}, "clusters: \"prod eu\" is not a cluster name"},
		{identity.Term{Clusters: []string{"prod,*"}}, "clusters: \"prod,*\" is neither"},
		{identity.Term{PodLabels: matchLabels("a b", "x")}, "podLabels: "},
		{identity.Term{PodLabels: matchLabels("app", "no spaces")}, "podLabels: "},
		{identity.Term{PodLabels: matchExpression("app", "Near", "x")}, "podLabels: "},
		{identity.Term{PodLabels: matchExpression("app", metav1.LabelSelectorOpIn)}, "podLabels: "},
		{identity.Term{PodLabels: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}, MatchExpressions: matchExpression("app",
			metav1.LabelSelectorOpNotIn, "x").MatchExpressions}}, `podLabels: the conditions on label "app" contradict each other`},
		{identity.Term{Namespaces: []string{"shop"}, NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "news")}, "leaves no namespace"},
		{identity.Term{NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "No_Name")}, "leaves no namespace"},
		{identity.Term{NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpDoesNotExist)}, "leaves no namespace"},
	} {
		s, err := identity.NewSelector(identity.Term{Namespaces: []string{"fine"}}, tt.term)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "term 1: ") {
			t.Errorf("%+v: error %v, want %q", tt.term, err, tt.want)
		}
		if !s.IsZero() {
			t.Errorf("%+v: an error, and %s", tt.term, s)
		}
	}
	_, err := identity.NewSelector(identity.Term{Namespaces: []string{strings.Repeat("A", 1<<20)}})
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("the error quotes all of a long name")
	}
}

// What is written differently and means the same has one text and one form.
func TestSelectorText(t *testing.T) {
	for _, tt := range []struct {
		want  string
		terms []identity.Term
	}{
		{"nothing", nil},
		{"namespaces=a,b*", []identity.Term{{Namespaces: []string{"b*", "a", "b*"}}}},
		{"namespaces=a or serviceAccounts=b", []identity.Term{{ServiceAccounts: []string{"b"}}, {Namespaces: []string{"a"}}, {ServiceAccounts: []string{"b"}}}},
		{"podLabels=app=x", []identity.Term{{PodLabels: matchLabels("app", "x")}, {PodLabels: matchExpression("app", metav1.LabelSelectorOpIn, "x", "x")}}},
		{"namespaces=a podLabels=!app", []identity.Term{{Namespaces: []string{"a"}, PodLabels: matchExpression("app", metav1.LabelSelectorOpDoesNotExist)}}},
		{"podLabels=app in (x,y),tier,tier notin (z)", []identity.Term{{PodLabels: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"z"}},
			{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"y", "x"}},
			{Key: "tier", Operator: metav1.LabelSelectorOpExists},
		}}}}},
		{"namespaces=shop", []identity.Term{{NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "shop")}}},
		{"namespaces=shop", []identity.Term{{Namespaces: []string{"news", "shop"}, NamespaceLabels: matchLabels(identity.NamespaceNameLabel, "shop")}}},
		{"namespaces=news namespaceLabels=team=x", []identity.Term{{Namespaces: []string{"news", "shop"}, NamespaceLabels: &metav1.LabelSelector{
			MatchLabels:      map[string]string{"team": "x"},
			MatchExpressions: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "shop").MatchExpressions,
		}}}},
		{"namespaces=s* namespaceLabels=kubernetes.io/metadata.name notin (shop)", []identity.Term{{Namespaces: []string{"s*"},
			NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "shop")}}},
		{"namespaces=*", []identity.Term{{NamespaceLabels: matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpExists)}}},
	} {
		s := identity.MustSelector(tt.terms...)
		if s.String() != tt.want {
			t.Errorf("%+v: %s, want %s", tt.terms, s, tt.want)
		}
		if again := identity.MustSelector(s.Terms()...); !again.Equal(s) {
			t.Errorf("the terms of %s give %s", s, again)
		}
	}
	if got := identity.Everything().String(); got != "everything" {
		t.Error(got)
	}
}

func TestSelectorIsImmutable(t *testing.T) {
	given := identity.Term{Namespaces: []string{"b", "a"}, PodLabels: matchExpression("app", metav1.LabelSelectorOpIn, "y", "x")}
	s := identity.MustSelector(given)
	if !slices.Equal(given.Namespaces, []string{"b", "a"}) || !slices.Equal(given.PodLabels.MatchExpressions[0].Values, []string{"y", "x"}) {
		t.Error("the argument was changed")
	}
	before := s.String()
	given.Namespaces[0], given.PodLabels.MatchExpressions[0].Values[0] = "z", "z"
	terms := s.Terms()
	terms[0].Namespaces[0], terms[0].PodLabels.MatchExpressions[0].Values[0] = "z", "z"
	if again := identity.MustSelector(s.Terms()...); s.String() != before || again.String() != before || s.Matches(identity.Workload{Namespace: "z"}) {
		t.Errorf("%s became %s", before, again)
	}
}

// reference reads a selector by the terms that it was made of, with Kubernetes' own label selectors and a glob of a few lines.
func reference(terms []identity.Term, w identity.Workload) bool {
	list := func(entries []string, name string) bool {
		return len(entries) == 0 || name != "" && slices.ContainsFunc(entries, func(e string) bool { return globMatches(e, name) })
	}
	holds := func(s *metav1.LabelSelector, set map[string]string) bool {
		if s == nil {
			return true
		}
		compiled, err := metav1.LabelSelectorAsSelector(s)
		return err == nil && compiled.Matches(labels.Set(set))
	}
	ofNamespace := maps.Clone(w.NamespaceLabels)
	if ofNamespace == nil {
		ofNamespace = map[string]string{}
	}
	ofNamespace[identity.NamespaceNameLabel] = w.Namespace
	return slices.ContainsFunc(terms, func(t identity.Term) bool {
		return list(t.Clusters, w.Cluster) && list(t.Namespaces, w.Namespace) && list(t.ServiceAccounts, w.ServiceAccount) &&
			holds(t.NamespaceLabels, ofNamespace) && holds(t.PodLabels, w.Labels)
	})
}

func globMatches(glob, s string) bool {
	switch {
	case glob == "":
		return s == ""
	case glob[0] == '*':
		return globMatches(glob[1:], s) || s != "" && globMatches(glob, s[1:])
	}
	return s != "" && (glob[0] == '?' || glob[0] == s[0]) && globMatches(glob[1:], s[1:])
}

func TestMatchesAgreesWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfN(terms(true), 0, 3).Draw(t, "terms")
		w := workloads().Draw(t, "workload")
		s := identity.MustSelector(given...)
		if got, want := s.Matches(w), reference(given, w); got != want {
			t.Fatalf("%s matches %+v: %v, want %v", s, w, got, want)
		}
		if got, want := s.Matches(w), reference(s.Terms(), w); got != want {
			t.Fatalf("the terms of %s on %+v: %v, want %v", s, w, got, want)
		}
	})
}

func TestSelectorLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfN(terms(true), 0, 3).Draw(t, "terms")
		s, o := identity.MustSelector(given...), selectors(true).Draw(t, "other")
		w := workloads().Draw(t, "workload")
		if got := s.Union(o).Matches(w); got != (s.Matches(w) || o.Matches(w)) {
			t.Fatalf("(%s) or (%s) on %+v: %v", s, o, w, got)
		}
		if !s.Union(o).Equal(o.Union(s)) || !s.Union(s).Equal(s) || !s.Union(identity.Selector{}).Equal(s) {
			t.Fatalf("union of %s and %s", s, o)
		}

		shuffled := slices.Clone(given)
		rng := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i := range shuffled {
			for _, list := range []*[]string{&shuffled[i].Clusters, &shuffled[i].Namespaces, &shuffled[i].ServiceAccounts} {
				*list = slices.Clone(*list)
				slices.Reverse(*list)
			}
		}
		if again := identity.MustSelector(shuffled...); !again.Equal(s) || again.Compare(s) != 0 {
			t.Fatalf("shuffled, %s became %s", s, again)
		}
		if again := identity.MustSelector(s.Terms()...); !again.Equal(s) {
			t.Fatalf("the terms of %s give %s", s, again)
		}

		namespace := rapid.OneOf(names, rapid.Just(w.Namespace)).Draw(t, "namespace")
		if got, want := s.InNamespace(namespace).Matches(w), s.Matches(w) && w.Namespace == namespace; got != want {
			t.Fatalf("(%s) in namespace %s on %+v: %v", s, namespace, w, got)
		}
		cluster := rapid.OneOf(clusters, rapid.Just("")).Draw(t, "cluster")
		there := w
		there.Cluster = cluster
		if got, want := s.InCluster(cluster).Matches(w), s.Matches(there); got != want {
			t.Fatalf("(%s) in cluster %q on %+v: %v", s, cluster, w, got)
		}

		in := rapid.SliceOfN(rapid.OneOf(clusters, nameGlobs), 0, 2).Draw(t, "clusters")
		only, err := s.WithClusters(in...)
		if err != nil {
			return // two globs of which no list of globs holds what both match
		}
		if got, want := only.Matches(w), s.Matches(w) && reference([]identity.Term{{Clusters: in}}, w); got != want {
			t.Fatalf("(%s) with clusters %v on %+v: %v", s, in, w, got)
		}
	})
}

func TestInNamespace(t *testing.T) {
	notShop := matchExpression(identity.NamespaceNameLabel, metav1.LabelSelectorOpNotIn, "shop")
	s := identity.MustSelector(
		identity.Term{Namespaces: []string{"s*"}, ServiceAccounts: []string{"a"}},
		identity.Term{Namespaces: []string{"news"}, ServiceAccounts: []string{"b"}},
		identity.Term{ServiceAccounts: []string{"c"}, NamespaceLabels: notShop},
		identity.Term{ServiceAccounts: []string{"d"}, NamespaceLabels: matchLabels("team", "x")},
	)
	for namespace, want := range map[string]string{
		"shop":  "namespaces=shop serviceAccounts=a or namespaces=shop serviceAccounts=d namespaceLabels=team=x",
		"news":  "namespaces=news serviceAccounts=b or namespaces=news serviceAccounts=c or namespaces=news serviceAccounts=d namespaceLabels=team=x",
		"other": "namespaces=other serviceAccounts=c or namespaces=other serviceAccounts=d namespaceLabels=team=x",
	} {
		if got := s.InNamespace(namespace).String(); got != want {
			t.Errorf("in %s: %s, want %s", namespace, got, want)
		}
	}
}

func TestInNamespaceOfNoName(t *testing.T) {
	for _, bad := range []string{"", "Not A Name", "*", strings.Repeat("a", 300)} {
		if s := identity.Everything().InNamespace(bad); !s.IsZero() {
			t.Errorf("in %q: %s", bad, s)
		}
	}
}

func TestWithClusters(t *testing.T) {
	in := func(clusters ...string) identity.Selector {
		return identity.MustSelector(identity.Term{Namespaces: []string{"a"}, Clusters: clusters})
	}
	for _, tt := range []struct {
		have identity.Selector
		with []string
		want string
	}{
		{in(), nil, "namespaces=a"},
		{in(), []string{"prod-*"}, "clusters=prod-* namespaces=a"},
		{in("prod-eu", "test"), []string{"prod-*"}, "clusters=prod-eu namespaces=a"},
		{in("prod-*"), []string{"prod-eu", "test"}, "clusters=prod-eu namespaces=a"},
		{in("prod-*"), []string{"*"}, "clusters=prod-* namespaces=a"},
		{in("*"), []string{"prod-*"}, "clusters=prod-* namespaces=a"},
		{in("test"), []string{"prod-*"}, "nothing"},
		{in("test-*"), []string{"prod-*"}, "nothing"},
		{identity.Everything(), []string{"Kubernetes"}, "clusters=Kubernetes"},
		{identity.Selector{}, []string{"Kubernetes"}, "nothing"},
	} {
		got, err := tt.have.WithClusters(tt.with...)
		if err != nil || got.String() != tt.want {
			t.Errorf("(%s) with %v: %s, %v", tt.have, tt.with, got, err)
		}
	}
	for _, tt := range []struct {
		have identity.Selector
		with string
		want string
	}{
		{in("a*"), "*b", `no list of names and globs holds what both "a*" and "*b" match`},
		{in(), "a b", `clusters: "a b" is not a cluster name`},
		{in(), "", "clusters: empty cluster name"},
	} {
		if got, err := tt.have.WithClusters(tt.with); err == nil || !strings.Contains(err.Error(), tt.want) || !got.IsZero() {
			t.Errorf("(%s) with %q: %s, %v", tt.have, tt.with, got, err)
		}
	}
}

func TestMatchesDoesNotAllocate(t *testing.T) {
	s := identity.MustSelector(
		identity.Term{Clusters: []string{"x*"}, Namespaces: []string{"a", "b?*c"}},
		identity.Term{ServiceAccounts: []string{"x", "y-*-z"}},
		identity.Term{PodLabels: matchLabels("app", "x"), NamespaceLabels: matchExpression("team", metav1.LabelSelectorOpNotIn, "a", "b")},
	)
	w := identity.Workload{
		Cluster: "xy", Namespace: "bac", ServiceAccount: "y-q-y",
		Labels: map[string]string{"app": "y"}, NamespaceLabels: map[string]string{"team": "c"},
	}
	if n := testing.AllocsPerRun(100, func() { s.Matches(w) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = s.String() }); n != 0 {
		t.Errorf("%v allocations in String", n)
	}
}

func FuzzNewSelector(f *testing.F) {
	f.Add("shop", "checkout", "Kubernetes", "app", "In", "x")
	f.Add("team-*", "?", "prod_*", "kubernetes.io/metadata.name", "NotIn", "")
	f.Add("**", "[a", "{", "a b", "Exists", "\xff")
	f.Fuzz(func(t *testing.T, namespace, account, cluster, key, operator, value string) {
		labels := matchExpression(key, metav1.LabelSelectorOperator(operator), value)
		s, err := identity.NewSelector(
			identity.Term{Namespaces: []string{namespace}, ServiceAccounts: []string{account}, Clusters: []string{cluster}},
			identity.Term{NamespaceLabels: labels, PodLabels: labels},
		)
		if err != nil {
			if !s.IsZero() {
				t.Errorf("%v, and %s", err, s)
			}
			return
		}
		again, err := identity.NewSelector(s.Terms()...)
		if err != nil || !again.Equal(s) {
			t.Errorf("%s becomes %s, %v", s, again, err)
		}
		w := identity.Workload{Namespace: namespace, ServiceAccount: account, Cluster: cluster, Labels: map[string]string{key: value}}
		if got, want := s.Matches(w), again.Matches(w); got != want {
			t.Errorf("%s: %v, %v", s, got, want)
		}
		if !s.Covers(s) || !s.Overlaps(s) && s.Matches(w) {
			t.Errorf("%s and itself", s)
		}
	})
}
