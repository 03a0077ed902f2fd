package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// texts are what YAML could take for something else, and what people write.
var texts = rapid.OneOf(
	rapid.SampledFrom([]string{"", "yes", "no", "on", "~", "null", "true", "1", "1.5", "0x1f", "1_000", "22:22", ".inf", "-", "- a", "a: b", "a #b", "#", "*a", "&a", "!a", "%a", "@a",
		"{a}", "[a]", "a, b", "'", `"`, `\`, "|", ">", "?", "? a", ":", "=", "<<", "2027-06-30", " a", "a ", "a\\nb", "é", "日本", "\U0001F600", "...", "---"}),
	rapid.StringN(0, 20, 60).Filter(plain),
)

// plain reports whether a text may stand in a document.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff || r == 0xfffe || r == 0xffff
	})
}

// document generates documents that say what generated policies say, with texts and metadata of their own.
func document(t *rapid.T) *v1alpha1.EgressPolicy {
	doc, err := v1alpha1.FromPolicy(gen.Policy().Draw(t, "policy"))
	if err != nil {
		t.Skip("the model says what documents can't: ", err)
	}
	for k := range rapid.MapOfN(rapid.SampledFrom([]string{"a", "b/c", "no", "1"}), rapid.Just(true), 0, 2).Draw(t, "annotations") {
		if doc.Metadata.Annotations == nil {
			doc.Metadata.Annotations = map[string]string{}
		}
		doc.Metadata.Annotations[strings.ReplaceAll(k, "b/", "b.io/")] = texts.Draw(t, "annotation")
	}
	for _, s := range sections(doc) {
		for _, rules := range [][]v1alpha1.Rule{s.Allow, s.Deny, s.Within} {
			for i := range rules {
				rules[i].Reason = texts.Draw(t, "reason")
				rules[i].Owner = texts.Draw(t, "owner")
			}
		}
	}
	return doc
}

func sections(doc *v1alpha1.EgressPolicy) []*v1alpha1.Section {
	var out []*v1alpha1.Section
	if doc.Spec.Cluster != nil {
		out = append(out, doc.Spec.Cluster)
	}
	for i := range doc.Spec.Sources {
		out = append(out, &doc.Spec.Sources[i].Section)
	}
	return out
}

func encode(t testing.TB, docs ...*v1alpha1.EgressPolicy) string {
	t.Helper()
	var b bytes.Buffer
	if err := v1alpha1.Encode(&b, docs...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// rapidTB lets helpers for tests serve properties.
type rapidTB struct {
	testing.TB
	t *rapid.T
}

func (r rapidTB) Fatal(args ...any)            { r.t.Fatal(args...) }
func (r rapidTB) Fatalf(f string, args ...any) { r.t.Fatalf(f, args...) }
func (r rapidTB) Helper()                      {}

// What is encoded decodes to the same document, as YAML and as JSON, for us and for Kubernetes' own reader.
func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		doc := document(rt)
		text := encode(rapidTB{t, rt}, doc)
		asJSON, err := json.Marshal(doc)
		if err != nil {
			rt.Fatal(err)
		}
		for _, text := range []string{text, string(asJSON)} {
			back, err := v1alpha1.Decode(file("f", text))
			if err != nil {
				rt.Fatalf("%v\n%s", err, text)
			}
			if diff := cmp.Diff([]*v1alpha1.EgressPolicy{doc}, back); diff != "" {
				rt.Fatalf("%s\n%s", diff, text)
			}
			var theirs v1alpha1.EgressPolicy
			if err := yaml.UnmarshalStrict([]byte(text), &theirs); err != nil {
				rt.Fatalf("Kubernetes: %v\n%s", err, text)
			}
			if diff := cmp.Diff(doc, &theirs); diff != "" {
				rt.Fatalf("Kubernetes: %s\n%s", diff, text)
			}
		}
		if again := encode(rapidTB{t, rt}, doc); again != text {
			rt.Fatalf("two texts of one document:\n%s\n%s", text, again)
		}
	})
}

// A policy and its document say the same: the same rules by the same names. Order changes nothing, and a canonical document is its own.
func TestFromPolicy(t *testing.T) {
	written := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := gen.Policy().Draw(rt, "policy")
		doc, err := v1alpha1.FromPolicy(p)
		if err != nil {
			for _, d := range report(rapidTB{t, rt}, err) {
				if d.Code != v1alpha1.CodeNotExpressible {
					rt.Fatal(err)
				}
			}
			rt.Skip("the model says what documents can't")
		}
		written++
		back, err := v1alpha1.ToPolicy(doc)
		if err != nil {
			rt.Fatal(err)
		}
		if got, want := rules(rt, back), rules(rt, p); !slices.Equal(got, want) {
			rt.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		loaded, err := v1alpha1.Load(file("f", encode(rapidTB{t, rt}, doc)))
		if err != nil {
			rt.Fatal(err)
		}
		if got, want := rules(rt, loaded...), rules(rt, p); !slices.Equal(got, want) {
			rt.Fatalf("from the text, got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}

		for _, q := range []*policy.Policy{back, shuffled(p, rapid.Int64().Draw(rt, "seed"))} {
			again, err := v1alpha1.FromPolicy(q)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(doc, again); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
	if written < 20 {
		t.Errorf("only %d policies could be written", written)
	}
}

// rules returns all that policies come to.
func rules(t *rapid.T, policies ...*policy.Policy) []string {
	e, err := policy.Compile(policies, policy.At(gen.Now))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for r := range e.Rules() {
		out = append(out, fmt.Sprint(r.ID, r.Effect, r.Sources, r.To, r.Reason, r.Owner, r.Expires))
	}
	return out
}

// shuffled returns p with its lists in another order.
func shuffled(p *policy.Policy, seed int64) *policy.Policy {
	r := rand.New(rand.NewSource(seed))
	section := func(s policy.Section) policy.Section {
		rules := func(list []policy.Rule) []policy.Rule {
			list = slices.Clone(list)
			for i := range list {
				list[i].To.Hosts = shuffle(r, list[i].To.Hosts)
				list[i].To.Methods = shuffle(r, list[i].To.Methods)
				list[i].To.Paths = shuffle(r, list[i].To.Paths)
			}
			return shuffle(r, list)
		}
		return policy.Section{Allow: rules(s.Allow), Deny: rules(s.Deny), Within: rules(s.Within)}
	}
	q := *p
	q.Clusters = shuffle(r, p.Clusters)
	q.Cluster = section(p.Cluster)
	q.Sources = shuffle(r, p.Sources)
	for i := range q.Sources {
		q.Sources[i].Section = section(q.Sources[i].Section)
	}
	return &q
}

func shuffle[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// What FromPolicy can't write it says.
func TestFromPolicyErrors(t *testing.T) {
	for _, c := range []struct {
		change func(*policy.Policy)
		want   string
	}{
		{func(p *policy.Policy) { p.Name = "" }, ":0:0 missing-name metadata.name"},
		{func(p *policy.Policy) { p.Name = "A" }, ":0:0 bad-name metadata.name"},
		{func(p *policy.Policy) { p.Namespace = "a" }, ":0:0 cluster-section spec.cluster"},
		{func(p *policy.Policy) { p.Cluster.Allow[0].To.Protocol = policy.AnyProtocol }, ":0:0 missing-protocol spec.cluster.allow[0].protocol"},
		{func(p *policy.Policy) { p.Cluster.Allow[0].To.Hosts = nil }, ":0:0 no-destination spec.cluster.allow[0].hosts"},
		{func(p *policy.Policy) { p.Cluster.Within = []policy.Rule{} }, ":0:0 empty-within spec.cluster.within"},
		{func(p *policy.Policy) { p.Sources = []policy.Source{{}} }, ":0:0 missing-from spec.sources[0].from"},
		{func(p *policy.Policy) { p.Sources = []policy.Source{{From: identity.Everything()}} }, ":0:0 not-expressible spec.sources[0].from"},
	} {
		loaded, err := v1alpha1.Load(file("f", rule("hosts: [a.com]")))
		if err != nil {
			t.Fatal(err)
		}
		c.change(loaded[0])
		_, err = v1alpha1.FromPolicy(loaded[0])
		if found := report(t, err); len(found) != 1 || summary(found[0]) != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := v1alpha1.FromPolicy(nil); !errors.As(err, new(policy.Diagnostics)) {
		t.Errorf("nil policy: %v", err)
	}
}

// A spec embedded elsewhere is checked as the document is.
func TestTypedDocuments(t *testing.T) {
	doc := &v1alpha1.EgressPolicy{Metadata: v1alpha1.Metadata{Name: "p"}, Spec: v1alpha1.EgressPolicySpec{
		Clusters: []string{},
		Cluster:  &v1alpha1.Section{Allow: []v1alpha1.Rule{{Hosts: []string{"*"}, Expires: "soon"}, {Protocol: "TCP"}}, Within: []v1alpha1.Rule{}},
		Sources: []v1alpha1.Source{
			{},
			{From: []v1alpha1.Peer{{}, {Namespaces: []string{}}, {PodLabels: &metav1.LabelSelector{}}}},
		},
	}}
	_, err := v1alpha1.ToPolicy(doc)
	var got []string
	for _, d := range report(t, err) {
		got = append(got, d.Code+" "+d.Position.Field)
	}
	want := []string{
		"bad-date spec.cluster.allow[0].expires",
		"bad-host spec.cluster.allow[0].hosts[0]",
		"no-destination spec.cluster.allow[1].hosts",
		"empty-within spec.cluster.within",
		"empty-list spec.clusters",
		"missing-from spec.sources[0].from",
		"missing-from spec.sources[1].from[0]",
		"empty-list spec.sources[1].from[1].namespaces",
		"bad-selector spec.sources[1].from[2].podLabels",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	doc.APIVersion, doc.Kind = "v1", "List"
	if _, err := v1alpha1.ToPolicy(doc); len(report(t, err)) != len(want)+2 {
		t.Errorf("another kind: %v", err)
	}
}
