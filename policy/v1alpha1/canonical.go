package v1alpha1

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// FromPolicy returns the canonical document of a policy: lists are sorted and hold nothing twice, defaults are left out, and addresses
// are written by the fewest ranges and exceptions. Policies that differ in order alone have the same document, and [ToPolicy] returns
// from it a policy of the same meaning.
//
// The error is a policy.Diagnostics: some policies that are built in Go can't be written, such as one with a source that selects every
// workload, and some are wrong. Its paths are those of the document.
func FromPolicy(p *policy.Policy) (*EgressPolicy, error) {
	root := &place{src: newSource("")}
	if p == nil {
		root.report(CodeNotExpressible, "the policy is nil", "")
		return nil, root.src.diagnostics()
	}
	doc := new(EgressPolicy)
	doc.APIVersion, doc.Kind = APIVersion, Kind
	doc.Metadata.Name, doc.Metadata.Namespace = p.Name, p.Namespace
	spec := root.field("spec")
	if len(p.Clusters) > 0 {
		doc.Spec.Clusters = sortedUnique(p.Clusters)
	}
	if s := fromSection(spec.field("cluster"), p.Cluster); !reflect.DeepEqual(s, Section{}) {
		doc.Spec.Cluster = &s
	}
	doc.Spec.Sources = fromSources(spec.field("sources"), p.Sources)
	root.src.found.Sort()
	if err := root.src.diagnostics().Err(); err != nil {
		return nil, err
	}
	if _, err := ToPolicy(doc); err != nil {
		return nil, err
	}
	return doc, nil
}

func fromSources(p *place, sources []policy.Source) []Source {
	if len(sources) == 0 {
		return nil
	}
	order := slices.Clone(sources)
	slices.SortStableFunc(order, func(a, b policy.Source) int {
		return cmp.Or(a.From.Compare(b.From), strings.Compare(a.Name, b.Name))
	})
	out := make([]Source, len(order))
	for i, s := range order {
		at := p.index(i)
		out[i] = Source{Name: s.Name, From: fromSelector(at.field("from"), s.From), Section: fromSection(at, s.Section)}
	}
	return out
}

func fromSelector(p *place, s identity.Selector) []Peer {
	if s.IsEverything() {
		p.report(CodeNotExpressible, "the source selects every workload", "write its rules in the cluster section")
		return nil
	}
	var out []Peer
	for i, t := range s.Terms() {
		if len(t.Clusters) > 0 {
			p.index(i).report(CodeNotExpressible, "the source names clusters", "write a policy for these clusters")
		}
		out = append(out, Peer{Namespaces: t.Namespaces, ServiceAccounts: t.ServiceAccounts, NamespaceLabels: t.NamespaceLabels, PodLabels: t.PodLabels})
	}
	return out
}

func fromSection(p *place, s policy.Section) Section {
	out := Section{
		Allow:  fromRules(p.field("allow"), s.Allow, policy.Allow),
		Deny:   fromRules(p.field("deny"), s.Deny, policy.Deny),
		Within: fromRules(p.field("within"), s.Within, policy.Within),
	}
	if s.Within != nil && out.Within == nil {
		out.Within = []Rule{} // an error, and not no boundary
	}
	return out
}

func fromRules(p *place, rules []policy.Rule, effect policy.Effect) []Rule {
	if len(rules) == 0 {
		return nil
	}
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = fromRule(r, effect)
	}
	// By what they are about, so that a reader finds it; then by all else, so that only equal rules are next to each other by chance.
	slices.SortFunc(out, compareRules)
	out = slices.CompactFunc(out, func(a, b Rule) bool { return reflect.DeepEqual(a, b) })
	if effect == policy.Allow {
		for i, r := range out {
			if r.Protocol == anyProtocol {
				p.index(i).field("protocol").report(CodeMissingProtocol, "an allow without protocol", "give it one")
			}
		}
	}
	return out
}

// anyProtocol marks an allow of any protocol, which documents can't say: in an allow, absent means another thing.
const anyProtocol Protocol = "any"

func fromRule(r policy.Rule, effect policy.Effect) Rule {
	out := Rule{Name: r.Name, Protocol: Protocol(r.To.Protocol.String()), Reason: r.Reason, Owner: r.Owner}
	for _, h := range r.To.Hosts {
		out.Hosts = append(out.Hosts, h.String())
	}
	out.Hosts = sortedUnique(out.Hosts)
	out.CIDRs, out.Except = ranges(r.To.Addresses)
	for _, ports := range r.To.Ports.Ranges() {
		if ports.First == ports.Last {
			out.Ports = append(out.Ports, intstr.FromInt32(int32(ports.First)))
		} else {
			out.Ports = append(out.Ports, intstr.FromString(ports.String()))
		}
	}
	out.Methods = sortedUnique(r.To.Methods)
	for _, p := range r.To.Paths {
		out.Paths = append(out.Paths, p.String())
	}
	out.Paths = sortedUnique(out.Paths)
	if o := r.To.OriginateTLS; o != nil {
		out.OriginateTLS = &TLSOrigination{Port: int32(o.Port), Mode: TLSMode(o.Mode.String()), CredentialName: o.CredentialName}
	}
	if !r.Expires.IsZero() {
		out.Expires = r.Expires.UTC().Format(time.DateOnly)
	}

	if effect != policy.Allow {
		if r.To.Protocol == policy.AnyProtocol {
			out.Protocol = ""
		}
		return out
	}
	if def := defaultPort(r.To.Protocol); def != 0 && r.To.Ports.Equal(match.PortsOf(def)) {
		out.Ports = nil
	}
	if r.To.Protocol == policy.TLS && len(out.Hosts) > 0 {
		out.Protocol = ""
	}
	return out
}

// defaultPort returns the port of an allow that names none, and 0 where it must name some.
func defaultPort(p policy.Protocol) uint16 {
	switch p {
	case policy.TLS:
		return 443
	case policy.HTTP:
		return 80
	}
	return 0
}

func compareRules(a, b Rule) int {
	return cmp.Or(
		slices.Compare(a.Hosts, b.Hosts),
		slices.Compare(a.CIDRs, b.CIDRs),
		slices.Compare(a.Except, b.Except),
		strings.Compare(string(a.Protocol), string(b.Protocol)),
		slices.CompareFunc(a.Ports, b.Ports, func(a, b intstr.IntOrString) int { return strings.Compare(a.String(), b.String()) }),
		slices.Compare(a.Methods, b.Methods),
		slices.Compare(a.Paths, b.Paths),
		strings.Compare(a.OriginateTLS.key(), b.OriginateTLS.key()),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Reason, b.Reason),
		strings.Compare(a.Owner, b.Owner),
		strings.Compare(a.Expires, b.Expires),
	)
}

// key returns a text that only equal originations share.
func (o *TLSOrigination) key() string {
	if o == nil {
		return ""
	}
	return string(o.Mode) + " " + strconv.Itoa(int(o.Port)) + " " + o.CredentialName
}

// sortedUnique returns a sorted copy without duplicates; nil for an empty list.
func sortedUnique(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

// ranges writes a set of addresses as ranges and exceptions from them, together as few as there can be of aligned ranges.
func ranges(s match.Prefixes) (cidrs, except []string) {
	whole := s.Prefixes()
	split := slices.IndexFunc(whole, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if split < 0 {
		split = len(whole)
	}
	v4 := spell(netip.PrefixFrom(netip.IPv4Unspecified(), 0), whole[:split])
	v6 := spell(netip.PrefixFrom(netip.IPv6Unspecified(), 0), whole[split:])
	for _, p := range slices.Concat(v4.include, v6.include) {
		cidrs = append(cidrs, p.String())
	}
	for _, p := range slices.Concat(v4.except, v6.except) {
		except = append(except, p.String())
	}
	return cidrs, except
}

// A spelling is the ways to write the part of a set that lies in one block.
type spelling struct {
	include, except []netip.Prefix // the shortest
	others          []netip.Prefix // the fewest prefixes of what is in the block and not in the set
}

// spell returns the spelling of inside, the fewest prefixes of the part of a set in block, in order: as those of the block's halves, or as the
// block without the others, whichever is shorter.
func spell(block netip.Prefix, inside []netip.Prefix) spelling {
	switch {
	case len(inside) == 0:
		return spelling{others: []netip.Prefix{block}}
	case inside[0] == block:
		return spelling{include: inside}
	}
	low := netip.PrefixFrom(block.Addr(), block.Bits()+1)
	high := netip.PrefixFrom(next(low), low.Bits())
	n, _ := slices.BinarySearchFunc(inside, high.Addr(), func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	l, h := spell(low, inside[:n]), spell(high, inside[n:])
	s := spelling{
		include: slices.Concat(l.include, h.include),
		except:  slices.Concat(l.except, h.except),
		others:  slices.Concat(l.others, h.others),
	}
	if 1+len(s.others) < len(s.include)+len(s.except) {
		s.include, s.except = []netip.Prefix{block}, s.others
	}
	return s
}

// next returns the address after the last of a block that is the lower half of a larger one.
func next(low netip.Prefix) netip.Addr {
	b := low.Addr().AsSlice()
	bit := low.Bits() - 1
	b[bit/8] |= 0x80 >> (bit % 8)
	a, _ := netip.AddrFromSlice(b)
	return a
}
