package packets

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A Draft is what some pods may reach, or may not.
type Draft struct {
	Pods   Pods
	Admit  bool // another layer says exactly what is let pass here
	Rules  []Rule
	Peers  []*render.Peer // of exemptions, in order of the grants
	Grants []*render.Grant
}

// A Rule is names or addresses, and what may be spoken with all of them.
type Rule struct {
	Hosts     []match.Pattern
	Addresses match.Prefixes
	Protocol  policy.Protocol // as kind says it
	Ports     match.Ports
}

// Drafts puts ways together by pods, and by whether another layer says them exactly. kind tells what of a protocol the target can tell. Ways are
// first merged by equal names or addresses and then by equal ports, so that neither step pairs a name with a port that it was not given with.
func Drafts(ways []Way, kind func(policy.Protocol) policy.Protocol) []Draft {
	groups := map[string][]Way{}
	for _, w := range ways {
		w.Protocol = kind(w.Protocol)
		key := fmt.Sprintf("%t %s", w.Grant.Admit, w.Pods)
		groups[key] = append(groups[key], w)
	}
	var out []Draft
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		list := groups[key]
		d := Draft{Pods: list[0].Pods, Admit: list[0].Grant.Admit, Rules: merge(list)}
		for _, w := range list {
			d.Grants = append(d.Grants, w.Grant)
		}
		out = append(out, d)
	}
	return out
}

func merge(ways []Way) []Rule {
	single := map[string]Rule{}
	for _, w := range ways {
		r := Rule{Addresses: w.Addresses, Protocol: w.Protocol, Ports: w.Ports}
		if !w.Host.IsZero() {
			r.Hosts = []match.Pattern{w.Host}
		}
		key := fmt.Sprintf("%s %s %s", w.Protocol, w.Host, w.Addresses)
		if have, ok := single[key]; ok {
			r.Ports = r.Ports.Union(have.Ports)
		}
		single[key] = r
	}
	merged := map[string]Rule{}
	for _, key := range slices.Sorted(maps.Keys(single)) {
		r := single[key]
		k := fmt.Sprintf("%t %s %s", len(r.Hosts) > 0, r.Protocol, r.Ports)
		have := merged[k]
		merged[k] = Rule{append(have.Hosts, r.Hosts...), have.Addresses.Union(r.Addresses), r.Protocol, r.Ports}
	}
	var out []Rule
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		r := merged[key]
		slices.SortFunc(r.Hosts, match.Pattern.Compare)
		out = append(out, r)
	}
	return out
}

// exempt puts the exemptions of a plan together by pods. The error is for sources that cannot be said.
func exempt(p *render.Plan, speller Speller) ([]Draft, error) {
	drafts := map[string]*Draft{}
	for g := range p.Grants() {
		if g.Kind != render.ExemptionGrant {
			continue
		}
		pods, why, ok := speller.Pods(g.Source)
		if !ok {
			return nil, fmt.Errorf("exemption %s: %s", g.ID, why)
		}
		for _, some := range pods {
			key := some.String()
			if drafts[key] == nil {
				drafts[key] = &Draft{Pods: some}
			}
			drafts[key].Peers = append(drafts[key].Peers, g.Peer)
			drafts[key].Grants = append(drafts[key].Grants, g)
		}
	}
	var out []Draft
	for _, key := range slices.Sorted(maps.Keys(drafts)) {
		out = append(out, *drafts[key])
	}
	return out, nil
}

// spareAll takes from denies what exemptions leave open: addresses on the ports that are exempted, and all of the pods that may reach anything.
func spareAll(denies []Way, exempt []Draft) ([]Way, error) {
	var out []Way
	var free []Pods
	for _, d := range exempt {
		for _, p := range d.Peers {
			if p.Anything {
				free = append(free, d.Pods)
			}
		}
	}
	for _, w := range denies {
		pods, ok := Minus([]Pods{w.Pods}, free)
		if !ok {
			return nil, fmt.Errorf("leaving out the pods that are not filtered takes more than %d selectors", maxSelectors)
		}
		parts := []Way{w}
		for _, d := range exempt {
			for _, p := range d.Peers {
				parts = spare(parts, p)
			}
		}
		for _, some := range pods {
			for _, part := range parts {
				part.Pods = some
				out = append(out, part)
			}
		}
	}
	return out, nil
}

// spare takes the addresses and ports of a peer from each way.
func spare(ways []Way, p *render.Peer) []Way {
	if p.Addresses.IsEmpty() {
		return ways
	}
	ports := p.Ports
	if ports.IsEmpty() {
		ports = match.AllPorts()
	}
	var out []Way
	for _, w := range ways {
		if !w.Addresses.Overlaps(p.Addresses) || !meets(w.Protocol, p.Protocol) {
			out = append(out, w)
			continue
		}
		if w.Protocol == policy.AnyProtocol && p.Protocol != policy.AnyProtocol {
			for _, transport := range transports { // the others stay
				if other := w; transport != p.Protocol.Transport() {
					other.Protocol = transport
					out = append(out, other)
				}
			}
			w.Protocol = p.Protocol.Transport()
		}
		outside, inside := w, w
		outside.Addresses = w.Addresses.Subtract(p.Addresses)
		inside.Addresses, inside.Ports = w.Addresses.Intersect(p.Addresses), w.Ports.Subtract(ports)
		for _, part := range []Way{outside, inside} {
			if !part.Addresses.IsEmpty() && !part.Ports.IsEmpty() {
				out = append(out, part)
			}
		}
	}
	return out
}

// transports are what packets are of.
var transports = [...]policy.Protocol{policy.TCP, policy.UDP, policy.SCTP}

// meets reports whether packets may be of both protocols.
func meets(a, b policy.Protocol) bool {
	return a == policy.AnyProtocol || b == policy.AnyProtocol || a.Transport() == b.Transport()
}

// NamespaceOf returns the only namespace that pods are of, and the rest of what they must meet.
func NamespaceOf(p Pods) (namespace string, rest Pods, ok bool) {
	for _, r := range p.Labels {
		if r.Key == NamespaceKey+identity.NamespaceNameLabel && r.Operator == "In" && len(r.Values) == 1 {
			namespace = r.Values[0]
			continue
		}
		if strings.HasPrefix(r.Key, NamespaceKey) {
			return "", p, false
		}
		rest.Labels = append(rest.Labels, r)
	}
	return namespace, rest, namespace != ""
}
