package kube

import (
	"encoding/json"
	"fmt"
	"log/slog"

	ipcachetypes "github.com/cilium/cilium/pkg/ipcache/types"
	"github.com/cilium/cilium/pkg/k8s"
	ciliumv2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	slimnetworking "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	"github.com/cilium/cilium/pkg/policy/api"
	policytypes "github.com/cilium/cilium/pkg/policy/types"
	policyutils "github.com/cilium/cilium/pkg/policy/utils"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

// NewCiliumOf returns Cilium's judgement of objects in JSON: its own policies, which it checks as its agent does, ClusterNetworkPolicies and NetworkPolicies. It judges addresses and
// ports alone: what goes to its proxy for a server name counts as let out.
func NewCiliumOf(w *World, objects [][]byte) (Judge, error) {
	ciliumOnce()
	entries := make([]policytypes.PolicyEntries, len(objects))
	var selectors []api.FQDNSelector
	for i, data := range objects {
		var err error
		if entries[i], err = parseObject(data); err != nil {
			return nil, fmt.Errorf("cilium: %w\n%s", err, data)
		}
		for _, e := range entries[i] {
			for _, s := range e.L3 {
				if f, ok := s.GetFQDNSelector(); ok {
					selectors = append(selectors, *f)
				}
			}
		}
	}
	c := newCilium(w, selectors)
	for i, e := range entries {
		c.repo.ReplaceByResource(e, ipcachetypes.NewResourceID(ipcachetypes.ResourceKindCNP, "", fmt.Sprint(i)))
	}
	return c, nil
}

func parseObject(data []byte) (policytypes.PolicyEntries, error) {
	log := slog.New(slog.DiscardHandler)
	var meta struct{ Kind string }
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, err
	}
	var parse func() (policytypes.PolicyEntries, error)
	var object any
	rules := func(rules api.Rules, err error) (policytypes.PolicyEntries, error) {
		return policyutils.RulesToPolicyEntries(rules), err
	}
	switch meta.Kind {
	case "CiliumNetworkPolicy":
		o := &ciliumv2.CiliumNetworkPolicy{}
		object, parse = o, func() (policytypes.PolicyEntries, error) { return rules(o.Parse(log, clusterName)) }
	case "CiliumClusterwideNetworkPolicy":
		o := &ciliumv2.CiliumClusterwideNetworkPolicy{}
		object, parse = o, func() (policytypes.PolicyEntries, error) { return rules(o.Parse(log, clusterName)) }
	case "ClusterNetworkPolicy":
		o := &policyv1alpha2.ClusterNetworkPolicy{}
		object, parse = o, func() (policytypes.PolicyEntries, error) { return k8s.ParseClusterNetworkPolicy(log, clusterName, o) }
	case "NetworkPolicy":
		o := &slimnetworking.NetworkPolicy{}
		object, parse = o, func() (policytypes.PolicyEntries, error) { return k8s.ParseNetworkPolicy(log, clusterName, o) }
	default:
		return nil, fmt.Errorf("kind %q is none that Cilium is asked about", meta.Kind)
	}
	if err := json.Unmarshal(data, object); err != nil {
		return nil, err
	}
	return parse()
}
