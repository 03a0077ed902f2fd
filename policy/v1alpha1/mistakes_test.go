package v1alpha1_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/policy/v1alpha1"
)

// head is a document up to its spec: three lines.
const head = "apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p}\n"

// rule returns a document with an allow whose text begins at 7:7.
func rule(text string) string {
	return head + "spec:\n  cluster:\n    allow:\n    - " + text + "\n"
}

// from returns a document with a source whose from begins at 6:11.
func from(text string) string {
	return head + "spec:\n  sources:\n  - from: " + text + "\n    allow: [{hosts: [a.com]}]\n"
}

// Each mistake has its code, at its place, and does not bring others with it.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // line:column code field
	}{
		// text
		{"\xff\xfea\x00", []string{"1:1 not-text"}},
		{"\xef\xbb\xbf" + rule("hosts: [x.com]"), nil},
		{"a: \x00", []string{"1:4 not-text"}},
		{"a: \xff", []string{"1:4 not-text"}},
		{"a\rb", []string{"1:2 not-text"}},
		{"a: \x1b[0m", []string{"1:4 not-text"}},
		{"a: \u202e", []string{"1:4 not-text"}},
		{"a: \u2028b", []string{"1:4 not-text"}},
		{"  \n\n", []string{"1:1 empty"}},
		{"# c\n", []string{"1:1 empty"}},
		{"---\n---\n", []string{"1:1 empty"}},
		{"null\n", []string{"1:1 wrong-kind"}},
		{"~", []string{"1:1 wrong-kind"}},
		{"''", []string{"1:1 wrong-kind"}},
		{"- a", []string{"1:1 wrong-kind"}},
		{"text", []string{"1:1 wrong-kind"}},
		{strings.ReplaceAll(rule("hosts: [x.com]\n      prots: 1"), "\n", "\r\n"), []string{"8:7 unknown-field spec.cluster.allow[0].prots"}},

		// syntax
		{rule("hosts: [service1.foo.com, *.bar.com, *.foo.com]\n    - hosts: [bad..com]"), []string{"7:33 unquoted", "7:44 unquoted", "8:15 bad-host spec.cluster.allow[1].hosts[0]"}},
		{rule("hosts:\n      - *.bar.com"), []string{"8:9 unquoted"}},
		{rule("hosts: [*]"), []string{"7:15 unquoted", "7:15 bad-host spec.cluster.allow[0].hosts[0]"}},
		{rule("hosts: *"), []string{"7:14 unquoted", "7:14 wrong-type spec.cluster.allow[0].hosts"}},
		{rule("hosts: [*foo.com]\n      prots: 1"), []string{"7:15 unquoted", "7:15 bad-host spec.cluster.allow[0].hosts[0]", "8:7 unknown-field spec.cluster.allow[0].prots"}},
		{rule("hosts: [a.com"), []string{"7:5 syntax"}},
		{rule("hosts: [a.com]\n     ports: [443]"), []string{"8:6 syntax"}},
		{rule("hosts [a.com]"), []string{"7:7 wrong-type spec.cluster.allow[0]"}},
		{rule("hosts: [a.com]\n      reason: \"x"), []string{"8:7 syntax"}},
		{rule("hosts:[a.com]"), []string{"7:7 wrong-type spec.cluster.allow[0]"}},
		{rule("hosts: [a.com]\n      reason: a: b"), []string{"8:7 syntax"}},
		{rule("hosts: [a.com]\n      reason: @x"), []string{"8:7 syntax"}},
		{rule("hosts: [a.com]\n      reason: 'it''s'"), nil},
		{rule("hosts: [a.com]\n      reason: \"\\x\\q\""), []string{"8:7 syntax"}},
		{rule("hosts: {a.com"), []string{"7:5 syntax"}},
		{"%YAML 1.2\n---\na: b\n", []string{"1:1 not-supported", "3:1 wrong-kind"}},
		{"%TAG ! x\n---\na: b", []string{"1:1 not-supported", "3:1 wrong-kind"}},
		{head + "spec:\n  cluster:\n   allow:\n  - hosts: [a]\n", []string{"7:3 syntax"}},
		{head + "spec:\n\tcluster: {}\n", []string{"5:1 tab-indentation"}},
		{rule("hosts: [x.com]") + "---\nfoo: [\n---\n" + rule("hosts: [x]\n      port: [1]"), []string{"9:1 syntax", "13:18 duplicate-policy metadata.name", "18:7 unknown-field spec.cluster.allow[0].port"}},
		{head + "spec: {cluster: {allow: [{hosts: [a.com]}, ]}}\nspec2\n", []string{"5:1 syntax"}},

		// yaml features
		{rule("hosts: &a [x.com]\n    - hosts: *a"), []string{"7:14 not-supported"}},
		{rule("<<: {hosts: [a.com]}"), []string{"7:7 not-supported"}},
		{rule("hosts: !!set [a.com]"), []string{"7:14 not-supported"}},
		{rule("hosts: [!!str a.com]"), []string{"7:15 not-supported"}},
		{rule("hosts: [! a.com]"), nil},
		{rule("hosts: [a.com]\n      ? [a]\n      : b"), []string{"8:9 wrong-type spec.cluster.allow[0].?"}},
		{rule("hosts: [a.com]\n      1: b"), []string{"8:7 unknown-field spec.cluster.allow[0].1"}},
		{strings.Replace(head, "name: p", "name: p, labels: {on: a, 1: b, expires: 1, 'yes': c, ~: d}", 1) + "spec: {}\n", []string{"3:30 unquoted metadata.labels[on]", "3:37 unquoted metadata.labels[1]", "3:52 unquoted metadata.labels[expires]", "3:65 unquoted metadata.labels[~]"}},
		{rule("hosts: [a.com]\n      null: b"), []string{"8:7 unknown-field spec.cluster.allow[0].null"}},

		// shape
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\n", []string{"1:1 missing-name metadata.name", "1:1 missing-field spec"}},
		{"apiVersion: v1\nkind: List\nitems: []\n", []string{"2:7 wrong-kind kind"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicyList\nspec:\n", []string{"2:7 wrong-kind kind"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: egresspolicy\nspec: {}\n", []string{"2:7 wrong-kind kind"}},
		{"kind: EgressPolicy\nspec: {}\n", []string{"1:1 missing-field apiVersion", "1:1 missing-name metadata.name"}},
		{head + "spec:\n", []string{"4:1 no-value spec"}},
		{head + "spec: {}\n", nil},
		{head + "spec: []\n", []string{"4:7 wrong-type spec"}},
		{head, []string{"1:1 missing-field spec"}},
		{head + "specs: {}\n", []string{"4:1 unknown-field specs"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata:\n  name: p\n  creationTimestamp: null\n  uid: x\nspec: {}\nstatus: {}\n", []string{"5:3 unknown-field metadata.creationTimestamp", "6:3 unknown-field metadata.uid", "8:1 unknown-field status"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: ''}\nspec: {}\n", []string{"3:18 bad-name metadata.name"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: Foo_, namespace: a.b, labels: {a: 1, b: ~, c: on}}\nspec: {}\n", []string{"3:18 bad-name metadata.name", "3:35 bad-namespace metadata.namespace", "3:52 unquoted metadata.labels[a]", "3:58 no-value metadata.labels[b]", "3:64 unquoted metadata.labels[c]"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: p\nspec: {allow: []}\n", []string{"3:11 wrong-type metadata", "4:8 unknown-field spec.allow"}},
		{rule("host: [a.com]"), []string{"7:7 unknown-field spec.cluster.allow[0].host"}},
		{rule("domains: [a.com]"), []string{"7:7 unknown-field spec.cluster.allow[0].domains"}},
		{rule("hosts: a.com"), []string{"7:14 wrong-type spec.cluster.allow[0].hosts"}},
		{rule("hosts:\n"), []string{"7:7 no-value spec.cluster.allow[0].hosts"}},
		{rule("hosts: []"), []string{"7:14 empty-list spec.cluster.allow[0].hosts"}},
		{rule("hosts: [~, 1, true, [a.com], {a: b}, '']"), []string{"7:15 no-value spec.cluster.allow[0].hosts[0]", "7:18 unquoted spec.cluster.allow[0].hosts[1]", "7:21 unquoted spec.cluster.allow[0].hosts[2]", "7:27 wrong-type spec.cluster.allow[0].hosts[3]", "7:36 wrong-type spec.cluster.allow[0].hosts[4]", "7:44 bad-host spec.cluster.allow[0].hosts[5]"}},
		{rule("{}"), []string{"7:7 no-destination spec.cluster.allow[0].hosts"}},
		{rule("x"), []string{"7:7 wrong-type spec.cluster.allow[0]"}},
		{head + "spec: {cluster: {allow: {hosts: [a.com]}}}", []string{"4:25 wrong-type spec.cluster.allow"}},
		{head + "spec: {cluster: [a], clusters: [], sources: {}}", []string{"4:17 wrong-type spec.cluster", "4:32 empty-list spec.clusters", "4:45 wrong-type spec.sources"}},
		{rule("hosts: [no, on, 22:22, 1e3, .inf, 'no']"), []string{"7:15 unquoted spec.cluster.allow[0].hosts[0]", "7:19 unquoted spec.cluster.allow[0].hosts[1]", "7:23 unquoted spec.cluster.allow[0].hosts[2]", "7:30 unquoted spec.cluster.allow[0].hosts[3]", "7:35 unquoted spec.cluster.allow[0].hosts[4]"}},

		// ports
		{rule("hosts: [a.com]\n      ports: [22:22, 0443, 0x1bb, 1_000, 65536, -1, 99999999999, 443.0, '80-', http, ~, '', 8000-8100, '443']"), []string{"8:15 bad-port spec.cluster.allow[0].ports[0]", "8:22 bad-port spec.cluster.allow[0].ports[1]", "8:28 bad-port spec.cluster.allow[0].ports[2]", "8:35 bad-port spec.cluster.allow[0].ports[3]", "8:42 bad-port spec.cluster.allow[0].ports[4]", "8:49 bad-port spec.cluster.allow[0].ports[5]", "8:53 bad-port spec.cluster.allow[0].ports[6]", "8:66 wrong-type spec.cluster.allow[0].ports[7]", "8:73 bad-port spec.cluster.allow[0].ports[8]", "8:80 bad-port spec.cluster.allow[0].ports[9]", "8:86 no-value spec.cluster.allow[0].ports[10]", "8:89 bad-port spec.cluster.allow[0].ports[11]"}},
		{rule("hosts: [a.com]\n      ports: 443"), []string{"8:14 wrong-type spec.cluster.allow[0].ports"}},
		{rule("hosts: [a.com]\n      ports: []"), []string{"8:14 empty-list spec.cluster.allow[0].ports"}},

		// protocol
		{rule("hosts: [a.com]\n      protocol: https"), []string{"8:17 bad-protocol spec.cluster.allow[0].protocol"}},
		{rule("hosts: [a.com]\n      protocol: tls"), []string{"8:17 bad-protocol spec.cluster.allow[0].protocol"}},
		{rule("hosts: [a.com]\n      protocol: TCP"), []string{"7:7 missing-ports spec.cluster.allow[0].ports"}},
		{rule("cidrs: [10.0.0.0/8]"), []string{"7:7 missing-protocol spec.cluster.allow[0].protocol"}},
		{rule("cidrs: [10.0.0.0/8]\n      protocol: UDP"), []string{"7:7 missing-ports spec.cluster.allow[0].ports"}},
		{rule("cidrs: [10.0.0.0/8]\n      protocol: SCTP"), []string{"7:7 missing-ports spec.cluster.allow[0].ports"}},
		{rule("hosts: [a.com]\n      ports: [1]\n      protocol: SCTP"), []string{"9:17 sctp-by-name spec.cluster.allow[0].protocol"}},
		{rule("hosts: [a.com]\n      protocol: [TLS]"), []string{"8:17 wrong-type spec.cluster.allow[0].protocol"}},
		{rule("hosts: [a.com]\n      protocol: ''"), []string{"8:17 bad-protocol spec.cluster.allow[0].protocol"}},

		// cidrs
		{rule("cidrs: [10.1.2.3/8, 10.0.0.1, '::ffff:10.0.0.0/104', a.com, 10.0.0.0/33, '2001:db8::1/32', ~]\n      protocol: TLS"), []string{"7:15 bad-cidr spec.cluster.allow[0].cidrs[0]", "7:27 bad-cidr spec.cluster.allow[0].cidrs[1]", "7:37 bad-cidr spec.cluster.allow[0].cidrs[2]", "7:60 bad-cidr spec.cluster.allow[0].cidrs[3]", "7:67 bad-cidr spec.cluster.allow[0].cidrs[4]", "7:80 bad-cidr spec.cluster.allow[0].cidrs[5]", "7:98 no-value spec.cluster.allow[0].cidrs[6]"}},
		{rule("cidrs: [10.0.0.0/8]\n      protocol: TLS\n      except: [11.0.0.0/8, 10.0.0.0/7, 10.1.0.0/16]"), []string{"9:16 bad-except spec.cluster.allow[0].except[0]", "9:28 bad-except spec.cluster.allow[0].except[1]"}},
		{rule("cidrs: [10.0.0.0/8]\n      protocol: TLS\n      except: [10.0.0.0/8]"), []string{"9:15 bad-except spec.cluster.allow[0].except"}},
		{rule("hosts: [a.com]\n      except: [10.0.0.0/8]"), []string{"8:15 bad-except spec.cluster.allow[0].except"}},
		{rule("cidrs: [10.0.0.0/8]\n      protocol: TLS\n      except: []"), []string{"9:15 empty-list spec.cluster.allow[0].except"}},

		// origination
		{rule("hosts: [a.com]\n      originateTLS: {port: 443, mode: Simple}"), []string{"8:21 originate-not-http spec.cluster.allow[0].originateTLS"}},
		{rule("hosts: [a.com]\n      protocol: HTTP\n      originateTLS: {}"), []string{"9:21 originate-mode spec.cluster.allow[0].originateTLS.mode", "9:21 originate-port spec.cluster.allow[0].originateTLS.port"}},
		{rule("hosts: [a.com]\n      protocol: HTTP\n      originateTLS: {port: 0, mode: simple}"), []string{"9:28 originate-port spec.cluster.allow[0].originateTLS.port", "9:37 originate-mode spec.cluster.allow[0].originateTLS.mode"}},
		{rule("hosts: [a.com]\n      protocol: HTTP\n      originateTLS: {port: 443, mode: Mutual}"), []string{"9:21 originate-credential spec.cluster.allow[0].originateTLS.credentialName"}},
		{rule("hosts: [a.com]\n      protocol: HTTP\n      originateTLS: {port: '443', mode: Simple, credentialName: x}"), []string{"9:28 wrong-type spec.cluster.allow[0].originateTLS.port", "9:65 originate-credential spec.cluster.allow[0].originateTLS.credentialName"}},
		{rule("cidrs: [10.0.0.0/8]\n      protocol: HTTP\n      originateTLS: {port: 443, mode: Simple}"), []string{"9:21 originate-not-http spec.cluster.allow[0].originateTLS"}},
		{rule("hosts: [a.com]\n      protocol: HTTP\n      originateTLS: true"), []string{"9:21 wrong-type spec.cluster.allow[0].originateTLS"}},

		// http
		{rule("hosts: [a.com]\n      methods: [get, GET]\n      paths: [x, /a//b, /a/*]"), []string{"8:16 methods-not-http spec.cluster.allow[0].methods", "8:17 bad-method spec.cluster.allow[0].methods[0]", "9:14 paths-not-http spec.cluster.allow[0].paths", "9:15 bad-path spec.cluster.allow[0].paths[0]", "9:18 bad-path spec.cluster.allow[0].paths[1]"}},
		{rule("hosts: [a.com]\n      protocol: HTTP\n      methods: []\n      paths: [/v1/charge*]"), []string{"9:16 empty-list spec.cluster.allow[0].methods", "10:15 bad-path spec.cluster.allow[0].paths[0]"}},

		// other
		{rule("hosts: [a.com]\n      expires: 2027-6-3"), []string{"8:16 bad-date spec.cluster.allow[0].expires"}},
		{rule("hosts: [a.com]\n      expires: 0001-01-01"), []string{"8:16 bad-date spec.cluster.allow[0].expires"}},
		{rule("hosts: [a.com]\n      expires: 20270630"), []string{"8:16 bad-date spec.cluster.allow[0].expires"}},
		{rule("hosts: [a.com]\n      name: a/b\n    - {hosts: [b.com], name: x}\n    - {hosts: [c.com], name: x}"), []string{"8:13 bad-name spec.cluster.allow[0].name", "10:30 duplicate-rule spec.cluster.allow[2].name"}},
		{rule("hosts: [a.com]\n      reason: |\n        two\n        lines"), []string{"8:15 bad-text spec.cluster.allow[0].reason"}},
		{rule("hosts: [a.com]\n      within: []"), []string{"8:7 unknown-field spec.cluster.allow[0].within"}},
		{head + "spec: {cluster: {within: [], deny: [{hosts: [a.com], originateTLS: {port: 1, mode: Simple}}]}}", []string{"4:26 empty-within spec.cluster.within", "4:68 originate-in-deny spec.cluster.deny[0].originateTLS"}},

		// from
		{from(""), []string{"6:5 no-value spec.sources[0].from"}},
		{from("[]"), []string{"6:11 missing-from spec.sources[0].from"}},
		{from("[{}]"), []string{"6:12 missing-from spec.sources[0].from[0]"}},
		{from("{namespaces: [a]}"), []string{"6:11 wrong-type spec.sources[0].from"}},
		{from("[namespaces]"), []string{"6:12 wrong-type spec.sources[0].from[0]"}},
		{from("[{namespaces: []}]"), []string{"6:25 empty-list spec.sources[0].from[0].namespaces"}},
		{from("[{namespaces: [Shop, 'a*b', '**']}, {serviceAccounts: [a_b]}]"), []string{"6:26 bad-namespace spec.sources[0].from[0].namespaces[0]", "6:39 bad-namespace spec.sources[0].from[0].namespaces[2]", "6:66 bad-name spec.sources[0].from[1].serviceAccounts[0]"}},
		{from("[{podLabels: {}}]"), []string{"6:24 bad-selector spec.sources[0].from[0].podLabels"}},
		{from("[{podLabels: {app: x}}]"), []string{"6:25 unknown-field spec.sources[0].from[0].podLabels.app"}},
		{from("[{podLabels: {matchLabels: {'a b': 'c d'}, matchExpressions: [{key: a, operator: in, values: [x]}, {key: b, operator: Exists, values: [x]}, {key: c, operator: In}]}}]"), []string{"6:39 bad-selector spec.sources[0].from[0].podLabels.matchLabels[a b]", "6:46 bad-selector spec.sources[0].from[0].podLabels.matchLabels[a b]", "6:92 bad-selector spec.sources[0].from[0].podLabels.matchExpressions[0].operator", "6:145 bad-selector spec.sources[0].from[0].podLabels.matchExpressions[1].values", "6:151 bad-selector spec.sources[0].from[0].podLabels.matchExpressions[2].values"}},
		{from("[{podLabels: {matchExpressions: [{key: a, operator: In, values: [x]}, {key: a, operator: In, values: [z]}]}}]"), []string{"6:24 bad-selector spec.sources[0].from[0].podLabels"}},
		{from("[{namespace: a}]"), []string{"6:13 unknown-field spec.sources[0].from[0].namespace"}},
		{from("[{namespaceLabels: {matchLabels: {kubernetes.io/metadata.name: a}}, namespaces: [b]}]"), []string{"6:30 bad-selector spec.sources[0].from[0].namespaceLabels"}},
		{from("[{podLabels: ~}]"), []string{"6:24 no-value spec.sources[0].from[0].podLabels"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p, namespace: shop}\nspec: {sources: [{from: [{namespaces: [shop, other, 's*']}]}]}\n", []string{"4:46 foreign-namespace spec.sources[0].from[0].namespaces[1]"}},
		{"apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p, namespace: shop}\nspec: {sources: [{from: [{serviceAccounts: [a]}, {namespaceLabels: {matchLabels: {kubernetes.io/metadata.name: shop}}},\n" +
			"  {namespaceLabels: {matchLabels: {a: b, kubernetes.io/metadata.name: news}}},\n" +
			"  {namespaceLabels: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop, news, x]}]}},\n" +
			"  {namespaceLabels: {matchExpressions: [{key: a, operator: Exists}, {key: kubernetes.io/metadata.name, operator: NotIn, values: [x, shop]}]}}]}]}\n",
			[]string{"5:71 foreign-namespace spec.sources[0].from[2].namespaceLabels.matchLabels[kubernetes.io/metadata.name]",
				"6:105 foreign-namespace spec.sources[0].from[3].namespaceLabels.matchExpressions[0].values[1]",
				"6:111 foreign-namespace spec.sources[0].from[3].namespaceLabels.matchExpressions[0].values[2]",
				"7:133 foreign-namespace spec.sources[0].from[4].namespaceLabels.matchExpressions[1].values[1]"}},
		{head + "spec: {sources: [{name: a, from: [{namespaces: [x]}]}, {name: a, from: [{namespaces: [z]}]}]}", []string{"4:63 duplicate-source spec.sources[1].name"}},
	} {
		_, err := v1alpha1.Load(file("f", c.text))
		var got []string
		for _, d := range report(t, err) {
			got = append(got, strings.TrimPrefix(summary(d), "f:"))
			if d.Advice == "" {
				t.Errorf("%v: no advice", d)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\ngot\n%s\nwant\n%s\n%v", c.text, strings.Join(got, "\n"), strings.Join(c.want, "\n"), err)
		}
	}
}
