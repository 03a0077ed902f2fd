package main

import (
	"fmt"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func (w world) policies() []*policy.Policy {
	shared := &policy.Policy{Name: "shared"}
	policies := map[string]*policy.Policy{"": shared}
	list := []*policy.Policy{shared}
	for i, r := range w.rules() {
		p := policies[r.source]
		if p == nil {
			p = &policy.Policy{Name: r.source, Sources: []policy.Source{{Name: "all", From: identity.MustSelector(identity.Term{Namespaces: []string{"shop"}, ServiceAccounts: []string{r.source}})}}}
			policies[r.source] = p
			list = append(list, p)
		}
		section := &p.Cluster
		if r.source != "" {
			section = &p.Sources[0].Section
		}
		section.Allow = append(section.Allow, policy.Rule{Name: fmt.Sprintf("r%d", i), To: policy.MustHosts(r.pattern).TLS()})
	}
	return list
}

// prepareEngine compiles policies, and asks once with the source resolved before and once with it resolved each time.
func prepareEngine(w world) (func() ([]ask, error), error) {
	policies, hosts := w.policies(), parsed(w)
	return func() ([]ask, error) {
		e, err := policy.Compile(policies)
		if err != nil {
			return nil, err
		}
		var workloads [asking]identity.Workload
		var views [asking]policy.View
		for s := range asking {
			workloads[s] = identity.Workload{Namespace: "shop", ServiceAccount: source(s)}
			views[s] = e.For(workloads[s])
		}
		view := func(s, h int) bool {
			return views[s].Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: hosts[h]}).Allowed
		}
		engine := func(s, h int) bool {
			return e.Decide(policy.Request{Source: workloads[s], Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: hosts[h]}}).Allowed
		}
		return []ask{view, engine}, nil
	}, nil
}

func parsed(w world) (hosts []match.Host) {
	for _, h := range w.hosts() {
		hosts = append(hosts, match.MustParseHost(h))
	}
	return hosts
}

// prepareIndex looks each host up among all hosts: what a decision costs at least. All hosts of a world are different, so that one source or
// everyone may reach each.
func prepareIndex(w world) (func() ([]ask, error), error) {
	const everyone = -1
	numbers := map[string]int32{"": everyone}
	for s := range w.sources {
		numbers[source(s)] = int32(s)
	}
	var patterns []match.Pattern
	var who []int32
	for _, r := range w.rules() {
		patterns, who = append(patterns, match.MustParsePattern(r.pattern)), append(who, numbers[r.source])
	}
	hosts := parsed(w)
	return func() ([]ask, error) {
		var b match.Builder[int32]
		b.Grow(len(patterns))
		for i, p := range patterns {
			b.Add(p, who[i])
		}
		x, err := b.Build()
		return one(func(s, h int) bool {
			_, n, ok := x.Lookup(hosts[h])
			return ok && (n == everyone || n == int32(s))
		}), err
	}, nil
}
