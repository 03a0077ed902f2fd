package identity

// An Inventory is what is known of one cluster: namespaces, service accounts and pods with their labels. It is a snapshot: what is derived
// from it holds as long as the cluster keeps to it. A nil *Inventory knows nothing.
type Inventory struct {
	namespaces []Namespace      // sorted by name
	accounts   []ServiceAccount // sorted by namespace, name
	pods       []Pod            // sorted by namespace, name
}

// A Namespace of an inventory.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// A ServiceAccount of an inventory.
type ServiceAccount struct{ Namespace, Name string }

// A Pod of an inventory. An empty ServiceAccount means "default", as for the API server.
type Pod struct {
	Namespace, Name string
	ServiceAccount  string
	Labels          map[string]string
}

// NewInventory returns an inventory of copies of its arguments. Namespaces and service accounts that only pods or accounts mention are
// added. Two entries of one name are an error.
func NewInventory(namespaces []Namespace, accounts []ServiceAccount, pods []Pod) (*Inventory, error) {
	panic("identity: NewInventory: not written yet")
}

// Namespaces returns the namespaces in order of name.
func (inv *Inventory) Namespaces() []Namespace { panic("identity: not written yet") }

// ServiceAccounts returns the service accounts in order of namespace and name.
func (inv *Inventory) ServiceAccounts() []ServiceAccount { panic("identity: not written yet") }

// Pods returns the pods in order of namespace and name.
func (inv *Inventory) Pods() []Pod { panic("identity: not written yet") }

// Workloads returns the distinct workloads of the inventory's pods, and one for each service account without a pod, in canonical order.
func (inv *Inventory) Workloads(cluster, trustDomain string) []Workload {
	panic("identity: not written yet")
}

// An AccountSelector names service accounts: by name or glob ("" for all) in namespaces by name or glob ("" for all).
type AccountSelector struct{ Namespace, ServiceAccount string }

// A PodSelector chooses pods of one namespace by labels; no labels choose all of its pods.
type PodSelector struct {
	Namespace string
	Labels    []LabelRequirement // sorted; all must hold
}

// A LabelRequirement is one condition on a label, with the operators of Kubernetes label selectors: In, NotIn, Exists, DoesNotExist.
type LabelRequirement struct {
	Key, Operator string
	Values        []string
}

// Accounts says s by service accounts alone, for targets that know certificates and no labels. Terms without labels are said as they
// are, globs included. Terms with labels need the inventory: they are said by the accounts whose pods all match, and ok is false, with
// the reason, when some pods of an account match and others do not, or when there is no inventory.
func (inv *Inventory) Accounts(s Selector) (accounts []AccountSelector, why string, ok bool) {
	panic("identity: not written yet")
}

// PodSelectors says s by namespaces and pod labels alone, for targets that know no service accounts. Namespace globs and labels, and
// "everything", need the inventory, whose namespaces they are spelled out in. Service accounts need it too: an account is said by labels that all
// of its pods have and no other pod of the namespace has. ok is false, with the reason, when that is not possible.
func (inv *Inventory) PodSelectors(s Selector) (pods []PodSelector, why string, ok bool) {
	panic("identity: not written yet")
}
