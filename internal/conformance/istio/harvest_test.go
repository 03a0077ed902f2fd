package istio

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// vocabulary is the names and headers in the gateway's configuration, which a compromised pod is taken to know.
type vocabulary struct {
	outer   []string // that servers at the gateway's ports are chosen by
	names   []string // all
	headers []string
	values  []string
}

// name draws a name: mostly one of the configuration's own, or one below its wildcards.
func (v vocabulary) name(r *rand.Rand) string {
	n := choose(r, []string{"", "evil.com", "a.com", "b.a.com"})
	if len(v.names) > 0 && r.IntN(8) > 0 {
		n = choose(r, v.names)
	}
	if rest, ok := strings.CutPrefix(n, "*"); ok {
		n = choose(r, []string{"a", "b", "ab", "b.a", ""}) + rest
	}
	switch r.IntN(16) {
	case 0:
		n = "a." + n
	case 1:
		n = strings.ToUpper(n)
	}
	return n
}

// bytes draws what a pod may send, with TLS inside of TLS to a depth.
func (v vocabulary) bytes(r *rand.Rand, depth int) walk.Bytes {
	switch n := r.IntN(10); {
	case n == 0:
		return walk.Raw{}
	case n < 5:
		h := walk.HTTP{Authority: v.name(r), Method: choose(r, []string{"GET", "POST", "CONNECT"}), Path: choose(r, []string{"/", "/a", "/a/b", "/ab"}), Headers: map[string]string{}}
		if port := choose(r, []string{"", "", "80", "443", "22", "1"}); port != "" {
			h.Authority += ":" + port
		}
		for _, name := range v.headers {
			if r.IntN(8) > 0 {
				h.Headers[name] = choose(r, append([]string{"80", "443", "22"}, v.values...))
			}
		}
		return h
	}
	hello := walk.TLS{SNI: v.name(r), ALPN: []string{"h2", "http/1.1"}}
	if depth > 0 && r.IntN(4) == 0 {
		hello.Inner = v.bytes(r, depth-1)
	}
	return hello
}

// harvest collects the names and headers in the gateways' configuration, and the names that policies are about.
func harvest(m *pilot.Mesh, policies []*policy.Policy) vocabulary {
	h := harvester{names: map[string]bool{}, headers: map[string]bool{}, values: map[string]bool{}}
	var outer []string
	for _, g := range slices.Concat(m.Gateways, m.Waypoints) {
		c := g.Config()
		for _, l := range c.Listeners {
			h.message(l.ProtoReflect())
			for _, ch := range l.GetFilterChains() {
				if l.GetInternalListener() == nil {
					outer = append(outer, ch.GetFilterChainMatch().GetServerNames()...)
				}
			}
		}
		for _, r := range c.Routes {
			h.message(r.ProtoReflect())
		}
	}
	for _, p := range policies {
		sections := []policy.Section{p.Cluster}
		for _, s := range p.Sources {
			sections = append(sections, s.Section)
		}
		for _, s := range sections {
			for _, r := range slices.Concat(s.Allow, s.Deny, s.Within) {
				for _, pattern := range r.To.Hosts {
					if pattern.Kind() != match.Glob {
						h.names[pattern.String()] = true
					}
				}
			}
		}
	}
	return vocabulary{outer, slices.Sorted(maps.Keys(h.names)), slices.Sorted(maps.Keys(h.headers)), slices.Sorted(maps.Keys(h.values))}
}

type harvester struct{ names, headers, values map[string]bool }

func (h harvester) message(m protoreflect.Message) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		if inner, err := a.UnmarshalNew(); err == nil {
			h.message(inner.ProtoReflect())
		}
		return
	}
	if m.Descriptor().FullName() == "envoy.config.route.v3.HeaderMatcher" {
		h.header(m.Interface())
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				if f.MapValue().Kind() == protoreflect.MessageKind {
					h.message(v.Message())
				}
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				h.value(f, v.List().Get(i))
			}
		default:
			h.value(f, v)
		}
		return true
	})
}

func (h harvester) value(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case f.Kind() == protoreflect.MessageKind:
		h.message(v.Message())
	case f.Kind() == protoreflect.StringKind:
		switch f.Name() {
		case "server_names", "domains":
			h.names[v.String()] = true
		case "exact":
			h.text(v.String())
		case "suffix":
			h.text("*" + v.String())
		}
	}
}

// text takes a string that some matcher asks for as a name when it looks like one.
func (h harvester) text(s string) {
	if s = strings.ToLower(s); !strings.Contains(s, "/") && strings.Contains(s, ".") {
		h.names[s] = true
	}
}

func (h harvester) header(m proto.Message) {
	type matcher interface {
		GetName() string
	}
	name := m.(matcher).GetName()
	if strings.HasPrefix(name, ":") {
		h.messageValues(m, true)
		return
	}
	h.headers[strings.ToLower(name)] = true
	h.messageValues(m, false)
}

// messageValues collects the strings of a header's matcher, as names or as values.
func (h harvester) messageValues(m proto.Message, names bool) {
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Kind() != protoreflect.MessageKind {
			return true
		}
		v.Message().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if f.Kind() != protoreflect.StringKind {
				return true
			}
			switch {
			case !names:
				h.values[v.String()] = true
			case f.Name() == "suffix":
				h.text("*" + v.String())
			default:
				h.text(v.String())
			}
			return true
		})
		return true
	})
}
