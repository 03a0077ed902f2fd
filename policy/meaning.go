package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/match"
)

// Fingerprint returns a short text of what e means: which sources may reach what. It is the same for policies that say the same in other
// words: in another order, with other names, reasons, owners or expiry days, with destinations spread over rules in another way. Engines
// with one fingerprint allow the same requests. Engines that allow the same can still differ in it, by rules that never decide. The
// fingerprint is the same on every machine, and that of the nil and the zero Engine is that of no policies.
func (e *Engine) Fingerprint() string {
	h := sha256.New()
	for _, line := range e.meaning() {
		fmt.Fprintln(h, line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Equal reports whether e and o mean the same, as [Engine.Fingerprint] says it.
func (e *Engine) Equal(o *Engine) bool { return slices.Equal(e.meaning(), o.meaning()) }

// meaning returns what e means in canonical lines: what is allowed and denied one pattern or set of addresses a line, and a line for
// each boundary.
func (e *Engine) meaning() []string {
	if e == nil {
		return nil
	}
	var lines []string
	if e.trust != nil && len(e.rules) > 0 {
		names := e.trust.Names()
		slices.Sort(names)
		lines = append(lines, fmt.Sprintf("trust domains %q", names))
	}
	type subject struct {
		effect  Effect
		sources string
	}
	said := map[subject][]Destination{}
	for r := range e.Rules() {
		if r.Effect == Within {
			lines = append(lines, fmt.Sprintf("%s for %s: %q", r.Effect, r.Sources, atoms(r.To)))
			continue
		}
		s := subject{r.Effect, r.Sources.String()}
		said[s] = append(said[s], r.To...)
	}
	for s, to := range said { // in any order: the lines are sorted below
		for _, a := range atoms(to) {
			lines = append(lines, fmt.Sprintf("%s for %s: %s", s.effect, s.sources, a))
		}
	}
	return sortedUnique(lines, strings.Compare)
}

// atoms returns the texts of the destinations that cover the same as those given, one pattern or one set of addresses each, ports put
// together. It depends on what the union of destinations is, not on how it is spread.
func atoms(to []Destination) []string {
	type key struct{ place, call string }
	ports := map[key]match.Ports{}           // of a pattern
	addresses := map[string]match.Prefixes{} // by everything else
	addressRest := map[string]Destination{}  // the same, without addresses
	patternRest := map[key]Destination{}     // without ports
	for _, d := range to {
		if d.Ports.IsEmpty() {
			d.Ports = match.AllPorts()
		}
		if !d.Addresses.IsEmpty() {
			rest := d
			rest.Addresses = match.Prefixes{}
			k := rest.String()
			addresses[k] = addresses[k].Union(d.Addresses)
			addressRest[k] = rest
		}
		for _, p := range d.Hosts {
			rest := d
			rest.Hosts, rest.Addresses, rest.Ports = []match.Pattern{p}, match.Prefixes{}, match.Ports{}
			k := key{p.String(), rest.String()}
			ports[k] = ports[k].Union(d.Ports)
			patternRest[k] = rest
		}
	}
	var out []string
	for k, rest := range patternRest {
		rest.Ports = ports[k]
		out = append(out, rest.String())
	}
	for k, rest := range addressRest {
		rest.Addresses = addresses[k]
		out = append(out, rest.String())
	}
	slices.Sort(out)
	return out
}
