package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An AccountSelector names service accounts: by name or glob ("" for all, never "*") in namespaces by name or glob (likewise).
type AccountSelector struct{ Namespace, ServiceAccount string }

// Matches reports whether the selector chooses a service account.
func (a AccountSelector) Matches(namespace, serviceAccount string) bool {
	return nameMatches(a.Namespace, namespace) && nameMatches(a.ServiceAccount, serviceAccount)
}

func nameMatches(nameOrGlob, name string) bool {
	return nameOrGlob == "" || globCovers(nameOrGlob, name)
}

// String returns "namespace/account", with "*" for all.
func (a AccountSelector) String() string {
	return cmp.Or(a.Namespace, "*") + "/" + cmp.Or(a.ServiceAccount, "*")
}

// A PodSelector chooses pods of one namespace by labels; no labels choose all of its pods.
type PodSelector struct {
	Namespace string
	Labels    []LabelRequirement // sorted by key; all must hold
}

// Matches reports whether the selector chooses a pod of that namespace with those labels.
func (p PodSelector) Matches(namespace string, labels map[string]string) bool {
	return namespace == p.Namespace && !slices.ContainsFunc(p.Labels, func(r LabelRequirement) bool { return !r.Matches(labels) })
}

// LabelSelector returns the labels as the Kubernetes API writes them, one value as matchLabels: the empty selector, which chooses all
// pods, when there are none.
func (p PodSelector) LabelSelector() *metav1.LabelSelector { return labelSelector(p.Labels) }

// String returns "namespace" or "namespace/requirements", such as "shop/app=web,tier in (back,front)".
func (p PodSelector) String() string {
	if len(p.Labels) == 0 {
		return p.Namespace
	}
	return p.Namespace + "/" + joinRequirements(p.Labels)
}

// Accounts says s by service accounts alone, for targets that know certificates and no labels. The answer chooses exactly the pods of
// the inventory that s selects, and is in canonical order, without entries that another one with the same or all names holds.
//
// Everything is all accounts, and nothing is none. Terms without labels are said as they are, globs included, whether or not the
// inventory knows the names. Terms with namespace labels are said by the inventory's namespaces that have them. Terms with pod
// labels are said by the accounts whose pods s selects all; an account without a pod is not among them, since nothing is known of
// what it will run.
//
// ok is false, with the reason, when s selects some pods of an account and not others, when a term has labels and there is no
// inventory, when a term asks for a cluster (see [Selector.InCluster]), and when the answer would have more than 10,000 entries: a term of
// thousands of names in thousands of namespaces is a few lines of text, and millions of accounts.
func (inv *Inventory) Accounts(s Selector) (accounts []AccountSelector, why string, ok bool) {
	if s.IsEverything() {
		return []AccountSelector{{}}, "", true
	}
	for i := range s.terms() {
		t := &s.terms()[i]
		switch {
		case !t.clusters.any():
			return nil, whyClusters(t), false
		case len(t.podLabels) > 0 && inv == nil:
			return nil, "pod labels are said by service accounts only with an inventory of the cluster", false
		case len(t.podLabels) > 0:
			found, why := inv.accountsByPods(s, t)
			if why != "" {
				return nil, why, false
			}
			accounts = append(accounts, found...)
		default:
			namespaces, why := inv.namespaceEntries(t)
			if why != "" {
				return nil, why, false
			}
			names := orAll(t.accounts)
			if n := len(accounts) + len(namespaces)*len(names); n > maxAccounts {
				return nil, fmt.Sprintf("it takes %d service accounts in namespaces, one by one, and %d are the most", n, maxAccounts), false
			}
			accounts = append(accounts, product(namespaces, names)...)
		}
	}
	return compactAccounts(accounts), "", true
}

// maxAccounts is how many accounts a selector is spelled out in.
const maxAccounts = 10_000

// namespaceEntries returns the namespaces of a term by name or glob, "" for all, or why not.
func (inv *Inventory) namespaceEntries(t *term) (entries []string, why string) {
	if len(t.namespaceLabels) == 0 {
		return orAll(t.namespaces), ""
	}
	spaces, why := inv.spacesOf(t)
	for _, s := range spaces {
		entries = append(entries, s.Name)
	}
	return entries, why
}

// orAll returns the names and globs of a set, with "" alone for all.
func orAll(names nameSet) []string {
	if names.known() {
		return []string{""}
	}
	return names.entries()
}

func product(namespaces, accounts []string) []AccountSelector {
	out := make([]AccountSelector, 0, len(namespaces)*len(accounts))
	for _, n := range namespaces {
		for _, a := range accounts {
			out = append(out, AccountSelector{n, a})
		}
	}
	return out
}

// accountsByPods returns the accounts with pods that t, a term of s, selects, or why an account does not tell them from others.
func (inv *Inventory) accountsByPods(s Selector, t *term) (accounts []AccountSelector, why string) {
	spaces, why := inv.spacesOf(t)
	for _, space := range spaces {
		for _, a := range space.accounts {
			pods := space.runs[a.Name]
			in := slices.IndexFunc(pods, func(p *Pod) bool { w := space.workload(p); return t.matches(&w) })
			if in < 0 {
				continue
			}
			if out := slices.IndexFunc(pods, func(p *Pod) bool { return !s.Matches(space.workload(p)) }); out >= 0 {
				return nil, fmt.Sprintf("service account %s/%s runs pod %s, which is selected, and pod %s, which is not",
					space.Name, a.Name, pods[in].Name, pods[out].Name)
			}
			accounts = append(accounts, AccountSelector{space.Name, a.Name})
		}
	}
	return accounts, why
}

// compactAccounts sorts and drops what another entry holds by being the same, or by naming all where this one names some.
func compactAccounts(in []AccountSelector) []AccountSelector {
	has := make(map[AccountSelector]bool, len(in))
	for _, a := range in {
		has[a] = true
	}
	out := slices.DeleteFunc(in, func(a AccountSelector) bool {
		all := AccountSelector{}
		return a != all && has[all] ||
			a.ServiceAccount != "" && has[AccountSelector{a.Namespace, ""}] ||
			a.Namespace != "" && has[AccountSelector{"", a.ServiceAccount}]
	})
	slices.SortFunc(out, func(a, b AccountSelector) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.ServiceAccount, b.ServiceAccount))
	})
	return slices.Compact(out)
}

// PodSelectors says s by namespaces and pod labels alone, for targets that know no service accounts. The answer chooses exactly the pods
// of the inventory that s selects. It is in canonical order, without duplicates, and where it chooses a whole namespace it has nothing
// else of it.
//
// Everything is one selector without labels for each namespace of the inventory, and nothing is none. Namespaces by name are said as
// they are, whether or not the inventory knows them; globs, namespace labels and no namespaces at all are spelled out in the namespaces
// of the inventory. Pod labels are said as they are.
//
// A service account is said by labels that all of its pods have and no pod has that s does not select, beside the pod labels of the term
// if it has any. One label is taken if one will do, app and app.kubernetes.io/name before others, then two, then few; one is taken even
// where the term's own labels would do today, so that a pod of another account that comes to have those is not let in. Labels that
// change from one rollout to the next, such as pod-template-hash and versions, are not taken. The accounts "*" are all pods. Accounts
// without a pod add nothing, except that a named account in a named namespace must have one.
//
// ok is false, with the reason, when there are no such labels or no such pod, when the inventory is needed and there is none, and when
// a term asks for a cluster (see [Selector.InCluster]).
func (inv *Inventory) PodSelectors(s Selector) (pods []PodSelector, why string, ok bool) {
	if s.IsEverything() {
		if inv == nil {
			return nil, "every workload is said by the namespaces of the cluster, which takes an inventory", false
		}
		for _, n := range inv.namespaces {
			pods = append(pods, PodSelector{Namespace: n.Name})
		}
		return pods, "", true
	}
	for i := range s.terms() {
		t := &s.terms()[i]
		var found []PodSelector
		switch {
		case !t.clusters.any():
			why = whyClusters(t)
		case t.accounts.known():
			found, why = inv.podsByLabels(t)
		case inv == nil:
			why = "service accounts are said by pod labels only with an inventory of the cluster"
		default:
			found, why = inv.podsByAccounts(s, t)
		}
		if why != "" {
			return nil, why, false
		}
		pods = append(pods, found...)
	}
	return compactPods(pods), "", true
}

// podsByLabels says a term that asks for no particular service account.
func (inv *Inventory) podsByLabels(t *term) (pods []PodSelector, why string) {
	names := t.namespaces.names
	if !t.namespaces.named() || len(t.namespaceLabels) > 0 {
		spaces, why := inv.spacesOf(t)
		if why != "" {
			return nil, why
		}
		names = nil
		for _, s := range spaces {
			names = append(names, s.Name)
		}
	}
	for _, n := range names {
		pods = append(pods, PodSelector{n, t.podLabels.requirements()})
	}
	return pods, ""
}

// podsByAccounts says t, a term of s that asks for service accounts.
func (inv *Inventory) podsByAccounts(s Selector, t *term) (pods []PodSelector, why string) {
	if why := inv.missingPods(t); why != "" {
		return nil, why
	}
	spaces, why := inv.spacesOf(t)
	for _, space := range spaces {
		var others []*Pod // that s does not select
		for i := range space.pods {
			if p := &space.pods[i]; !s.Matches(space.workload(p)) {
				others = append(others, p)
			}
		}
		for _, a := range space.accounts {
			if !t.accounts.contains(a.Name) {
				continue
			}
			mine := withLabels(space.runs[a.Name], t.podLabels)
			if len(mine) == 0 {
				continue
			}
			// The account's other pods are kept out by the term's labels. Those of other accounts are kept out by labels of the account
			// if possible, whatever the term's labels: they may come to have these. If not, both together may do.
			foreign := slices.DeleteFunc(slices.Clone(others), func(p *Pod) bool { return p.ServiceAccount == a.Name })
			telling, why := tell(mine, foreign)
			if why != "" && len(t.podLabels) > 0 {
				rest := withLabels(foreign, t.podLabels)
				if telling, why = tell(mine, rest); why != "" && len(rest) == 0 {
					telling, why = nil, ""
				}
			}
			if why != "" {
				return nil, fmt.Sprintf("no labels tell the pods of service account %s/%s: %s", space.Name, a.Name, why)
			}
			pods = append(pods, PodSelector{space.Name, merge(t.podLabels, telling).requirements()})
		}
	}
	return pods, why
}

// missingPods returns why a named account in a named namespace cannot be said: without a pod, its labels are not known.
func (inv *Inventory) missingPods(t *term) (why string) {
	for _, n := range t.namespaces.names {
		space := inv.spaces[n]
		for _, a := range t.accounts.names {
			if space == nil || len(space.runs[a]) == 0 {
				return fmt.Sprintf("no pod of the inventory runs as service account %s/%s, so that its labels are not known", n, a)
			}
		}
	}
	return ""
}

func withLabels(pods []*Pod, labels conditions) []*Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p *Pod) bool { return !labels.matches(p.Labels) })
}

// merge returns the conditions of both.
func merge(a, b conditions) conditions {
	out := slices.Clone(a)
	for _, c := range b {
		i, found := slices.BinarySearchFunc(out, c.key, func(o condition, key string) int { return strings.Compare(o.key, key) })
		if found {
			out[i] = out[i].and(c)
		} else {
			out = slices.Insert(out, i, c)
		}
	}
	return out
}

// compactPods sorts and drops duplicates, and what lies in a namespace that is chosen as a whole.
func compactPods(in []PodSelector) []PodSelector {
	whole := make(map[string]bool)
	for _, p := range in {
		if len(p.Labels) == 0 {
			whole[p.Namespace] = true
		}
	}
	out := slices.DeleteFunc(in, func(p PodSelector) bool { return len(p.Labels) > 0 && whole[p.Namespace] })
	slices.SortFunc(out, comparePodSelectors)
	return slices.CompactFunc(out, func(a, b PodSelector) bool { return comparePodSelectors(a, b) == 0 })
}

func comparePodSelectors(a, b PodSelector) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), slices.CompareFunc(a.Labels, b.Labels, func(x, y LabelRequirement) int {
		return cmp.Or(strings.Compare(x.Key, y.Key), strings.Compare(x.Operator, y.Operator), slices.Compare(x.Values, y.Values))
	}))
}

// spacesOf returns the namespaces of the inventory that a term asks for, in order, or why they are not known.
func (inv *Inventory) spacesOf(t *term) (spaces []*space, why string) {
	if inv == nil {
		return nil, "namespaces by glob or label, and all namespaces, are spelled out only with an inventory of the cluster"
	}
	if t.namespaces.named() {
		for _, n := range t.namespaces.names {
			if s := inv.spaces[n]; s != nil && t.namespaceLabels.matchesNamespace(n, s.Labels) {
				spaces = append(spaces, s)
			}
		}
		return spaces, ""
	}
	for _, n := range inv.namespaces {
		if t.namespaces.contains(n.Name) && t.namespaceLabels.matchesNamespace(n.Name, n.Labels) {
			spaces = append(spaces, inv.spaces[n.Name])
		}
	}
	return spaces, ""
}

func whyClusters(t *term) string {
	return fmt.Sprintf("asks for clusters %s, and an inventory is of one cluster", strings.Join(t.clusters.entries(), ","))
}
