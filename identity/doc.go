// Package identity holds the sources of traffic: workloads, the selectors that choose among them, their SPIFFE IDs and trust domains, and
// the inventory of what is known of a cluster, by which a selector is said in service accounts or in pod labels alone.
//
// Values are immutable once made and safe for concurrent use. The zero Selector selects nothing.
package identity
