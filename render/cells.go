package render

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// Names under exact patterns and subdomains, and addresses under prefixes, are both laminar: two of them are nested or disjoint. So the
// patterns that hold a name form a chain, and the most specific pattern of the plan that does decides which rules hold it: those whose
// patterns are in the chain. All names with the same most specific pattern are a cell. Rules are the same throughout a cell, and the
// classes are cells put together by who may reach them.

// A row is one destination of a grant: the only one of an allow or deny, one of the union of a boundary.
type row struct {
	grant  *Grant
	to     *policy.Destination
	number int // of the grant among those of its kind
}

// rows returns the plan's destinations by kind, each in canonical order.
func (p *Plan) rows(kind GrantKind) []row {
	var out []row
	number := 0
	for g := range p.of(kind) {
		if kind == BoundaryGrant {
			for i := range g.Within {
				out = append(out, row{g, &g.Within[i], number})
			}
		} else {
			out = append(out, row{g, &g.To, number})
		}
		number++
	}
	return out
}

// boundaries returns one row for each boundary, without a destination: a boundary counts wherever none of its destinations does. Their places
// are their numbers.
func (p *Plan) boundaries() []row {
	var out []row
	for g := range p.of(BoundaryGrant) {
		out = append(out, row{grant: g, number: len(out)})
	}
	return out
}

// A numberSet is the numbers of grants. The zero numberSet is empty.
type numberSet []bool

func (s *numberSet) add(n int) {
	for len(*s) <= n {
		*s = append(*s, false)
	}
	(*s)[n] = true
}

func (s numberSet) has(n int) bool { return n < len(s) && s[n] }

func (r row) byName() bool { return len(r.to.Hosts) > 0 }

// calls returns the text of what r asks of the method and path, and "" for nothing.
func (r row) calls() string {
	if len(r.to.Methods)+len(r.to.Paths) == 0 {
		return ""
	}
	return policy.Destination{Methods: r.to.Methods, Paths: r.to.Paths}.String()
}

// meets reports whether a request could be of both protocols.
func meets(a, b policy.Protocol) bool { return a.Contains(b) || b.Contains(a) }

// A slice is ports on which the same rows count.
type slice struct {
	ranges []match.PortRange
	allows []row
	takers []row            // denies, and destinations of boundaries
	within map[*Grant][]row // the destinations by boundary
	across []row            // denies by address where allows are by name, and the other way round
}

// slicePorts cuts the ports of the allows, all by name or all by address, where a row begins or ends, and puts together those with the
// same rows, in order of the first port.
func slicePorts(allows, takers []row) []slice {
	rows := slices.Concat(allows, takers)
	turns := map[int][]int{} // rows that begin or end at a port
	on := make([]bool, len(rows))
	for i, r := range rows {
		on[i] = r.to.Ports.IsEmpty()
		for _, pr := range r.to.Ports.Ranges() {
			turns[int(pr.First)] = append(turns[int(pr.First)], i)
			turns[int(pr.Last)+1] = append(turns[int(pr.Last)+1], i)
		}
	}
	points := slices.Sorted(maps.Keys(turns))
	bySet := map[string]int{}
	var out []slice
	for i, point := range points {
		for _, turn := range turns[point] {
			on[turn] = !on[turn]
		}
		if !slices.Contains(on[:len(allows)], true) {
			continue // an allow that is on ends at a later point, so there is one below
		}
		pr := match.PortRange{First: uint16(point), Last: uint16(points[i+1] - 1)}
		var key []byte
		for i, on := range on {
			if on {
				key = binary.BigEndian.AppendUint32(key, uint32(i))
			}
		}
		if at, ok := bySet[string(key)]; ok {
			out[at].ranges = append(out[at].ranges, pr)
			continue
		}
		bySet[string(key)] = len(out)
		out = append(out, newSlice(pr, rows, on))
	}
	return out
}

// newSlice returns the slice of the rows that are on.
func newSlice(ports match.PortRange, rows []row, on []bool) slice {
	s := slice{ranges: []match.PortRange{ports}, within: map[*Grant][]row{}}
	for i, r := range rows {
		if !on[i] {
			continue
		}
		switch r.grant.Kind {
		case AllowGrant:
			s.allows = append(s.allows, r)
			continue
		case BoundaryGrant:
			s.within[r.grant] = append(s.within[r.grant], r)
		case DenyGrant:
			if r.byName() != s.allows[0].byName() {
				s.across = append(s.across, r)
			}
		}
		s.takers = append(s.takers, r)
	}
	return s
}

// A forest holds rows under keys that are nested or disjoint.
type forest[K comparable] struct {
	own    map[K][]row
	parent func(K) (K, bool) // the next more general key, whether or not it is in own
}

func (f *forest[K]) add(k K, r row) {
	if f.own == nil {
		f.own = map[K][]row{}
	}
	f.own[k] = append(f.own[k], r)
}

// above returns the next more general key that has rows.
func (f *forest[K]) above(k K) (K, bool) {
	for {
		var ok bool
		if k, ok = f.parent(k); !ok {
			return k, false
		}
		if _, ok := f.own[k]; ok {
			return k, true
		}
	}
}

// A resolver works out which sources are left. It asks each question about two selectors once.
type resolver struct {
	features Features
	ids      map[string]int
	sources  []Source
	covers   map[[2]int]bool
	overlaps map[[2]int]bool
	cannot   map[int]bool // sources that the target cannot take from others
	memo     map[string]*residue
}

// A residue is what takers leave of sources.
type residue struct {
	SourceSet
	live map[int]bool // sources of which something is left
	need [][2]int     // pairs of a taker's source that must be sayable, unless another taker's that covers it is, and a live source that it takes from
}

func newResolver(f Features) *resolver {
	return &resolver{features: f, ids: map[string]int{}, covers: map[[2]int]bool{}, overlaps: map[[2]int]bool{}, cannot: map[int]bool{}, memo: map[string]*residue{}}
}

func (r *resolver) id(s Source) int {
	text := s.Selector.String()
	id, ok := r.ids[text]
	if !ok {
		id = len(r.sources)
		r.ids[text] = id
		r.sources = append(r.sources, s)
		if r.features != nil {
			f, _, _ := s.sayable(r.features)
			r.cannot[id] = f != Same
		}
	}
	return id
}

func (r *resolver) idsOf(rows []row) []int {
	out := make([]int, 0, len(rows))
	for _, row := range rows {
		out = append(out, r.id(row.grant.Source))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (r *resolver) ask(memo map[[2]int]bool, a, b int, question func(a, b identity.Selector) bool) bool {
	k := [2]int{a, b}
	answer, ok := memo[k]
	if !ok {
		answer = question(r.sources[a].Selector, r.sources[b].Selector)
		memo[k] = answer
	}
	return answer
}

func (r *resolver) doesCover(a, b int) bool {
	return a == b || r.ask(r.covers, a, b, identity.Selector.Covers)
}
func (r *resolver) doOverlap(a, b int) bool {
	return r.ask(r.overlaps, min(a, b), max(a, b), identity.Selector.Overlaps)
}

// resolve returns what the takers leave of the sources; both are ascending.
func (r *resolver) resolve(any, takers []int) *residue {
	key := fmt.Sprint(any, takers)
	if res, ok := r.memo[key]; ok {
		return res
	}
	res := &residue{live: map[int]bool{}}
	r.memo[key] = res
	var live []int
	for _, a := range any {
		if !r.gone(a, takers) {
			live = append(live, a)
			res.live[a] = true
		}
	}
	live = r.widest(live)
	var except []int
	for _, t := range takers {
		if !r.cannot[t] && slices.ContainsFunc(live, func(a int) bool { return r.doOverlap(t, a) }) {
			except = append(except, t)
		}
	}
	for _, t := range except {
		for a := range res.live {
			if r.doOverlap(t, a) {
				res.need = append(res.need, [2]int{t, a})
			}
		}
	}
	except = r.widest(except)
	res.Any, res.Except = r.list(live), r.list(except)
	return res
}

// gone reports whether the takers together leave nothing of a source.
func (r *resolver) gone(a int, takers []int) bool {
	var union identity.Selector
	n := 0
	for _, t := range takers {
		if r.doesCover(t, a) {
			return true
		}
		if r.doOverlap(t, a) {
			union = union.Union(r.sources[t].Selector)
			n++
		}
	}
	return n > 1 && union.Covers(r.sources[a].Selector)
}

// widest returns the sources that no other one covers; of several that cover each other the first by text.
func (r *resolver) widest(ids []int) []int {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b int) int { return r.sources[a].Selector.Compare(r.sources[b].Selector) })
	var out []int
	for i, a := range ids {
		covered := false
		for j, b := range ids {
			if r.doesCover(b, a) && (j < i || !r.doesCover(a, b)) {
				covered = true
				break
			}
		}
		if !covered {
			out = append(out, a)
		}
	}
	return out
}

func (r *resolver) list(ids []int) []Source {
	var out []Source
	for _, id := range ids {
		out = append(out, r.sources[id])
	}
	return out
}

// left returns the rows of which something is left.
func (res *residue) left(r *resolver, rows []row) []row {
	var out []row
	for _, row := range rows {
		if res.live[r.id(row.grant.Source)] {
			out = append(out, row)
		}
	}
	return out
}

// demandSources demands that the sources which takers take from others can be said.
func (l *ledger) demandSources(r *resolver, res *residue, allows, takers []row) {
	for _, pair := range res.need {
		instead := r.covering(pair[0], takers)
		for _, t := range takers {
			if r.id(t.grant.Source) != pair[0] {
				continue
			}
			for _, a := range allows {
				if r.id(a.grant.Source) == pair[1] {
					l.demand(demand{taker: t.grant, source: true, instead: instead, allow: a.grant, why: fmt.Sprintf("it takes a part of the sources of rule %s", a.grant.Rule)})
				}
			}
		}
	}
}

// covering returns takers whose sources cover a source, one for each of them.
func (r *resolver) covering(id int, takers []row) []*Grant {
	return r.oneOfEach(takers, func(u int) bool { return r.doesCover(u, id) })
}

// overlapping returns takers whose sources overlap a source, one for each of them.
func (r *resolver) overlapping(id int, takers []row) []*Grant {
	return r.oneOfEach(takers, func(u int) bool { return r.doOverlap(u, id) })
}

// oneOfEach returns one taker of each source that is wanted.
func (r *resolver) oneOfEach(takers []row, wanted func(id int) bool) []*Grant {
	var out []*Grant
	for _, u := range r.idsOf(takers) {
		if !wanted(u) {
			continue
		}
		at := slices.IndexFunc(takers, func(t row) bool { return r.id(t.grant.Source) == u })
		out = append(out, takers[at].grant)
	}
	return out
}

// demandDeny demands a deny that only the target can apply, of a place, and reports whether this target does.
func (l *ledger) demandDeny(r *resolver, d row, needs []Feature, allows, takers []row, place string) (applied bool) {
	id := r.id(d.grant.Source)
	said := slices.DeleteFunc(r.idsOf(takers), func(t int) bool { return r.cannot[t] })
	instead := r.covering(id, takers)
	out := r.gone(id, said) // its sources are out already, if what takes them can be said
	var together []*Grant
	if out && len(instead) == 0 {
		together = r.overlapping(id, takers)
	}
	applied = true
	for _, f := range needs {
		applied = applied && r.features.has(f)
	}
	some := false
	for _, a := range allows {
		if !r.doOverlap(id, r.id(a.grant.Source)) {
			continue
		}
		some = true
		all := r.doesCover(id, r.id(a.grant.Source))
		applied = applied && (all || !r.cannot[id])
		l.demand(demand{taker: d.grant, needs: needs, source: !all, instead: instead, together: together, allow: a.grant,
			why: fmt.Sprintf("%s, which rule %s allows, holds requests that it denies: %s%s", place, a.grant.Rule, d.to, insteadOf(needs))})
	}
	return applied && some && !out
}

// insteadOf says what else to deny where a target is asked for features that few have.
func insteadOf(needs []Feature) string {
	switch {
	case slices.Contains(needs, DenyNameOnAddress):
		return "; names are not seen there: deny the addresses, or ports that the allow does not have"
	case slices.Contains(needs, DenyAddressOnName):
		return "; addresses are not looked at there: deny the names, or ports that the allow does not have"
	}
	return ""
}

// callFeatures returns the features that a destination's methods and paths ask for.
func callFeatures(d *policy.Destination) (out []Feature) {
	if len(d.Methods) > 0 {
		out = append(out, HTTPMethods)
	}
	if len(d.Paths) > 0 {
		out = append(out, HTTPPaths)
	}
	return out
}

// originFeature returns the feature that originating TLS asks for.
func originFeature(o *policy.TLSOrigination) Feature {
	if o.Mode == policy.MutualTLS {
		return OriginateMutualTLS
	}
	return OriginateSimpleTLS
}

// layers is a set of the layers of a stack, by their number.
type layers uint64

// maxLayers is how many layers a stack can have.
const maxLayers = 64

// A demand is something that takes away from allows and that some layer must say which says these allows exactly.
type demand struct {
	taker  *Grant
	needs  []Feature
	source bool   // that the taker's source can be said
	exact  layers // that say the allows exactly
	allow  *Grant // one of the allows, for messages: the least
	why    string

	// None of this is needed where the sources of one of these can be said, each of which has all of the taker's, or those of all of these,
	// which have them between them.
	instead, together []*Grant
}

// A ledger notes what becomes of grants while classes are made. It does not depend on the order of notes.
type ledger struct {
	exact   func(*Grant) layers // nil: demands are not noted
	live    map[GrantID]bool    // something is left of it in the model
	carried map[GrantID]bool    // some class says it
	narrow  map[string]Loss
	demands map[string]demand
}

func newLedger(exact func(*Grant) layers) *ledger {
	return &ledger{exact: exact, live: map[GrantID]bool{}, carried: map[GrantID]bool{}, narrow: map[string]Loss{}, demands: map[string]demand{}}
}

// narrowed notes that a part of an allow is left out.
func (l *ledger) narrowed(g *Grant, f Feature, why string) {
	l.narrow[strings.Join([]string{string(g.ID), string(f), why}, "\x00")] = Loss{Grant: g, Feature: f, Fidelity: Narrower, Why: why}
}

// demand notes that a taker must be said of an allow. Demands that only differ in the allow are one.
func (l *ledger) demand(d demand) {
	if l.exact == nil {
		return
	}
	d.exact = l.exact(d.allow)
	key := fmt.Sprintf("%s\x00%s\x00%t\x00%d", d.taker.ID, d.needs, d.source, d.exact)
	for _, list := range [][]*Grant{d.instead, d.together} {
		key += "\x00"
		for _, g := range list {
			key += "\x00" + string(g.ID)
		}
	}
	if old, ok := l.demands[key]; !ok || d.allow.ID < old.allow.ID || d.allow.ID == old.allow.ID && d.why < old.why {
		l.demands[key] = d
	}
}
