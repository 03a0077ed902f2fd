package render

import (
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egresskit/egress/match"
)

func matchLabel(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

// parsePrefix reads a prefix or an address.
func parsePrefix(s string) (match.Prefixes, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return match.Prefixes{}, err
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return match.NewPrefixes([]netip.Prefix{p}, nil), nil
}
