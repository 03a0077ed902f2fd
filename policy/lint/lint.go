// Package lint finds what compiles and yet may not be meant: rules that never decide, names that are wider than they look, sources that
// are nobody. Findings are advice for authors and reviewers; they are never part of a decision.
package lint

import (
	"time"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// The codes of findings. They are stable; the texts are not.
const (
	Shadowed       = "shadowed"        // an allow or a deny that others of its effect cover, alone or together: it never decides
	AlwaysDenied   = "always-denied"   // an allow of what denies take away again
	OutsideBounds  = "outside-bounds"  // an allow, or hosts or addresses of one, that a boundary of all its sources leaves nothing of
	PublicSuffix   = "public-suffix"   // a wildcard for names that anybody can register, such as *.com, *.co.uk or *.github.io
	MixedProtocols = "mixed-protocols" // two rules that allow one host on one port by different protocols
	Expired        = "expired"         // a rule that is no longer in force
	ExpiresSoon    = "expires-soon"    // a rule that will soon be
	PlainHTTP      = "plain-http"      // HTTP that leaves the cluster in clear text
	NoSource       = "no-source"       // a source that selects nothing of the inventory
	DuplicateHost  = "duplicate-host"  // a host that is in a rule twice
	ClusterHost    = "cluster-host"    // a name of the cluster itself, which egress rules don't decide about
)

// An Option changes what Check looks for.
type Option func(*options)

type options struct {
	now       time.Time
	soon      time.Duration
	domain    string
	inventory *identity.Inventory
	cluster   string
	lists     []list
}

// A list is names that the caller wants to hear about.
type list struct {
	code, why string
	names     []match.Pattern
}

// At sets the time at which expiry is judged. Without it, Check uses the current time.
func At(t time.Time) Option { return func(o *options) { o.now = t } }

// Soon sets how long before its expiry a rule is reported. Default 30 days.
func Soon(d time.Duration) Option { return func(o *options) { o.soon = d } }

// ClusterDomain sets the DNS domain of the cluster; "": none. Default cluster.local.
func ClusterDomain(domain string) Option { return func(o *options) { o.domain = domain } }

// Inventory adds what is known of a cluster, so that sources that select nothing in it are found.
func Inventory(inv *identity.Inventory, cluster string) Option {
	return func(o *options) { o.inventory, o.cluster = inv, cluster }
}

// Names reports rules that allow any of the names, with a code and an explanation of the caller's: names of DNS-over-HTTPS resolvers, of
// tunnels, of file drops. There is no built-in list, because such a list is never complete and ages.
func Names(code, why string, names ...match.Pattern) Option {
	return func(o *options) { o.lists = append(o.lists, list{code, why, names}) }
}

// Check returns the findings about policies in order of position; the mistakes, when they do not compile. The order of the policies and
// of what is in them changes nothing.
//
// A rule never decides when others take all of it: each of its patterns lies in one of theirs, and protocols, ports, methods, paths and
// addresses may be shared among several rules. Of rules that say the same, the one with the lesser ID decides. Not found are rules whose
// sources only several others have together, such as one for each namespace, or whose pattern does not lie in one other but in several
// globs; and where very many rules compete for one pattern or prefix, only the first hundred of each selector are compared.
func Check(policies []*policy.Policy, opts ...Option) policy.Diagnostics {
	o := options{soon: 30 * 24 * time.Hour, domain: "cluster.local"}
	for _, opt := range opts {
		opt(&o)
	}
	if o.now.IsZero() {
		o.now = time.Now()
	}
	policies = placed(policies)
	e, err := policy.Compile(policies, policy.At(o.now))
	if err != nil {
		if found, ok := err.(policy.Diagnostics); ok {
			return found
		}
		return policy.Diagnostics{{Severity: policy.Error, Code: "compile", Message: err.Error()}}
	}
	c := &checker{options: o, written: map[policy.Position]*policy.Rule{}}
	for _, p := range policies {
		c.document(p)
	}
	c.sources(policies)
	c.rules(e)
	c.found.Sort()
	return c.found
}

type checker struct {
	options
	found   policy.Diagnostics
	written map[policy.Position]*policy.Rule // the allows as their authors wrote them
}

func (c *checker) report(severity policy.Severity, code string, at policy.Position, message, advice string) {
	c.found = append(c.found, policy.Diagnostic{Severity: severity, Code: code, Position: at, Message: message, Advice: advice})
}
