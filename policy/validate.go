package policy

import (
	"fmt"
	"strings"
)

func (c *compiler) checkName(what, name string, limit int, at Position) {
	switch {
	case name == "":
		c.report("missing-name", at, "the "+what+" has no name", "")
	case !validName(name, limit):
		c.report("bad-name", at, fmt.Sprintf("%.80q is not a name", name),
			fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.', and begin with a letter or digit", limit))
	}
}

// checkRule reports what is wrong with one rule.
func (c *compiler) checkRule(r *Rule, at *locus) {
	if r.Name != "" && !validName(r.Name, maxName) {
		c.checkName("rule", r.Name, maxName, at.position("name"))
	}
	c.checkPlace(&r.To, at)
	c.checkLength("ports", len(r.To.Ports.Ranges()), at)
	c.checkLength("methods", len(r.To.Methods), at)
	c.checkLength("paths", len(r.To.Paths), at)
	c.checkProtocol(at.list, &r.To, at)
	c.checkHTTP(at.list, &r.To, at)
}

// checkLength reports a list that is too long.
func (c *compiler) checkLength(field string, n int, at *locus) {
	if n > MaxListed {
		c.report("too-many", at.position(field), fmt.Sprintf("the rule lists %d %s", n, field), fmt.Sprintf("list at most %d, or write several rules", MaxListed))
	}
}

// checkPlace reports what is wrong with hosts and addresses.
func (c *compiler) checkPlace(d *Destination, at *locus) {
	switch {
	case len(d.Hosts) > 0 && !d.Addresses.IsEmpty():
		c.report("hosts-and-addresses", at.position(""), "a destination has hosts or addresses, not both", "write two rules")
	case len(d.Hosts) == 0 && d.Addresses.IsEmpty():
		c.report("no-destination", at.position(""), "the rule names no hosts and no addresses", "write hosts or cidrs; an exception that takes all of cidrs leaves nothing")
	}
	for i, h := range d.Hosts {
		if h.IsZero() {
			c.report("empty-host", at.position(fmt.Sprintf("hosts[%d]", i)), "the pattern is empty", "write a host name such as www.example.com")
		}
	}
}

// checkProtocol reports what is wrong with protocol and ports.
func (c *compiler) checkProtocol(effect Effect, d *Destination, at *locus) {
	if d.Protocol > SCTP {
		c.report("bad-protocol", at.position("protocol"), fmt.Sprintf("%d is no protocol", d.Protocol), "use TLS, HTTP, TCP, UDP or SCTP")
		return
	}
	if d.Protocol == SCTP && len(d.Hosts) > 0 {
		c.report("sctp-by-name", at.position("protocol"), "SCTP is told by address alone", "write cidrs, or another protocol; denies and boundaries that leave it out are for SCTP too")
	}
	if effect != Allow {
		return
	}
	switch {
	case d.Protocol == AnyProtocol:
		c.report("missing-protocol", at.position("protocol"), "the rule allows no protocol in particular", "write TLS, HTTP, TCP, UDP or SCTP; only denies and boundaries can leave it out")
	case d.Ports.IsEmpty() && defaultPorts(d.Protocol).IsEmpty():
		c.report("missing-ports", at.position("ports"), fmt.Sprintf("%s has no default port", d.Protocol), "write the ports that are allowed")
	}
}

// checkHTTP reports what is wrong with methods, paths and TLS origination, which only HTTP has.
func (c *compiler) checkHTTP(effect Effect, d *Destination, at *locus) {
	if d.Protocol != HTTP && len(d.Methods) > 0 {
		c.report("methods-not-http", at.position("methods"), "only rules of protocol HTTP have methods", "write protocol: HTTP, or leave methods out")
	}
	if d.Protocol != HTTP && len(d.Paths) > 0 {
		c.report("paths-not-http", at.position("paths"), "only rules of protocol HTTP have paths", "write protocol: HTTP, or leave paths out")
	}
	for i, m := range d.Methods {
		if !validMethod(m) {
			c.report("bad-method", at.position(fmt.Sprintf("methods[%d]", i)), fmt.Sprintf("%.80q is not a method", m), "write it as it is sent, such as GET or POST")
		}
	}
	for i, p := range d.Paths {
		if p.IsZero() {
			c.report("empty-path", at.position(fmt.Sprintf("paths[%d]", i)), "the path is empty", `write a path such as "/v1/charges" or "/v1/*"`)
		}
	}
	if o := d.OriginateTLS; o != nil {
		c.checkOrigination(effect, d, o, at.position("originateTLS"))
	}
}

// validMethod reports whether m reads like a method of HTTP. Those in use are of upper-case letters and '-'; lower case, as in "get", is
// a mistake, because methods are case-sensitive.
func validMethod(m string) bool {
	return m != "" && len(m) <= maxName && strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

func (c *compiler) checkOrigination(effect Effect, d *Destination, o *TLSOrigination, at Position) {
	if effect != Allow {
		c.report("originate-in-"+effect.String(), at, "only a rule that allows can ask for TLS origination", "leave originateTLS out")
	}
	if d.Protocol != HTTP || len(d.Hosts) == 0 {
		c.report("originate-not-http", at, "TLS is originated for HTTP by host alone", "write hosts and protocol: HTTP")
	}
	if o.Port == 0 {
		c.report("originate-port", within(at, "port"), "TLS origination names no port", "write the port of the destination, such as 443")
	}
	switch {
	case o.Mode != SimpleTLS && o.Mode != MutualTLS:
		c.report("originate-mode", within(at, "mode"), "TLS origination has no mode", "write Simple or Mutual")
	case o.Mode == MutualTLS && !validName(o.CredentialName, maxPolicyName):
		c.report("originate-credential", within(at, "credentialName"), "mutual TLS needs the name of the secret that holds the client's certificate", "write credentialName")
	case o.Mode == SimpleTLS && o.CredentialName != "":
		c.report("originate-credential", within(at, "credentialName"), "simple TLS uses no client certificate", "leave credentialName out, or write mode: Mutual")
	}
}
