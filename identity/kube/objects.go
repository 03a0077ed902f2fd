package kube

import (
	"encoding/json"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/egresskit/egress/identity"
)

// FromObjects builds an inventory from Namespace, ServiceAccount and Pod objects and from lists of them: NamespaceList,
// ServiceAccountList, PodList, and List, whose items may also be raw JSON. Objects in unstructured form are read as well. Objects of other
// kinds are counted and otherwise ignored. Objects are only read, and nothing refers to them afterwards.
//
// The error is as in [Load], with the number of the object among those given instead of a file and a line. A nil object is an error, and so
// is a namespace, service account or pod in another Go type, such as metadata alone.
func FromObjects(objects ...runtime.Object) (*identity.Inventory, Summary, error) {
	var c collector
	for i, o := range objects {
		c.addTyped(place{document: i + 1}, o, 0)
	}
	return c.inventory()
}

func (c *collector) addTyped(at place, o runtime.Object, depth int) {
	if v := reflect.ValueOf(o); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		c.fail(at.errorf("nil"))
		return
	}
	switch o := o.(type) {
	case *corev1.Namespace:
		c.add(known(at, "Namespace", &o.ObjectMeta))
	case *corev1.NamespaceList:
		for i := range o.Items {
			c.add(known(at, "Namespace", &o.Items[i].ObjectMeta))
		}
	case *corev1.ServiceAccount:
		c.add(known(at, "ServiceAccount", &o.ObjectMeta))
	case *corev1.ServiceAccountList:
		for i := range o.Items {
			c.add(known(at, "ServiceAccount", &o.Items[i].ObjectMeta))
		}
	case *corev1.Pod:
		c.add(knownPod(at, o))
	case *corev1.PodList:
		for i := range o.Items {
			c.add(knownPod(at, &o.Items[i]))
		}
	case *corev1.List:
		c.addList(at, o, depth)
	case runtime.Unstructured:
		text, err := json.Marshal(o.UnstructuredContent())
		if err != nil {
			c.fail(at.errorf("%v", err))
			return
		}
		c.addRaw(at, text)
	default:
		apiVersion, kind := o.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
		if isKnown(apiVersion, kind) {
			c.fail(at.errorf("a %s of type %T; give the type of k8s.io/api/core/v1", kind, o))
			return
		}
		if kind == "" {
			kind = fmt.Sprintf("%T", o) // typed objects that come from a client do not say their kind
		}
		c.summary.ignore(apiVersion, kind)
	}
}

func (c *collector) addList(at place, list *corev1.List, depth int) {
	if depth >= maxLists {
		c.fail(at.errorf("lists in lists, more than %d deep", maxLists))
		return
	}
	for _, item := range list.Items {
		if item.Object != nil {
			c.addTyped(at, item.Object, depth+1)
		} else {
			c.addRaw(at, item.Raw)
		}
	}
}

func (c *collector) addRaw(at place, text []byte) {
	o, err := newJSONReader(text).document(at)
	if err != nil {
		c.fail(at.errorf("not JSON: %v", err))
		return
	}
	c.add(o)
}

func known(at place, kind string, m *metav1.ObjectMeta) object {
	return object{at: at, apiVersion: "v1", kind: kind, namespace: m.Namespace, name: m.Name, labels: m.Labels}
}

func knownPod(at place, p *corev1.Pod) object {
	o := known(at, "Pod", &p.ObjectMeta)
	o.account = p.Spec.ServiceAccountName
	return o
}
