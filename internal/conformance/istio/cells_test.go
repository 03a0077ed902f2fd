package istio

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/gen"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/render"
)

// A cell is what kind of thing a rule says, of whom.
type cell struct{ Effect, What, Where, Ports, Source string }

func (c cell) String() string {
	return fmt.Sprintf("%s %s, %s, %s, of %s", c.Effect, c.What, c.Where, c.Ports, c.Source)
}

var (
	cellSources = []string{"everyone", "a namespace", "a service account", "labels"}
	cellPorts   = []string{"one port", "several ports", "any port"}
)

// allCells returns the cells that every run is to draw, by what they are about.
func allCells() (out []cell) {
	for _, effect := range []string{"allow", "deny", "within"} {
		for _, source := range cellSources {
			for _, ports := range cellPorts {
				if effect == "allow" && ports == "any port" {
					continue
				}
				for _, where := range []string{"name", "subdomains"} {
					for _, what := range []string{"TLS", "HTTP", "HTTP by method or path"} {
						out = append(out, cell{effect, what, where, ports, source})
					}
				}
				out = append(out, cell{effect, "TCP", "addresses", ports, source})
				if effect == "allow" {
					out = append(out, cell{effect, "HTTP made simple TLS", "name", ports, source}, cell{effect, "HTTP made mutual TLS", "name", ports, source})
				}
			}
			if effect != "allow" {
				for _, where := range []string{"name", "subdomains", "addresses"} {
					out = append(out, cell{effect, "any", where, "any port", source})
				}
			}
		}
	}
	return out
}

// cellsOf returns the cells that a grant is in: one, or those of all that a boundary holds.
func cellsOf(g *render.Grant) (out []cell) {
	source := sourceCell(g.Source.Selector)
	switch g.Kind {
	case render.AllowGrant:
		out = append(out, cellOf("allow", source, g.To))
	case render.DenyGrant:
		out = append(out, cellOf("deny", source, g.To))
	case render.BoundaryGrant:
		for _, to := range g.Within {
			out = append(out, cellOf("within", source, to))
		}
	}
	return out
}

func cellOf(effect, source string, to policy.Destination) cell {
	c := cell{effect, to.Protocol.String(), "addresses", "", source}
	if len(to.Hosts) > 0 {
		c.Where = map[match.Kind]string{match.Exact: "name", match.Subdomains: "subdomains", match.Glob: "glob"}[to.Hosts[0].Kind()]
	}
	switch n := to.Ports.Ranges(); {
	case to.Ports.IsEmpty():
		c.Ports = "any port"
	case len(n) == 1 && n[0].First == n[0].Last:
		c.Ports = "one port"
	case slices.ContainsFunc(n, func(r match.PortRange) bool { return r.Last-r.First > 1 }):
		c.Ports = "a range of ports"
	default:
		c.Ports = "several ports"
	}
	switch {
	case to.OriginateTLS != nil && to.OriginateTLS.Mode == policy.MutualTLS:
		c.What = "HTTP made mutual TLS"
	case to.OriginateTLS != nil:
		c.What = "HTTP made simple TLS"
	case len(to.Methods)+len(to.Paths) > 0:
		c.What = "HTTP by method or path"
	}
	return c
}

func sourceCell(s identity.Selector) string {
	if s.IsEverything() {
		return "everyone"
	}
	kind := "a namespace"
	for _, t := range s.Terms() {
		switch {
		case t.PodLabels != nil || t.NamespaceLabels != nil:
			return "labels"
		case len(t.ServiceAccounts) > 0:
			kind = "a service account"
		}
	}
	return kind
}

// A census counts what was drawn, and what came of it.
type census struct{ Drawn, Said, Decided int }

// A tally is what a run has seen, so that it can tell that it compared something.
type tally struct {
	Counts map[string]int
	Cells  map[cell]census
}

func newTally() *tally { return &tally{map[string]int{}, map[cell]census{}} }

func (t *tally) add(o *tally) {
	for what, n := range o.Counts {
		t.Counts[what] += n
	}
	for c, n := range o.Cells {
		sum := t.Cells[c]
		t.Cells[c] = census{sum.Drawn + n.Drawn, sum.Said + n.Said, sum.Decided + n.Decided}
	}
}

func (t *tally) cell(c cell, add census) {
	n := t.Cells[c]
	t.Cells[c] = census{n.Drawn + add.Drawn, n.Said + add.Said, n.Decided + add.Decided}
}

// draw counts the grants of a plan, and which of them are not lost.
func (t *tally) draw(p *render.Plan, lost map[render.GrantID]bool) {
	for g := range p.Grants() {
		for _, c := range cellsOf(g) {
			n := census{Drawn: 1}
			if !lost[g.ID] {
				n.Said = 1
			}
			t.cell(c, n)
		}
	}
}

// String lists the counts, and the cells by what they are about: how many grants were drawn, how many of them the target says, and how many
// requests they decided.
func (t *tally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t.Counts)) {
		fmt.Fprintf(&b, "%8d %s\n", t.Counts[what], what)
	}
	type row struct{ effect, what, where, ports string }
	rows := map[row]bool{}
	for c := range t.Cells {
		rows[row{c.Effect, c.What, c.Where, c.Ports}] = true
	}
	fmt.Fprintf(&b, "\ngrants drawn, said and requests decided%-23s", "")
	for _, source := range cellSources {
		fmt.Fprintf(&b, " %-20s", source)
	}
	for _, r := range slices.SortedFunc(maps.Keys(rows), func(a, b row) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		fmt.Fprintf(&b, "\n%-6s %-23s %-10s %-18s ", r.effect, r.what, r.where, r.ports)
		for _, source := range cellSources {
			n := t.Cells[cell{r.effect, r.what, r.where, r.ports, source}]
			fmt.Fprintf(&b, " %-20s", fmt.Sprintf("%d %d %d", n.Drawn, n.Said, n.Decided))
		}
	}
	return b.String()
}

// write stores the tally for another process.
func (t *tally) write(file string) error {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(t); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o600)
}

func readTally(file string) (*tally, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t := newTally()
	return t, gob.NewDecoder(bytes.NewReader(data)).Decode(t)
}

// TestEveryCellIsDrawn holds the generator to what a long run asks of it, without any target.
func TestEveryCellIsDrawn(t *testing.T) {
	sum := newTally()
	for seed := range longRun {
		engine, err := policy.Compile(generate(seed), policy.At(gen.Now))
		if err != nil {
			t.Fatal(err)
		}
		sum.draw(render.NewPlan(engine, cluster), nil)
	}
	for _, c := range allCells() {
		if sum.Cells[c].Drawn == 0 {
			t.Errorf("never drawn: %v", c)
		}
	}
	if t.Failed() {
		t.Logf("\n%v", sum)
	}
}

// holes returns the cells that were never drawn, or that are said and have never decided anything.
func (t *tally) holes() (out []string) {
	for _, c := range allCells() {
		switch n := t.Cells[c]; {
		case n.Drawn == 0:
			out = append(out, "never drawn: "+c.String())
		case n.Said > 0 && n.Decided == 0:
			out = append(out, "never asked for: "+c.String())
		}
	}
	return out
}
