package cilium

import (
	"strings"

	"github.com/egresskit/egress/match"
)

// fqdn says a pattern in Cilium's dialect, and reports whether it can. There, '*' stands for any number of bytes of a label and "**." at the beginning, from
// 1.19 on, for one label or more. Nothing stands for a single byte; but a label that is "?*" is a '*', since no label is empty.
func fqdn(p match.Pattern, deep bool) (FQDN, bool) {
	if p.Kind() == match.Exact {
		return FQDN{MatchName: p.String()}, true
	}
	labels := strings.Split(p.String(), ".")
	for i, l := range labels {
		switch {
		case i == 0 && l == "*":
			if !deep {
				return FQDN{}, false
			}
			labels[i] = "**"
		case l == "?*":
			labels[i] = "*"
		case strings.Contains(l, "?"):
			return FQDN{}, false
		}
	}
	return FQDN{MatchPattern: strings.Join(labels, ".")}, true
}

func (f FQDN) text() string { return f.MatchName + f.MatchPattern }
