package policy

import (
	"iter"
	"net/netip"
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
)

// An Access is what a request asks for.
type Access struct {
	Protocol Protocol // not AnyProtocol
	Port     uint16
	Host     match.Host // the SNI, the Host header, or the name that the address was looked up by; zero: none known
	Address  netip.Addr // zero: none known
}

// A Request is an access by a source.
type Request struct {
	Source identity.Workload
	Access
}

// Reason tells why a decision came out as it did.
type Reason uint8

const (
	NoRule          Reason = iota // denied: no rule allows it
	Allowed                       // allowed by Rule
	Denied                        // denied by Rule
	OutsideBoundary               // an allow matches, and Rule is a boundary that does not contain the request
	InvalidRequest                // denied: no protocol, no port, or neither host nor address
)

// A Decision is the answer to a request. The zero Decision denies.
type Decision struct {
	Allowed bool
	Reason  Reason
	Rule    RuleID // the rule that decided; of several, the least. Empty for NoRule and InvalidRequest
}

// An Option changes how Compile reads policies.
type Option func(*options)

type options struct{ now time.Time }

// At sets the time at which expiry is judged. Without it, Compile uses the current time.
func At(t time.Time) Option { return func(o *options) { o.now = t } }

// Compile checks policies and returns their engine. It keeps no reference to them. The error is a Diagnostics with all mistakes found.
func Compile(policies []*Policy, opts ...Option) (*Engine, error) {
	panic("policy: Compile: not written yet")
}

// An Engine decides requests. It is immutable and safe for concurrent use. A nil or zero *Engine denies everything.
type Engine struct{ rules []*EffectiveRule }

// Effect tells what a rule does.
type Effect uint8

const (
	Allow Effect = iota + 1
	Deny
	Within // a boundary
)

// An EffectiveRule is a rule as the engine applies it: with its effect, its sources (limited to the policy's clusters and namespace), and
// its name.
type EffectiveRule struct {
	ID      RuleID
	Effect  Effect
	Sources identity.Selector
	To      []Destination // one for Allow and Deny; the union of several for Within
	Reason  string
	Owner   string
	Expires time.Time
	At      Position
}

// Rules yields the rules in force in order of ID. Expired rules are left out; an expired rule of a boundary is not in its To.
func (e *Engine) Rules() iter.Seq[*EffectiveRule] { panic("policy: not written yet") }

// For resolves w once: selectors are evaluated here and not in the view's decisions.
func (e *Engine) For(w identity.Workload) View { panic("policy: not written yet") }

// A View decides for one workload. The zero View denies.
type View struct{}

// Decide answers one access. It takes no lock and does not allocate.
func (v View) Decide(a Access) Decision { panic("policy: not written yet") }

// Decide is e.For(r.Source).Decide(r.Access).
func (e *Engine) Decide(r Request) Decision { return e.For(r.Source).Decide(r.Access) }
