// Package match holds host names and the sets that egress rules are written in: patterns of hosts, sets of ports and sets of
// addresses, with exact set operations, and the index from patterns to values that decides which pattern a host falls under.
//
// All types are immutable values. Their zero values are empty and match nothing. Everything is safe for concurrent use.
package match
