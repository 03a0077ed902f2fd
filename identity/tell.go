package identity

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// maxTelling bounds the labels that are considered, so that pods with very many of them cost little.
const maxTelling = 64

// wellKnown are the labels that people tell applications by, the preferred one first.
var wellKnown = [...]string{"app", "app.kubernetes.io/name", "k8s-app", "app.kubernetes.io/instance", "app.kubernetes.io/component"}

// passing are labels whose values change from one rollout, run or replica to the next: what is said by them is soon wrong.
var passing = [...]string{
	"app.kubernetes.io/version", "apps.kubernetes.io/pod-index", "batch.kubernetes.io/controller-uid",
	"batch.kubernetes.io/job-completion-index", "batch.kubernetes.io/job-name", "controller-revision-hash", "controller-uid", "helm.sh/chart",
	"istio.io/rev", "job-name", "pod-template-generation", "pod-template-hash", "service.istio.io/canonical-revision",
	"statefulset.kubernetes.io/pod-name", "version",
}

// tell returns conditions that all pods (at least one) meet and none of the others does, at least one condition, or why there are none.
// It takes the first label that will do, then the first two, and else one label after the other, each the one that keeps most of the
// others out.
func tell(pods, others []*Pod) (telling conditions, why string) {
	labels := common(pods)
	if len(labels) == 0 {
		return nil, "they have no lasting label in common"
	}
	admits := make([]bitset, len(labels)) // by label, which of the others have it
	for i, c := range labels {
		admits[i] = newBitset(len(others))
		for j, p := range others {
			if v, ok := p.Labels[c.key]; c.holds(v, ok) {
				admits[i].set(j)
			}
		}
		if admits[i].count() == 0 {
			return conditions{c}, ""
		}
	}
	for i := range labels {
		for j := i + 1; j < len(labels); j++ {
			if admits[i].and(admits[j]).count() == 0 {
				return merge(labels[i:i+1], labels[j:j+1]), ""
			}
		}
	}
	left := newBitset(len(others))
	for j := range others {
		left.set(j)
	}
	for left.count() > 0 {
		best := 0
		for i := range admits {
			if left.and(admits[i]).count() < left.and(admits[best]).count() {
				best = i
			}
		}
		next := left.and(admits[best])
		if next.count() == left.count() {
			p := others[left.first()]
			return nil, fmt.Sprintf("pod %s of service account %s has all labels that they have in common", p.Name, p.ServiceAccount)
		}
		left = next
		telling = merge(telling, labels[best:best+1])
	}
	return telling, ""
}

// common returns what the labels that all pods have may be, the preferred ones first: well-known ones, then those with few values, then
// by key.
func common(pods []*Pod) conditions {
	var out conditions
	for key := range pods[0].Labels {
		if slices.Contains(passing[:], key) {
			continue
		}
		c := condition{key: key}
		for _, p := range pods {
			v, ok := p.Labels[key]
			c.values = append(c.values, v)
			c.absent = c.absent || !ok
		}
		if !c.absent {
			c.values = sorted(c.values)
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b condition) int {
		return cmp.Or(cmp.Compare(rank(a.key), rank(b.key)), cmp.Compare(len(a.values), len(b.values)), strings.Compare(a.key, b.key))
	})
	return out[:min(len(out), maxTelling)]
}

func rank(key string) int {
	if i := slices.Index(wellKnown[:], key); i >= 0 {
		return i
	}
	return len(wellKnown)
}

// A bitset is a set of small numbers.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) set(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) and(c bitset) bitset {
	out := slices.Clone(b)
	for i := range out {
		out[i] &= c[i]
	}
	return out
}

func (b bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// first returns the least element of a set that has one.
func (b bitset) first() int {
	i := slices.IndexFunc(b, func(w uint64) bool { return w != 0 })
	return i*64 + bits.TrailingZeros64(b[i])
}
