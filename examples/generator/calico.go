package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/render"
)

// Calico renders Calico's GlobalNetworkPolicy. It says what Calico's open edition can: which pods may send packets to which addresses.
type Calico struct{}

func (Calico) Target() string { return "calico" }

// Features are what Calico can say. The framework keeps everything else from Render and reports it: names, say, or TLS alone on a port.
func (Calico) Features() render.Features {
	return render.Features{
		render.TCPByAddress: render.Same, render.UDPByAddress: render.Same, render.SCTPByAddress: render.Same, render.PortRanges: render.Same,
		render.SourceEveryone: render.Same, render.SourceAccounts: render.Same, render.SourcePods: render.Same,
		render.Baseline: render.Same, render.PacketFilter: render.Same,
	}
}

// Exemptions are what stays open whatever the policies say. They become grants of the plan, so that nobody is surprised by them.
func (Calico) Exemptions(*render.Plan) []render.Exemption {
	return []render.Exemption{{Name: "in-cluster", Peer: render.Peer{Name: "pods of the cluster"}, Why: "policies are about the way out of the cluster"}}
}

// Render makes a policy of each class of addresses, and one that selects every pod. Calico drops what leaves a selected pod and what no
// policy of its tier allows; so policies add up, as classes do, and their order says nothing.
func (Calico) Render(p *render.Plan, out *render.Emitter) error {
	for _, c := range p.AddressClasses() {
		rules, err := allow(c)
		if err != nil {
			for _, g := range c.Grants {
				out.Skip(g, render.PortRanges, err.Error())
			}
			continue
		}
		spec := &globalNetworkPolicySpec{Selector: sources(c.Sources), Types: []string{"Egress"}, Egress: rules}
		// The name hashes what the policy is about. What it allows may change, and the name does not.
		out.Emit(global(out.Name("allow", c.Protocol.String(), c.Ports.String(), c.Sources.Key()), spec), render.Same, c.Grants...)
		for _, g := range c.Grants {
			out.Assure(g, render.Assurance{EnforcedAt: "node", Holds: render.Holds, Why: "packets are filtered outside of the pod"})
		}
	}
	spec := &globalNetworkPolicySpec{Selector: everyPod, Types: []string{"Egress"}, Egress: []rule{{Action: "Allow", Destination: &entity{Selector: everyPod}}}}
	out.Emit(global(out.Name("baseline"), spec), render.Same, always(p)...)
	out.Assume("tier", "no Calico policy of another tier, or of a lower order in the default tier, allows what these do not")
	out.Assume("api-server", "what talks to the API server, or to anything else on the network of the nodes, has a rule by its address")
	return nil
}

// always returns the grants that every plan has: what is exempt, and that the rest is denied.
func always(p *render.Plan) (grants []*render.Grant) {
	for g := range p.Grants() {
		if g.Kind == render.ExemptionGrant || g.Kind == render.BaselineGrant {
			grants = append(grants, g)
		}
	}
	return grants
}

// Limits of projectcalico.org/v3, which its API server checks.
const (
	maxRules = 1024
	maxNets  = 256
	maxPorts = 50
)

// allow returns the rules that let packets out to a class, or why they don't fit into a policy. Calico tells the families apart by the addresses.
func allow(c render.AddressClass) (rules []rule, err error) {
	var ports []any
	if !c.Ports.Equal(match.AllPorts()) {
		for _, r := range c.Ports.Ranges() {
			ports = append(ports, port(r))
		}
	}
	byPort := slices.Collect(slices.Chunk(ports, maxPorts))
	if len(byPort) == 0 {
		byPort = [][]any{nil}
	}
	for nets := range slices.Chunk(c.Addresses.Prefixes(), maxNets) {
		var texts []string
		for _, n := range nets {
			texts = append(texts, n.String())
		}
		for _, ports := range byPort {
			rules = append(rules, rule{Action: "Allow", Protocol: c.Protocol.String(), Destination: &entity{Nets: texts, Ports: ports}})
		}
	}
	if len(rules) > maxRules {
		return nil, fmt.Errorf("it takes %d rules, and Calico's policies have %d at most", len(rules), maxRules)
	}
	return rules, nil
}

func port(r match.PortRange) any {
	if r.First == r.Last {
		return r.First
	}
	return fmt.Sprintf("%d:%d", r.First, r.Last)
}

// Labels that Calico gives to every pod, and to nothing else. https://docs.tigera.io/calico/latest/network-policy/get-started/calico-policy/calico-labels
const (
	namespaceLabel = "projectcalico.org/namespace"
	accountLabel   = "projectcalico.org/serviceaccount"

	everyPod = "has(" + namespaceLabel + ")" // all() would be the nodes' own interfaces too
	noPod    = "!all()"
)

// sources says who may, as one of Calico's selectors: any of these, and none of those.
func sources(s render.SourceSet) string {
	text := anyOf(s.Any)
	if len(s.Except) > 0 {
		text = "(" + text + ") && !(" + anyOf(s.Except) + ")"
	}
	return text
}

func anyOf(sources []render.Source) string {
	var terms []string
	for _, s := range sources {
		switch {
		case s.Selector.IsEverything():
			return everyPod
		case s.AccountsOK && !slices.ContainsFunc(s.Accounts, isGlob):
			for _, a := range s.Accounts {
				terms = append(terms, account(a))
			}
		default:
			for _, p := range s.Pods {
				terms = append(terms, pods(p))
			}
		}
	}
	if len(terms) == 0 {
		return noPod // such as the pods of service accounts that have none
	}
	return strings.Join(terms, " || ")
}

// isGlob tells account selectors that the target has not declared: such sources come with pod selectors, or not at all.
func isGlob(a identity.AccountSelector) bool {
	return strings.ContainsAny(a.Namespace+a.ServiceAccount, "*?")
}

func account(a identity.AccountSelector) string {
	conditions := []string{everyPod}
	if a.Namespace != "" {
		conditions[0] = equals(namespaceLabel, a.Namespace)
	}
	if a.ServiceAccount != "" {
		conditions = append(conditions, equals(accountLabel, a.ServiceAccount))
	}
	return "(" + strings.Join(conditions, " && ") + ")"
}

func pods(p identity.PodSelector) string {
	conditions := []string{equals(namespaceLabel, p.Namespace)}
	for _, r := range p.Labels {
		switch r.Operator {
		case "In":
			conditions = append(conditions, r.Key+" in "+set(r.Values))
		case "NotIn": // holds for a missing label, in Calico as in Kubernetes
			conditions = append(conditions, r.Key+" not in "+set(r.Values))
		case "Exists":
			conditions = append(conditions, "has("+r.Key+")")
		case "DoesNotExist":
			conditions = append(conditions, "!has("+r.Key+")")
		}
	}
	return "(" + strings.Join(conditions, " && ") + ")"
}

// Names and values of labels hold no quotes, so that none need escaping.
func equals(label, value string) string { return label + ` == "` + value + `"` }
func set(values []string) string        { return `{"` + strings.Join(values, `", "`) + `"}` }

func global(name string, spec *globalNetworkPolicySpec) render.Object {
	return render.Object{APIVersion: "projectcalico.org/v3", Kind: "GlobalNetworkPolicy", Name: name, Spec: spec}
}

// What the target uses of projectcalico.org/v3. A target with a Go module of types would use that.
type (
	globalNetworkPolicySpec struct {
		Selector string   `json:"selector"`
		Types    []string `json:"types"`
		Egress   []rule   `json:"egress,omitempty"`
	}
	rule struct {
		Action      string  `json:"action"`
		Protocol    string  `json:"protocol,omitempty"`
		Destination *entity `json:"destination"`
	}
	entity struct {
		Selector string   `json:"selector,omitempty"`
		Nets     []string `json:"nets,omitempty"`
		Ports    []any    `json:"ports,omitempty"` // numbers, and ranges as "8000:8100"
	}
)
