package render_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/egresskit/egress/render"
)

// objects returns one of each kind of published types: plain structs, protobuf messages with enums and free-form parts, and a struct
// whose template has a metadata of its own.
func objects(t *testing.T) []render.Object {
	t.Helper()
	tcp, port, class := corev1.ProtocolTCP, intstr.FromInt32(443), "egress"
	patch, err := structpb.NewStruct(map[string]any{"port_value": 443, "name": "<marker>", "allow": true})
	if err != nil {
		t.Fatal(err)
	}
	return []render.Object{
		{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: "shop", Name: "baseline", Labels: map[string]string{"b": "2", "a": "1"}, Spec: &netv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{}, PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress},
			Egress: []netv1.NetworkPolicyEgressRule{{Ports: []netv1.NetworkPolicyPort{{Protocol: &tcp, Port: &port}}, To: []netv1.NetworkPolicyPeer{{IPBlock: &netv1.IPBlock{CIDR: "203.0.113.0/24"}}}}},
		}},
		{APIVersion: "networking.istio.io/v1", Kind: "ServiceEntry", Namespace: "egress", Name: "name", Spec: &networking.ServiceEntry{
			Hosts: []string{"www.foo.com"}, Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_DNS,
			Ports: []*networking.ServicePort{{Number: 443, Name: "tls", Protocol: "TLS"}},
		}},
		{APIVersion: "networking.istio.io/v1alpha3", Kind: "EnvoyFilter", Namespace: "egress", Name: "filter", Annotations: map[string]string{"why": "a: b"}, Spec: &networking.EnvoyFilter{
			ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{ApplyTo: networking.EnvoyFilter_LISTENER, Patch: &networking.EnvoyFilter_Patch{Operation: networking.EnvoyFilter_Patch_ADD, Value: patch}}},
		}},
		{APIVersion: "gateway.networking.k8s.io/v1", Kind: "TLSRoute", Namespace: "egress", Name: "route", Spec: &gateway.TLSRouteSpec{
			Hostnames: []gateway.Hostname{"www.foo.com"}, Rules: []gateway.TLSRouteRule{{BackendRefs: []gateway.BackendRef{{BackendObjectReference: gateway.BackendObjectReference{Name: "gw"}}}}},
		}},
		{APIVersion: "v1", Kind: "Namespace", Name: "shop"},
		{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "gateway", Spec: map[string]any{
			"template": &corev1.PodTemplateSpec{Spec: corev1.PodSpec{RuntimeClassName: &class}},
		}},
	}
}

const wantYAML = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: gateway
  namespace: shop
spec:
  template:
    metadata: {}
    spec:
      runtimeClassName: egress
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: route
  namespace: egress
spec:
  hostnames:
  - www.foo.com
  rules:
  - backendRefs:
    - name: gw
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: name
  namespace: egress
spec:
  hosts:
  - www.foo.com
  ports:
  - name: tls
    number: 443
    protocol: TLS
  resolution: DNS
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  annotations:
    why: 'a: b'
  name: filter
  namespace: egress
spec:
  configPatches:
  - applyTo: LISTENER
    patch:
      operation: ADD
      value:
        allow: true
        name: <marker>
        port_value: 443
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  labels:
    a: "1"
    b: "2"
  name: baseline
  namespace: shop
spec:
  egress:
  - ports:
    - port: 443
      protocol: TCP
    to:
    - ipBlock:
        cidr: 203.0.113.0/24
  podSelector: {}
  policyTypes:
  - Egress
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
`

func TestWriteYAML(t *testing.T) {
	list := objects(t)
	for range 5 {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		var b bytes.Buffer
		if err := render.WriteYAML(&b, list); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantYAML, b.String()); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	list := objects(t)
	var b bytes.Buffer
	if err := render.WriteJSON(&b, list[:1]); err != nil {
		t.Fatal(err)
	}
	want := `{
  "apiVersion": "v1",
  "kind": "List",
  "items": [
    {
      "apiVersion": "networking.k8s.io/v1",
      "kind": "NetworkPolicy",
      "metadata": {
        "labels": {
          "a": "1",
          "b": "2"
        },
        "name": "baseline",
        "namespace": "shop"
      },
      "spec": {
        "egress": [
          {
            "ports": [
              {
                "port": 443,
                "protocol": "TCP"
              }
            ],
            "to": [
              {
                "ipBlock": {
                  "cidr": "203.0.113.0/24"
                }
              }
            ]
          }
        ],
        "podSelector": {},
        "policyTypes": [
          "Egress"
        ]
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := render.WriteJSON(&b, list); err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"null", "status", "creationTimestamp", `\u003c`} {
		if strings.Contains(b.String(), never) {
			t.Errorf("the output has %q", never)
		}
	}
	b.Reset()
	if err := render.WriteJSON(&b, nil); err != nil || !strings.Contains(b.String(), `"items": []`) {
		t.Errorf("no objects: %v %s", err, b.String())
	}
}

// An object that cannot be encoded is an error that names it, and nothing is written, not even the objects before it.
func TestWriteNothingOnError(t *testing.T) {
	for name, bad := range map[string]render.Object{
		"no kind":     {APIVersion: "z/v1", Name: "x"},
		"no name":     {APIVersion: "z/v1", Kind: "X"},
		"a list":      {APIVersion: "z/v1", Kind: "X", Name: "x", Spec: []int{1}},
		"a null":      {APIVersion: "z/v1", Kind: "X", Name: "x", Spec: (*netv1.NetworkPolicySpec)(nil)},
		"null inside": {APIVersion: "z/v1", Kind: "X", Name: "x", Spec: map[string]any{"list": []any{1, nil}}},
		"no JSON":     {APIVersion: "z/v1", Kind: "X", Name: "x", Spec: map[string]any{"f": func() {}}},
	} {
		for _, write := range []func(*bytes.Buffer, []render.Object) error{
			func(b *bytes.Buffer, o []render.Object) error { return render.WriteYAML(b, o) },
			func(b *bytes.Buffer, o []render.Object) error { return render.WriteJSON(b, o) },
		} {
			var b bytes.Buffer
			if err := write(&b, append(objects(t), bad)); err == nil || b.Len() > 0 {
				t.Errorf("%s: error %v, %d bytes written", name, err, b.Len())
			}
		}
	}
}

func TestWriteReportsTheWriter(t *testing.T) {
	for _, err := range []error{render.WriteYAML(full{}, objects(t)), render.WriteJSON(full{}, objects(t))} {
		if !errors.Is(err, errFull) {
			t.Errorf("error %v", err)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// Objects are in order of namespace before name, and numbers keep all of their digits.
func TestWriteOrderAndNumbers(t *testing.T) {
	var list []render.Object
	for _, at := range [][2]string{{"b", "a"}, {"a", "b"}, {"a", "a"}, {"", "c"}} {
		list = append(list, render.Object{APIVersion: "v1", Kind: "K", Namespace: at[0], Name: at[1], Spec: map[string]any{"n": int64(1<<62 + 1)}})
	}
	var out bytes.Buffer
	if err := render.WriteJSON(&out, list); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items []struct {
			Metadata struct{ Namespace, Name string }
			Spec     struct{ N json.Number }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, i := range got.Items {
		order = append(order, i.Metadata.Namespace+"/"+i.Metadata.Name)
		if i.Spec.N != "4611686018427387905" {
			t.Errorf("n is %s", i.Spec.N)
		}
	}
	if got := strings.Join(order, " "); got != "/c a/a a/b b/a" {
		t.Errorf("order %s", got)
	}
}

// Objects are written in one order whatever the order in which they are given, which writing leaves as it is. What an object lacks is said with its name.
func TestOrderOfObjects(t *testing.T) {
	one := func(version, kind, namespace, name string) render.Object {
		return render.Object{APIVersion: version, Kind: kind, Namespace: namespace, Name: name, Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"a": "1"}}
	}
	sorted := []render.Object{one("a/v1", "A", "", "b"), one("a/v1", "A", "n", "a"), one("a/v1", "A", "n", "b"), one("a/v1", "B", "m", "a"), one("b/v1", "A", "m", "a")}
	var want strings.Builder
	for i, o := range sorted {
		if i > 0 {
			want.WriteString("---\n")
		}
		if err := render.WriteYAML(&want, []render.Object{o}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(want.String(), "annotations:\n    a: \"1\"\n  labels:\n    l: \"1\"\n"); got != len(sorted) {
		t.Errorf("%d objects with a label and an annotation", got)
	}
	for range 5 {
		given := slices.Clone(sorted)
		rand.Shuffle(len(given), func(i, j int) { given[i], given[j] = given[j], given[i] })
		before := slices.Clone(given)
		var got strings.Builder
		if err := render.WriteYAML(&got, given); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(before, given); diff != "" {
			t.Errorf("the caller's list is changed\n%s", diff)
		}
	}
	for _, o := range []render.Object{one("", "K", "n", "x"), one("v1", "", "n", "x"), one("v1", "K", "n", "")} {
		err := render.WriteYAML(io.Discard, []render.Object{o})
		if want := strings.Join([]string{"render:", o.APIVersion, o.Kind, o.Namespace + "/" + o.Name + ": an object needs apiVersion, kind and name"}, " "); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
