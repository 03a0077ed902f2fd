// Package networkpolicy renders plans as Kubernetes NetworkPolicies: what a packet filter outside the pods enforces, which a compromised
// pod cannot get round.
//
// A NetworkPolicy knows pods by namespace and labels, and destinations by address and port. It has no deny: policies add up, and a pod that none of
// them selects is free. The target is therefore in two parts.
//
// Rules by address are said exactly. What is denied is subtracted, from the addresses and from the selectors of the pods; a service account is said by labels where the
// inventory shows labels that identify it. Rules for TLS and HTTP by address are a matter of ports here, and so of use only where another layer of a
// stack looks at the protocol.
//
// Rules by name are not said at all. In a stack with a layer that says them, pods with such a rule are let out to the gateways of the [Profile], and to
// them alone: a lock-down that keeps pods from going round the layer that knows names.
//
// Below both lies a default-deny baseline for every pod of every namespace that is known, with exemptions for what is not the policies'
// business, such as DNS. Each exemption is a grant of the plan, so that none is implicit.
package networkpolicy
