package match

import (
	"fmt"
	"strings"
)

// A Dialect is the way in which a system writes sets of hosts. The same text means different sets in different systems: "*.foo.com" is any
// number of labels before foo.com to Istio, and exactly one to Cilium. Texts are read and written in a dialect, exactly or not at all. The
// zero Dialect is none and holds nothing.
type Dialect uint8

const (
	// IstioHost is a host of a ServiceEntry, VirtualService or Gateway, and an sniHost (Istio pkg/config/host/name.go and
	// pkg/config/validation/validation.go, 1.31).
	IstioHost Dialect = iota + 1
	// EnvoyServerName is a server name of a filter chain match (Envoy config/listener/v3/listener_components.proto). Envoy folds case.
	EnvoyServerName
	// GatewayAPIHostname is a Hostname of a listener or route (Gateway API apis/v1/shared_types.go, 1.6).
	GatewayAPIHostname
	// ClusterNetworkPolicyDomain is a domain name of a ClusterNetworkPolicy (network-policy-api apis/v1alpha2, 0.2). Its regular expression
	// also takes labels that begin with '_', by a slip, and these are left alone.
	ClusterNetworkPolicyDomain
	// CiliumMatchName is toFQDNs.matchName: no wildcards (Cilium pkg/policy/api/fqdn.go, 1.20).
	CiliumMatchName
	// CiliumMatchPattern is toFQDNs.matchPattern and serverNames up to Cilium 1.18, where "**" is "*" (pkg/fqdn/matchpattern).
	CiliumMatchPattern
	// CiliumMatchPattern119 is the same from Cilium 1.19, where a leading "**.", of two or more '*', is one label or more.
	CiliumMatchPattern119
	// CalicoDomain is destination.domains of Calico Enterprise and Cloud (their documentation of domain names).
	CalicoDomain
	// OVNDNSName is dnsName of OVN-Kubernetes' EgressFirewall (go-controller/pkg/crd/egressfirewall/v1/types.go).
	OVNDNSName
	// AntreaFQDN is fqdn of Antrea's policies (pkg/agent/controller/networkpolicy/fqdn.go, pkg/controller/networkpolicy/validate.go).
	AntreaFQDN
	// GKEPattern is matches.pattern of GKE's FQDNNetworkPolicy (apis/fqdnnetworkpolicy/v1alpha1/types.go); matches.name is for exact hosts.
	GKEPattern
	// AWSDomain is domainNames of the ApplicationNetworkPolicy of Amazon EKS (api/v1alpha1/applicationnetworkpolicy_types.go).
	AWSDomain
	// LinkerdHostname is a hostname of a route on an EgressNetwork (linkerd2-proxy linkerd/http/route and linkerd/tls/route), which has the type
	// of GatewayAPIHostname. Server names are compared without folding case.
	LinkerdHostname
	// SquidDomain is a dstdomain or ssl::server_name (Squid src/anyp/Uri.h).
	SquidDomain
	// AWSFirewallDomain is a target of a domain list of AWS Network Firewall (API_RulesSourceList).
	AWSFirewallDomain
)

// depth tells how many labels a wildcard that is the whole first label stands for.
type depth uint8

const (
	noLabels depth = iota // no such wildcard
	oneLabel
	anyLabels // one or more
)

// A dialectRow says how a dialect reads texts.
type dialectRow struct {
	name string

	leading depth // what "*." in front stands for
	deep    bool  // "**." in front, of two '*' or more, stands for one label or more
	apex    bool  // ".foo.com" stands for foo.com and everything below
	stars   bool  // '*' elsewhere stays inside its label and may stand for nothing
	across  bool  // '*' anywhere stands for bytes of any labels
	within  bool  // '*' as a whole label elsewhere stands for one label or more

	lowerCase  bool // letters in upper case are refused, or compared as they are
	finalDot   bool // a dot at the end changes nothing; otherwise names with one match nothing, or are refused
	hyphens    bool // no label begins or ends with '-'
	underscore bool // labels may hold '_'
	innerOnly  bool // '_' at neither end of a label
	twoLabels  bool // names have two labels at least
	most       int  // bytes of a text, 0: no limit of its own
}

// dialects are the rows, by dialect.
var dialects = [...]dialectRow{
	IstioHost:                  {name: "Istio host", leading: anyLabels, lowerCase: true, hyphens: true},
	EnvoyServerName:            {name: "Envoy server name", leading: anyLabels, underscore: true},
	GatewayAPIHostname:         {name: "Gateway API hostname", leading: anyLabels, lowerCase: true, hyphens: true, most: maxHostLen},
	ClusterNetworkPolicyDomain: {name: "ClusterNetworkPolicy domain name", leading: anyLabels, finalDot: true, hyphens: true, underscore: true, innerOnly: true, twoLabels: true},
	CiliumMatchName:            {name: "Cilium matchName", finalDot: true, underscore: true, most: 255},
	CiliumMatchPattern:         {name: "Cilium matchPattern before 1.19", leading: oneLabel, stars: true, finalDot: true, underscore: true, most: 255},
	CiliumMatchPattern119:      {name: "Cilium matchPattern", leading: oneLabel, deep: true, stars: true, finalDot: true, underscore: true, most: 255},
	CalicoDomain:               {name: "Calico domain", leading: anyLabels, within: true, underscore: true},
	OVNDNSName:                 {name: "OVN-Kubernetes dnsName", leading: oneLabel, finalDot: true},
	AntreaFQDN:                 {name: "Antrea fqdn", leading: anyLabels, across: true},
	GKEPattern:                 {name: "GKE FQDN pattern", leading: oneLabel, stars: true, finalDot: true, hyphens: true, underscore: true, innerOnly: true},
	AWSDomain:                  {name: "AWS domain name", leading: anyLabels, finalDot: true, hyphens: true, underscore: true, innerOnly: true, twoLabels: true},
	LinkerdHostname:            {name: "Linkerd hostname", leading: anyLabels, lowerCase: true, hyphens: true, most: maxHostLen},
	SquidDomain:                {name: "Squid domain", apex: true, underscore: true},
	AWSFirewallDomain:          {name: "AWS Network Firewall domain", apex: true},
}

// row returns the dialect's row; that of the zero Dialect holds nothing.
func (d Dialect) row() (dialectRow, bool) {
	if d == 0 || int(d) >= len(dialects) {
		return dialectRow{}, false
	}
	return dialects[d], true
}

// String returns the name of the dialect, such as "Istio host".
func (d Dialect) String() string {
	if r, ok := d.row(); ok {
		return r.name
	}
	return "no dialect"
}

// A DialectError says why a set of hosts can't be said in a dialect, or why a text of the dialect means no set that patterns can say.
type DialectError struct {
	Dialect Dialect
	Text    string // the pattern to write, or the text to read
	Reason  string
}

func (e *DialectError) Error() string { return fmt.Sprintf("%s: %q: %s", e.Dialect, e.Text, e.Reason) }

// Format writes patterns in the dialect: the texts together mean exactly the hosts of the patterns. There is a text a pattern, in the
// order of patterns, but for dialects whose ".foo.com" means foo.com and everything below: there both patterns together make one text, in
// the place of the first. The error is a *DialectError for the first pattern that the dialect can't hold exactly.
func (d Dialect) Format(patterns ...Pattern) ([]string, error) {
	r, ok := d.row()
	if !ok {
		return nil, &DialectError{d, "", "there is no such dialect"}
	}
	var given map[Pattern]bool
	if r.apex {
		given = make(map[Pattern]bool, len(patterns))
		for _, p := range patterns {
			given[p] = true
		}
	}
	var out []string
	written := map[string]bool{}
	for _, p := range patterns {
		text, why := r.format(p, given)
		if why == "" {
			why = r.refuses(text)
		}
		if why != "" {
			return nil, &DialectError{d, p.String(), why}
		}
		if !written[text] {
			written[text] = true
			out = append(out, text)
		}
	}
	return out, nil
}

// format writes one pattern, of the given ones, or says why not.
func (r dialectRow) format(p Pattern, given map[Pattern]bool) (text, why string) {
	switch p.kind {
	case Exact:
		if r.apex && given[Pattern{Subdomains, "*." + p.text}] {
			return "." + p.text, ""
		}
		return p.text, ""
	case Subdomains:
		switch {
		case r.leading == anyLabels:
			return p.text, ""
		case r.deep:
			return "*" + p.text, ""
		case r.apex && given[Pattern{Exact, p.text[2:]}]:
			return p.text[1:], ""
		case r.apex:
			return "", fmt.Sprintf("%q would also match %q", p.text[1:], p.text[2:])
		case r.leading == oneLabel:
			return "", `"*." stands for one label alone here`
		}
		return "", "there are no wildcards here"
	case Glob:
		return r.formatGlob(p.text)
	}
	return "", "the zero pattern matches nothing"
}

// formatGlob writes a glob. "?*" as a whole label is what one label with any name is written as.
func (r dialectRow) formatGlob(text string) (string, string) {
	labels := strings.Split(text, ".")
	for i, l := range labels {
		switch {
		case !strings.ContainsAny(l, "*?"):
		case i == 0 && l == "*" && r.deep:
			labels[i] = "**"
		case i == 0 && l == "*" && (!r.stars || r.leading == oneLabel):
			return "", `one label or more cannot be said together with other wildcards here`
		case i == 0 && l == "?*" && r.leading == oneLabel, i > 0 && (l == "?*" || l == "*") && r.stars:
			labels[i] = "*"
		case !r.stars && r.across:
			return "", "'*' would reach over dots here"
		case !r.stars:
			return "", "wildcards inside of a name, or for a single label, cannot be said here"
		case strings.Contains(l, "?"):
			return "", "there is no wildcard for a single byte here"
		}
	}
	return strings.Join(labels, "."), ""
}

// refuses says why the dialect's own validation would refuse a text that is one but for that, and "" if it would not.
func (r dialectRow) refuses(text string) string {
	if r.most > 0 && len(text) > r.most {
		return fmt.Sprintf("longer than %d bytes", r.most)
	}
	labels := strings.Split(text, ".")
	if labels[0] == "" || strings.Trim(labels[0], "*") == "" {
		labels = labels[1:]
	}
	if r.twoLabels && len(labels) < 2 {
		return "names of one label are refused here"
	}
	for _, l := range labels {
		first, last := l[0], l[len(l)-1]
		switch {
		case !r.underscore && strings.Contains(l, "_"):
			return "'_' is refused here"
		case r.hyphens && (first == '-' || last == '-'):
			return "a label that begins or ends with '-' is refused here"
		case r.innerOnly && (first == '_' || last == '_'):
			return "a label that begins or ends with '_' is refused here"
		}
	}
	return ""
}

// Parse reads a text of the dialect as the patterns that together match exactly the hosts that the system takes it for. The error is a
// *DialectError: the text is no such text, matches every host, or means a set that no patterns say.
func (d Dialect) Parse(text string) ([]Pattern, error) {
	r, ok := d.row()
	if !ok {
		return nil, &DialectError{d, text, "there is no such dialect"}
	}
	patterns, why := r.parse(text)
	if why != "" {
		return nil, &DialectError{d, text, why}
	}
	return patterns, nil
}

func (r dialectRow) parse(text string) (patterns []Pattern, why string) {
	if text == "" {
		return nil, "empty"
	}
	if strings.ContainsAny(text, "?[]{}\\") {
		return nil, "a byte that no host holds"
	}
	if !isASCII(text) {
		return nil, "not ASCII; write the A-label form (xn--…)"
	}
	if strings.Trim(text, "*.") == "" {
		return nil, "matches every host, or none; name the domains"
	}
	body := lower(text)
	if r.lowerCase && body != text {
		return nil, "letters in upper case are refused here, or compared as they are"
	}
	body, final := strings.CutSuffix(body, ".")
	switch {
	case strings.HasSuffix(body, "."):
		return nil, "an empty label"
	case final && !r.finalDot:
		return nil, "a dot at the end is compared with names that have none here, or refused"
	}
	if patterns, why = r.read(body); why == "" {
		why = r.refuses(body)
	}
	return patterns, why
}

// read reads a text in lower case, of which the wildcards are the dialect's.
func (r dialectRow) read(body string) (patterns []Pattern, why string) {
	switch {
	case r.apex && strings.Contains(body, "*"):
		return nil, "'*' is no wildcard here"
	case body[0] == '.' && r.apex:
		return parseAll(body[1:], "*"+body)
	case body[0] == '.':
		return nil, "an empty label"
	case !strings.Contains(body, "*"):
		return parseAll(body)
	}
	if r.leading == noLabels {
		return nil, "there are no wildcards here"
	}
	first, rest, _ := strings.Cut(body, ".")
	leading := strings.Trim(first, "*") == ""
	if leading && first != "*" && (r.stars || r.across) {
		// Any run of '*' is one '*', but for the one that stands for more.
		if r.deep {
			return r.parseStars("*.", rest)
		}
		first = "*"
	}
	switch {
	case first == "*" && !strings.Contains(rest, "*"):
		switch r.leading {
		case anyLabels:
			return parseAll("*." + rest)
		case oneLabel:
			return parseAll("?*." + rest)
		}
	case r.stars && leading:
		return r.parseStars("?*.", rest)
	case r.stars:
		return r.parseStars("", body)
	case r.across:
		return nil, "'*' reaches over dots here, as in no pattern"
	case r.within:
		return nil, "'*' for one label or more inside of a name is in no pattern"
	}
	return nil, "a wildcard that is not the whole first label is refused here, or read in more than one way"
}

// parseStars reads labels in which '*' stands for any bytes, or none, of its label. A label such as "*foo" is two: that label with something
// before foo, and foo itself.
func (r dialectRow) parseStars(lead, rest string) ([]Pattern, string) {
	for strings.Contains(rest, "**") {
		rest = strings.ReplaceAll(rest, "**", "*")
	}
	texts := []string{""}
	labels := strings.Split(rest, ".")
	for i, l := range labels {
		options := []string{l}
		if after, ok := strings.CutPrefix(l, "*"); ok && after == "" {
			options = []string{"?*"}
		} else if ok && (after[0] != '-' && after[0] != '_' || i+2 >= len(labels)) { // what ParsePattern does not take as it is
			options = []string{"?*" + after, after}
		}
		if len(texts)*len(options) > maxAlternatives {
			return nil, fmt.Sprintf("more than %d patterns together", maxAlternatives)
		}
		var next []string
		for _, t := range texts {
			for _, o := range options {
				if i > 0 {
					o = t + "." + o
				}
				next = append(next, o)
			}
		}
		texts = next
	}
	for i := range texts {
		texts[i] = lead + texts[i]
	}
	return parseAll(texts...)
}

// maxAlternatives bounds the patterns that one text of a dialect may need.
const maxAlternatives = 16

// parseAll parses patterns; why tells what is wrong with the first bad one.
func parseAll(texts ...string) (out []Pattern, why string) {
	for _, t := range texts {
		p, err := ParsePattern(t)
		if err != nil {
			if e, ok := err.(*SyntaxError); ok {
				return nil, e.Reason
			}
			return nil, err.Error()
		}
		out = append(out, p)
	}
	return out, ""
}
