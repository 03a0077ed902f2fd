package istio

import (
	"net/netip"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// addresses returns a class of addresses with a grant for each source; another layer of a stack says exactly those of admitted ones.
func addresses(prefixes, from, except, admitted string) render.AddressClass {
	var in []netip.Prefix
	for _, p := range strings.Fields(prefixes) {
		in = append(in, netip.MustParsePrefix(p))
	}
	c := render.AddressClass{Protocol: policy.TCP, Ports: match.PortsOf(5432), Addresses: match.NewPrefixes(in, nil),
		Sources: render.SourceSet{Any: sources(from), Except: sources(except)}}
	for i, name := range strings.Fields(from) {
		c.Grants = append(c.Grants, &render.Grant{ID: render.GrantID(name), Kind: render.AllowGrant, Source: c.Sources.Any[i],
			Admit: strings.Contains(admitted, name)})
	}
	return c
}

// TestAddresses tells for each namespace whether its sidecars are told, and what becomes of the grants: addresses are told apart by
// namespace, and whatever that lets pass besides must be held by another layer.
func TestAddresses(t *testing.T) {
	r := defaultRenderer(t)
	for _, tt := range []struct {
		name, from, except, admitted string
		exported                     string // namespaces of the entries, and whether they say the same or wider
		said, skipped                string // grants
	}{
		{"everybody", "*/*", "", "", "*:same", "*/*", ""},
		{"a namespace", "shop/*", "", "", "shop:same", "shop/*", ""},
		{"namespaces", "shop/* news/*", "", "", "news,shop:same", "shop/* news/*", ""},
		{"namespaces by glob", "s*/*", "", "", "shop,stage:same", "s*/*", ""},
		{"a namespace that is not known", "later/*", "", "", "later:same", "later/*", ""},
		{"a glob of no namespace", "z*/*", "", "", "", "", "z*/*"},
		{"an account that another layer tells", "shop/a", "", "shop/a", "shop:wider", "shop/a", ""},
		{"an account that nobody tells", "shop/a", "", "", "", "", "shop/a"},
		{"an account in an open namespace", "shop/* news/a", "", "news/a", "news:wider shop:same", "shop/* news/a", ""},
		{"everybody but a namespace", "*/*", "shop/*", "", "news,stage:same", "*/*", ""},
		{"everybody but an account", "*/*", "shop/a", "", "news,stage:same", "*/*", "*/*"},
		{"everybody but an account that another layer tells", "*/*", "shop/a", "*/*", "news,stage:same shop:wider", "*/*", ""},
		{"an account wherever, that another layer tells", "*/a", "", "*/a", "news,shop,stage:wider", "*/a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			class := addresses("203.0.113.0/24", tt.from, tt.except, tt.admitted)
			rec := build(t, r, known{[]string{"news", "shop", "stage"}, true}, nil, nil, []render.AddressClass{class})
			checkStructure(t, rec.objects)
			got := map[string]bool{}
			for i, o := range rec.objects {
				if e, ok := o.Spec.(*networking.ServiceEntry); ok {
					got[strings.Join(e.ExportTo, ",")+":"+rec.as[i].String()] = true
				}
			}
			for _, want := range strings.Fields(tt.exported) {
				if !got[want] {
					t.Errorf("no entry %s, but %v", want, got)
				}
			}
			if len(got) != len(strings.Fields(tt.exported)) {
				t.Errorf("entries %v, want %s", got, tt.exported)
			}
			for _, g := range class.Grants {
				id := " " + string(g.ID) + " "
				if (rec.said[g] != 0) != strings.Contains(" "+tt.said+" ", id) || (rec.skipped[g] != "") != strings.Contains(" "+tt.skipped+" ", id) {
					t.Errorf("%s is said %v, skipped %q", g.ID, rec.said[g], rec.skipped[g])
				}
				if rec.said[g] == render.Wider && !g.Admit {
					t.Errorf("%s is said wider, and nobody says it exactly", g.ID)
				}
			}
		})
	}
}

// TestAddressTexts writes single addresses without a length, for a listener of their own.
func TestAddressTexts(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.0/24 198.51.100.7/32 2001:db8::/32 2001:db9::1/128": "198.51.100.7 203.0.113.0/24 2001:db8::/32 2001:db9::1",
		"0.0.0.0/32 ::/128": "",
		"0.0.0.0/30 ::/126": "0.0.0.1 0.0.0.2/31 ::/126",
		"::/0":              "::/0",
	} {
		if got := strings.Join(addressTexts(addresses(in, "", "", "").Addresses), " "); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	// No network begins where Istio sees all addresses, and all others are there.
	all := addressTexts(addresses("0.0.0.0/0", "", "", "").Addresses)
	var back []netip.Prefix
	for _, text := range all {
		if strings.HasPrefix(text, "0.0.0.0") {
			t.Error(text)
		}
		if !strings.Contains(text, "/") {
			text += "/32"
		}
		back = append(back, netip.MustParsePrefix(text))
	}
	if missing := match.NewPrefixes([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, back).String(); missing != "0.0.0.0/32" {
		t.Error(missing)
	}
}

// TestNoDestination skips what would open everything.
func TestNoDestination(t *testing.T) {
	class := addresses("0.0.0.0/32 ::/128", "a/*", "", "")
	rec := build(t, defaultRenderer(t), known{}, nil, nil, []render.AddressClass{class})
	if len(rec.objects) != 1 || rec.skipped[class.Grants[0]] == "" {
		t.Errorf("%d objects, and skipped %q", len(rec.objects), rec.skipped[class.Grants[0]])
	}
}

// TestManyAddresses cuts what does not fit into one entry.
func TestManyAddresses(t *testing.T) {
	var many []netip.Prefix
	for i := range 600 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, byte(i >> 7), byte(i << 1), 1}), 32))
	}
	class := addresses("", "a/*", "", "")
	class.Addresses = match.NewPrefixes(many, nil)
	class.Ports = match.NewPorts(match.PortRange{First: 1, Last: 300})
	rec := build(t, defaultRenderer(t), known{}, nil, nil, []render.AddressClass{class})
	checkStructure(t, rec.objects)
	pairs := 0
	for _, o := range rec.objects {
		if e, ok := o.Spec.(*networking.ServiceEntry); ok {
			pairs += len(e.Addresses) * len(e.Ports)
		}
	}
	if pairs != 600*300 {
		t.Errorf("%d pairs of address and port, want %d", pairs, 600*300)
	}
}
