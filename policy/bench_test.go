package policy_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// fleet returns policies of n sources with own rules each and shared rules for all of the cluster. One host in ten is a wildcard. All hosts
// are different.
func fleet(sources, own, shared int) []*policy.Policy {
	rules := func(prefix string, n int) []policy.Rule {
		out := make([]policy.Rule, n)
		for i := range out {
			text := fmt.Sprintf("svc%d.%s.example.com", i, prefix)
			if i%10 == 9 {
				text = "*." + text
			}
			out[i] = policy.Rule{Name: fmt.Sprintf("%s-%d", prefix, i), To: hosts(text)}
		}
		return out
	}
	out := []*policy.Policy{{Name: "cluster", Cluster: policy.Section{Allow: rules("shared", shared)}}}
	for i := range sources {
		name := fmt.Sprintf("s%d", i)
		out = append(out, &policy.Policy{Name: name, Sources: []policy.Source{{Name: "all", From: account("shop", name), Section: policy.Section{Allow: rules(name, own)}}}})
	}
	return out
}

// asked are the hosts that benchmarks ask for: what source 0 has for itself and what it shares, names below wildcards, and names that nobody has.
func asked() []match.Host {
	var out []match.Host
	for i := range 32 {
		for _, text := range []string{"svc%d.s0.example.com", "svc%d.shared.example.com", "svc%d.nobody.example.com"} {
			text = fmt.Sprintf(text, i)
			if i%10 == 9 {
				text = "www." + text
			}
			out = append(out, match.MustParseHost(text))
		}
	}
	return out
}

// bare is the index of the same hosts without anything else.
func bare(tb testing.TB, policies []*policy.Policy) *match.Index[int] {
	var b match.Builder[int]
	n := 0
	for _, p := range policies {
		for _, s := range append([]policy.Section{p.Cluster}, sectionsOf(p)...) {
			for _, r := range s.Allow {
				b.Add(r.To.Hosts[0], n)
				n++
			}
		}
	}
	x, err := b.Build()
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func sectionsOf(p *policy.Policy) []policy.Section {
	var out []policy.Section
	for _, s := range p.Sources {
		out = append(out, s.Section)
	}
	return out
}

var sizes = []struct{ sources, own, shared int }{
	{10, 100, 1000}, {1000, 100, 1000}, {10_000, 100, 1000},
	{1, 100, 0}, {1, 100_000, 0},
}

// built keeps what is slow to build over the repetitions of a benchmark.
var built = map[string]struct {
	engine *policy.Engine
	index  *match.Index[int]
}{}

func BenchmarkDecide(b *testing.B) {
	for _, s := range sizes {
		hosts := asked()
		name := fmt.Sprintf("sources=%d/own=%d/shared=%d", s.sources, s.own, s.shared)
		run := func(impl string, ask func(e *policy.Engine, x *match.Index[int]) func(h match.Host) bool) {
			b.Run(name+"/impl="+impl, func(b *testing.B) {
				have, ok := built[name]
				if !ok {
					policies := fleet(s.sources, s.own, s.shared)
					have.engine, have.index = compile(b, policies), bare(b, policies)
					built[name] = have
				}
				f := ask(have.engine, have.index)
				b.ReportAllocs()
				i, yes := 0, 0
				for b.Loop() {
					if f(hosts[i]) {
						yes++
					}
					if i++; i == len(hosts) {
						i = 0
					}
				}
			})
		}
		w := identity.Workload{Namespace: "shop", ServiceAccount: "s0"}
		run("lookup", func(_ *policy.Engine, x *match.Index[int]) func(h match.Host) bool {
			return func(h match.Host) bool {
				_, n, _ := x.Lookup(h)
				return n > 0
			}
		})
		run("view", func(e *policy.Engine, _ *match.Index[int]) func(h match.Host) bool {
			v := e.For(w)
			return func(h match.Host) bool {
				return v.Decide(policy.Access{Protocol: policy.TLS, Port: 443, Host: h}).Allowed
			}
		})
		run("engine", func(e *policy.Engine, _ *match.Index[int]) func(h match.Host) bool {
			return func(h match.Host) bool {
				return e.Decide(policy.Request{Source: w, Access: policy.Access{Protocol: policy.TLS, Port: 443, Host: h}}).Allowed
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, s := range sizes {
		policies := fleet(s.sources, s.own, s.shared)
		pairs := s.sources*s.own + s.shared
		name := fmt.Sprintf("sources=%d/own=%d/shared=%d", s.sources, s.own, s.shared)
		b.Run(name+"/impl=index", func(b *testing.B) {
			for b.Loop() {
				bare(b, policies)
			}
		})
		b.Run(name+"/impl=engine", func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var e *policy.Engine
			for b.Loop() {
				e = compile(b, policies)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(pairs), "heapB/pair")
			runtime.KeepAlive(e)
		})
	}
}

// Many rules about one host cost what few do.
func BenchmarkDecideCrowded(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		byPort, byPath := &policy.Policy{Name: "ports"}, &policy.Policy{Name: "paths"}
		for i := range n {
			path := policy.MustHosts("api.foo.com").HTTP()
			path.Paths = []policy.Path{policy.MustParsePath(fmt.Sprintf("/v%d/*", i))}
			byPort.Cluster.Allow = append(byPort.Cluster.Allow, policy.Rules(policy.MustHosts("api.foo.com").TCP(uint16(i+1)))...)
			byPath.Cluster.Allow = append(byPath.Cluster.Allow, policy.Rules(path)...)
		}
		api := match.MustParseHost("api.foo.com")
		for impl, p := range map[string]*policy.Policy{"ports": byPort, "paths": byPath} {
			v := compile(b, []*policy.Policy{p}).For(identity.Workload{})
			a := policy.Access{Protocol: policy.TCP, Port: uint16(n), Host: api}
			if p == byPath {
				a.Protocol, a.Port, a.Path = policy.HTTP, 80, fmt.Sprintf("/v%d/charges/1", n-1)
			}
			b.Run(fmt.Sprintf("%s=%d", impl, n), func(b *testing.B) {
				for b.Loop() {
					if !v.Decide(a).Allowed {
						b.Fatal("denied")
					}
				}
			})
		}
	}
}

// BenchmarkDecideAddress asks for addresses, half of which some rule names.
func BenchmarkDecideAddress(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		for _, six := range []bool{false, true} {
			p := &policy.Policy{Name: "addresses"}
			var asked []netip.Addr
			for i := range n {
				var prefix netip.Prefix
				if six {
					prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i), 15: 1}), 48)
				} else {
					prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 24)
				}
				p.Cluster.Allow = append(p.Cluster.Allow, policy.Rule{Name: fmt.Sprintf("r%d", i), To: policy.MustAddresses(prefix.Masked().String()).TCP(443)})
				other := prefix.Addr().AsSlice()
				other[0]++
				nobody, _ := netip.AddrFromSlice(other)
				asked = append(asked, prefix.Addr(), nobody)
			}
			v := compile(b, []*policy.Policy{p}).For(identity.Workload{})
			b.Run(fmt.Sprintf("prefixes=%d/six=%t", n, six), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if v.Decide(policy.Access{Protocol: policy.TCP, Port: 443, Address: asked[i]}).Allowed != (i%2 == 0) {
						b.Fatal(asked[i])
					}
					if i++; i == len(asked) {
						i = 0
					}
				}
			})
		}
	}
}
