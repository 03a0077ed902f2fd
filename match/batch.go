package match

// LookupBatch is Lookup for many hosts, such as those of a log. It appends an Entry for each host to dst, in the order of hosts, the zero
// Entry where nothing matches, and returns the extended slice. It allocates only when dst has no room. In large indexes it takes less time
// than as many lookups, because it waits for the memory of several hosts at once.
func (x *Index[V]) LookupBatch(dst []Entry[V], hosts []Host) []Entry[V] {
	if x == nil || x.set == nil || x.set.small != nil {
		for _, h := range hosts {
			p, v, _ := x.Lookup(h)
			dst = append(dst, Entry[V]{p, v})
		}
		return dst
	}
	var patterns [batchSize]Pattern
	var slots [batchSize]int
	for len(hosts) > 0 {
		some := hosts[:min(len(hosts), batchSize)]
		hosts = hosts[len(some):]
		x.set.firsts(some, &patterns, &slots)
		for i := range some {
			dst = append(dst, Entry[V]{patterns[i], x.values[slots[i]]})
		}
	}
	return dst
}

// batchSize is the number of hosts that are looked up together: about as many as a processor waits for at once.
const batchSize = 32

// firsts does for each of up to batchSize hosts what first does, in steps: each step begins, for all hosts, to fetch what the next one needs.
// The set is not small.
func (s *patternSet) firsts(hosts []Host, patterns *[batchSize]Pattern, slots *[batchSize]int) {
	var pads [batchSize][chunkLen]byte
	var readings [batchSize]reading
	var fits, hashes [batchSize]uint64
	for i := range hosts {
		r := &readings[i]
		readings[i].name, readings[i].whole = readable(hosts[i].name, &pads[i])
		s.keys.read(r)
		fits[i], hashes[i] = s.names.probe(r, false)
	}
	// From here on only with those that may be found, so that no branch depends on it.
	var list [batchSize]uint8
	n, others := 0, uint64(0)
	if s.globs != nil || s.hasLong() {
		others = 1 // there is more to look at
	}
	for i := range hosts {
		patterns[i], slots[i] = Pattern{}, 0
		list[n&(batchSize-1)] = uint8(i)
		n += int((fits[i]|-fits[i])>>63 | others)
	}
	for _, i := range list[:n] {
		s.names.fetchBucket(&readings[i], hashes[i])
	}
	for _, i := range list[:n] {
		s.names.fetchText(&readings[i], fits[i], hashes[i])
	}
	for _, i := range list[:n] {
		h := hosts[i]
		switch {
		case h.IsZero():
		case len(h.name) > maxText && s.hasLong() && s.tails.mayHave(s.keys, h.name):
			patterns[i], slots[i] = s.first(h.name)
		default:
			patterns[i], slots[i] = s.rest(&readings[i], h.name, fits[i], hashes[i])
		}
	}
}
