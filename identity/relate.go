package identity

import "iter"

// maxSplit bounds the parts that a term is taken apart into by [Selector.Covers].
const maxSplit = 1024

// Covers reports whether s selects every workload that o selects. True is certain, whatever labels pods and namespaces have. It can be
// false although s covers o in three cases: where globs are compared of which one holds the other by length alone ("?*" and "*a*"),
// where a glob or a label condition of o is held by several entries or terms of s together only ({tier: x} and {tier notin (x)} are
// all pods), and where the clusters, namespaces and service accounts of a term of o, of which each combination may lie in another term
// of s, make more than a thousand of them.
func (s Selector) Covers(o Selector) bool {
	switch {
	case s.IsEverything():
		return true
	case o.IsEverything():
		return false
	}
	for i := range o.terms() {
		if !s.coversTerm(&o.terms()[i]) {
			return false
		}
	}
	return true
}

func (s Selector) coversTerm(o *term) bool {
	if s.hasOver(o) {
		return true
	}
	if len(s.terms()) < 2 || o.parts() > maxSplit {
		return false
	}
	for part := range o.split() {
		if !s.hasOver(&part) {
			return false
		}
	}
	return true
}

// hasOver reports whether a single term of s covers o.
func (s Selector) hasOver(o *term) bool {
	for i := range s.terms() {
		if s.terms()[i].covers(o) {
			return true
		}
	}
	return false
}

// Overlaps reports whether some workload could be selected by both s and o. False is certain; true is certain too but for the bounds on
// the length and form of names, and for namespaces that both select by labels, which exist or not.
func (s Selector) Overlaps(o Selector) bool {
	if s.IsEverything() || o.IsEverything() {
		return !s.IsZero() && !o.IsZero()
	}
	for i := range s.terms() {
		for j := range o.terms() {
			if s.terms()[i].overlaps(&o.terms()[j]) {
				return true
			}
		}
	}
	return false
}

func (c *term) covers(o *term) bool {
	if !c.clusters.covers(o.clusters) || !c.namespaces.covers(o.namespaces) || !c.accounts.covers(o.accounts) {
		return false
	}
	for _, want := range c.namespaceLabels {
		have := o.namespaceLabels.on(want.key)
		if want.key == NamespaceNameLabel && o.namespaces.named() {
			have = condition{key: want.key, values: o.namespaces.names}
		}
		if !have.within(want) {
			return false
		}
	}
	for _, want := range c.podLabels {
		if !o.podLabels.on(want.key).within(want) {
			return false
		}
	}
	return true
}

func (c *term) overlaps(o *term) bool {
	anyName := func(string) bool { return true }
	mine, theirs := c.namespaceLabels.on(NamespaceNameLabel), o.namespaceLabels.on(NamespaceNameLabel)
	return c.clusters.overlaps(o.clusters, anyName) && c.accounts.overlaps(o.accounts, anyName) &&
		c.namespaces.overlaps(o.namespaces, func(name string) bool { return mine.holds(name, true) && theirs.holds(name, true) }) &&
		c.namespaceLabels.overlaps(o.namespaceLabels) && c.podLabels.overlaps(o.podLabels)
}

// overlaps reports whether some labels meet both.
func (cs conditions) overlaps(o conditions) bool {
	for _, c := range cs {
		if c.and(o.on(c.key)).empty() {
			return false
		}
	}
	return true
}

// parts counts what split yields.
func (c *term) parts() int {
	n := 1
	for _, s := range []nameSet{c.clusters, c.namespaces, c.accounts} {
		n = min(n*max(len(s.names)+len(s.globs), 1), maxSplit+1) // no overflow: lists are shorter than memory, n is bounded
	}
	return n
}

// split yields terms with at most one entry a list, whose union is c.
func (c *term) split() iter.Seq[term] {
	return func(yield func(term) bool) {
		for cluster := range c.clusters.each() {
			for namespace := range c.namespaces.each() {
				for account := range c.accounts.each() {
					part := *c
					part.clusters, part.namespaces, part.accounts = cluster, namespace, account
					if !yield(part) {
						return
					}
				}
			}
		}
	}
}
