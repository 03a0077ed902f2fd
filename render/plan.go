package render

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// A Plan is an engine's rules specialised to one cluster, in canonical order: the only thing that renderers read. It is immutable.
type Plan struct {
	cluster    string
	inventory  *identity.Inventory
	namespaces []string // of the inventory and of the rules, sorted
	grants     []*Grant // sorted by ID
	features   Features // of the target that the plan is for; nil: of a target that can say everything
	gateways   []Gateway
	guarded    bool // some layer keeps pods from gateways that are not for them
}

// A PlanOption adds to a plan what is known of the cluster.
type PlanOption func(*Plan)

// WithInventory gives the plan what is known of the cluster, so that selectors can be said in other ways.
func WithInventory(inv *identity.Inventory) PlanOption { return func(p *Plan) { p.inventory = inv } }

// NewPlan returns the plan of e's rules for a cluster. Rules that select nothing there are left out. A nil engine gives a plan that
// denies everything: the baseline alone.
func NewPlan(e *policy.Engine, cluster string, opts ...PlanOption) *Plan {
	return newPlan(e.Rules(), cluster, opts...)
}

func newPlan(rules iter.Seq[*policy.EffectiveRule], cluster string, opts ...PlanOption) *Plan {
	p := &Plan{cluster: cluster}
	for _, opt := range opts {
		opt(p)
	}
	b := planner{plan: p, sources: map[string]Source{}}
	for r := range rules {
		b.rule(r)
	}
	p.grants = append(p.grants, &Grant{ID: baselineID, Kind: BaselineGrant, Source: b.source(identity.Everything())})
	p.sort()
	for _, n := range p.inventory.Namespaces() {
		p.namespaces = append(p.namespaces, n.Name)
	}
	slices.Sort(p.namespaces)
	p.namespaces = slices.Compact(p.namespaces)
	return p
}

const (
	// baselineID is the ID of every plan's baseline; rule IDs are never empty.
	baselineID GrantID = "#baseline"
	// BaselineRule is what [AcceptWider] takes for the baseline; the IDs of rules hold a slash.
	BaselineRule policy.RuleID = "baseline"
)

// with returns a plan of the same cluster with other grants, for a target with these features.
func (p *Plan) with(grants []*Grant, features Features) *Plan {
	q := *p
	q.grants, q.features = slices.Clone(grants), features
	q.sort()
	return &q
}

func (p *Plan) sort() {
	slices.SortFunc(p.grants, func(a, b *Grant) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// planner makes grants of rules.
type planner struct {
	plan    *Plan
	sources map[string]Source // by the selector's text: spelling one is the costly part
}

func (b *planner) source(s identity.Selector) Source {
	text := s.String()
	src, ok := b.sources[text]
	if !ok {
		src = newSource(s, b.plan.inventory)
		b.sources[text] = src
	}
	return src
}

// rule adds the grants of r: for allow and deny one a pattern, or one for all addresses; one for a boundary.
func (b *planner) rule(r *policy.EffectiveRule) {
	selector := r.Sources.InCluster(b.plan.cluster)
	if selector.IsZero() {
		return
	}
	for _, t := range selector.Terms() {
		for _, n := range t.Namespaces {
			if !strings.ContainsAny(n, "*?") {
				b.plan.namespaces = append(b.plan.namespaces, n)
			}
		}
	}
	grant := func(kind GrantKind, text string) *Grant {
		g := &Grant{ID: GrantID(string(r.ID) + "#" + brief(text)), Kind: kind, Rule: r.ID, Source: b.source(selector), Reason: r.Reason, Owner: r.Owner, At: r.At}
		b.plan.grants = append(b.plan.grants, g)
		return g
	}
	if r.Effect == policy.Within {
		grant(BoundaryGrant, "within").Within = slices.Clone(r.To)
		return
	}
	kind := AllowGrant
	if r.Effect == policy.Deny {
		kind = DenyGrant
	}
	for _, to := range r.To {
		if len(to.Hosts) == 0 {
			grant(kind, to.String()).To = to
			continue
		}
		for _, host := range to.Hosts {
			one := to
			one.Hosts = []match.Pattern{host}
			grant(kind, one.String()).To = one
		}
	}
}

// Cluster returns the name of the cluster; it may be empty.
func (p *Plan) Cluster() string { return p.cluster }

// Inventory returns what is known of the cluster; it may be nil.
func (p *Plan) Inventory() *identity.Inventory { return p.inventory }

// Namespaces returns the names of the cluster's namespaces in order: those of the inventory and those that the rules' selectors name, whether
// or not a renderer is given the rules. Without an inventory these are all that is known, and targets that need namespaces say so as
// an assumption.
func (p *Plan) Namespaces() []string { return slices.Clone(p.namespaces) }

// Grants yields the grants in canonical order, which is that of their IDs. They are the plan's own and must not be changed.
func (p *Plan) Grants() iter.Seq[*Grant] { return slices.Values(p.grants) }

// of yields the grants of a kind.
func (p *Plan) of(kind GrantKind) iter.Seq[*Grant] {
	return func(yield func(*Grant) bool) {
		for _, g := range p.grants {
			if g.Kind == kind && !yield(g) {
				return
			}
		}
	}
}

// maxBrief is how much of a destination stands in an ID: all of it, unless it lists more addresses or ports than a person reads.
const maxBrief = 200

// brief shortens the text of a destination, for IDs are compared and hashed for each address: the beginning, and a hash of the whole.
func brief(text string) string {
	if len(text) <= maxBrief {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return strings.ToValidUTF8(text[:maxBrief], "") + "... " + hex.EncodeToString(sum[:])
}
