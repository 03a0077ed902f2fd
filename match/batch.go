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
	var finds [batchSize]found
	for len(hosts) > 0 {
		some := hosts[:min(len(hosts), batchSize)]
		hosts = hosts[len(some):]
		x.set.firsts(some, &finds)
		for _, f := range finds[:len(some)] {
			dst = append(dst, Entry[V]{f.pattern(), x.values[f.slot]})
		}
	}
	return dst
}

// batchSize is the number of hosts that are looked up together: about as many as a processor waits for at once.
const batchSize = 32

// A seek is what is known of a host before its text is compared.
type seek struct {
	fit, hash uint64 // as probe returns them
	bit, at   uint32 // what take looks at first; 0: nothing
}

// firsts does for each of up to batchSize hosts what first does, in steps: each step begins, for all hosts, to fetch what the next one needs.
// The set is not small.
func (s *patternSet) firsts(hosts []Host, finds *[batchSize]found) {
	t := s.names
	var readings [batchSize]reading
	var seeks [batchSize]seek
	for i := range hosts {
		s.keys.read(&readings[i], hosts[i].name)
		seeks[i].fit, seeks[i].hash, _ = t.probe(&readings[i])
	}
	// From here on only with those that may be found, so that no branch depends on it.
	var list [batchSize]uint8
	n, more := 0, uint64(0)
	if s.globs != nil {
		more = 1
	}
	longest := maxHostLen // of names that are in the table only
	if s.hasLong() {
		longest = maxText
	}
	for i := range hosts {
		finds[i] = found{}
		list[n&(batchSize-1)] = uint8(i)
		fit, over := seeks[i].fit, uint64(longest-len(hosts[i].name))
		n += int((fit|-fit|over)>>63 | more)
	}
	isBig := t.isBig()
	if isBig {
		for _, i := range list[:n] {
			t.fetchBucket(seeks[i].hash)
		}
	}
	for _, i := range list[:n] {
		if seek := &seeks[i]; seek.fit != 0 {
			want := readings[i].target(top(seek.fit), seek.hash)
			bit, at := t.peek(want, seek.hash)
			seek.bit, seek.at = uint32(bit), uint32(at)
			if isBig && at != 0 {
				t.fetchText(at + want.size - 1)
			}
		}
	}
	for _, i := range list[:n] {
		h, r, seek := hosts[i], &readings[i], &seeks[i]
		switch {
		case h.IsZero():
		case len(h.name) > longest && s.tails.mayHave(s.keys, h.name):
			finds[i] = s.first(h.name)
		case s.globs == nil:
			finds[i] = t.takePeeked(h.name, r, seek)
		default:
			finds[i] = s.rest(r, h.name, seek.fit, seek.hash)
		}
	}
}

// takePeeked is take, but it knows where to look first.
func (t *table) takePeeked(name string, r *reading, s *seek) found {
	want, at := r.target(top(s.fit), s.hash), uint(s.at)
	if at != 0 && t.endsIn(at+want.size, name, r, want.tail) {
		return t.found(&t.buckets[scale(s.hash, len(t.filter))], int(s.bit), at, want)
	}
	f, _ := t.take(name, r, s.fit, s.hash)
	return f
}
