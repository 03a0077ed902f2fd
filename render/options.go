package render

import (
	"strings"

	"github.com/egresskit/egress/policy"
)

// An Option changes how Render treats losses and labels objects.
type Option func(*options)

type options struct {
	owner  string
	strict bool
	accept map[policy.RuleID]string
}

// WithOwner sets the owner label of all objects, so that pruning by label works: a value of a Kubernetes label that is not empty. Default
// "egress".
func WithOwner(owner string) Option { return func(o *options) { o.owner = owner } }

// Strict makes any loss an error.
func Strict() Option { return func(o *options) { o.strict = true } }

// AcceptWider accepts that a rule which takes away (a deny, a boundary) is left out where the targets cannot say it. The reason is kept in the
// loss and in an annotation of the objects; without a reason nothing is accepted. The baseline is accepted by the rule [BaselineRule]. What is accepted in
// vain changes nothing, and stands in [Result.Unneeded].
func AcceptWider(rule policy.RuleID, reason string) Option {
	return func(o *options) {
		if o.accept == nil {
			o.accept = map[policy.RuleID]string{}
		}
		o.accept[rule] = reason
	}
}

// validLabel reports whether s is a value of a Kubernetes label and not empty.
func validLabel(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i, c := range []byte(s) {
		inner := i > 0 && i < len(s)-1 && strings.IndexByte("-_.", c) >= 0
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || inner) {
			return false
		}
	}
	return true
}
