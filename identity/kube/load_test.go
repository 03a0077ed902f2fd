package kube_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/identity/kube"
)

func load(texts ...string) (*identity.Inventory, kube.Summary, error) {
	var files []kube.File
	for i, t := range texts {
		files = append(files, kube.File{Name: fmt.Sprintf("dump%d.yaml", i+1), Reader: strings.NewReader(t)})
	}
	return kube.Load(files...)
}

func TestLoadKubectl(t *testing.T) {
	text, err := os.ReadFile("testdata/kubectl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, asJSON, "", "    "); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"yaml":           string(text),
		"with a marker":  "\ufeff---\n# all of it\n" + string(text) + "...\n---\n",
		"CRLF":           strings.ReplaceAll(string(text), "\n", "\r\n"),
		"json":           string(asJSON),
		"indented json":  indented.String(),
		"json after BOM": "\ufeff" + string(asJSON),
		"json as yaml":   "--- " + string(asJSON),
	} {
		inv, summary, err := load(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := summary.String(), "2 namespaces, 2 service accounts, 2 pods"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got, want := inv.Namespaces(), []identity.Namespace{
			{Name: "news", Labels: map[string]string{identity.NamespaceNameLabel: "news"}},
			{Name: "shop", Labels: map[string]string{identity.NamespaceNameLabel: "shop", "team": "payments"}},
		}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: namespaces %v", name, got)
		}
		if got, want := inv.ServiceAccounts(), []identity.ServiceAccount{
			{Namespace: "news", Name: "default"}, {Namespace: "shop", Name: "checkout"}, {Namespace: "shop", Name: "default"},
		}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: service accounts %v", name, got)
		}
		if got, want := inv.Pods(), []identity.Pod{
			{Namespace: "news", Name: "reader", ServiceAccount: "default", Labels: map[string]string{"app": "reader"}},
			{Namespace: "shop", Name: "checkout-7d9c5b8f6d-2xk4p", ServiceAccount: "checkout", Labels: map[string]string{"app": "checkout", "pod-template-hash": "7d9c5b8f6d"}},
		}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: pods %v", name, got)
		}
	}
}

func TestLoadForms(t *testing.T) {
	const (
		shop    = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
		account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: shop}\n"
		pod     = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {serviceAccountName: a}\n"
		service = "apiVersion: v1\nkind: Service\nmetadata: {name: s, labels: {a: [not, looked, at]}}\n"
	)
	for _, tt := range []struct {
		name  string
		files []string
		want  string
	}{
		{"documents", []string{shop + "---\n" + account + "--- # the pod\n" + pod + "---\n\n---\n" + service}, "1 namespace, 1 service account, 1 pod; ignored: 1 v1 Service"},
		{"files", []string{shop, account, pod}, "1 namespace, 1 service account, 1 pod"},
		{"a list in flow style", []string{`{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a"}}]}`}, "1 namespace, 0 service accounts, 0 pods"},
		{"a list of indented items", []string{"kind: List\napiVersion: v1\nitems:\n  - kind: Namespace\n    apiVersion: v1\n    metadata:\n      name: a\n"}, "1 namespace, 0 service accounts, 0 pods"},
		{"a list in a list", []string{"kind: List\napiVersion: v1\nitems:\n- kind: List\n  apiVersion: v1\n  items:\n  - kind: Namespace\n    apiVersion: v1\n    metadata:\n      name: a\n"}, "1 namespace, 0 service accounts, 0 pods"},
		{"a list of one kind, of the API", []string{`{"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}],"kind":"NamespaceList","apiVersion":"v1"}`}, "2 namespaces, 0 service accounts, 0 pods"},
		{"a list of one kind, in YAML", []string{"items:\n- metadata:\n    name: a\n# in between\n\n- metadata: {name: b}\nkind: NamespaceList\napiVersion: v1\n"}, "2 namespaces, 0 service accounts, 0 pods"},
		{"a list of other kinds", []string{"items:\n- metadata:\n    name: a\n- {}\nkind: DeploymentList\napiVersion: apps/v1\n---\n" + service, shop},
			"1 namespace, 0 service accounts, 0 pods; ignored: 2 apps/v1 Deployment, 1 v1 Service"},
		{"another group's Pod", []string{"apiVersion: example.com/v1\nkind: Pod\n"}, "0 namespaces, 0 service accounts, 0 pods; ignored: 1 example.com/v1 Pod"},
		{"an object with items that is no list", []string{"apiVersion: example.com/v1\nkind: Menu\nitems:\n- soup: 1\n"}, "0 namespaces, 0 service accounts, 0 pods; ignored: 1 example.com/v1 Menu"},
		{"JSON documents", []string{`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a","labels":null}}` + "\n" + `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"b","labels":{"x":"\u0079"}}}`}, "2 namespaces, 0 service accounts, 0 pods"},
		{"JSON documents behind a byte order mark", []string{"\xef\xbb\xbf" + `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"}} {"kind":"Namespace","apiVersion":"v1","metadata":{"name":"b"}}`}, "2 namespaces, 0 service accounts, 0 pods"},
		{"as deep as it may be", []string{`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"},"x":` + strings.Repeat("[", 199) + strings.Repeat("]", 199) + "}"}, "1 namespace, 0 service accounts, 0 pods"},
		{"nothing but an empty list and an object", []string{"kind: List\napiVersion: v1\nitems: []\n---\n" + shop}, "1 namespace, 0 service accounts, 0 pods"},
		{"aliases where nothing is read", []string{shop + "spec: &x {a: 1}\nstatus: *x\n"}, "1 namespace, 0 service accounts, 0 pods"},
	} {
		_, summary, err := load(tt.files...)
		if err != nil || summary.String() != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, summary, err, tt.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	const head = "apiVersion: v1\nkind: Namespace\n"
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		text string
		want string // all of the error; a trailing ... leaves the rest open
	}{
		{"", "dump1.yaml: holds no objects; write what kubectl get..."},
		{"# nothing\n---\n", "dump1.yaml: holds no objects..."},
		{"hello", "dump1.yaml:1: document 1: the object is a text, not a mapping"},
		{"- a\n", "dump1.yaml:1: document 1: the object is a list, not a mapping"},
		{"[]", "dump1.yaml:1: document 1: the object is a list, not a mapping"},
		{"\n\nmetadata: {name: a}\n", "dump1.yaml:3: document 1: not a Kubernetes object: apiVersion and kind are missing"},
		{"kind: Pod\n", "dump1.yaml:1: document 1: not a Kubernetes object: apiVersion and kind are missing"},
		{head, "dump1.yaml:1: document 1: Namespace without metadata.name"},
		{head + "metadata: {name: [a]}\n", "dump1.yaml:3: document 1: metadata.name is a list, not a text; put it in quotes"},
		{head + "metadata:\n  name: 7\n", "dump1.yaml:4: document 1: metadata.name is a number, not a text; put it in quotes"},
		{head + "metadata:\n- name\n", "dump1.yaml:4: document 1: metadata is a list, not a mapping"},
		{head + "metadata:\n  name: a\n  labels:\n    ok: fine\n    on: true\n", "dump1.yaml:7: document 1: metadata.labels.\"on\" is a truth value, not a text; put it in quotes"},
		{head + "metadata:\n  name: a\n  labels:\n    1: fine\n", "dump1.yaml:6: document 1: a key of metadata.labels is a number, not a text; put it in quotes"},
		{head + "metadata:\n  name: a\n  name: b\n", "dump1.yaml:5: document 1: metadata has the key \"name\" twice"},
		{head + "metadata: &m\n  name: a\n  labels: *m\n", "dump1.yaml:5: document 1: metadata.labels is an alias (write what it stands for), not a mapping"},
		{head + "metadata:\n  name: a\n  <<: {labels: {}}\n", "dump1.yaml:5: document 1: a key of metadata is a merge, not a text; put it in quotes"},
		{head + "metadata: {name: A}\n", `dump1.yaml:1: document 1: namespace "A": "A" is not a Kubernetes name...`},
		{head + "metadata: {name: a, labels: {app: no value}}\n", `dump1.yaml:1: document 1: namespace "a": label "app": value "no value": ...`},
		{head + "metadata: {name: a}\n---\n" + head + "metadata: {name: a}\n", "dump1.yaml:5: document 2: Namespace a again, after dump1.yaml:1"},
		{head + "metadata: {name: a}\n---\n" + head + "metadata: {name: a, namespace: b}\n", "dump1.yaml:5: document 2: Namespace a again, after dump1.yaml:1"},
		{"items:\n- kind: Pod\n  metadata: {name: a}\nkind: NamespaceList\napiVersion: v1\n", "dump1.yaml:2: document 1: not a Kubernetes object: apiVersion and kind are missing"},
		{`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", "dump1.yaml:1: document 1: not JSON: nested too deep"},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", `dump1.yaml:1: document 1: Pod "p" without metadata.namespace; a dump of the cluster has it`},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\nspec: {serviceAccountName: B}\n", `dump1.yaml:1: document 1: pod "a/p": "B" is not a Kubernetes name...`},
		{"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: p, namespace: a/b}\n", `dump1.yaml:1: document 1: service account "a/b/p": "a/b" is not...`},
		{"items:\n- " + strings.ReplaceAll(head, "\n", "\n  ") + "metadata: {name: a}\n- kind: Pod\n  x: [\nkind: List\napiVersion: v1\n", "dump1.yaml:6: document 1: not YAML: ..."},
		{"items:\n- kind: Pod\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: 3\nkind: List\napiVersion: v1\n",
			"dump1.yaml:2: document 1: not a Kubernetes object: apiVersion and kind are missing\ndump1.yaml:6: document 1: metadata.name is a number, not a text; put it in quotes"},
		{"items:\n- a: b\n  c: d\n\nkind: [x]\n", "dump1.yaml:5: document 1: kind is a list, not a text; put it in quotes"},
		{head + "metadata: {name: a}\n---\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- x: y\napiVersion: v1\n",
			"dump1.yaml:7: document 2: Pod without metadata.name\ndump1.yaml:9: document 2: not a Kubernetes object: apiVersion and kind are missing"},
		{head + "metadata:\n  name: a\n  labels:\n    a: 1\n    b: 2\n    c: 3\n    d: 4\n", "dump1.yaml:6: document 1: metadata.labels.\"a\" is a number, not a text; put it in quotes"},
		{"items: {}\nkind: List\napiVersion: v1\n", "dump1.yaml:1: document 1: items is a mapping, not a list"},
		{"a: b\n\tc: d\n", "dump1.yaml:2: document 1: not YAML: ..."},
		{"a: \x00b\n", "dump1.yaml:1: document 1: not YAML: ..."},
		{"\x89PNG\r\n\x1a\n", "dump1.yaml:1: document 1: not YAML: ..."},
		{"a: [\n", "dump1.yaml:1: document 1: not YAML: ..."},
		{"a: b\n...\nc: d\n", "dump1.yaml:1: document 1: more than one document; put --- between them"},
		{"a: *b\n", "dump1.yaml:1: document 1: not YAML: ..."},
		{strings.Repeat("[", 20000), "dump1.yaml:1: document 1: not YAML: ..."},
		{"a: " + strings.Repeat(long, 17), "dump1.yaml:1: document 1: a document larger than 16 MiB"},
		{"kind: List\nitems:\n- a: b\n- a: " + strings.Repeat(long, 17) + "\n", "dump1.yaml:4: document 1: an object larger than 16 MiB..."},
		{head + "metadata: {name: " + long + "}\n", "dump1.yaml:1: document 1: namespace \"xxxxx..."},

		{`{`, "dump1.yaml:1: document 1: not JSON: unexpected EOF"},
		{"{}\n{\"a\":\n1]", "dump1.yaml:1: document 1: not a Kubernetes object: apiVersion and kind are missing\ndump1.yaml:3: document 2: not JSON: ..."},
		{"{\"apiVersion\":\"v1\",\n\"kind\":\"Namespace\",\n\"metadata\":{\"name\":\"a\"}}\n]", "dump1.yaml:4: document 1: not JSON: something follows the last document"},
		{"{\"apiVersion\":\"v1\",\n\"kind\":\"Namespace\",\n\"metadata\":{\n\"name\":\n3}}", "dump1.yaml:5: document 1: metadata.name is a number, not a text; put it in quotes"},
		{"{\"apiVersion\":\"v1\",\n\"items\":[\n{},\n{\"kind\":\"Pod\",\n\"apiVersion\":\"v1\"}],\"kind\":\"List\"}",
			"dump1.yaml:3: document 1: not a Kubernetes object: apiVersion and kind are missing\ndump1.yaml:4: document 1: Pod without metadata.name"},
		{`{"items":{},"kind":"List","apiVersion":"v1"}`, "dump1.yaml:1: document 1: items is a mapping, not a list"},
		{`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a","name":"b"}}`, "dump1.yaml:1: document 1: metadata has the key \"name\" twice"},
		{`{"a":` + strings.Repeat(`[`, 100000), "dump1.yaml:1: document 1: not JSON: nested too deep"},
		{strings.Repeat(`{"kind":"List","apiVersion":"v1","items":[`, 50), "dump1.yaml:1: document 1: not JSON: unexpected EOF"},
		{strings.Repeat(`{"kind":"List","apiVersion":"v1","items":[`, 50) + strings.Repeat("]}", 50), "dump1.yaml:1: document 1: lists in lists, more than 8 deep"},
	} {
		inv, _, err := load(tt.text)
		want, open := strings.CutSuffix(tt.want, "...")
		if inv != nil || err == nil || err.Error() != want && !(open && strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.80q:\n got %v\nwant %s", tt.text, err, tt.want)
			continue
		}
		if len(err.Error()) > 600 {
			t.Errorf("%.80q: a message of %d bytes", tt.text, len(err.Error()))
		}
		var e *kube.Error
		if !errors.As(err, &e) || e.File != "dump1.yaml" {
			t.Errorf("%.80q: %T", tt.text, err)
		}
	}
}

func TestLoadTellsManyErrors(t *testing.T) {
	_, _, err := load(strings.Repeat("a: b\n---\n", 150))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 101 || lines[100] != "50 more errors not listed" || !strings.HasPrefix(lines[99], "dump1.yaml:199: document 100: ") {
		t.Errorf("%d lines, the last two %q", len(lines), lines[len(lines)-2:])
	}
}

func TestLoadTellsAHundredErrors(t *testing.T) {
	for n, more := range map[int]int{99: 0, 100: 0, 101: 1} {
		_, _, err := load(strings.Repeat("a: b\n---\n", n))
		if lines := strings.Split(err.Error(), "\n"); len(lines) != min(n, 100)+more || (lines[len(lines)-1] == "1 more error not listed") != (more > 0) {
			t.Errorf("of %d errors %d lines, the last %q", n, len(lines), lines[len(lines)-1])
		}
	}
}

func TestFromObjects(t *testing.T) {
	meta := func(namespace, name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}
	}
	raw := runtime.RawExtension{Raw: []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"raw"}}`)}
	inv, summary, err := kube.FromObjects(
		&corev1.Namespace{ObjectMeta: meta("", "shop", map[string]string{"team": "x"})},
		&corev1.NamespaceList{Items: []corev1.Namespace{{ObjectMeta: meta("", "news", nil)}}},
		&corev1.ServiceAccount{ObjectMeta: meta("shop", "a", nil)},
		&corev1.ServiceAccountList{Items: []corev1.ServiceAccount{{ObjectMeta: meta("news", "b", nil)}}},
		&corev1.Pod{ObjectMeta: meta("shop", "p", map[string]string{"app": "x"}), Spec: corev1.PodSpec{ServiceAccountName: "a"}},
		&corev1.PodList{Items: []corev1.Pod{{ObjectMeta: meta("news", "q", nil)}}},
		&corev1.List{Items: []runtime.RawExtension{raw, {Object: &corev1.Pod{ObjectMeta: meta("raw", "r", nil)}}}},
		&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "free"}}},
		&unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "NamespaceList"}, Items: []unstructured.Unstructured{
			{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "freer"}}}}},
		&corev1.Service{}, &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}}, &corev1.Service{},
	)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := summary.String(), "5 namespaces, 2 service accounts, 3 pods; ignored: 2 *v1.Service, 1 v1 ConfigMap"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprint(inv.Namespaces()), "[{free map[]} {freer map[]} {news map[]} {raw map[]} {shop map[team:x]}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprint(inv.ServiceAccounts()), "[{news b} {news default} {raw default} {shop a}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprint(inv.Pods()), "[{news q default map[]} {raw r default map[]} {shop p a map[app:x]}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}

	cycle := &corev1.List{}
	cycle.Items = []runtime.RawExtension{{Object: cycle}}
	for _, tt := range []struct {
		object runtime.Object
		want   string
	}{
		{nil, "object 2: nil"},
		{(*corev1.Pod)(nil), "object 2: nil"},
		{&corev1.Pod{}, "object 2: Pod without metadata.name"},
		{&corev1.Namespace{ObjectMeta: meta("", "ok", nil)}, "object 2: Namespace ok again, after object 1"},
		{cycle, "object 2: lists in lists, more than 8 deep"},
		{&corev1.List{Items: []runtime.RawExtension{{Raw: []byte("{")}}}, "object 2: not JSON: unexpected EOF"},
		{&corev1.List{Items: []runtime.RawExtension{{}}}, "object 2: not JSON: unexpected EOF"},
		{&metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}, "object 2: a Pod of type *v1.PartialObjectMetadata; give the type of k8s.io/api/core/v1"},
	} {
		inv, _, err := kube.FromObjects(&corev1.Namespace{ObjectMeta: meta("", "ok", nil)}, tt.object)
		if inv != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// The same cluster reads the same, whether as objects, as the list that kubectl prints, in YAML or JSON, or as documents.
func TestFormsAgree(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "true", "1", "0x1"})
	labels := rapid.MapOfN(name, rapid.SampledFrom([]string{"", "x", "yes", "1.0", "null", "2026-01-01", "1_000"}), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		var objects []runtime.Object
		type key struct{ namespace, name string }
		for _, n := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "namespaces") {
			objects = append(objects, &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: n, Labels: labels.Draw(t, "labels")}})
		}
		keys := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) key { return key{name.Draw(t, "namespace"), name.Draw(t, "name")} }), 0, 6, rapid.ID)
		for _, k := range keys.Draw(t, "accounts") {
			objects = append(objects, &corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: metav1.ObjectMeta{Namespace: k.namespace, Name: k.name}})
		}
		for _, k := range keys.Draw(t, "pods") {
			p := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Namespace: k.namespace, Name: k.name, Labels: labels.Draw(t, "labels")}}
			p.Annotations = map[string]string{"note": rapid.SampledFrom([]string{"", "items:\n- a\n---\nb", "\n\n x\n", "# c"}).Draw(t, "note")}
			p.Spec.ServiceAccountName = rapid.OneOf(name, rapid.Just("")).Draw(t, "account")
			objects = append(objects, p)
		}
		if len(objects) == 0 {
			return
		}
		want, wantSummary, err := kube.FromObjects(objects...)
		if err != nil {
			t.Fatal(err)
		}
		objects = rapid.Permutation(objects).Draw(t, "order")
		list := map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}, "items": objects}
		asYAML, err := yaml.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.MarshalIndent(list, "", rapid.SampledFrom([]string{"", "\t"}).Draw(t, "indent"))
		if err != nil {
			t.Fatal(err)
		}
		var documents string
		for _, o := range objects {
			text, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			documents += "---\n" + string(text)
		}
		for _, text := range []string{string(asYAML), string(asJSON), documents} {
			got, summary, err := load(text)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if !reflect.DeepEqual(summary, wantSummary) || !reflect.DeepEqual(got.Namespaces(), want.Namespaces()) ||
				!reflect.DeepEqual(got.ServiceAccounts(), want.ServiceAccounts()) || !reflect.DeepEqual(got.Pods(), want.Pods()) {
				t.Fatalf("%v\n%v\nwant %v\n%v\nof\n%s", got.Namespaces(), got.Pods(), want.Namespaces(), want.Pods(), text)
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	text, err := os.ReadFile("testdata/kubectl.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"kind":"List","apiVersion":"v1","items":[{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"}}]}`))
	f.Add([]byte("items:\n- a: &x b\n- *x\n---\n--- |\n  x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		inv, summary, err := kube.Load(kube.File{Name: "f", Reader: bytes.NewReader(text)})
		if (inv == nil) != (err != nil) {
			t.Fatalf("%v, %v", inv, err)
		}
		if inv != nil && len(inv.Pods()) != summary.Pods {
			t.Fatalf("%d pods, and %s", len(inv.Pods()), summary)
		}
	})
}

func ExampleLoad() {
	dump := strings.NewReader(`
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata:
    name: shop
    labels: {team: payments}
- apiVersion: v1
  kind: Pod
  metadata:
    name: checkout-1
    namespace: shop
    labels: {app: checkout}
  spec:
    serviceAccountName: checkout
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: checkout
    namespace: shop
`)
	inv, summary, err := kube.Load(kube.File{Name: "cluster.yaml", Reader: dump})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary)
	for _, w := range inv.Workloads("prod", "") {
		id, _ := w.SPIFFE()
		fmt.Println(id, w.Labels)
	}
	// Output:
	// 1 namespace, 0 service accounts, 1 pod; ignored: 1 apps/v1 Deployment
	// spiffe://cluster.local/ns/shop/sa/checkout map[app:checkout]
}
