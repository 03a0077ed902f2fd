package main

import (
	"fmt"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

func compile(w world) (*policy.Engine, error) {
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
	return policy.Compile(list)
}

func buildView(w world) (ask, error) {
	e, err := compile(w)
	if err != nil {
		return nil, err
	}
	var views []policy.View
	for s := range asking {
		views = append(views, e.For(workload(s)))
	}
	hosts := parsed(w)
	return func(s, h int) bool {
		return views[s].Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: hosts[h]}).Allowed
	}, nil
}

func buildEngine(w world) (ask, error) {
	e, err := compile(w)
	if err != nil {
		return nil, err
	}
	var workloads []identity.Workload
	for s := range asking {
		workloads = append(workloads, workload(s))
	}
	hosts := parsed(w)
	return func(s, h int) bool {
		return e.Decide(policy.Request{Source: workloads[s], Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: hosts[h]}}).Allowed
	}, nil
}

func workload(s int) identity.Workload {
	return identity.Workload{Namespace: "shop", ServiceAccount: source(s)}
}

func parsed(w world) (hosts []match.Host) {
	for _, h := range w.hosts() {
		hosts = append(hosts, match.MustParseHost(h))
	}
	return hosts
}

// buildIndex looks each host up among all hosts: what a decision costs at least.
func buildIndex(w world) (ask, error) {
	var b match.Builder[string]
	for _, r := range w.rules() {
		b.Add(match.MustParsePattern(r.pattern), r.source)
	}
	x, err := b.Build()
	if err != nil {
		return nil, err
	}
	hosts := parsed(w)
	names := []string{source(0), source(1)}
	return func(s, h int) bool {
		_, who, ok := x.Lookup(hosts[h])
		return ok && (who == "" || who == names[s])
	}, nil
}
