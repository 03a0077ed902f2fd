package imports

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestImports(t *testing.T) {
	files, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"match", "identity", "policy", "render"} {
		if !slices.ContainsFunc(files, func(f file) bool { return f.pkg() == must && !f.test() }) {
			t.Errorf("package %s was not read", must)
		}
	}
	for _, broken := range check(files) {
		t.Error(broken)
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Contains(names, "go.mod") {
		t.Errorf("%s is not the top of the repository: %v", root, names)
	}
	for _, broken := range checkTop(names) {
		t.Error(broken)
	}
}

// Each row of the tables can fail, and tells its reason when it does.
func TestRulesCanFail(t *testing.T) {
	for _, l := range layers {
		pkg := strings.Replace(l.packages, "/...", "/other", 1)
		for _, bad := range []string{"example.com/other", module + "/elsewhere", module} {
			if got := check([]file{{name: pkg + "/x.go", imports: []string{bad}}}); len(got) != 1 || !strings.Contains(got[0], bad+": "+l.why) {
				t.Errorf("%s imports %s: %q", pkg, bad, got)
			}
		}
		for _, fine := range append(slices.Clone(l.others), "fmt", "encoding/json") {
			fine = strings.TrimSuffix(fine, "/...")
			if !l.allows(pkg, fine) {
				t.Errorf("%s may not import %s", pkg, fine)
			}
		}
	}
	for _, b := range bans {
		for _, bad := range b.imports {
			bad = strings.Replace(bad, "/...", "/sub", 1)
			for _, in := range b.in {
				pkg := strings.TrimSuffix(in, "/...")
				if under(pkg, b.except) {
					continue
				}
				got := check([]file{{name: pkg + "/x.go", imports: []string{bad}}})
				if !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, bad+": "+b.why) }) {
					t.Errorf("%s imports %s: %q", pkg, bad, got)
				}
			}
			for _, pkg := range b.except {
				pkg = strings.TrimSuffix(pkg, "/...")
				for _, s := range check([]file{{name: pkg + "/x.go", imports: []string{bad}}}) {
					if strings.Contains(s, b.why) {
						t.Errorf("%s may import %s, and yet %q", pkg, bad, s)
					}
				}
			}
		}
	}
}

func TestCheck(t *testing.T) {
	own := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, module+"/"+n)
		}
		return out
	}
	for _, tt := range []struct {
		f    file
		want []string // parts, one a finding
	}{
		{file{name: "match/x.go", imports: []string{"net/netip", "github.com/gobwas/glob", "golang.org/x/net/idna"}}, nil},
		{file{name: "match/x.go", imports: own("identity")}, []string{"identity: names and addresses stand at the bottom"}},
		{file{name: "match/x.go", imports: []string{"golang.org/x/net/publicsuffix"}}, []string{"publicsuffix: names"}},
		{file{name: "match/x.go", imports: own("match/internal/trie")}, nil},
		{file{name: "policy/x.go", imports: own("match/internal/trie")}, []string{"match/internal/trie: the model"}},
		{file{name: "identity/x.go", imports: own("identity/kube")}, []string{"identity/kube: sources"}},
		{file{name: "identity/kube/x.go", imports: own("identity", "policy")}, []string{"egress/policy: it turns"}},
		{file{name: "policy/x.go", imports: own("match", "identity", "render")}, []string{"egress/render: the model is pure"}},
		{file{name: "policy/x.go", imports: own("policy/v1alpha1")}, []string{"v1alpha1: the model is pure"}},
		{file{name: "render/x.go", imports: own("policy/v1alpha1", "render/istio")}, []string{"v1alpha1: the framework", "istio: the framework"}},
		{file{name: "render/x.go", imports: []string{"context"}}, nil},
		{file{name: "policy/v1alpha1/x.go", imports: []string{"context"}}, []string{"context: below render"}},
		{file{name: "render/istio/x.go", imports: own("render", "match", "render/internal/names")}, nil},
		{file{name: "render/istio/x.go", imports: own("render/networkpolicy")}, []string{"networkpolicy: a target stands alone"}},
		{file{name: "render/networkpolicy/x.go", imports: []string{"istio.io/api/networking/v1"}}, []string{"istio.io/api/networking/v1: a target stands alone"}},
		{file{name: "render/new/x.go", imports: own("render/istio")}, []string{"istio: a target stands alone"}},
		{file{name: "render/rendertest/x.go", imports: append(own("render", "internal/gen"), "testing", "pgregory.net/rapid")}, nil},
		{file{name: "render/rendertest/x.go", imports: own("render/istio")}, []string{"istio: the kit"}},
		{file{name: "examples/quickstart/main.go", imports: append(own("policy/v1alpha1", "render/istio"), "context", "os")}, nil},
		{file{name: "examples/quickstart/main.go", imports: own("internal/reference")}, []string{"reference: an example does", "reference: it is for tests"}},
		{file{name: "examples/quickstart/main.go", imports: []string{"log"}}, []string{"log: findings are values"}},
		{file{name: "match/x.go", imports: []string{"log/slog"}}, []string{"log/slog: findings are values"}},
		{file{name: "match/x_test.go", imports: append(own("render"), "testing", "example.com/x"), init: true}, nil},
		{file{name: "match/x.go", init: true}, []string{"match/x.go has a func init: " + whyNoInit}},
		{file{name: "tools/x.go"}, []string{"package tools has no layer"}},
		{file{name: "doc.go"}, []string{"package . has no layer"}},
	} {
		got := check([]file{tt.f})
		ok := len(got) == len(tt.want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.Contains(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%+v:\n got %q\nwant %q", tt.f, got, tt.want)
		}
	}
}

func TestCheckTop(t *testing.T) {
	got := checkTop([]string{".git", "match", "go.mod", "vendor", "bin", "match.test", "x.go", "README"})
	want := []string{"vendor: " + whyTopLevel, "x.go: " + whyTopLevel, "README: " + whyTopLevel}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRead(t *testing.T) {
	top := t.TempDir()
	for name, text := range map[string]string{
		"match/a.go":             "package match\n\nimport (\n\t\"fmt\"\n\tx \"example.com/y\"\n)\n\nfunc init() { fmt.Print(x.Y) }\n",
		"match/a_test.go":        "package match\n\nimport \"testing\"\n",
		"match/b.go":             "//go:build ignore\n\npackage main\n\ntype t int\n\nfunc (t) init() {}\n",
		"match/testdata/bad.go":  "not Go",
		"internal/nested/go.mod": "module nested\n",
		"internal/nested/a.go":   "package nested\n\nimport \"example.com/z\"\n",
		".ci/tool.go":            "not Go",
	} {
		if err := writeFile(top, name, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := read(top)
	if err != nil {
		t.Fatal(err)
	}
	want := []file{
		{"match/a.go", []string{"fmt", "example.com/y"}, true},
		{"match/a_test.go", []string{"testing"}, false},
		{"match/b.go", nil, false},
	}
	if !slices.EqualFunc(got, want, func(a, b file) bool {
		return a.name == b.name && slices.Equal(a.imports, b.imports) && a.init == b.init
	}) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := writeFile(top, "match/c.go", "not Go"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(top); err == nil {
		t.Error("a file that is not Go was read")
	}
}

func writeFile(top, name, text string) error {
	p := filepath.Join(top, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	return os.WriteFile(p, []byte(text), 0o644)
}
