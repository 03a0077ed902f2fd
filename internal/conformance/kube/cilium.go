package kube

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	ipcachetypes "github.com/cilium/cilium/pkg/ipcache/types"
	"github.com/cilium/cilium/pkg/k8s"
	slimcore "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/core/v1"
	slimnetworking "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	slimmeta "github.com/cilium/cilium/pkg/k8s/slim/k8s/apis/meta/v1"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	policytypes "github.com/cilium/cilium/pkg/policy/types"
	"github.com/cilium/cilium/pkg/u8proto"
	networkingv1 "k8s.io/api/networking/v1"
)

// ciliumOnce sets Cilium's process-wide options: enforcement for selected pods, both families.
var ciliumOnce = sync.OnceFunc(func() {
	option.Config.EnableIPv4, option.Config.EnableIPv6, option.Config.EnableL7Proxy = true, true, true
	option.Config.ClusterName = clusterName
	policy.SetPolicyEnabled(option.DefaultEnforcement)
})

type cilium struct {
	log     *slog.Logger
	repo    *policy.Repository
	manager identitymanager.IDManager
	pods    map[*Pod]*identity.Identity
	outside map[netip.Addr]*identity.Identity
}

// clusterName is the cluster that pods and policies are of: their labels and selectors name it.
const clusterName = "default"

type noMetrics struct{}

func (noMetrics) AddRule(policytypes.PolicyEntry) {}
func (noMetrics) DelRule(policytypes.PolicyEntry) {}

// NewCilium returns Cilium's judgement of the policies. Its ipBlock never selects a pod of the cluster.
func NewCilium(w *World, policies []*networkingv1.NetworkPolicy) (Judge, error) {
	c := newCilium(w, nil)
	for _, np := range policies {
		slim, err := slimPolicy(np)
		if err != nil {
			return nil, err
		}
		entries, err := k8s.ParseNetworkPolicy(c.log, clusterName, slim)
		if err != nil {
			return nil, fmt.Errorf("cilium: %s/%s: %w", np.Namespace, np.Name, err)
		}
		c.repo.ReplaceByResource(entries, ipcachetypes.NewResourceID(ipcachetypes.ResourceKindNetpol, np.Namespace, np.Name))
	}
	return c, nil
}

// newCilium returns the engine without policies. An address outside has a label for each of the names that policies select it by, as the agent gives it
// when DNS has answered.
func newCilium(w *World, selectors []api.FQDNSelector) *cilium {
	ciliumOnce()
	log := slog.New(slog.DiscardHandler)
	c := &cilium{log: log, manager: identitymanager.NewIDManager(log), pods: map[*Pod]*identity.Identity{}, outside: map[netip.Addr]*identity.Identity{}}
	all := identity.IdentityMap{}
	for i := range w.Pods {
		p := &w.Pods[i]
		id := identity.NewIdentity(identity.NumericIdentity(1000+i), podLabels(log, w, p))
		c.pods[p], all[id.ID] = id, id.LabelArray
	}
	for i, a := range w.Outside {
		known := labels.GetCIDRLabels(netip.PrefixFrom(a, a.BitLen()))
		if name := w.Names[a]; name != "" {
			for _, s := range selectors {
				if expr, err := s.ToRegex(); err == nil && expr.MatchString(name+".") {
					label := s.IdentityLabel()
					known[label.Key] = label
				}
			}
		}
		id := identity.NewIdentity(identity.IdentityScopeLocal+identity.NumericIdentity(1+i), known)
		c.outside[a], all[id.ID] = id, id.LabelArray
	}
	for id, l := range identity.ListReservedIdentities() {
		all[id] = l
	}
	c.repo = policy.NewPolicyRepository(log, all, nil, nil, c.manager, noMetrics{})
	// A flow is looked up from and to identities that can be subjects of policies.
	var done sync.WaitGroup
	c.repo.GetSubjectSelectorCache().UpdateIdentities(all, nil, &done)
	done.Wait()
	return c
}

// slimPolicy converts a policy to Cilium's own reading of the API type.
func slimPolicy(np *networkingv1.NetworkPolicy) (*slimnetworking.NetworkPolicy, error) {
	data, err := json.Marshal(np)
	if err != nil {
		return nil, err
	}
	var slim slimnetworking.NetworkPolicy
	return &slim, json.Unmarshal(data, &slim)
}

// podLabels returns the labels of a pod's identity, as Cilium's agent derives them.
func podLabels(log *slog.Logger, w *World, p *Pod) labels.Labels {
	_, kv := k8s.GetPodMetadata(log, &slimcore.Namespace{ObjectMeta: slimmeta.ObjectMeta{Name: p.Namespace, Labels: w.namespace(p.Namespace)}},
		&slimcore.Pod{ObjectMeta: slimmeta.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels}, Spec: slimcore.PodSpec{ServiceAccountName: p.ServiceAccount}})
	return labels.Map2Labels(kv, labels.LabelSourceK8s)
}

func (c *cilium) Name() string { return "cilium" }

func (c *cilium) Egress(f Flow) (bool, error) {
	allowed, _, err := c.lookup(f, nil)
	return allowed, err
}

// lookup also returns the labels of the rules that decide. Ports names those of the pod that a flow leads to.
func (c *cilium) lookup(f Flow, ports map[string]uint16) (allowed bool, rules string, err error) {
	proto, err := u8proto.ParseProtocol(string(f.Protocol))
	if err != nil {
		return false, "", err
	}
	to := c.outside[f.Address]
	if f.To != nil {
		to = c.pods[f.To]
	}
	if to == nil {
		return false, "", fmt.Errorf("cilium: %v is not in the world", f.Address)
	}
	verdict, egress, _, err := policy.LookupFlow(c.log, c.repo, c.manager,
		policytypes.Flow{From: c.pods[f.From], To: to, Proto: proto, Dport: f.Port, NamedPortsTCP: ports, NamedPortsUDP: ports})
	return verdict.Egress == policytypes.DecisionAllowed, string(egress.LabelArrayListString()), err
}
