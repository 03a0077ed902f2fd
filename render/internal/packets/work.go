package packets

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A Way is something that pods may reach, or may not.
type Way struct {
	Pods      Pods
	Host      match.Pattern  // or
	Addresses match.Prefixes // these
	Protocol  policy.Protocol
	Ports     match.Ports // never empty
	Grant     *render.Grant
}

// A Loss is a part of a grant that is left out.
type Loss struct {
	Grant   *render.Grant
	Feature render.Feature
	Why     string
}

// A Sheet is what a plan comes to for a packet filter, in canonical order.
type Sheet struct {
	Exempt []Draft         // what stays open, by pods
	Allows []Way           // add up
	Denies []Way           // addresses that are taken from names, whatever allows them, but for what is exempt
	Rest   []*render.Grant // what denying everything else says: the baseline, allows of which nothing is left, and denies that take nothing
	Losses []Loss
	Vague  []string // sources that are said by what the inventory shows today
}

// Work works out a plan. The error is for exemptions that cannot be said.
func Work(p *render.Plan, speller Speller) (*Sheet, error) {
	w := &worker{plan: p, speller: speller, oracles: map[policy.Protocol]*oracle{}, spelled: map[string]spelling{}, ways: map[string]*Way{}, losses: map[string]Loss{}, vague: map[string]bool{}}
	for g := range p.Grants() {
		if g.Kind == render.AllowGrant && len(g.To.Hosts) > 0 {
			w.name(g)
		}
	}
	for _, c := range p.AddressClasses() {
		w.addresses(c)
	}
	s := &Sheet{Allows: w.take()}
	w.denies()
	var err error
	if s.Exempt, err = exempt(p, speller); err != nil {
		return nil, err
	}
	if s.Denies, err = spareAll(w.take(), s.Exempt); err != nil {
		return nil, err
	}
	said := map[render.GrantID]bool{}
	for _, way := range slices.Concat(s.Allows, s.Denies) {
		said[way.Grant.ID] = true
	}
	for _, key := range slices.Sorted(maps.Keys(w.losses)) {
		s.Losses = append(s.Losses, w.losses[key])
		said[w.losses[key].Grant.ID] = true
	}
	for g := range p.Grants() {
		if g.Kind != render.ExemptionGrant && !said[g.ID] {
			s.Rest = append(s.Rest, g)
		}
	}
	s.Vague = slices.Sorted(maps.Keys(w.vague))
	return s, nil
}

// ByName reports whether anything is allowed by name.
func (s *Sheet) ByName() bool {
	return slices.ContainsFunc(s.Allows, func(w Way) bool { return !w.Host.IsZero() })
}

// Assume records what such targets have to assume of any cluster, with what stays open.
func (s *Sheet) Assume(out *render.Emitter, open Openings) {
	if len(s.Vague) > 0 {
		out.Assume("inventory", "these sources are still as in the inventory, and who may create or label pods is restricted: "+strings.Join(s.Vague, "; "))
	}
	if open.InCluster == Open {
		out.Assume("in-cluster", "pods do not carry each other's traffic out: traffic between pods is open")
	}
	if open.DNS != nil {
		out.Assume("dns", "the resolvers of the cluster do not carry data out in names that they are asked for")
	}
}

type worker struct {
	plan    *render.Plan
	speller Speller
	oracles map[policy.Protocol]*oracle
	spelled map[string]spelling
	ways    map[string]*Way
	losses  map[string]Loss
	vague   map[string]bool
}

type spelling struct {
	pods []Pods
	why  string
	ok   bool
}

func (w *worker) spell(s render.Source) spelling {
	key := s.Selector.String()
	out, ok := w.spelled[key]
	if !ok {
		out.pods, out.why, out.ok = w.speller.Pods(s)
		w.spelled[key] = out
	}
	if out.ok && w.speller.FromInventory(s) {
		w.vague[key] = true
	}
	return out
}

func (w *worker) lose(g *render.Grant, f render.Feature, why string) {
	w.losses[fmt.Sprintf("%s\x00%s\x00%s", g.ID, f, why)] = Loss{g, f, why}
}

// open notes a way for each of the pods; ports add up.
func (w *worker) open(pods []Pods, way Way) {
	for _, p := range pods {
		one := way
		one.Pods = p
		key := strings.Join([]string{p.String(), way.Host.String(), way.Addresses.String(), way.Protocol.String(), string(way.Grant.ID)}, "\x00")
		if have := w.ways[key]; have != nil {
			one.Ports = one.Ports.Union(have.Ports)
		}
		w.ways[key] = &one
	}
}

// take returns the ways in order and forgets them.
func (w *worker) take() []Way {
	var out []Way
	for _, key := range slices.Sorted(maps.Keys(w.ways)) {
		out = append(out, *w.ways[key])
	}
	w.ways = map[string]*Way{}
	return out
}

// left returns the pods of a source without those of others, and why some or all of its own are missing that the others do not take.
func (w *worker) left(source render.Source, others []render.Source) (pods []Pods, why string) {
	own := w.spell(source)
	if !own.ok {
		return nil, own.why
	}
	var except []Pods
	for _, o := range others {
		if !o.Selector.Overlaps(source.Selector) {
			continue
		}
		s := w.spell(o)
		if !s.ok {
			return nil, "some pods are denied it, and " + s.why
		}
		except = append(except, s.pods...)
	}
	pods, ok := Minus(own.pods, except)
	if !ok {
		return nil, fmt.Sprintf("leaving out others takes more than %d selectors", maxSelectors)
	}
	return pods, ""
}

// addresses notes a class by address. Classes do not overlap, so that they may add up.
func (w *worker) addresses(c render.AddressClass) {
	for _, g := range c.Grants {
		pods, why := w.left(g.Source, c.Sources.Except)
		if why != "" {
			w.lose(g, render.SourcePods, why)
		}
		w.open(pods, Way{Addresses: c.Addresses, Protocol: c.Protocol, Ports: c.Ports, Grant: g})
	}
}

// name notes an allow by name, port by port.
func (w *worker) name(g *render.Grant) {
	for _, r := range w.segments(g) {
		w.nameOn(g, g.To.Hosts[0], match.NewPorts(r), r.First, nil)
	}
}

// judges returns the protocols of requests that packets of a grant may turn out to be. Of TLS and HTTP the target or another layer sees to it that
// they are no others.
func judges(p policy.Protocol) []policy.Protocol {
	if p == policy.TCP {
		return []policy.Protocol{policy.TCP, policy.TLS, policy.HTTP}
	}
	return []policy.Protocol{p}
}

// segments cuts a grant's ports where classes begin or end.
func (w *worker) segments(g *render.Grant) []match.PortRange {
	cuts := map[int]bool{}
	for _, p := range judges(g.To.Protocol) {
		for _, group := range w.oracle(p).groups {
			cuts[int(group.first)], cuts[int(group.last)+1] = true, true
		}
	}
	points := slices.Sorted(maps.Keys(cuts))
	var out []match.PortRange
	for _, r := range g.To.Ports.Ranges() {
		first := int(r.First)
		for _, cut := range points {
			if first < cut && cut <= int(r.Last) {
				out = append(out, match.PortRange{First: uint16(first), Last: uint16(cut - 1)})
				first = cut
			}
		}
		out = append(out, match.PortRange{First: uint16(first), Last: r.Last})
	}
	return out
}

// nameOn notes the names of host, which a grant allows, on ports whose classes are those of one port.
//
// What the class of host keeps others from is taken from the sources. Names below host that have a class of their own, which the sources or some
// of them are kept from, cannot be taken from host: the sources that are kept from them are, and the names of which all is left are said apart. above
// is the pods that reach host by a name that is said already.
func (w *worker) nameOn(g *render.Grant, host match.Pattern, ports match.Ports, port uint16, above []Pods) {
	own, more, gone := w.takers(g, host, port)
	if gone {
		for _, part := range judges(g.To.Protocol)[1:] {
			if _, all := kept(w.oracle(part).at(port).of(host), g); !all {
				w.lose(g, render.TCPByName, fmt.Sprintf("of %s to %s only %s is left, and packets do not tell it from the rest", g.To.Protocol, host, part))
			}
		}
		w.namesBelow(g, host, ports, port, nil)
		return
	}
	for _, part := range judges(g.To.Protocol)[1:] {
		except, all := kept(w.oracle(part).at(port).of(host), g)
		if !all && slices.ContainsFunc(own, func(o render.Source) bool { return !covered(o, except) }) {
			w.lose(g, render.TCPByName, fmt.Sprintf("of %s to %s only %s is left to some, and packets do not tell it from the rest", g.To.Protocol, host, part))
		}
	}
	exact, why := w.left(g.Source, own)
	if why != "" {
		w.lose(g, render.SourcePods, why)
		return
	}
	pods := exact
	if more != nil {
		if pods, why = w.left(g.Source, slices.Concat(own, more.sources)); more.all {
			pods = nil
		}
	}
	if len(pods) > 0 && Text(pods) != Text(above) {
		w.open(pods, Way{Host: host, Protocol: g.To.Protocol, Ports: ports, Grant: g})
	}
	if Text(pods) != Text(exact) {
		w.lose(g, more.feature, cmp.Or(why, more.why))
	}
	if Text(pods) != Text(exact) || len(own) > 0 {
		w.namesBelow(g, host, ports, port, pods)
	}
}

// namesBelow notes the names below host that have classes of their own, which may be open to more of a grant's sources than those of host are.
func (w *worker) namesBelow(g *render.Grant, host match.Pattern, ports match.Ports, port uint16, above []Pods) {
	for _, below := range w.below(g, host, port) {
		w.nameOn(g, below, ports, port, above)
	}
}

// taken is what must be left out because allows add up.
type taken struct {
	sources []render.Source
	all     bool
	feature render.Feature
	why     string
}

// takers returns the sources that are kept from all names of host, and what else must be left out; gone tells that nobody is left.
func (w *worker) takers(g *render.Grant, host match.Pattern, port uint16) (own []render.Source, more *taken, gone bool) {
	miss := func(feature render.Feature, why string, all bool, sources ...render.Source) {
		if more == nil {
			more = &taken{feature: feature, why: why}
		}
		more.all = more.all || all
		more.sources = append(more.sources, sources...)
	}
	for i, protocol := range judges(g.To.Protocol) {
		group := w.oracle(protocol).at(port)
		class := group.of(host)
		except, all := kept(class, g)
		switch {
		case all && i == 0:
			return nil, nil, true
		case i == 0:
			own = except
		case all || len(except) > 0:
			miss(render.TCPByName, fmt.Sprintf("some of %s is denied, and packets do not tell it from the rest of %s", protocol, g.To.Protocol), all, except...)
		}
		if class != nil {
			for _, d := range class.Denies {
				if len(d.To.Hosts) > 0 {
					miss(render.HostGlob, fmt.Sprintf("rule %s denies some of the names of %s, and nothing can be taken from a name that is allowed", d.Rule, host), false, d.Source)
				}
			}
		}
		for _, below := range group.below[host.String()] {
			if except, all := kept(group.classes[below.String()], g); all || len(except) > 0 {
				miss(shape(host), fmt.Sprintf("some are kept from %s, and nothing can be taken from a name that is allowed: %s", below, host), all, except...)
			}
		}
	}
	return own, more, false
}

func shape(p match.Pattern) render.Feature {
	switch p.Kind() {
	case match.Exact:
		return render.HostExact
	case match.Subdomains:
		return render.HostSubdomains
	}
	return render.HostGlob
}

// covered reports whether one of the others has all of a source.
func covered(s render.Source, others []render.Source) bool {
	return slices.ContainsFunc(others, func(o render.Source) bool { return o.Selector.Covers(s.Selector) })
}

// kept returns which sources of a grant a class keeps out; nil is a class of nobody.
func kept(c *render.NameClass, g *render.Grant) (except []render.Source, all bool) {
	if c == nil {
		return nil, true
	}
	sets := []render.SourceSet{c.Sources}
	for _, call := range c.Calls {
		sets = append(sets, call.Sources)
	}
	for _, s := range sets {
		if slices.ContainsFunc(s.Any, func(any render.Source) bool { return any.Selector.Covers(g.Source.Selector) }) {
			return slices.DeleteFunc(slices.Clone(s.Except), func(e render.Source) bool { return !e.Selector.Overlaps(g.Source.Selector) }), false
		}
	}
	return nil, true
}

// below returns the patterns below host that have classes of their own.
func (w *worker) below(g *render.Grant, host match.Pattern, port uint16) []match.Pattern {
	var out []match.Pattern
	for _, protocol := range judges(g.To.Protocol) {
		group := w.oracle(protocol).at(port)
		for _, b := range group.below[host.String()] {
			if parent, ok := group.above(b); !ok || !host.Covers(parent) || parent == host {
				out = append(out, b)
			}
		}
	}
	slices.SortFunc(out, match.Pattern.Compare)
	return slices.Compact(out)
}

// denies notes the denies by address that take from names.
func (w *worker) denies() {
	applied := map[render.GrantID]*render.Grant{}
	for _, protocol := range []policy.Protocol{policy.TLS, policy.HTTP, policy.TCP, policy.UDP} { // SCTP has no names
		for _, group := range w.oracle(protocol).groups {
			for _, c := range slices.Concat(sortedValues(group.classes), sortedValues(group.globs)) {
				for _, d := range c.Denies {
					if len(d.To.Hosts) == 0 {
						applied[d.ID] = d
					}
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(applied)) {
		d := applied[id]
		pods := w.denied(d)
		ports := d.To.Ports
		if ports.IsEmpty() {
			ports = match.AllPorts()
		}
		w.open(pods, Way{Addresses: d.To.Addresses, Protocol: d.To.Protocol, Ports: ports, Grant: d})
		for g := range w.plan.Grants() {
			if g.Kind == render.AllowGrant && len(g.To.Hosts) > 0 && g.To.Protocol.Transport() == d.To.Protocol.Transport() && !d.To.Protocol.Contains(g.To.Protocol) &&
				ports.Overlaps(g.To.Ports) && d.Source.Selector.Overlaps(g.Source.Selector) {
				w.lose(g, render.DenyAddressOnName, fmt.Sprintf("rule %s denies %s, and packets do not tell it from %s", d.Rule, d.To, g.To.Protocol))
			}
		}
	}
}

// denied returns the pods that a deny is for. One whose source cannot be said takes all of the sources of allows, or the plan would not have it: then
// those are the pods.
func (w *worker) denied(d *render.Grant) (pods []Pods) {
	if s := w.spell(d.Source); s.ok {
		return s.pods
	}
	for g := range w.plan.Grants() {
		if g.Kind == render.AllowGrant && len(g.To.Hosts) > 0 && d.Source.Selector.Covers(g.Source.Selector) {
			pods = append(pods, w.spell(g.Source).pods...)
		}
	}
	return canonical(pods)
}
