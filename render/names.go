package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A NameClass is the names of one protocol and port that the same sources may reach. The names of a class are those that its patterns
// match and no more specific pattern of another class of the same protocol and port does: most specific first, as server names and
// virtual hosts are chosen. Denies and boundaries are applied already; names denied to everyone below an allowed wildcard are a class
// of nobody.
type NameClass struct {
	Protocol     policy.Protocol // of requests
	Port         uint16
	LastPort     uint16                 // Port; more for a range of ports, which only targets with PortRanges are given
	Patterns     []match.Pattern        // exact and subdomains, canonical order
	Sources      SourceSet              // Nobody for a carve-out
	Calls        []Call                 // HTTP: what else is open, by method and path; only for targets with HTTPMethods or HTTPPaths
	OriginateTLS *policy.TLSOrigination // HTTP: how the names are reached; nil: as the application speaks
	Grants       []*Grant               // the allows that the class carries, canonical order; none for a carve-out

	// Denies are what the target has to take from the class by itself, because it says that it can: addresses (DenyAddressOnName), globs
	// (HostGlob), methods and paths (HTTPMethods, HTTPPaths). It accounts for them. They are in canonical order; none for most targets.
	Denies []*Grant
}

// A Call is requests by method and path that some sources may make to the names of a class, beside the sources that may make all.
type Call struct {
	Methods []string // empty: every method
	Paths   []policy.Path
	Sources SourceSet
	Grants  []*Grant
}

// Nobody reports whether the class is a carve-out: nobody may reach its names.
func (c NameClass) Nobody() bool { return c.Sources.Nobody() && len(c.Calls) == 0 }

// NameClasses returns the partition of the plan's names for requests of a protocol, by port and then in canonical order. Allows by glob are
// not in it but for the names of other patterns that they cover: see [Plan.GlobClasses]. A rule of protocol TCP by name takes part in
// the classes of TLS, HTTP and TCP.
func (p *Plan) NameClasses(protocol policy.Protocol) []NameClass {
	return newNamer(p, protocol, newResolver(p.features), newLedger(nil)).classes()
}

// GlobClasses returns the plan's allows by glob for requests of a protocol, for targets with [HostGlob]: one class for each glob and port, by
// port and then in canonical order. They are no partition: a name that several classes match, or a class and one of [Plan.NameClasses], is open to the
// sources of each. Denies that take from a part of a glob's names are among the class's Denies.
func (p *Plan) GlobClasses(protocol policy.Protocol) []NameClass {
	return newNamer(p, protocol, newResolver(p.features), newLedger(nil)).globClasses()
}

// A namer makes the classes of one protocol of requests.
type namer struct {
	*resolver
	*ledger
	protocol   policy.Protocol
	slices     []slice
	boundaries []row
}

func newNamer(p *Plan, protocol policy.Protocol, r *resolver, l *ledger) *namer {
	n := &namer{resolver: r, ledger: l, protocol: protocol, boundaries: p.boundaries()}
	allows := slices.DeleteFunc(p.rows(AllowGrant), func(r row) bool { return !r.byName() || !r.to.Protocol.Contains(protocol) })
	takers := slices.Concat(p.rows(DenyGrant), p.rows(BoundaryGrant))
	takers = slices.DeleteFunc(takers, func(r row) bool { return !r.to.Protocol.Contains(protocol) })
	n.slices = slicePorts(allows, takers)
	return n
}

// has reports whether the target can say a feature exactly. A plan that is not for a target has every feature.
func (f Features) has(feature Feature) bool { return f == nil || f[feature] == Same }

// classes makes the partition.
func (n *namer) classes() []NameClass {
	var out []NameClass
	for _, s := range n.slices {
		out = append(out, n.spread(s, n.partition(s))...)
	}
	sortClasses(out)
	return out
}

func sortClasses(classes []NameClass) {
	slices.SortStableFunc(classes, func(a, b NameClass) int { return cmp.Compare(a.Port, b.Port) })
}

// spread returns the classes for each of a slice's ports: one by one where the target has to list them.
func (n *namer) spread(s slice, classes []NameClass) []NameClass {
	var out []NameClass
	add := func(first, last uint16) {
		for _, c := range classes {
			c.Protocol, c.Port, c.LastPort = n.protocol, first, last
			out = append(out, c)
		}
	}
	list := n.ports() <= MaxListedPorts
	for _, r := range s.ranges {
		if !list {
			add(r.First, r.Last)
			continue
		}
		for port := int(r.First); port <= int(r.Last); port++ {
			add(uint16(port), uint16(port))
		}
	}
	return out
}

// ports counts the ports of all classes.
func (n *namer) ports() int {
	count := 0
	for _, s := range n.slices {
		for _, r := range s.ranges {
			count += int(r.Last) - int(r.First) + 1
		}
	}
	return count
}

// parentPattern returns the text of the next more general pattern of subdomains; text is an exact pattern or one of subdomains.
func parentPattern(text string) (string, bool) {
	_, rest, ok := strings.Cut(strings.TrimPrefix(text, "*."), ".")
	return "*." + rest, ok
}

// base is the domain of a pattern's text: shorter above, since a parent's base ends its children's.
func base(text string) string { return strings.TrimPrefix(text, "*.") }

// partition makes the classes of a slice, without protocol and ports.
func (n *namer) partition(s slice) []NameClass {
	names := forest[string]{parent: parentPattern}
	var globs []globRow
	patterns := map[string]match.Pattern{}
	add := func(r row) {
		for _, host := range r.to.Hosts {
			if host.Kind() == match.Glob {
				globs = append(globs, globRow{r, host})
				continue
			}
			patterns[host.String()] = host
			names.add(host.String(), r)
		}
	}
	for _, list := range [][]row{s.allows, s.takers} {
		for _, r := range list {
			add(r)
		}
	}
	order := slices.Sorted(maps.Keys(patterns))
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(len(base(a)), len(base(b))) })

	chains := map[string][]row{} // of a pattern's own rows and those above it, most specific first
	keys := map[string]string{}  // of its class
	classes := map[string]*NameClass{}
	for _, text := range order {
		chain := names.own[text]
		parentKey := NameClass{}.key()
		if parent, ok := names.above(text); ok {
			chain, parentKey = slices.Concat(chain, chains[parent]), keys[parent]
		}
		chains[text] = chain
		c := n.cell(s, patterns[text], chain, globs)
		key := c.key()
		keys[text] = key
		if classes[key] == nil {
			classes[key] = &NameClass{Sources: c.Sources, OriginateTLS: c.OriginateTLS, Denies: c.Denies}
			for _, call := range c.Calls {
				call.Grants = nil
				classes[key].Calls = append(classes[key].Calls, call)
			}
		}
		class := classes[key]
		class.Grants = append(class.Grants, c.Grants...)
		for i := range class.Calls {
			class.Calls[i].Grants = append(class.Calls[i].Grants, c.Calls[i].Grants...)
		}
		if key != parentKey {
			class.Patterns = append(class.Patterns, patterns[text])
		}
	}
	var out []NameClass
	for _, key := range slices.Sorted(maps.Keys(classes)) {
		if c := classes[key]; len(c.Patterns) > 0 {
			slices.SortFunc(c.Patterns, match.Pattern.Compare)
			// Classes of several ports share their lists: who appends to one gets a copy.
			c.Patterns, c.Grants, c.Denies = slices.Clip(c.Patterns), slices.Clip(canonical(c.Grants)), slices.Clip(c.Denies)
			for i := range c.Calls {
				c.Calls[i].Grants = canonical(c.Calls[i].Grants)
			}
			out = append(out, *c)
		}
	}
	return out
}

// key returns the canonical text of who may reach the names of a class, and how.
func (c NameClass) key() string {
	parts := []string{c.Sources.Key()}
	for _, call := range c.Calls {
		parts = append(parts, call.key(), call.Sources.Key())
	}
	if c.OriginateTLS != nil {
		parts = append(parts, c.OriginateTLS.String())
	}
	for _, d := range c.Denies {
		parts = append(parts, string(d.ID))
	}
	return strings.Join(parts, "\x00")
}

func (c Call) key() string { return policy.Destination{Methods: c.Methods, Paths: c.Paths}.String() }

// canonical sorts grants by ID and drops duplicates, in place.
func canonical(grants []*Grant) []*Grant {
	slices.SortFunc(grants, func(a, b *Grant) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return slices.Compact(grants)
}

func grantsOf(rows []row) []*Grant {
	var out []*Grant
	for _, r := range rows {
		out = append(out, r.grant)
	}
	return canonical(out)
}

// A globRow is one glob of a row.
type globRow struct {
	row
	glob match.Pattern
}

// cell works out who may reach the names of a pattern that no more specific one holds, and notes what becomes of the grants. The class
// has no patterns and no ports.
func (n *namer) cell(s slice, q match.Pattern, chain []row, globs []globRow) NameClass {
	f := finding{slice: s, place: q}
	for _, r := range chain {
		f.found(r, true)
	}
	for _, g := range globs {
		if g.glob.Covers(q) {
			f.found(g.row, true)
		} else if g.grant.Kind == DenyGrant && g.glob.Overlaps(q) {
			f.found(g.row, false)
		}
	}
	return n.judge(f)
}

// globClasses makes the classes of the globs.
func (n *namer) globClasses() []NameClass {
	var out []NameClass
	for _, s := range n.slices {
		globs := map[string]match.Pattern{}
		for _, r := range s.allows {
			if host := r.to.Hosts[0]; host.Kind() == match.Glob {
				globs[host.String()] = host
			}
		}
		var classes []NameClass
		for _, text := range slices.Sorted(maps.Keys(globs)) {
			if c := n.globCell(s, globs[text]); !c.Nobody() {
				c.Patterns = []match.Pattern{globs[text]}
				classes = append(classes, c)
			}
		}
		out = append(out, n.spread(s, classes)...)
	}
	sortClasses(out)
	return out
}

func (n *namer) globCell(s slice, q match.Pattern) NameClass {
	f := finding{slice: s, place: q}
	for _, r := range s.allows {
		if r.to.Hosts[0].Equal(q) {
			f.found(r, true)
		}
	}
	for _, r := range s.takers {
		if slices.ContainsFunc(r.to.Hosts, func(h match.Pattern) bool { return h.Covers(q) }) {
			f.found(r, true)
		} else if r.grant.Kind == DenyGrant && slices.ContainsFunc(r.to.Hosts, func(h match.Pattern) bool { return h.Overlaps(q) }) {
			f.found(r, false)
		}
	}
	return n.judge(f)
}

// A finding is the rows that say something about a place: the names of a pattern.
type finding struct {
	slice  slice
	place  match.Pattern
	allows []row     // most specific first
	denies []row     // of all of it
	part   []row     // denies of some of its names, or of some requests to it
	inside numberSet // boundaries that contain all of it
}

// found adds a row that is about all of the place, or some of it.
func (f *finding) found(r row, all bool) {
	switch {
	case r.grant.Kind == AllowGrant:
		f.allows = append(f.allows, r)
	case r.grant.Kind == DenyGrant && all && r.calls() == "":
		f.denies = append(f.denies, r)
	case r.grant.Kind == DenyGrant:
		f.part = append(f.part, r)
	case all && r.calls() == "":
		f.inside.add(r.number)
	}
}

// judge works out who is left of the sources of what was found.
func (n *namer) judge(f finding) NameClass {
	var outside, vague []row // boundaries that do not contain the place; the vague ones would contain some of it
	for _, b := range n.boundaries {
		if f.inside.has(b.number) {
			continue
		}
		if feature, _ := n.withinPart(f, b.grant); feature != "" {
			vague = append(vague, b)
		} else {
			outside = append(outside, b)
		}
	}
	takers := slices.Concat(f.denies, outside)
	n.noteVague(f, n.resolve(n.idsOf(f.allows), n.idsOf(takers)).left(n.resolver, f.allows), vague)

	takers = append(takers, vague...)
	rest := n.resolve(n.idsOf(f.allows), n.idsOf(takers)).left(n.resolver, f.allows)
	for _, r := range rest {
		n.live[r.grant.ID] = true
	}
	c := NameClass{}
	said, carried := n.originate(rest, &c)
	for _, r := range carried {
		n.carried[r.grant.ID] = true
	}
	c.Grants = grantsOf(carried)
	full := slices.DeleteFunc(slices.Clone(said), func(r row) bool { return r.calls() != "" })
	c.Sources = n.open(full, takers)
	for _, call := range n.groupCalls(said, full) {
		c.Calls = append(c.Calls, Call{call[0].to.Methods, call[0].to.Paths, n.open(call, takers), grantsOf(call)})
	}
	c.Denies = n.demandPart(f, said, takers)
	return c
}

// open returns what the takers leave of the sources of allows, and demands of the target that it can take away what it has to.
func (n *namer) open(allows, takers []row) SourceSet {
	res := n.resolve(n.idsOf(allows), n.idsOf(takers))
	n.demandSources(n.resolver, res, allows, takers)
	return res.SourceSet
}

// withinPart returns the feature that it would take to say which part of a place a boundary contains; none when there is no such part, or
// when the place has more specific patterns for it.
func (n *namer) withinPart(f finding, b *Grant) (lost Feature, why string) {
	for _, r := range f.slice.within[b] {
		switch {
		case !r.byName():
			return WithinAddressOnName, fmt.Sprintf("boundary %s would let it pass to %s, and who decides by name does not know the address", b.Rule, r.to)
		case slices.ContainsFunc(r.to.Hosts, func(h match.Pattern) bool {
			return (h.Kind() == match.Glob || f.place.Kind() == match.Glob) && !h.Covers(f.place) && h.Overlaps(f.place)
		}):
			return HostGlob, fmt.Sprintf("boundary %s would let a part of its names pass: %s", b.Rule, r.to)
		case r.calls() != "" && slices.ContainsFunc(r.to.Hosts, func(h match.Pattern) bool { return h.Covers(f.place) }):
			return callFeatures(r.to)[0], fmt.Sprintf("boundary %s would let some calls pass: %s", b.Rule, r.to)
		}
	}
	return "", ""
}

// noteVague notes the allows that lose what boundaries would let pass.
func (n *namer) noteVague(f finding, allows, vague []row) {
	for _, a := range allows {
		for _, b := range vague {
			if n.doOverlap(n.id(a.grant.Source), n.id(b.grant.Source)) {
				feature, why := n.withinPart(f, b.grant)
				n.narrowed(a.grant, feature, why)
			}
		}
	}
}

// originate chooses how the names of a cell are reached, where the allows differ: as the most specific one says, and of several such by
// originating TLS. It returns the allows that say so, and those that the class carries: theirs and of the others those whose sources
// may reach the names anyway. The rest is narrowed.
func (n *namer) originate(allows []row, c *NameClass) (said, carried []row) {
	if n.protocol != policy.HTTP || len(allows) == 0 {
		return allows, allows
	}
	how := func(r row) string {
		if r.to.OriginateTLS == nil {
			return ""
		}
		return r.to.OriginateTLS.String()
	}
	best := allows[0]
	for _, a := range allows[1:] {
		if !a.to.Hosts[0].Equal(best.to.Hosts[0]) {
			break // less specific
		}
		if h := how(a); h != "" && (how(best) == "" || h < how(best)) {
			best = a
		}
	}
	for _, a := range allows {
		if how(a) == how(best) {
			said = append(said, a)
		}
	}
	c.OriginateTLS = best.to.OriginateTLS
	every := n.idsOf(slices.DeleteFunc(slices.Clone(said), func(r row) bool { return r.calls() != "" })) // sources that may make every call
	for _, a := range allows {
		if how(a) == how(best) || n.gone(n.id(a.grant.Source), every) {
			carried = append(carried, a)
			continue
		}
		with := "as the application speaks"
		if o := best.to.OriginateTLS; o != nil {
			with = "by " + o.String()
		}
		n.narrowed(a.grant, originFeature(cmp.Or(best.to.OriginateTLS, a.to.OriginateTLS)), fmt.Sprintf("rule %s has names of it reached %s", best.grant.Rule, with))
	}
	return said, carried
}

// groupCalls returns the allows with methods or paths, by what they ask for, but for those whose sources may make every call.
func (n *namer) groupCalls(said, full []row) [][]row {
	groups := map[string][]row{}
	every := n.idsOf(full)
	for _, r := range said {
		if calls := r.calls(); calls != "" && !n.gone(n.id(r.grant.Source), every) {
			groups[calls] = append(groups[calls], r)
		}
	}
	var out [][]row
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, groups[key])
	}
	return out
}

// demandPart demands the denies of a part of the names or requests, and returns those that the target applies.
func (n *namer) demandPart(f finding, allows, takers []row) []*Grant {
	if len(allows) == 0 {
		return nil
	}
	var out []row
	for _, d := range slices.Concat(f.part, f.slice.across) {
		var needs []Feature
		if !d.byName() {
			needs = append(needs, DenyAddressOnName)
		} else if !d.to.Hosts[0].Covers(f.place) { // but for globs, patterns are nested or apart
			needs = append(needs, HostGlob)
		}
		needs = append(needs, callFeatures(d.to)...)
		if n.demandDeny(n.resolver, d, needs, allows, takers, f.place.String()) {
			out = append(out, d)
		}
	}
	return grantsOf(out)
}
