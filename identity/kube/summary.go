package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/internal/wording"
)

// A Summary counts what objects an inventory was built from, and those that it has no use for.
type Summary struct {
	Namespaces, ServiceAccounts, Pods int
	Ignored                           []Ignored // by apiVersion and kind
}

// Ignored counts the objects of one kind that are neither Namespace, ServiceAccount nor Pod.
type Ignored struct {
	APIVersion, Kind string
	Count            int
}

// String returns the counts as a sentence, such as "3 namespaces, 5 service accounts, 9 pods; ignored: 2 apps/v1 Deployment".
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s", wording.Count(s.Namespaces, "namespace"), wording.Count(s.ServiceAccounts, "service account"), wording.Count(s.Pods, "pod"))
	for i, o := range s.Ignored {
		separator := ", "
		if i == 0 {
			separator = "; ignored: "
		}
		fmt.Fprintf(&b, "%s%d %s", separator, o.Count, strings.TrimSpace(o.APIVersion+" "+o.Kind))
	}
	return b.String()
}

// ignore counts an object in its place of s.Ignored.
func (s *Summary) ignore(apiVersion, kind string) {
	i, found := slices.BinarySearchFunc(s.Ignored, Ignored{APIVersion: apiVersion, Kind: kind}, func(a, b Ignored) int {
		return cmp.Or(strings.Compare(a.APIVersion, b.APIVersion), strings.Compare(a.Kind, b.Kind))
	})
	if !found {
		s.Ignored = slices.Insert(s.Ignored, i, Ignored{APIVersion: apiVersion, Kind: kind})
	}
	s.Ignored[i].Count++
}
