package match

// Covers reports whether every host of o is in p.
func (p Pattern) Covers(o Pattern) bool { panic("match: Covers: not written yet") }

// Overlaps reports whether some host is in both p and o.
func (p Pattern) Overlaps(o Pattern) bool { panic("match: Overlaps: not written yet") }

// Intersect returns patterns whose union is exactly the hosts in both p and o: none when they do not overlap, one in most cases, several
// for some pairs of globs. The patterns are in canonical order.
func (p Pattern) Intersect(o Pattern) []Pattern { panic("match: Intersect: not written yet") }

// Witness returns a host that is in p and not in o, and false when o covers p.
func (p Pattern) Witness(o Pattern) (Host, bool) { panic("match: Witness: not written yet") }
