package v1alpha1

import (
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// ToPolicy returns what doc says, with the defaults of the document spelled out. Its positions hold field paths alone; [Load] knows the
// lines too. The apiVersion and kind may be left out; a nil document is an empty one. The error is a policy.Diagnostics with all mistakes. ToPolicy keeps no reference to doc.
func ToPolicy(doc *EgressPolicy) (*policy.Policy, error) {
	if doc == nil {
		doc = new(EgressPolicy)
	}
	root := &place{src: newSource("")}
	if doc.APIVersion != "" && doc.APIVersion != APIVersion {
		root.field("apiVersion").report(CodeWrongKind, "apiVersion is "+quote(doc.APIVersion), "write "+APIVersion)
	}
	if doc.Kind != "" && doc.Kind != Kind {
		root.field("kind").report(CodeWrongKind, "kind is "+quote(doc.Kind), "write "+Kind)
	}
	p := convert(root, doc)
	found := root.src.diagnostics()
	found.Sort()
	if err := found.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// convert returns what the document at p says, and reports what can't be said.
func convert(p *place, doc *EgressPolicy) *policy.Policy {
	out := &policy.Policy{Name: doc.Metadata.Name, Namespace: doc.Metadata.Namespace, At: p.position()}
	meta := p.field("metadata")
	switch name := meta.field("name"); {
	case !name.written(out.Name != ""):
		meta.missing("name", CodeMissingName, "the policy has no name", "write metadata: {name: …}; it stands in the ID of each rule")
	case !name.bad():
		name.checkObjectName(out.Name)
	}
	if ns := meta.field("namespace"); ns.stated(out.Namespace != "") {
		ns.checkNamespace(out.Namespace)
	}
	meta.checkMetadata(&doc.Metadata)
	convertSpec(p.field("spec"), &doc.Spec, out)
	return out
}

// convertSpec sets what out holds of a spec. The policy's namespace is set already.
func convertSpec(p *place, spec *EgressPolicySpec, out *policy.Policy) {
	out.Clusters = slices.Clone(spec.Clusters)
	p.field("clusters").checkClusters(spec.Clusters)
	ruleNames, sourceNames := names{what: "rule", code: CodeDuplicateRule}, names{what: "source", code: CodeDuplicateSource}
	if spec.Cluster != nil {
		cluster := p.field("cluster")
		if out.Namespace != "" {
			cluster.report(CodeClusterSection, "a cluster section in a policy that speaks for namespace "+quote(out.Namespace)+" alone",
				"move it to a policy without namespace, or select workloads of the namespace under sources")
		}
		out.Cluster = convertSection(cluster, spec.Cluster, &ruleNames)
	}
	sources := p.field("sources")
	for i := range spec.Sources {
		s, at := &spec.Sources[i], sources.index(i)
		out.Sources = append(out.Sources, policy.Source{
			Name:    s.Name,
			From:    convertFrom(at, s.From, out.Namespace),
			Section: convertSection(at, &s.Section, &ruleNames),
			At:      at.position(),
		})
		sourceNames.check(at.field("name"), s.Name)
	}
}

func convertSection(p *place, s *Section, names *names) policy.Section {
	within := p.field("within")
	if s.Within != nil && len(s.Within) == 0 {
		within.report(CodeEmptyWithin, "an empty boundary, inside which nothing could be allowed", "leave within out, or name what is inside")
	}
	return policy.Section{
		Allow:  convertRules(p.field("allow"), s.Allow, policy.Allow, names),
		Deny:   convertRules(p.field("deny"), s.Deny, policy.Deny, names),
		Within: convertRules(within, s.Within, policy.Within, names),
	}
}

func convertRules(p *place, rules []Rule, effect policy.Effect, names *names) []policy.Rule {
	if len(rules) == 0 {
		return nil
	}
	out := make([]policy.Rule, len(rules))
	for i := range rules {
		r, at := &rules[i], p.index(i)
		names.check(at.field("name"), r.Name)
		at.field("reason").checkText(r.Reason)
		at.field("owner").checkText(r.Owner)
		out[i] = policy.Rule{
			Name:    r.Name,
			To:      convertDestination(at, r, effect),
			Reason:  r.Reason,
			Owner:   r.Owner,
			Expires: at.field("expires").date(r.Expires),
			At:      at.position(),
		}
	}
	return out
}

func convertDestination(p *place, r *Rule, effect policy.Effect) policy.Destination {
	byHost, byAddress := p.field("hosts").written(r.Hosts != nil), p.field("cidrs").written(r.CIDRs != nil)
	switch {
	case byHost && byAddress:
		p.field("cidrs").report(CodeTwoDestinations, "a rule with both hosts and cidrs", "write two rules, one with hosts and one with cidrs")
	case !byHost && !byAddress:
		p.missing("hosts", CodeNoDestination, "a rule with neither hosts nor cidrs", "write hosts: [www.example.com], or cidrs: [203.0.113.0/24]")
	}
	d := policy.Destination{
		Hosts:     p.field("hosts").patterns(r.Hosts),
		Addresses: p.addresses(r),
		Protocol:  p.field("protocol").protocol(r.Protocol),
		Ports:     p.field("ports").ports(r.Ports),
		Methods:   p.field("methods").methods(r.Methods),
		Paths:     p.field("paths").paths(r.Paths),
	}
	if d.Protocol == policy.SCTP && byHost && !byAddress {
		p.field("protocol").report(CodeSCTPByName, "SCTP by name", "write cidrs, or another protocol; a deny or a boundary without protocol is for SCTP too")
	}
	if r.Protocol != ProtocolHTTP && !p.field("protocol").bad() {
		if r.Methods != nil {
			p.field("methods").report(CodeMethodsNotHTTP, "methods in a rule of another protocol than HTTP", "write protocol: HTTP, or leave methods out")
		}
		if r.Paths != nil {
			p.field("paths").report(CodePathsNotHTTP, "paths in a rule of another protocol than HTTP", "write protocol: HTTP, or leave paths out")
		}
	}
	if effect == policy.Allow && byHost != byAddress {
		setDefaults(p, r, &d)
	}
	if r.OriginateTLS != nil {
		d.OriginateTLS = convertOrigination(p, r, effect)
	}
	return d
}

// setDefaults spells out what an allow leaves out, and reports what it may not leave out.
func setDefaults(p *place, r *Rule, d *policy.Destination) {
	if !p.field("protocol").written(r.Protocol != "") {
		if len(d.Hosts) == 0 {
			if r.CIDRs != nil {
				p.missing("protocol", CodeMissingProtocol, "an allow of cidrs without protocol", "write protocol: TCP, TLS, HTTP, UDP or SCTP")
			}
			return
		}
		d.Protocol = policy.TLS
	}
	if p.field("ports").written(r.Ports != nil) {
		return
	}
	switch d.Protocol {
	case policy.TLS:
		d.Ports = match.PortsOf(443)
	case policy.HTTP:
		d.Ports = match.PortsOf(80)
	case policy.TCP, policy.UDP, policy.SCTP:
		p.missing("ports", CodeMissingPorts, "an allow of "+d.Protocol.String()+" without ports", `write ports: [5432], or a range such as "8000-8100"`)
	}
}

// protocol returns AnyProtocol when none is given.
func (p *place) protocol(s Protocol) policy.Protocol {
	if !p.stated(s != "") {
		return policy.AnyProtocol
	}
	switch s {
	case ProtocolTLS:
		return policy.TLS
	case ProtocolHTTP:
		return policy.HTTP
	case ProtocolTCP:
		return policy.TCP
	case ProtocolUDP:
		return policy.UDP
	case ProtocolSCTP:
		return policy.SCTP
	}
	advice := "write TLS, HTTP, TCP, UDP or SCTP"
	switch upper := strings.ToUpper(string(s)); upper {
	case "TLS", "HTTP", "TCP", "UDP", "SCTP":
		advice = "write " + upper
	case "HTTPS":
		advice = "write TLS, which HTTPS runs on"
	case "QUIC", "HTTP3":
		advice = "write UDP, which QUIC runs on"
	case "ANY", "ALL", "*":
		advice = "leave protocol out of a deny or a boundary to mean any; an allow names one"
	}
	p.report(CodeBadProtocol, quote(string(s))+" is no protocol", advice)
	return policy.AnyProtocol
}

// convertOrigination returns how the rule at p originates TLS.
func convertOrigination(p *place, r *Rule, effect policy.Effect) *policy.TLSOrigination {
	o, at := r.OriginateTLS, p.field("originateTLS")
	switch {
	case effect == policy.Deny:
		at.report(CodeOriginateDeny, "originateTLS in a rule that allows nothing", "leave it out")
	case effect == policy.Within:
		at.report(CodeOriginateWithin, "originateTLS in a rule that allows nothing", "leave it out")
	case r.CIDRs != nil:
		at.report(CodeOriginateNotHTTP, "originateTLS for cidrs", "write hosts: the server's certificate is checked against the name")
	case r.Protocol != ProtocolHTTP && !p.field("protocol").bad():
		at.report(CodeOriginateNotHTTP, "originateTLS for another protocol than HTTP", "write protocol: HTTP; where the application speaks TLS itself, leave originateTLS out")
	}
	out := &policy.TLSOrigination{CredentialName: o.CredentialName}

	switch port := at.field("port"); {
	case !port.written(o.Port != 0):
		at.missing("port", CodeOriginatePort, "originateTLS without port", "write port: 443")
	case port.bad():
	case o.Port < 1 || o.Port > 65535:
		port.report(CodeOriginatePort, fmt.Sprintf("%d is no port", o.Port), "write a number from 1 to 65535")
	default:
		out.Port = uint16(o.Port)
	}

	switch mode := at.field("mode"); {
	case !mode.written(o.Mode != ""):
		at.missing("mode", CodeOriginateMode, "originateTLS without mode", "write mode: Simple, or mode: Mutual with credentialName")
	case mode.bad():
	case o.Mode == TLSSimple:
		out.Mode = policy.SimpleTLS
	case o.Mode == TLSMutual:
		out.Mode = policy.MutualTLS
	default:
		mode.report(CodeOriginateMode, quote(string(o.Mode))+" is no mode", "write Simple or Mutual")
	}

	switch credential := at.field("credentialName"); {
	case !credential.written(o.CredentialName != ""):
		if o.Mode == TLSMutual {
			at.missing("credentialName", CodeCredential, "mode Mutual without credentialName", "name the secret with the client's certificate")
		}
	case credential.bad():
	case o.Mode == TLSSimple:
		credential.report(CodeCredential, "credentialName with mode Simple", "write mode: Mutual, or leave credentialName out")
	default:
		credential.checkObjectName(o.CredentialName)
	}
	return out
}

// convertFrom returns the union of the peers of the source at p.
func convertFrom(p *place, peers []Peer, namespace string) identity.Selector {
	const advice = "select workloads by namespaces, serviceAccounts or labels; rules for every workload stand under spec.cluster"
	from := p.field("from")
	if !from.written(peers != nil) {
		p.missing("from", CodeMissingFrom, "the source has no from", advice)
		return identity.Selector{}
	}
	if peers != nil && len(peers) == 0 {
		from.report(CodeMissingFrom, "an empty list selects no workload", advice)
	}
	terms := make([]identity.Term, 0, len(peers))
	for i := range peers {
		if t, ok := convertPeer(from.index(i), &peers[i], namespace); ok {
			terms = append(terms, t)
		}
	}
	s, err := identity.NewSelector(terms...)
	if err != nil {
		from.report(CodeBadSelector, err.Error(), "") // not reached: each term was a selector by itself
	}
	return s
}

// convertPeer returns the term that a peer is, and false when something is wrong with it.
func convertPeer(p *place, peer *Peer, namespace string) (identity.Term, bool) {
	if peer.Namespaces == nil && peer.ServiceAccounts == nil && peer.NamespaceLabels == nil && peer.PodLabels == nil {
		if !p.bad() && (p.node == nil || len(p.node.Content) == 0) {
			p.report(CodeMissingFrom, "an entry that selects every workload",
				"name namespaces, serviceAccounts or labels; rules for every workload stand under spec.cluster")
		}
		return identity.Term{}, false
	}
	ok := p.field("namespaces").checkNamespaces(peer.Namespaces, namespace)
	ok = p.field("serviceAccounts").checkAccounts(peer.ServiceAccounts) && ok
	ok = p.field("namespaceLabels").checkLabels(peer.NamespaceLabels) && ok
	ok = p.field("podLabels").checkLabels(peer.PodLabels) && ok
	if !ok || p.bad() {
		return identity.Term{}, false
	}
	t := identity.Term{
		Namespaces: peer.Namespaces, ServiceAccounts: peer.ServiceAccounts,
		NamespaceLabels: peer.NamespaceLabels, PodLabels: peer.PodLabels,
	}
	if _, err := identity.NewSelector(t); err != nil {
		// What is left are conditions that contradict each other. The error begins with the field.
		name, what, _ := strings.Cut(strings.TrimPrefix(err.Error(), "term 0: "), ": ")
		p.field(name).report(CodeBadSelector, what, "write conditions that a workload can meet")
		return identity.Term{}, false
	}
	return t, namespace == "" || p.field("namespaceLabels").checkOwn(peer.NamespaceLabels, namespace)
}
