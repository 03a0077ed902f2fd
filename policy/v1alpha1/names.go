package v1alpha1

import (
	"fmt"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/policy"
)

// Limits of names, in bytes.
const (
	maxName       = 63  // of rules and sources
	maxNamespace  = 63  // RFC 1123 label, as the API server asks
	maxObjectName = 253 // RFC 1123 subdomain, as the API server asks
)

// checkObjectName reports a text that can't name an object in Kubernetes.
func (p *place) checkObjectName(name string) {
	if identity.ValidateName(name) != nil {
		p.report(CodeBadName, quote(name)+" is no name", fmt.Sprintf("use lower-case letters, digits, '-' and '.', begin and end with a letter or digit, %d characters at most", maxObjectName))
	}
}

// checkNamespace reports a text that is no name of a namespace, which has no dots.
func (p *place) checkNamespace(name string) {
	if identity.ValidateName(name) != nil || len(name) > maxNamespace || strings.Contains(name, ".") {
		p.report(CodeBadNamespace, quote(name)+" is no name of a namespace",
			fmt.Sprintf("use lower-case letters, digits and '-', begin and end with a letter or digit, %d characters at most", maxNamespace))
	}
}

// checkClusters checks the names and globs that a policy is limited to.
func (p *place) checkClusters(names []string) {
	p.checkEmpty(names != nil, len(names), "leave clusters out to mean every cluster")
	p.checkEach(names, func(at *place, n string) bool {
		_, err := identity.NewSelector(identity.Term{Clusters: []string{n}})
		if err != nil {
			at.report(CodeBadCluster, quote(n)+" is no name or glob of clusters", "use letters, digits and any of -._:/@, and '*' and '?' in globs such as prod-*")
		}
		return err == nil
	})
}

// checkNamespaces checks the names and globs of a peer's namespaces. In a policy with a namespace of its own, all must match that.
func (p *place) checkNamespaces(names []string, own string) bool {
	p.checkEmpty(names != nil, len(names), "leave namespaces out to mean any")
	return p.checkEach(names, func(at *place, n string) bool {
		s, err := identity.NewSelector(identity.Term{Namespaces: []string{n}})
		switch {
		case err != nil:
			at.report(CodeBadNamespace, quote(n)+" is no name or glob of namespaces", "use lower-case letters, digits, '-' and '.', and '*' and '?' in globs such as team-*")
		case own != "" && !s.Matches(identity.Workload{Namespace: own}):
			at.reportForeign(own, "and not for "+quote(n))
		default:
			return true
		}
		return false
	}) && (names == nil || len(names) > 0)
}

// reportForeign reports what is not about the policy's own namespace alone, and why.
func (p *place) reportForeign(own, why string) {
	p.report(CodeForeignNamespace, "the policy speaks for namespace "+quote(own)+" alone, "+why,
		"leave namespaces out, or move the source to a policy without namespace")
}

// checkAccounts checks the names and globs of a peer's service accounts.
func (p *place) checkAccounts(names []string) bool {
	p.checkEmpty(names != nil, len(names), "leave serviceAccounts out to mean any")
	return p.checkEach(names, func(at *place, n string) bool {
		_, err := identity.NewSelector(identity.Term{ServiceAccounts: []string{n}})
		if err != nil {
			at.report(CodeBadName, quote(n)+" is no name or glob of service accounts", "use lower-case letters, digits, '-' and '.', and '*' and '?' in globs such as team-*")
		}
		return err == nil
	}) && (names == nil || len(names) > 0)
}

// names are those given so far to rules, or to sources, of one policy. The zero names, but for what they name, are ready to use.
type names struct {
	what  string // "rule" or "source"
	code  string // for a name that is given twice
	first map[string]policy.Position
}

// check checks a name that may be left out.
func (l *names) check(p *place, name string) {
	if !p.stated(name != "") {
		return
	}
	if !isName(name) {
		p.report(CodeBadName, quote(name)+" is no name", fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.', and begin with a letter or digit", maxName))
		return
	}
	if first, ok := l.first[name]; ok {
		p.report(l.code, fmt.Sprintf("another %s of the policy is named %s, at %s", l.what, quote(name), first), "give each a name of its own, or none")
		return
	}
	if l.first == nil {
		l.first = map[string]policy.Position{}
	}
	l.first[name] = p.position()
}

// isName reports whether a rule or source can have a name, as policy.Compile judges it.
func isName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}
