// Package match holds host names and the sets that egress rules are written in: patterns of hosts, sets of ports and sets of
// addresses, with exact set operations, the indexes that decide which pattern a host and which prefix an address falls under, and the
// dialects in which other systems write patterns.
//
// All types are immutable values. Their zero values are empty and match nothing. Everything is safe for concurrent use.
package match
