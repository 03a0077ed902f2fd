// Package clusternetworkpolicy renders plans as ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2).
//
// A ClusterNetworkPolicy has an order, so that the target says in this one: what is open whatever policies say, what is denied, what is allowed, and that
// everything else is denied. Traffic between pods is passed on before that, to the NetworkPolicies of the pods, since a rule for networks is about pods as well.
//
// Addresses, ports and pods are said exactly. A service account is said by labels where the inventory shows labels that identify it. Names are an
// experimental feature, which the [Profile] has to name: they rest on addresses that the implementation learns from DNS, and what they allow adds up, so
// that a wildcard of which somebody is denied a part is not for them.
package clusternetworkpolicy
