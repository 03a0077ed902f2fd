package v1alpha1_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// config has a field of each type that can be read.
type config struct {
	Version string `json:"version"`
	Mesh    mesh   `json:"mesh"`
	Pointer *mesh  `json:"pointer"`
	Common
	Lists []mesh            `json:"lists"`
	Other map[string]string `json:"other"`
	Chan  chan int          `json:"chan"`
	Inner string            `json:"-"`
}

type Common struct {
	Shared string `json:"shared"`
}

type mesh struct {
	Kind    kind                 `json:"kind"`
	Labels  labels               `json:"labels"`
	On      bool                 `json:"on"`
	Port    uint16               `json:"port"`
	Step    int8                 `json:"step"`
	Ports   []intstr.IntOrString `json:"ports"`
	Nets    []netip.Prefix       `json:"nets"`
	Address netip.Addr           `json:"address"`
	Text    upper                `json:"text"`
}

type (
	kind   string
	labels map[string]string
	upper  string
)

func (u *upper) UnmarshalText(text []byte) error {
	*u = upper(text)
	if strings.ToUpper(string(text)) != string(text) {
		return errors.New("not in upper case")
	}
	return nil
}

func usual() config {
	return config{Version: "1", Mesh: mesh{Kind: "a", Labels: labels{"app": "x"}, Port: 7, Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		Pointer: &mesh{Kind: "b", On: true}, Lists: []mesh{{Kind: "c", On: true}}}
}

// What a document names takes the place of what was there, and the rest stays.
func TestDecodeInto(t *testing.T) {
	for _, c := range []struct {
		text   string
		change func(c *config)
	}{
		{"{}", func(*config) {}},
		{"version: v2", func(c *config) { c.Version = "v2" }},
		{"version: '1.20'", func(c *config) { c.Version = "1.20" }},
		{"---\n# all\nshared: x\n", func(c *config) { c.Shared = "x" }},
		{"mesh: {kind: z, port: 65535, step: -128}", func(c *config) { c.Mesh.Kind, c.Mesh.Port, c.Mesh.Step = "z", 65535, -128 }},
		{"mesh: {labels: {a: b}, nets: [10.1.2.3/8, '::/0']}", func(c *config) {
			c.Mesh.Labels = labels{"a": "b"}
			c.Mesh.Nets = []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("::/0")}
		}},
		{"mesh: {nets: [], on: true}", func(c *config) { c.Mesh.Nets, c.Mesh.On = []netip.Prefix{}, true }},
		{"mesh: {ports: [80, 8000-8100], address: 10.0.0.1, text: AB}", func(c *config) {
			c.Mesh.Ports = []intstr.IntOrString{intstr.FromInt32(80), intstr.FromString("8000-8100")}
			c.Mesh.Address, c.Mesh.Text = netip.MustParseAddr("10.0.0.1"), "AB"
		}},
		{"pointer: {on: false}", func(c *config) { c.Pointer.On = false }},
		{"pointer: null", func(c *config) { c.Pointer = nil }},
		{"lists: [{port: 1}]", func(c *config) { c.Lists = []mesh{{Port: 1}} }},
		{"other: {'a.b/c': d}", func(c *config) { c.Other = map[string]string{"a.b/c": "d"} }},
		{`{"version": "2", "mesh": {"on": true}}`, func(c *config) { c.Version, c.Mesh.On = "2", true }},
	} {
		got, want := usual(), usual()
		c.change(&want)
		fields, err := v1alpha1.DecodeInto(file("f", c.text), &got)
		if err != nil || fields == nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.text, diff)
		}
	}
}

// All mistakes come in one report, each with its place, in the words of policy documents.
func TestDecodeIntoMistakes(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // line:column code field
	}{
		{"version: 1.20\nmesh:\n  knid: a\n  on: yes\n  port: 70000\n", []string{
			"1:10 unquoted version", "3:3 unknown-field mesh.knid", "4:7 wrong-type mesh.on", "5:9 wrong-type mesh.port"}},
		{"mesh: {nets: [10.0.0.1, x], address: 10.0.0, text: ab}", []string{
			"1:15 bad-cidr mesh.nets[0]", "1:25 bad-cidr mesh.nets[1]", "1:38 bad-address mesh.address", "1:52 wrong-type mesh.text"}},
		{"mesh: {port: -1, step: 128, labels: {a: 1, b: [c]}}", []string{
			"1:14 wrong-type mesh.port", "1:24 wrong-type mesh.step", "1:41 unquoted mesh.labels[a]", "1:47 wrong-type mesh.labels[b]"}},
		{"mesh: {port: 07, step: 1.5, on: 'true', nets: 10.0.0.0/8}", []string{
			"1:14 wrong-type mesh.port", "1:24 wrong-type mesh.step", "1:33 wrong-type mesh.on", "1:47 wrong-type mesh.nets"}},
		{"mesh:\nversion: null\nlists: [{}, null]\n", []string{"1:1 no-value mesh", "2:10 no-value version", "3:13 no-value lists[1]"}},
		{"pointer:\n", []string{"1:1 no-value pointer"}},
		{"version: a\nversion: b\nversion: c\n", []string{"2:1 duplicate-key version", "3:1 duplicate-key version"}},
		{"version: a\n---\nversion: b\n", []string{"3:1 not-supported"}},
		{"version: &a b\n", []string{"1:10 not-supported"}},
		{"version: [\nmesh: }", []string{"1:1 syntax"}},
		{"chan: 1\n-: 1\nInner: a\n", []string{"1:7 not-supported chan", "2:1 unknown-field -", "3:1 unknown-field Inner"}},
		{"status: {}\nallow: []\n", []string{"1:1 unknown-field status", "2:1 unknown-field allow"}},
		{"- a", []string{"1:1 wrong-type"}},
		{"", []string{"1:1 empty"}},
		{"# nothing\n", []string{"1:1 empty"}},
		{"a: \x00", []string{"1:4 not-text"}},
	} {
		got := usual()
		_, err := v1alpha1.DecodeInto(file("f", c.text), &got)
		var have []string
		for _, d := range report(t, err) {
			have = append(have, strings.TrimPrefix(summary(d), "f:"))
			if d.Advice == "" && !strings.Contains(d.Message, "upper case") && d.Position.Field != "chan" {
				t.Errorf("%v: no advice", d)
			}
			if strings.Contains(d.Advice, "policy has no") || strings.Contains(d.Advice, "belongs below") {
				t.Errorf("%v: advice on policies", d)
			}
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%q\n got %q\nwant %q\n%v", c.text, have, c.want, err)
		}
	}
	for _, into := range []any{nil, config{}, (*config)(nil), new(chan int)} {
		if _, err := v1alpha1.DecodeInto(file("f", "a: b"), into); len(report(t, err)) != 1 {
			t.Errorf("%T: %v", into, err)
		}
	}
	if _, err := v1alpha1.DecodeInto(v1alpha1.Path("testdata/no-such-file"), new(config)); len(report(t, err)) != 1 {
		t.Error(err)
	}
}

// What a document means is judged by others, who know the path of a field alone.
func TestFieldsPosition(t *testing.T) {
	var c config
	fields, err := v1alpha1.DecodeInto(file("f", "version: a\nmesh:\n  labels:\n    app.kubernetes.io/name: x\n    '0': yy\n  ports: [80,\n    443]\nlists:\n- port: 1\n"), &c)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"version":                             "f:1:10: version",
		"mesh":                                "f:3:3: mesh",
		"mesh.labels":                         "f:4:5: mesh.labels",
		"mesh.labels[app.kubernetes.io/name]": "f:4:29: mesh.labels[app.kubernetes.io/name]",
		"mesh.labels[0]":                      "f:5:10: mesh.labels[0]",
		"mesh.labels[none]":                   "f:4:5: mesh.labels[none]",
		"mesh.ports[1]":                       "f:7:5: mesh.ports[1]",
		"mesh.ports[2]":                       "f:6:10: mesh.ports[2]",
		"mesh.none.deep":                      "f:3:3: mesh.none.deep",
		"lists[0].port":                       "f:9:9: lists[0].port",
		"none":                                "f:1:1: none",
		"":                                    "f:1:1",
		"..[[]].[":                            "f:1:1: ..[[]].[",
	} {
		if got := fields.Position(path).String(); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	if got := new(v1alpha1.Fields).Position("a.b"); got != (policy.Position{Field: "a.b"}) {
		t.Errorf("no document: %v", got)
	}
}

func FuzzDecodeInto(f *testing.F) {
	f.Add("version: a\nmesh: {port: 1, nets: [10.0.0.0/8], ports: [1]}\n", "mesh.nets[0]")
	f.Add("lists: [{on: true}]\n---\npointer: null", "lists[0].on")
	f.Fuzz(func(t *testing.T, text, path string) {
		c := usual()
		fields, err := v1alpha1.DecodeInto(file("f", text), &c)
		for _, d := range report(t, err) {
			if d.Position.Line == 0 {
				t.Errorf("%v has no line", d)
			}
		}
		if at := fields.Position(path); at.Field != path {
			t.Errorf("%q has the path %q", path, at.Field)
		}
	})
}
