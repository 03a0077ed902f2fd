package identity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// An Inventory is what is known of one cluster: namespaces, service accounts and pods with their labels. It is a snapshot: what is derived
// from it holds as long as the cluster keeps to it. It is immutable. A nil *Inventory knows nothing; an empty one knows that there is
// nothing.
type Inventory struct {
	namespaces []Namespace      // sorted by name
	accounts   []ServiceAccount // sorted by namespace, name
	pods       []Pod            // sorted by namespace, name
	spaces     map[string]*space
}

// A space is what is in one namespace: parts of the inventory's lists.
type space struct {
	Namespace
	accounts []ServiceAccount
	pods     []Pod
	runs     map[string][]*Pod // by service account
}

// A Namespace of an inventory.
type Namespace struct {
	Name   string
	Labels map[string]string // NamespaceNameLabel is implied
}

// A ServiceAccount of an inventory.
type ServiceAccount struct{ Namespace, Name string }

// A Pod of an inventory. An empty ServiceAccount means "default", as for the API server.
type Pod struct {
	Namespace, Name string
	ServiceAccount  string
	Labels          map[string]string
}

// DefaultServiceAccount is the service account of a pod that names none.
const DefaultServiceAccount = "default"

// NewInventory returns an inventory of copies of its arguments, in whatever order they come; empty labels become nil. Namespaces that only service accounts or pods
// mention are added, without labels, and so are service accounts that only pods mention. Two entries of one name are an error, and so
// are names and labels that no API server takes, and a namespace whose [NamespaceNameLabel] is not its name.
func NewInventory(namespaces []Namespace, accounts []ServiceAccount, pods []Pod) (*Inventory, error) {
	inv := &Inventory{
		namespaces: slices.Clone(namespaces),
		accounts:   slices.Clone(accounts),
		pods:       slices.Clone(pods),
	}
	var check labelCheck
	for i, n := range inv.namespaces {
		err := cmp.Or(ValidateName(n.Name), check.labels(n.Labels))
		if name, ok := n.Labels[NamespaceNameLabel]; ok && name != n.Name && err == nil {
			err = fmt.Errorf("label %s is %s, not the name of the namespace", NamespaceNameLabel, quote(name))
		}
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", quote(n.Name), err)
		}
		inv.namespaces[i].Labels = cloneLabels(n.Labels)
	}
	for _, a := range inv.accounts {
		if err := cmp.Or(ValidateName(a.Namespace), ValidateName(a.Name)); err != nil {
			return nil, fmt.Errorf("service account %s: %w", quote(a.Namespace+"/"+a.Name), err)
		}
	}
	for i, p := range inv.pods {
		if p.ServiceAccount == "" {
			p.ServiceAccount = DefaultServiceAccount
		}
		if err := cmp.Or(ValidateName(p.Namespace), ValidateName(p.Name), ValidateName(p.ServiceAccount), check.labels(p.Labels)); err != nil {
			return nil, fmt.Errorf("pod %s: %w", quote(p.Namespace+"/"+p.Name), err)
		}
		p.Labels = cloneLabels(p.Labels)
		inv.pods[i] = p
	}
	if err := inv.sort(); err != nil {
		return nil, err
	}
	inv.complete()
	inv.index()
	return inv, nil
}

// sort puts the lists in order and refuses two entries of one name.
func (inv *Inventory) sort() error {
	slices.SortFunc(inv.namespaces, compareNamespaces)
	slices.SortFunc(inv.accounts, compareAccounts)
	slices.SortFunc(inv.pods, comparePods)
	for i := 1; i < len(inv.namespaces); i++ {
		if n := inv.namespaces[i]; compareNamespaces(n, inv.namespaces[i-1]) == 0 {
			return fmt.Errorf("two namespaces %q", n.Name)
		}
	}
	for i := 1; i < len(inv.accounts); i++ {
		if a := inv.accounts[i]; a == inv.accounts[i-1] {
			return fmt.Errorf("two service accounts %q", a.Namespace+"/"+a.Name)
		}
	}
	for i := 1; i < len(inv.pods); i++ {
		if p := inv.pods[i]; comparePods(p, inv.pods[i-1]) == 0 {
			return fmt.Errorf("two pods %q", p.Namespace+"/"+p.Name)
		}
	}
	return nil
}

// complete adds what is only mentioned: service accounts by pods, namespaces by both. The lists stay sorted.
func (inv *Inventory) complete() {
	for _, p := range inv.pods {
		inv.accounts = append(inv.accounts, ServiceAccount{p.Namespace, p.ServiceAccount})
	}
	slices.SortFunc(inv.accounts, compareAccounts)
	inv.accounts = slices.Compact(inv.accounts)
	for _, a := range inv.accounts {
		inv.namespaces = append(inv.namespaces, Namespace{Name: a.Namespace})
	}
	// Stable, so that of the entries of one name the given one, with labels, comes first and stays.
	slices.SortStableFunc(inv.namespaces, compareNamespaces)
	inv.namespaces = slices.CompactFunc(inv.namespaces, func(a, b Namespace) bool { return a.Name == b.Name })
}

// cloneLabels returns a copy of labels, nil for none, so that no labels are so in one way.
func cloneLabels(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	return maps.Clone(labels)
}

func (inv *Inventory) index() {
	inv.spaces = make(map[string]*space, len(inv.namespaces))
	accounts, pods := inv.accounts, inv.pods
	for _, n := range inv.namespaces {
		s := &space{Namespace: n, runs: make(map[string][]*Pod)}
		s.accounts, accounts = cut(accounts, func(a ServiceAccount) bool { return a.Namespace == n.Name })
		s.pods, pods = cut(pods, func(p Pod) bool { return p.Namespace == n.Name })
		for i := range s.pods {
			p := &s.pods[i]
			s.runs[p.ServiceAccount] = append(s.runs[p.ServiceAccount], p)
		}
		inv.spaces[n.Name] = s
	}
}

// cut splits list after its leading elements that are in.
func cut[T any](list []T, in func(T) bool) (head, tail []T) {
	i := 0
	for i < len(list) && in(list[i]) {
		i++
	}
	return list[:i:i], list[i:]
}

func compareNamespaces(a, b Namespace) int { return strings.Compare(a.Name, b.Name) }

func compareAccounts(a, b ServiceAccount) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func comparePods(a, b Pod) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// Namespaces returns a copy of the namespaces in order of name.
func (inv *Inventory) Namespaces() []Namespace {
	if inv == nil {
		return nil
	}
	out := slices.Clone(inv.namespaces)
	for i := range out {
		out[i].Labels = maps.Clone(out[i].Labels)
	}
	return out
}

// ServiceAccounts returns a copy of the service accounts in order of namespace and name.
func (inv *Inventory) ServiceAccounts() []ServiceAccount {
	if inv == nil {
		return nil
	}
	return slices.Clone(inv.accounts)
}

// Pods returns a copy of the pods in order of namespace and name. Their ServiceAccount is never empty.
func (inv *Inventory) Pods() []Pod {
	if inv == nil {
		return nil
	}
	out := slices.Clone(inv.pods)
	for i := range out {
		out[i].Labels = maps.Clone(out[i].Labels)
	}
	return out
}

// Workloads returns the distinct workloads of the inventory's pods, and one without labels for each service account without a pod, in
// order of namespace, service account and labels, as workloads of cluster and trustDomain (either may be empty). Pods that differ in
// name alone are one workload. Their maps are the caller's.
func (inv *Inventory) Workloads(cluster, trustDomain string) []Workload {
	if inv == nil {
		return nil
	}
	var out []Workload
	for _, n := range inv.namespaces {
		s := inv.spaces[n.Name]
		for _, a := range s.accounts {
			pods := slices.Clone(s.runs[a.Name])
			slices.SortFunc(pods, func(p, q *Pod) int { return compareLabels(p.Labels, q.Labels) })
			pods = slices.CompactFunc(pods, func(p, q *Pod) bool { return maps.Equal(p.Labels, q.Labels) })
			if len(pods) == 0 {
				pods = []*Pod{{}}
			}
			for _, p := range pods {
				out = append(out, Workload{
					Cluster: cluster, TrustDomain: trustDomain,
					Namespace: n.Name, ServiceAccount: a.Name,
					Labels: maps.Clone(p.Labels), NamespaceLabels: maps.Clone(n.Labels),
				})
			}
		}
	}
	return out
}

// compareLabels orders labels by their sorted keys and values.
func compareLabels(a, b map[string]string) int {
	return slices.CompareFunc(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)), func(x, y string) int {
		return cmp.Or(strings.Compare(x, y), strings.Compare(a[x], b[y]))
	})
}

// workload returns the workload of a pod in s, as far as selectors without clusters ask.
func (s *space) workload(p *Pod) Workload {
	return Workload{Namespace: s.Name, ServiceAccount: p.ServiceAccount, Labels: p.Labels, NamespaceLabels: s.Labels}
}

// A labelCheck validates labels, and remembers those that passed: pods repeat them. The zero labelCheck is ready.
type labelCheck struct{ passed map[[2]string]bool }

func (c *labelCheck) labels(labels map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		v := labels[k]
		if c.passed[[2]string{k, v}] {
			continue
		}
		if bad := validation.IsQualifiedName(k); len(bad) > 0 {
			return fmt.Errorf("label %s: %s", quote(k), bad[0])
		}
		if bad := validation.IsValidLabelValue(v); len(bad) > 0 {
			return fmt.Errorf("label %s: value %s: %s", quote(k), quote(v), bad[0])
		}
		if c.passed == nil {
			c.passed = make(map[[2]string]bool)
		}
		c.passed[[2]string{k, v}] = true
	}
	return nil
}
