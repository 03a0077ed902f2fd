package render

import (
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
)

// How well a source is said is decided by the best way in which a target says sources, and what is missing is named by the way that comes nearest.
func TestSayableSources(t *testing.T) {
	both := identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{"x"}, PodLabels: matchLabel("app", "x")})
	for _, test := range []struct {
		source   identity.Selector
		features Features
		best     Fidelity
		lost     Feature
		why      string // a part of it
	}{
		{identity.Everything(), Features{SourceEveryone: Same}, Same, "", ""},
		{identity.Everything(), Features{SourceEveryone: Wider}, Wider, SourceEveryone, "its source is every workload"},
		{identity.Everything(), nil, 0, SourceEveryone, "its source is every workload"},
		{sourceOf("shop/x"), Features{SourceAccounts: Same}, Same, "", ""},
		{sourceOf("shop/x"), Features{SourceAccounts: Wider}, Wider, SourceAccounts, "its source, namespaces=shop serviceAccounts=x, is told by service accounts"},
		{sourceOf("shop/x"), Features{SourceEveryone: Same, SourceAccountGlob: Same}, 0, SourceAccounts, "is told by service accounts"},
		{sourceOf("shop/x"), Features{SourceAccounts: Wider, SourcePods: Same}, Wider, SourcePods, "account"},
		{sourceOf("shop/x*"), Features{SourceAccounts: Same}, 0, SourceAccountGlob, "is told by globs of service accounts"},
		{sourceOf("team-*/x"), Features{SourceAccounts: Same, SourceAccountGlob: Wider}, Wider, SourceAccountGlob, "is told by globs of service accounts"},
		{sourceOf("shop/x*"), Features{SourceAccountGlob: Same}, Same, "", ""},
		{sourceOf("shop"), Features{SourceAccounts: Wider, SourcePods: Same}, Same, "", ""},
		{sourceOf("shop"), Features{SourceAccounts: Same, SourcePods: Wider}, Same, "", ""},
		{sourceOf("shop"), Features{SourceAccounts: Wider}, Wider, SourceAccounts, "is told by service accounts"},
		{sourceOf("shop"), Features{SourcePods: Wider}, Wider, SourceAccounts, "is told by service accounts"},
		{sourceOf("shop?app=x"), Features{SourcePods: Same}, Same, "", ""},
		{sourceOf("shop?app=x"), Features{SourcePods: Wider}, Wider, SourcePods, "is told by namespaces and pod labels"},
		{sourceOf("shop?app=x"), Features{SourceAccounts: Same, SourcePods: Wider}, Wider, SourceAccounts, "label"},
		{both, Features{SourceEveryone: Same, SourceAccountGlob: Same}, 0, SourceAccounts, "label"},
		{both, Features{SourcePods: Same}, 0, SourcePods, "account"},
	} {
		s := newSource(test.source, nil)
		best, lost, why := s.sayable(test.features)
		if best != test.best || lost != test.lost || !strings.Contains(why, test.why) || (why == "") != (best == Same) {
			t.Errorf("%s by %v: %s, %s, %q; want %s, %s, …%s…", test.source, test.features, best, lost, why, test.best, test.lost, test.why)
		}
	}
}

// A set of sources is what one of them selects and none of the others takes.
func TestSourceSet(t *testing.T) {
	of := func(texts ...string) (out []Source) {
		for _, s := range texts {
			out = append(out, newSource(sourceOf(s), nil))
		}
		return out
	}
	set := SourceSet{Any: of("shop", "news"), Except: of("shop/x", "news/y")}
	if got, want := set.Key(), "namespaces=shop or namespaces=news except namespaces=shop serviceAccounts=x or namespaces=news serviceAccounts=y"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
	for account, want := range map[string]bool{"shop/y": true, "news/x": true, "shop/x": false, "news/y": false, "lab/z": false} {
		namespace, name, _ := strings.Cut(account, "/")
		if got := set.Matches(identity.Workload{Namespace: namespace, ServiceAccount: name}); got != want {
			t.Errorf("%s: %t", account, got)
		}
	}
	nobody := SourceSet{Except: of("shop")}
	if nobody.Key() != "nobody" || !nobody.Nobody() || set.Nobody() || nobody.Matches(identity.Workload{Namespace: "news"}) {
		t.Errorf("nobody is %s", nobody.Key())
	}
}
