// Package cilium renders plans as CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies.
//
// Cilium knows pods by namespace, labels and service account, and all of that is said as selectors ask for it, without an inventory. Addresses are said
// exactly, denies by egressDeny where names have to yield to them. What is allowed adds up, and no name can be denied: an allow by name of which
// others take a part is left out for those from whom it is taken, and is a loss.
//
// Names are said by toFQDNs: Cilium's agent learns their addresses from the answers of DNS, which takes the rule for DNS that the baseline has. Rules for TLS also have
// serverNames, judged by Cilium's proxy. Rules for TCP and UDP by name rest on the addresses alone, which names may share.
//
// In a stack with gateways, names are not for this target: a lock-down around gateways is what the target networkpolicy is for.
package cilium
