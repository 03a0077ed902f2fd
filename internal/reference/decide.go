// Package reference decides requests straight from the meaning that the design gives to policies: loops over plain documents, no index,
// no sharing, no cleverness. It is slow and meant to be obviously right; the engine is tested against it.
package reference

import (
	"net/netip"
	"slices"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Decide answers r by policies as they stand at now. The decision has no rule: rules without a name have none here. The policies must be
// ones that compile.
func Decide(policies []*policy.Policy, now time.Time, r policy.Request) policy.Decision {
	if !validRequest(r.Access) {
		return policy.Decision{Reason: policy.InvalidRequest}
	}
	var allowed, denied, outside bool
	for _, p := range policies {
		for _, s := range sections(p) {
			if !speaksFor(p, r.Source) || !selects(s.From, r.Source) {
				continue
			}
			for _, rule := range s.Allow {
				allowed = allowed || !expired(rule, now) && contains(withDefaults(rule.To), r.Access)
			}
			for _, rule := range s.Deny {
				denied = denied || !expired(rule, now) && contains(rule.To, r.Access)
			}
			if s.Within != nil {
				inside := false
				for _, rule := range s.Within {
					inside = inside || !expired(rule, now) && contains(rule.To, r.Access)
				}
				outside = outside || !inside
			}
		}
	}
	switch {
	case denied:
		return policy.Decision{Reason: policy.Denied}
	case !allowed:
		return policy.Decision{Reason: policy.NoRule}
	case outside:
		return policy.Decision{Reason: policy.OutsideBoundary}
	}
	return policy.Decision{Allowed: true, Reason: policy.Allowed}
}

// DecideRules answers r by the rules that an engine says are in force, and names the least rule that decides.
func DecideRules(rules []*policy.EffectiveRule, r policy.Request) policy.Decision {
	if !validRequest(r.Access) {
		return policy.Decision{Reason: policy.InvalidRequest}
	}
	least := map[policy.Effect]policy.RuleID{} // allows and denies that contain the request, boundaries that do not
	for _, rule := range rules {
		inside := slices.ContainsFunc(rule.To, func(d policy.Destination) bool { return contains(d, r.Access) })
		if !selects(rule.Sources, r.Source) || inside == (rule.Effect == policy.Within) {
			continue
		}
		if id, seen := least[rule.Effect]; !seen || rule.ID < id {
			least[rule.Effect] = rule.ID
		}
	}
	if id, ok := least[policy.Deny]; ok {
		return policy.Decision{Reason: policy.Denied, Rule: id}
	}
	allow, ok := least[policy.Allow]
	if !ok {
		return policy.Decision{Reason: policy.NoRule}
	}
	if id, ok := least[policy.Within]; ok {
		return policy.Decision{Reason: policy.OutsideBoundary, Rule: id}
	}
	return policy.Decision{Allowed: true, Reason: policy.Allowed, Rule: allow}
}

// sections returns the sections of p; the cluster section is one for everyone.
func sections(p *policy.Policy) []policy.Source {
	cluster := policy.Source{From: identity.Everything(), Section: p.Cluster}
	return append([]policy.Source{cluster}, p.Sources...)
}

// speaksFor reports whether p has a say about w: its namespace and its clusters.
func speaksFor(p *policy.Policy, w identity.Workload) bool {
	return (p.Namespace == "" || p.Namespace == w.Namespace) && nameIn(p.Clusters, w.Cluster)
}

func expired(r policy.Rule, now time.Time) bool {
	if r.Expires.IsZero() {
		return false
	}
	// Dates as texts: the day of now is the day of expiry, or a later one.
	return now.UTC().Format(time.DateOnly) >= r.Expires.UTC().Format(time.DateOnly)
}

func validRequest(a policy.Access) bool {
	switch a.Protocol {
	case policy.TLS, policy.HTTP, policy.TCP, policy.UDP, policy.SCTP:
	default:
		return false
	}
	if a.Protocol == policy.HTTP && a.Path != "" && !onePath(a.Path) {
		return false
	}
	return a.Port != 0 && (a.Host != match.Host{} || a.Address != netip.Addr{})
}

// withDefaults gives an allow its default ports.
func withDefaults(d policy.Destination) policy.Destination {
	if d.Ports.IsEmpty() && d.Protocol == policy.TLS {
		d.Ports = match.PortsOf(443)
	}
	if d.Ports.IsEmpty() && d.Protocol == policy.HTTP {
		d.Ports = match.PortsOf(80)
	}
	return d
}

func contains(d policy.Destination, a policy.Access) bool {
	return containsProtocol(d.Protocol, a.Protocol) && containsPort(d.Ports, a.Port) && containsPlace(d, a) && containsCall(d, a)
}

func containsProtocol(rule, request policy.Protocol) bool {
	if rule == policy.AnyProtocol {
		return true
	}
	if rule == policy.TCP {
		return request != policy.UDP && request != policy.SCTP
	}
	return rule == request
}

func containsPort(ports match.Ports, port uint16) bool {
	if ports.Len() == 0 {
		return true
	}
	for _, r := range ports.Ranges() {
		if r.First <= port && port <= r.Last {
			return true
		}
	}
	return false
}

func containsPlace(d policy.Destination, a policy.Access) bool {
	for _, p := range d.Hosts {
		if MatchesHost(p.String(), a.Host.String()) {
			return true
		}
	}
	for _, p := range d.Addresses.Prefixes() {
		if p.Contains(a.Address.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}
