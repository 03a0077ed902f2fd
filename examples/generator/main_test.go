package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/rendertest"
)

var update = flag.Bool("update", false, "write the golden file")

// TestFaithful is all that a renderer needs: the kit generates clusters and policies, and compares what the objects let pass with the model.
func TestFaithful(t *testing.T) { rendertest.Run(t, Calico{}, calico{}) }

func TestOutput(t *testing.T) {
	var got bytes.Buffer
	if err := run(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/output.yaml"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("output has changed (-want +got):\n%s", d)
	}
}

// TestLimits: lists are parted where Calico's end, and what does not fit into a policy is left out, all of it.
func TestLimits(t *testing.T) {
	for _, tc := range []struct{ prefixes, ports, rules int }{
		{maxNets, 1, 1},
		{maxNets + 1, 1, 2},
		{1, maxPorts, 1},
		{1, maxPorts + 1, 2},
		{32 * maxNets, 32 * maxPorts, maxRules},
		{32 * maxNets, 33 * maxPorts, 0},
	} {
		var prefixes []netip.Prefix
		for i := range tc.prefixes { // every other address, and every other port, so that none merge
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{11, 0, byte(i >> 7), byte(i << 1)}), 32))
		}
		var ports []uint16
		for i := range tc.ports {
			ports = append(ports, uint16(2*i+1))
		}
		rules, err := allow(render.AddressClass{Protocol: policy.TCP, Addresses: match.NewPrefixes(prefixes, nil), Ports: match.PortsOf(ports...)})
		if len(rules) != tc.rules || (err != nil) != (tc.rules == 0) {
			t.Errorf("%d prefixes, %d ports: %d rules, want %d: %v", tc.prefixes, tc.ports, len(rules), tc.rules, err)
		}
	}
}

// TestPods: Calico's selectors mean what Kubernetes' do, for a missing label too.
func TestPods(t *testing.T) {
	for _, r := range []identity.LabelRequirement{
		{Key: "app", Operator: "In", Values: []string{"api", "web"}},
		{Key: "app", Operator: "NotIn", Values: []string{"api", "web"}},
		{Key: "app", Operator: "Exists"},
		{Key: "app", Operator: "DoesNotExist"},
	} {
		p := identity.PodSelector{Namespace: "shop", Labels: []identity.LabelRequirement{r}}
		for _, w := range []identity.Workload{
			{Namespace: "shop"}, {Namespace: "shop", Labels: map[string]string{"app": "web"}}, {Namespace: "shop", Labels: map[string]string{"app": "db"}},
			{Namespace: "news", Labels: map[string]string{"app": "web"}}, {Namespace: "news"},
		} {
			if got, want := selects(pods(p), w), p.Matches(w.Namespace, w.Labels); got != want {
				t.Errorf("%s selects %v: %v, want %v", pods(p), w, got, want)
			}
		}
	}
}

// calico reads objects as Calico documents them, from their JSON: it shares nothing with the renderer.
type calico struct{}

type policyRead struct {
	Selector string
	Types    []string
	Egress   []struct {
		Action, Protocol string
		Destination      struct {
			Selector string
			Nets     []netip.Prefix
			Ports    []any
		}
	}
}

func (calico) Interpret(objects []render.Object) (rendertest.Evaluator, error) {
	policies := make([]policyRead, len(objects))
	for i, o := range objects {
		text, err := json.Marshal(o.Spec)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &policies[i]); err != nil {
			return nil, err
		}
	}
	return func(r policy.Request) bool {
		selected := false
		for _, p := range policies {
			if !slices.Contains(p.Types, "Egress") || !selects(p.Selector, r.Source) {
				continue
			}
			selected = true
			for _, rule := range p.Egress {
				d := rule.Destination
				if d.Selector != "" { // pods, and none of the destinations that the kit asks for is one
					continue
				}
				if protocol(r.Protocol) == rule.Protocol && slices.ContainsFunc(d.Nets, func(n netip.Prefix) bool { return n.Contains(r.Address.Unmap()) }) && onPorts(d.Ports, r.Port) {
					return rule.Action == "Allow"
				}
			}
		}
		return !selected // a pod that no policy selects is not held at all
	}, nil
}

func protocol(p policy.Protocol) string {
	switch p {
	case policy.UDP:
		return "UDP"
	case policy.SCTP:
		return "SCTP"
	}
	return "TCP" // and TLS and HTTP, which packets do not tell
}

func onPorts(ports []any, port uint16) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p any) bool {
		if n, ok := p.(float64); ok {
			return float64(port) == n
		}
		first, last, _ := strings.Cut(p.(string), ":")
		lo, err1 := strconv.Atoi(first)
		hi, err2 := strconv.Atoi(last)
		return err1 == nil && err2 == nil && lo <= int(port) && int(port) <= hi
	})
}

func selects(selector string, w identity.Workload) bool {
	labels := maps.Clone(w.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["projectcalico.org/namespace"], labels["projectcalico.org/serviceaccount"] = w.Namespace, w.ServiceAccount
	s := &selectorReader{rest: selector, labels: labels}
	ok := s.or()
	if s.rest = strings.TrimSpace(s.rest); s.rest != "" {
		panic(fmt.Sprintf("selector %q: can't read %q", selector, s.rest))
	}
	return ok
}

// A selectorReader evaluates a selector while reading it.
type selectorReader struct {
	rest   string
	labels map[string]string
}

func (s *selectorReader) eat(token string) bool {
	s.rest = strings.TrimLeft(s.rest, " ")
	rest, ok := strings.CutPrefix(s.rest, token)
	if ok {
		s.rest = rest
	}
	return ok
}

func (s *selectorReader) word(end string) string {
	s.rest = strings.TrimLeft(s.rest, " ")
	n := strings.IndexAny(s.rest, end)
	if n < 0 {
		n = len(s.rest)
	}
	w := s.rest[:n]
	s.rest = s.rest[n:]
	return w
}

func (s *selectorReader) or() bool {
	v := s.and()
	for s.eat("||") {
		v = s.and() || v
	}
	return v
}

func (s *selectorReader) and() bool {
	v := s.condition()
	for s.eat("&&") {
		v = s.condition() && v
	}
	return v
}

func (s *selectorReader) condition() bool {
	switch {
	case s.eat("!"):
		return !s.condition()
	case s.eat("all()"):
		return true
	case s.eat("("):
		v := s.or()
		s.eat(")")
		return v
	case s.eat("has("):
		_, ok := s.labels[s.word(")")]
		s.eat(")")
		return ok
	}
	value, present := s.labels[s.word(" =)")]
	switch {
	case s.eat("=="):
		return slices.Contains(s.values(), value) && present
	case s.eat("in"):
		return slices.Contains(s.values(), value) && present
	case s.eat("not in"):
		return !slices.Contains(s.values(), value) || !present
	}
	panic(fmt.Sprintf("can't read %q", s.rest))
}

func (s *selectorReader) values() (values []string) {
	s.eat("{")
	for s.eat(`"`) {
		values = append(values, s.word(`"`))
		s.eat(`"`)
		s.eat(",")
	}
	s.eat("}")
	return values
}
