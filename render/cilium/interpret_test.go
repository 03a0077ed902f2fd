package cilium_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/rendertest"
)

// documented reads rendered rules as Cilium's documentation says, in a reading of its own that shares nothing with the renderer: denies win, allows add up, and
// a pod that nothing selects is free. A name is an address that DNS gave for it.
type documented struct{}

func (documented) Interpret(objects []render.Object) (rendertest.Evaluator, error) {
	endpoints := make([]labels.Selector, len(objects))
	for i, o := range objects {
		var err error
		if endpoints[i], err = metav1.LabelSelectorAsSelector(ofKubernetes(o.Spec.(*cilium.Rule).EndpointSelector)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
	}
	return func(r policy.Request) bool {
		known := labelsOf(r.Source)
		selected, allowed, denied := false, false, false
		for i, o := range objects {
			if o.Namespace != "" && o.Namespace != r.Source.Namespace || !endpoints[i].Matches(known) {
				continue
			}
			selected = true
			reaches := func(e cilium.Egress) bool { return leads(e, r.Access) && speaks(e.ToPorts, r.Access) }
			rule := o.Spec.(*cilium.Rule)
			allowed = allowed || slices.ContainsFunc(rule.Egress, reaches)
			denied = denied || slices.ContainsFunc(rule.EgressDeny, reaches)
		}
		return !selected || allowed && !denied
	}, nil
}

// labelsOf returns the labels by which Cilium knows a pod.
func labelsOf(w identity.Workload) labels.Set {
	known := labels.Set{"io.kubernetes.pod.namespace": w.Namespace, "io.cilium.k8s.policy.serviceaccount": w.ServiceAccount}
	for k, v := range w.Labels {
		known[k] = v
	}
	for k, v := range w.NamespaceLabels {
		known["io.cilium.k8s.namespace.labels."+k] = v
	}
	return known
}

// ofKubernetes returns the selector without the source of labels, which is Kubernetes for all of them.
func ofKubernetes(s *metav1.LabelSelector) *metav1.LabelSelector {
	out := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for k, v := range s.MatchLabels {
		out.MatchLabels[strings.TrimPrefix(k, "k8s:")] = v
	}
	for _, e := range s.MatchExpressions {
		e.Key = strings.TrimPrefix(e.Key, "k8s:")
		out.MatchExpressions = append(out.MatchExpressions, e)
	}
	return out
}

func leads(e cilium.Egress, a policy.Access) bool {
	in := func(cidr string) bool {
		return a.Address.IsValid() && netip.MustParsePrefix(cidr).Contains(a.Address.Unmap())
	}
	return slices.Contains(e.ToEntities, "all") ||
		slices.ContainsFunc(e.ToCIDRSet, func(c cilium.CIDRRule) bool { return in(c.CIDR) && !slices.ContainsFunc(c.Except, in) }) ||
		slices.ContainsFunc(e.ToFQDNs, func(f cilium.FQDN) bool { return named(f.MatchName+f.MatchPattern, a.Host.String()) })
}

// named reads a pattern of Cilium 1.19.
func named(pattern, host string) bool {
	expr := regexp.QuoteMeta(pattern)
	if rest, ok := strings.CutPrefix(expr, `\*\*\.`); ok {
		expr = `([-a-z0-9_]+\.)+` + rest
	}
	return host != "" && regexp.MustCompile("^"+strings.ReplaceAll(expr, `\*`, `[-a-z0-9_]*`)+"$").MatchString(host)
}

func speaks(ports []cilium.PortRule, a policy.Access) bool {
	l4 := a.Protocol.Transport().String()
	return len(ports) == 0 || slices.ContainsFunc(ports, func(r cilium.PortRule) bool {
		if len(r.ServerNames) > 0 && (a.Protocol != policy.TLS || !slices.ContainsFunc(r.ServerNames, func(n string) bool { return named(n, a.Host.String()) })) {
			return false
		}
		return slices.ContainsFunc(r.Ports, func(p cilium.Port) bool {
			first, _ := strconv.Atoi(p.Port)
			return (p.Protocol == "ANY" || p.Protocol == l4) && first <= int(a.Port) && int(a.Port) <= max(first, int(p.EndPort))
		})
	})
}

func TestNamed(t *testing.T) {
	for _, c := range []struct {
		pattern, host string
		want          bool
	}{
		{"**.foo.com", "a.b.foo.com", true}, {"**.foo.com", "foo.com", false}, {"*.foo.com", "a.foo.com", true}, {"*.foo.com", "a.b.foo.com", false},
		{"a.*.foo.com", "a.b.foo.com", true}, {"a*.foo.com", "a.foo.com", true}, {"a*.foo.com", "ab.foo.com", true}, {"a*.foo.com", "a.b.foo.com", false},
	} {
		if got := named(c.pattern, c.host); got != c.want {
			t.Errorf("%s, %s: %t", c.pattern, c.host, got)
		}
	}
}
