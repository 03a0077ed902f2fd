package istio

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/conformance/istio/check"
	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/internal/reference"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

const (
	shortRun = 100
	longRun  = 2000
	shard    = 250 // of a long run: policies that one process judges
	requests = 50  // of a policy, honest ones
	attacks  = 20  // for each of them, past the sidecar
	cluster  = "c1"
)

// number returns the environment's value of name, or another one when it has none.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestTargetsAgreeWithModel renders generated policies, has Pilot configure the proxies, and sends generated traffic through them: nothing may
// pass that the model denies, and nothing be stopped that it allows, but for the losses reported.
func TestTargetsAgreeWithModel(t *testing.T) {
	for _, u := range targets(t) {
		t.Run(u.name, u.agrees)
	}
}

func (u target) agrees(t *testing.T) {
	sum := newTally()
	if os.Getenv("EGRESS_LONG") != "" {
		for first := 0; first < longRun && !t.Failed(); first += shard {
			sum.add(u.apart(t, first))
		}
		for _, hole := range sum.holes() {
			if t.Log(hole); strings.HasPrefix(hole, "never drawn") { // some of what is said in part cannot be asked for
				t.Fail()
			}
		}
	} else {
		u.judge(t, number(t, "EGRESS_SEED", 0), number(t, "EGRESS_POLICIES", shortRun), sum)
	}
	t.Logf("\n%v", sum)
	if file := os.Getenv("EGRESS_TALLY"); file != "" {
		if err := sum.write(file); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range []string{honestReached, honestDenied, bypassReached, bypassDenied} {
		if n := sum.Counts[what]; n < sum.Counts["policies"] {
			t.Errorf("%d times %s: too few to say anything", n, what)
		}
	}
}

// apart judges the policies of a shard in a process of its own, and returns what it has seen: Istio's servers leave memory behind.
func (u target) apart(t *testing.T, first int) *tally {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tally")
	run := exec.Command(os.Args[0], "-test.run=^TestTargetsAgreeWithModel$/^"+strings.ReplaceAll(u.name, " ", "_")+"$", "-test.timeout=2h")
	run.Env = append(os.Environ(), "EGRESS_LONG=", "EGRESS_TALLY="+file, fmt.Sprintf("EGRESS_SEED=%d", first), fmt.Sprintf("EGRESS_POLICIES=%d", shard))
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("policies from %d: %v\n%s", first, err, out)
		return newTally()
	}
	sum, err := readTally(file)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// judge compares the policies of seeds from the first on.
func (u target) judge(t *testing.T, first, policies int, sum *tally) {
	const enough = 4 // failures, each of which takes a while to reduce
	var failed []int
	var mu sync.Mutex
	var workers sync.WaitGroup
	todo := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range todo {
				own := newTally()
				err := u.compare(generate(seed), seed, own)
				mu.Lock()
				sum.add(own)
				if err != nil {
					failed = append(failed, seed)
				}
				mu.Unlock()
			}
		})
	}
	for i := range policies {
		mu.Lock()
		stop := len(failed) >= enough
		mu.Unlock()
		if stop {
			break
		}
		todo <- first + i
	}
	close(todo)
	workers.Wait()

	slices.Sort(failed)
	for _, seed := range failed {
		policies := generate(seed)
		err := u.compare(policies, seed, newTally())
		least := reduce(policies, func(p []*policy.Policy) bool {
			e := u.compare(p, seed, newTally())
			if e != nil {
				err = e
			}
			return e != nil
		})
		t.Errorf("EGRESS_SEED=%d, %s: %v\nThe rules, reduced:\n%s", seed, u.setting(seed).name, err, describe(least))
	}
}

// What a tally counts.
const (
	honestReached  = "requests: allowed and let pass"
	honestDenied   = "requests: denied and stopped"
	honestLost     = "requests: allowed, stopped, and lost"
	honestDirect   = "requests: allowed by name and stopped, since the address is open and rules for it hold"
	bypassReached  = "attacks on gateways: somewhere allowed reached"
	bypassDenied   = "attacks on gateways: stopped"
	directOpen     = "attacks straight to an address: let pass, as allowed"
	directAdvisory = "attacks straight to an address: let pass to others of its namespace, by rules that are said to be advisory"
	directDropped  = "attacks straight to an address: dropped"
)

func (u target) setting(seed int) setting { return u.settings[seed%len(u.settings)] }

// compare renders policies, checks what was rendered, and compares traffic.
func (u target) compare(policies []*policy.Policy, seed int, seen *tally) error {
	s := u.setting(seed)
	inv := inventory().Example(seed)
	known := inv
	if seed/len(u.settings)%3 == 1 && !s.packetFiltered() {
		known = nil // packet filters need to know the namespaces
		seen.Counts["policies rendered without an inventory"]++
	}
	r, err := renderPolicies(policies, s.stack, cluster, known, policy.At(gen.Now))
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	w, err := s.world(inv, r.objs)
	if err != nil {
		return err
	}
	if err := acceptable(w, r.objs); err != nil {
		return err
	}
	filter, err := newPacketFilter(w, inv, r.objs)
	if err != nil {
		return err
	}
	var m *pilot.Mesh
	if err := pilot.Run(w, r.objs, func(p *pilot.Pilot) error {
		if m, err = p.Mesh(); err != nil || w.Ambient {
			return err
		}
		return attached(p, r.objs)
	}); err != nil {
		return err
	}
	seen.Counts["policies"]++
	seen.Counts["policies: "+s.name]++
	seen.Counts["objects"] += len(r.objs)
	seen.draw(r.plan, r.bounds.lost)
	d := &differ{filter: filter, setting: s, mesh: m, inventory: inv, rendered: r, seen: seen, random: rand.New(rand.NewPCG(uint64(seed), 0)), known: harvest(m, policies)}
	anything, allowed := gen.Request(policies), gen.Access(d.bounds.allowed())
	for n, judged := 0, 0; judged < requests && n < 100*requests; n++ {
		draw := seed*requests*100 + n
		r := anything.Example(draw)
		if judged%2 == 1 {
			r.Access = allowed.Example(draw)
		}
		r, from := d.settle(r)
		if judged%2 == 1 && n%8 != 0 && !d.bounds.mustPass(r) {
			continue // most of what is drawn is denied: of every other eight requests, one that must pass is taken if there is one
		}
		ok, err := d.honest(from, r)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		judged++
		for range attacks {
			if err := d.bypass(); err != nil {
				return err
			}
		}
		if len(filter.policies) > 0 {
			if err := d.direct(r.Access); err != nil {
				return err
			}
		}
	}
	return nil
}

// acceptable returns the first thing that Istio's checks, or the schemas of a channel of Gateway API, have against objects.
func acceptable(w *world.World, objs []*objects.Object) error {
	found, err := check.Run(w, objs)
	for _, c := range []check.Channel{check.Standard, check.Experimental} {
		if err != nil {
			return err
		}
		var more []check.Finding
		more, err = check.Schemas(c, objs)
		found = append(found, more...)
	}
	if err != nil {
		return err
	}
	for _, f := range check.Unexplained(found) {
		return errors.New(f.String())
	}
	return nil
}

// differ compares one rendered policy with the model, connection by connection.
type differ struct {
	setting
	*rendered
	mesh      *pilot.Mesh
	filter    *packetFilter
	inventory *identity.Inventory
	seen      *tally
	random    *rand.Rand
	known     vocabulary
}

// settle has a request come from one of the world's workloads, preferably one that may make it, and say what clients say.
func (d *differ) settle(r policy.Request) (policy.Request, int) {
	r.Method, r.Path = orElse(r.Method, "GET"), orElse(r.Path, "/")
	if r.Protocol != policy.HTTP {
		r.Method, r.Path = "", ""
	}
	first := d.random.IntN(len(d.mesh.World.Workloads))
	for n := range d.mesh.World.Workloads {
		i := (first + n) % len(d.mesh.World.Workloads)
		r.Source = sourceOf(d.mesh.World, i, cluster, d.inventory)
		if d.bounds.mustPass(r) && d.random.IntN(4) > 0 {
			return r, i
		}
	}
	r.Source = sourceOf(d.mesh.World, first, cluster, d.inventory)
	return r, first
}

// honest compares an access by the i-th workload through its sidecar. ok is false for what the mesh does not judge.
func (d *differ) honest(i int, r policy.Request) (ok bool, err error) {
	must := d.bounds.mustPass(r)
	to, bytes, why := spoken(r.Access)
	if why != "" {
		d.seen.Counts["not judged: "+why]++
		if must && r.Protocol == policy.UDP && !d.packetFiltered() {
			return false, fmt.Errorf("%v is neither lost nor anything that a mesh sees", r)
		}
		return false, nil
	}
	if d.mesh.World.Ambient && !r.Host.IsZero() {
		to = netip.AddrPortFrom(d.mesh.Resolve(i, r.Host.String(), to.Addr()), r.Port)
	}
	if d.random.IntN(8) == 0 {
		bytes = shouted(bytes)
	}
	out, err := d.mesh.Honest(i, to, bytes)
	if err == nil {
		err = d.filtered(i, &out)
	}
	what := fmt.Sprintf("%s/%s %v asks %v at %v", r.Source.Namespace, r.Source.ServiceAccount, r.Source.Labels, r.Access, to)
	if err == nil {
		err = d.judge(r.Source, out)
	}
	switch {
	case err != nil:
	case !out.Reached() && must && !d.bounds.direct(r.Access):
		err = errors.New("the model allows what is denied")
	case out.Reached() && out.Host != "" && out.Host != r.Host.String():
		err = fmt.Errorf("arrives at %s", out.Host)
	case out.Reached() && out.Origination == nil && out.Port != r.Port:
		err = fmt.Errorf("arrives at port %d", out.Port)
	}
	switch {
	case out.Reached():
		d.seen.Counts[honestReached]++
	case must:
		d.seen.Counts[honestDirect]++
	case d.bounds.mayPass(r):
		d.seen.Counts[honestLost]++
	default:
		d.seen.Counts[honestDenied]++
	}
	d.decided(r)
	return true, d.explain(what, out, err)
}

// decided counts a request for the cells of the rule that decided it.
func (d *differ) decided(r policy.Request) {
	by := reference.DecideRules(d.bounds.must, r).Rule
	for g := range d.plan.Grants() {
		if by != "" && string(g.ID) == string(by) {
			for _, c := range cellsOf(g) {
				d.seen.cell(c, census{Decided: 1})
			}
		}
	}
}

// shouted returns bytes with the name in upper case, as some clients write it.
func shouted(b walk.Bytes) walk.Bytes {
	switch b := b.(type) {
	case walk.TLS:
		b.SNI = strings.ToUpper(b.SNI)
		return b
	case walk.HTTP:
		b.Authority = strings.ToUpper(b.Authority)
		return b
	}
	return b
}

// bypass compares a connection that one of the workloads opens to a gateway or waypoint by itself, with what it may have seen or guessed: any
// names, its own certificate or none.
func (d *differ) bypass() error {
	w := d.mesh.World
	i := d.random.IntN(len(w.Workloads))
	b := d.known.bytes(d.random, 2)
	var out walk.Outcome
	var err error
	var what string
	own := w.SPIFFE(w.Workloads[i])
	if d.random.IntN(16) == 0 {
		own = "" // withheld
	}
	switch {
	case len(w.Waypoints) == 0 && len(w.Gateways) == 0:
		return nil
	case w.Ambient:
		n := d.random.IntN(len(w.Waypoints))
		if d.random.IntN(16) == 0 {
			if d.random.IntN(2) == 0 {
				b = walk.TLS{SNI: d.known.name(d.random), Identity: own, Inner: b}
			}
			what = fmt.Sprintf("sends %v to the waypoint itself", b)
			out, err = d.mesh.Bypass(i, netip.AddrPortFrom(w.WaypointIP(n), choose(d.random, []uint16{world.HBONE, 15001, 443})), b)
			break
		}
		to := netip.AddrPortFrom(d.mesh.Resolve(i, d.known.name(d.random), elsewhere), choose(d.random, []uint16{443, 80, 8443, 8080}))
		what = fmt.Sprintf("sends %v through the waypoint to %v", b, to)
		out, err = d.mesh.Tunnel(i, n, to, b)
	default:
		g := d.random.IntN(len(w.Gateways))
		port := choose(d.random, w.Gateways[g].Ports)
		if d.random.IntN(10) > 0 {
			name := d.known.name(d.random)
			if len(d.known.outer) > 0 && d.random.IntN(4) > 0 {
				name = choose(d.random, d.known.outer)
			}
			b = walk.TLS{SNI: name, Identity: own, Inner: b}
		}
		what = fmt.Sprintf("sends %v to port %d of %s", b, port.Number, w.Gateways[g].Name)
		out, err = d.mesh.Bypass(i, netip.AddrPortFrom(w.ServiceIP(g), port.Number), b)
	}
	if err == nil {
		err = d.filtered(i, &out)
	}
	if err == nil {
		if out.Reached() {
			d.seen.Counts[bypassReached]++
		} else {
			d.seen.Counts[bypassDenied]++
		}
		err = d.judge(sourceOf(w, i, cluster, d.inventory), out)
	}
	return d.explain(fmt.Sprintf("%s/%s %s", w.Workloads[i].Namespace, w.Workloads[i].ServiceAccount, what), out, err)
}

// judge reports what is wrong with where bytes of a source arrived.
func (d *differ) judge(source identity.Workload, out walk.Outcome) error {
	err := d.bounds.judge(source, out)
	if err != nil && d.anyBytes && out.Origination == nil && out.Host != "" {
		out.Arrives = walk.TLS{SNI: out.Host}
		if d.bounds.judge(source, out) == nil {
			return nil
		}
	}
	return err
}

// filtered has the packet filter judge what leaves the pod.
func (d *differ) filtered(i int, out *walk.Outcome) error {
	if len(d.filter.policies) == 0 || len(out.Dials) == 0 || !out.Dials[0].IsValid() {
		return nil
	}
	ok, err := d.filter.permits(i, out.Dials[0])
	if !ok && out.Reached() {
		*out = walk.Outcome{Denied: fmt.Sprintf("the packet filter drops %v", out.Dials[0]), Trace: out.Trace}
	}
	return err
}

// direct compares a connection that one of the workloads opens straight to an address, near what was asked for. What it sends there is nothing
// that a packet filter sees.
func (d *differ) direct(near policy.Access) error {
	w := d.mesh.World
	i := d.random.IntN(len(w.Workloads))
	to := netip.AddrPortFrom(near.Address, near.Port)
	if !to.Addr().Is4() || to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(choose(d.random, []netip.Addr{elsewhere, netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.7")}), near.Port)
	}
	if d.random.IntN(3) == 0 {
		to = netip.AddrPortFrom(to.Addr(), choose(d.random, []uint16{443, 80, 5432, 1, 8443}))
	}
	ok, err := d.filter.permits(i, to)
	what := fmt.Sprintf("%s/%s dials %v", w.Workloads[i].Namespace, w.Workloads[i].ServiceAccount, to)
	if err != nil || !ok {
		d.seen.Counts[directDropped]++
		return d.explain(what, walk.Outcome{}, err)
	}
	d.seen.Counts[directOpen]++
	source := sourceOf(w, i, cluster, d.inventory)
	for _, protocol := range []policy.Protocol{policy.TCP, policy.TLS, policy.HTTP} {
		if d.bounds.mayPass(policy.Request{Source: source, Access: policy.Access{Protocol: protocol, Port: to.Port(), Address: to.Addr()}}) {
			return nil
		}
		for _, a := range d.result.Assurances {
			// What is said to be advisory is no promise about pods that go past their sidecar or ztunnel.
			if a.Grant.Kind == render.AllowGrant && a.Holds == render.Advisory && holds(a.Grant.To, policy.Access{Protocol: protocol, Port: to.Port(), Address: to.Addr()}) {
				d.seen.Counts[directAdvisory]++
				return nil
			}
		}
	}
	return d.explain(what, walk.Outcome{}, errors.New("no rule allows that address and port"))
}

// holds reports whether a destination contains an access, whoever makes it.
func holds(to policy.Destination, a policy.Access) bool {
	everyone := &policy.EffectiveRule{Effect: policy.Allow, Sources: identity.Everything(), To: []policy.Destination{to}}
	return reference.DecideRules([]*policy.EffectiveRule{everyone}, policy.Request{Source: identity.Workload{Namespace: "any"}, Access: a}).Allowed
}

// explain adds to an error what was done, and the way it took.
func (d *differ) explain(what string, out walk.Outcome, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n\t%s\nLosses: %v", what, err, strings.Join(out.Trace, "\n\t"), d.result.Losses)
}
