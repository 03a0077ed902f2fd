package istio

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// Without a gateway, sidecars let names out themselves. What a sidecar knows differs by namespace alone, so that namespaces are the only sources
// that can be told apart; and it is the pod's own sidecar, so that all is advisory.
//
// A namespace sees the entries that are for all, and those that lie in it, which take the place of the others for the same name. An entry is
// a way to the names that it has, or without endpoints closes what would fall to a wildcard or is open to all others.

// Egress is the way by which names leave the cluster.
type Egress string

const (
	ByGateway Egress = "gateway" // the default: the egress gateway, or the waypoint of a mesh in ambient mode, which checks who asks
	Direct    Egress = "direct"  // from the sidecar: advisory, and only namespaces are told apart
)

func (r *Renderer) direct() bool { return r.profile.Egress == Direct }

// directFeatures returns what sidecars can say.
func directFeatures() render.Features {
	return render.Features{
		render.HostExact:          render.Same,
		render.HostSubdomains:     render.Same,
		render.TLSByName:          render.Same,
		render.HTTPByName:         render.Same,
		render.TCPByAddress:       render.Same,
		render.OriginateSimpleTLS: render.Same,
		render.SourceEveryone:     render.Same,
		render.SourceAccounts:     render.Same,
		render.SourceAccountGlob:  render.Same,
		render.Baseline:           render.Same,
		render.TCPAlone:           render.Same,
	}
}

// dynamic is the first version whose sidecars are known to look up names below a wildcard as they come.
var dynamic = version{1, 31, 0}

// refineDirect judges an allow by name.
func (r *Renderer) refineDirect(g *render.Grant) (f render.Fidelity, lost render.Feature, why string) {
	for _, h := range g.To.Hosts {
		if h.Kind() != match.Subdomains {
			continue
		}
		switch {
		case g.To.Protocol == policy.HTTP:
			return 0, render.HostSubdomains, "sidecars do not reliably look up names of HTTP below a wildcard as they come"
		case r.version.before(dynamic):
			return 0, render.HostSubdomains, fmt.Sprintf("sidecars look up names below a wildcard from version %s on, and the profile has %s", dynamic, r.version)
		}
	}
	for _, a := range g.Source.Accounts {
		if a.ServiceAccount != "" {
			return render.Wider, render.SourceAccounts, "the configuration of sidecars can be told apart by namespace alone"
		}
	}
	return render.Same, "", ""
}

// A directory is what namespaces may reach by name.
type directory struct {
	*builder
	trees []directTree
	names []match.Pattern // of all trees, in canonical order
	opens map[*nameClass]scope
	said  map[*render.Grant]bool // emitted or skipped
}

// A directTree is the names of one protocol and port.
type directTree struct {
	nameTree
	protocol policy.Protocol
	port     uint16
}

// A view is what a namespace may do with a name: what is open, and what would be by a wildcard above it, or by an entry for all, and is not.
type view struct {
	open   []*nameClass
	closed []use
}

// buildDirect makes the objects of a plan for sidecars that let names out themselves.
func (b *builder) buildDirect(tls, http []render.NameClass, addresses []render.AddressClass) error {
	var err error
	if b.tls, err = b.nameClasses(tls, "tls"); err != nil {
		return err
	}
	if b.http, err = b.nameClasses(http, "http"); err != nil {
		return err
	}
	d := directory{builder: b, opens: map[*nameClass]scope{}, said: map[*render.Grant]bool{}}
	var nobody []*render.Grant
	for _, classes := range slices.Concat(byPort(b.tls), byPort(b.http)) {
		d.trees = append(d.trees, directTree{newNameTree(classes), classes[0].Protocol, classes[0].Port})
		for _, c := range classes {
			if c.nobody() {
				nobody = append(nobody, c.Grants...) // of sources without a pod
			} else {
				d.opens[c] = d.scope(c)
			}
			for _, p := range c.Patterns {
				if b.profile.unsayable(p) == "" {
					d.names = append(d.names, p)
				}
			}
		}
	}
	slices.SortFunc(d.names, match.Pattern.Compare)
	d.names = slices.CompactFunc(d.names, func(a, b match.Pattern) bool { return a.String() == b.String() })
	b.emitBaseline(nobody...)
	d.emit()
	if err := b.emitAddresses(addresses); err != nil {
		return err
	}
	b.assumeDirect()
	return nil
}

// scope returns the namespaces that a class is open to, and skips its grants for those of which a part may reach it: as a whole they are opened only
// where another layer tells their pods apart.
func (d *directory) scope(c *nameClass) scope {
	whole, part, spelled := c.who.wholly(d.cluster)
	part = d.refuse(c.Grants, part, d.said, render.SourceAccounts)
	if spelled {
		d.spell(c.Grants, anyNamespace, render.SourceAccounts)
	}
	return whole.union(part)
}

// openTo reports whether a class is open to a namespace; to every other one, for none.
func (d *directory) openTo(c *nameClass, namespace string) bool {
	s := d.opens[c]
	return s.all || namespace != "" && slices.Contains(s.namespaces, namespace)
}

// at returns what a namespace may do with a name.
func (d *directory) at(p match.Pattern, namespace string) (v view) {
	for _, t := range d.trees {
		c, _ := t.at(p)
		switch {
		case c == nil:
		case d.openTo(c, namespace):
			v.open = append(v.open, c)
		default:
			for rest, ok := parent(p.String()); ok; rest, ok = parent(rest) {
				if up := t.class["*."+rest]; up != nil && d.openTo(up, namespace) {
					v.closed = append(v.closed, use{t.protocol, t.port})
					break
				}
			}
		}
	}
	return v
}

// emit writes the entries for all, and those of the namespaces that see something else.
func (d *directory) emit() {
	home := d.home()
	d.emitEntries("", home, []string{"*"})
	for _, ns := range d.cluster.namespaces {
		if ns != home {
			d.emitEntries(ns, ns, []string{"."})
		}
	}
	for _, t := range d.trees {
		for _, c := range slices.SortedFunc(maps.Values(t.class), func(a, b *nameClass) int { return strings.Compare(a.name, b.name) }) {
			for _, g := range c.Grants {
				if !d.said[g] && !c.nobody() {
					d.said[g] = true
					d.out.Skip(g, render.SourceAccounts, "no namespace is known that it selects, but for "+home+", where the entries for all are")
				}
			}
		}
	}
}

// A directName is a name with what a namespace may do with it.
type directName struct {
	match.Pattern
	view
}

// emitEntries writes the entries of a namespace, which are exported as said.
func (d *directory) emitEntries(namespace, in string, exportTo []string) {
	entries := map[string][]directName{} // by what the namespace may do with them
	for _, p := range d.names {
		v, all := d.settle(p, namespace), view{}
		if namespace != "" {
			all = d.settle(p, "")
		}
		key := v.key(p)
		switch {
		case key == all.key(p):
			continue // the entry for all is good for the namespace, if there is one
		case len(v.open) == 0 && len(v.closed) == 0:
			// What is open to all others has to be closed.
			for _, c := range all.open {
				v.closed = append(v.closed, use{c.Protocol, c.Port})
			}
			v.closed = sortedUses(append(v.closed, all.closed...))
			key = v.key(p)
		}
		entries[key] = append(entries[key], directName{p, v})
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		names := entries[key]
		if names[0].alone(names[0].Pattern) {
			d.emitEntry(d.out.Name("egress-name", names[0].String()), names, namespace, in, exportTo)
			continue
		}
		for i, names := range deal(names, namesABatch/2, directName.String) {
			for j, names := range chunk(names, maxInEntry) {
				parts := []string{key, strconv.Itoa(i), strconv.Itoa(j)}
				if j == 0 {
					parts = parts[:2] // nearly always: batches are half as large as entries may be
				}
				d.emitEntry(d.out.Name("egress-names", parts...), names, namespace, in, exportTo)
			}
		}
	}
}

// settle returns what a namespace may do with a name as far as an entry can say it: its ports are all open or all closed, and speak one protocol
// each.
func (d *directory) settle(p match.Pattern, namespace string) view {
	v := d.at(p, namespace)
	if len(v.open) > 0 && len(v.closed) > 0 {
		for _, c := range v.open {
			d.lose(c, p, namespace, render.HostSubdomains, fmt.Sprintf("a wildcard has %s on a port that it is closed on, and an entry that closes it has no open ports", p))
			v.closed = append(v.closed, use{c.Protocol, c.Port})
		}
		v.open = nil
	}
	taken := map[uint16]bool{}
	v.open = slices.DeleteFunc(v.open, func(c *nameClass) bool {
		if taken[c.Port] {
			d.lose(c, p, namespace, render.HTTPByName, fmt.Sprintf("port %d of %s is taken by TLS, and an entry's port takes one protocol", c.Port, p))
			return true
		}
		taken[c.Port] = true
		return false
	})
	v.closed = sortedUses(v.closed)
	return v
}

// sortedUses returns the uses in order, of each port one.
func sortedUses(uses []use) []use {
	slices.SortFunc(uses, func(a, b use) int { return cmp.Or(cmp.Compare(a.port, b.port), compareUses(a, b)) })
	return slices.CompactFunc(uses, func(a, b use) bool { return a.port == b.port })
}

// of returns the grants of a class that are about a name and select a namespace. What is for all is for each.
func (d *directory) of(c *nameClass, p match.Pattern, namespace string) (out []*render.Grant) {
	for _, g := range c.Grants {
		reaches := slices.ContainsFunc(g.Source.Accounts, func(a accountSelector) bool {
			return namespace == "" || inNamespace(a, namespace)
		})
		if reaches && slices.ContainsFunc(g.To.Hosts, func(h match.Pattern) bool { return h.Covers(p) || p.Covers(h) }) {
			out = append(out, g)
		}
	}
	return out
}

func (d *directory) lose(c *nameClass, p match.Pattern, namespace string, f render.Feature, why string) {
	for _, g := range d.of(c, p, namespace) {
		d.said[g] = true
		d.out.Skip(g, f, why)
	}
}

// cover notes that what classes grant about a name is said, and returns it.
func (d *directory) cover(n directName, namespace string) (out []*render.Grant) {
	for _, c := range n.open {
		for _, g := range d.of(c, n.Pattern, namespace) {
			d.said[g] = true
			out = append(out, g)
		}
	}
	return out
}

// alone reports whether a name has an entry of its own: a wildcard, and a name that TLS is originated to.
func (v view) alone(p match.Pattern) bool {
	return p.Kind() != match.Exact || slices.ContainsFunc(v.open, func(c *nameClass) bool { return c.OriginateTLS != nil })
}

// key is what names of one entry have in common; empty for those that have none.
func (v view) key(p match.Pattern) string {
	var parts []string
	for _, c := range v.open {
		parts = append(parts, fmt.Sprintf("%s-%d", strings.ToLower(c.Protocol.String()), c.Port))
		if o := c.OriginateTLS; o != nil {
			parts = append(parts, o.String())
		}
	}
	for _, u := range v.closed {
		parts = append(parts, fmt.Sprintf("closed-%s-%d", strings.ToLower(u.protocol.String()), u.port))
	}
	if len(parts) > 0 && v.alone(p) {
		parts = append([]string{p.String()}, parts...)
	}
	return strings.Join(parts, "\x00")
}

// emitEntry writes an entry for names that a namespace may do the same with.
func (d *directory) emitEntry(name string, names []directName, namespace, in string, exportTo []string) {
	first := names[0]
	entry := &networking.ServiceEntry{ExportTo: exportTo, Location: networking.ServiceEntry_MESH_EXTERNAL, Resolution: networking.ServiceEntry_DNS}
	rule := &networking.DestinationRule{Host: first.String(), ExportTo: exportTo, TrafficPolicy: &networking.TrafficPolicy{}}
	switch {
	case len(first.open) == 0:
		entry.Resolution = networking.ServiceEntry_STATIC // and nothing that it leads to
	case first.Kind() != match.Exact:
		entry.Resolution = networking.ServiceEntry_DYNAMIC_DNS
	}
	fidelity := render.Same
	var covers []*render.Grant
	for _, n := range names {
		entry.Hosts = append(entry.Hosts, n.String())
		covers = append(covers, d.cover(n, namespace)...)
		for _, c := range n.open {
			if whole, _, _ := c.who.wholly(d.cluster); namespace != "" && !whole.all && !slices.Contains(whole.namespaces, namespace) {
				fidelity = render.Wider
			}
		}
	}
	for _, c := range first.open {
		port := servicePort(c.Protocol.String(), c.Port)
		if o := c.OriginateTLS; o != nil {
			port.TargetPort = uint32(o.Port)
			rule.TrafficPolicy.PortLevelSettings = append(rule.TrafficPolicy.PortLevelSettings, &networking.TrafficPolicy_PortTrafficPolicy{
				Port: &networking.PortSelector{Number: port.Number}, Tls: d.origination(first.String(), o),
			})
		}
		entry.Ports = append(entry.Ports, port)
	}
	for _, u := range first.closed {
		entry.Ports = append(entry.Ports, servicePort(u.protocol.String(), u.port))
	}
	covers = unique(covers)
	for _, g := range covers {
		d.out.Assure(g, atSidecar)
	}
	emit := func(kind string, spec any, labels map[string]string) {
		d.out.Emit(render.Object{APIVersion: networkingV1, Kind: kind, Namespace: in, Name: name, Labels: labels, Spec: spec}, fidelity, covers...)
	}
	// With an address of its own, sidecars that answer DNS would listen there for any name, and nowhere else.
	emit("ServiceEntry", entry, map[string]string{"networking.istio.io/enable-autoallocate-ip": "false"})
	if len(rule.TrafficPolicy.PortLevelSettings) > 0 {
		emit("DestinationRule", rule, nil)
	}
}

// atSidecar is the assurance of what sidecars alone hold.
var atSidecar = render.Assurance{EnforcedAt: "sidecar", Holds: render.Advisory, Why: "a pod that bypasses its sidecar is not held by it"}

func (b *builder) assumeDirect() {
	b.assumeSidecars()
	b.out.Assume("direct", "no egress gateway: sidecars let names out themselves, and a compromised pod gets past its sidecar")
	b.out.Assume("entries-are-ours", fmt.Sprintf("nobody but the platform creates ServiceEntries in namespace %s and in those of sources, or exports any", b.home()))
	if b.spelled {
		b.assumeNamespaces()
	}
}
