package walk

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Network is the proxies that connections may meet. Everything else is outside, and takes what it is sent.
type Network struct {
	Proxies  map[netip.Addr]*Proxy             // by the address of their pods
	Services map[netip.AddrPort]netip.AddrPort // cluster addresses to pods' addresses
}

// An Outcome tells where a connection's bytes end up. The zero Outcome is no outcome.
type Outcome struct {
	Denied string // why they arrive nowhere; empty: they arrive

	Host        string           // the name that the last proxy looked up; empty: an address was dialled
	Addr        netip.Addr       // the address dialled, without Host
	Port        uint16           //
	Arrives     Bytes            // what arrives there
	Origination *Origination     // TLS that a proxy put around it for the far end
	Hops        []Hop            // the listeners on the way, in order
	Dials       []netip.AddrPort // the addresses dialled on the way, in order; an invalid one where a name was looked up
	Checks      []Check          // identities that were asked for on the way, in order
	Trace       []string         // what happened on the way, for people
}

// A Hop is one listener that took a connection.
type Hop struct {
	Proxy    string // the SPIFFE ID of the proxy
	Listener string
	Cluster  string // by which the connection left again; empty: it did not
}

// Origination is TLS that a proxy speaks with a destination outside the mesh.
type Origination struct {
	SNI         string
	Certificate string   // the secret with the client's certificate; empty: none is shown
	Trust       string   // the secret or file with the authorities that must have signed the server's certificate; empty: it is not verified
	Names       []string // names of which the server's certificate must have one; empty: not asked
}

// A Check is an access rule that let a connection pass.
type Check struct {
	Proxy  string // the SPIFFE ID of the proxy that checked
	Policy string
	Peer   string // the SPIFFE ID that the policy saw; empty: the client showed none
}

// Reached reports whether the bytes arrive somewhere.
func (o Outcome) Reached() bool { return o.Denied == "" }

// String returns the outcome on one line.
func (o Outcome) String() string {
	if o.Denied != "" {
		return "denied: " + o.Denied
	}
	host := o.Host
	if host == "" {
		host = o.Addr.String()
	}
	s := fmt.Sprintf("%s:%d gets %v", host, o.Port, o.Arrives)
	if o.Origination != nil {
		s += fmt.Sprintf(" by TLS %+v", *o.Origination)
	}
	return s
}

// clone returns an outcome that grows on its own.
func (o Outcome) clone() Outcome {
	o.Hops, o.Dials, o.Checks, o.Trace = slices.Clone(o.Hops), slices.Clone(o.Dials), slices.Clone(o.Checks), slices.Clone(o.Trace)
	return o
}

// denial ends a walk: Envoy closes the connection or answers the request itself.
type denial struct{ why string }

func (d *denial) Error() string { return d.why }

func deny(format string, args ...any) error { return &denial{fmt.Sprintf(format, args...)} }

// maxHops bounds the proxies and internal listeners on one way.
const maxHops = 8

// journey is one connection on its way through the network.
type journey struct {
	network *Network
	out     Outcome
}

func (j *journey) note(format string, args ...any) {
	j.out.Trace = append(j.out.Trace, fmt.Sprintf(format, args...))
}

// end says how a journey ended.
func (j *journey) end(err error) string {
	if err != nil {
		return err.Error()
	}
	return j.out.String()
}

func (j *journey) finish(err error) (Outcome, error) {
	var d *denial
	if errors.As(err, &d) {
		j.note("denied: %s", d.why)
		j.out = Outcome{Denied: d.why, Hops: j.out.Hops, Dials: j.out.Dials, Checks: j.out.Checks, Trace: j.out.Trace}
		return j.out, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("%w\n\t%s", err, strings.Join(j.out.Trace, "\n\t"))
	}
	return j.out, nil
}

// Captured follows a connection that an application opens in a pod whose outbound traffic is redirected to its sidecar.
func (n *Network) Captured(sidecar *Proxy, from netip.Addr, to netip.AddrPort, b Bytes) (Outcome, error) {
	j := &journey{network: n}
	return j.finish(j.captured(sidecar, from, to, b))
}

// Dialled follows a connection that leaves a pod as it is, past the pod's sidecar.
func (n *Network) Dialled(from netip.Addr, to netip.AddrPort, b Bytes) (Outcome, error) {
	j := &journey{network: n}
	return j.finish(j.dial(from, to, b))
}

func (j *journey) captured(p *Proxy, from netip.Addr, to netip.AddrPort, b Bytes) error {
	l, err := p.outboundListener(to)
	if err != nil {
		return err
	}
	return j.accept(&conn{proxy: p, remote: from, local: to, restored: true, bytes: b}, l)
}

// dial opens a connection to an address.
func (j *journey) dial(from netip.Addr, to netip.AddrPort, b Bytes) error {
	if pod, ok := j.network.Services[to]; ok {
		j.note("service %v is %v", to, pod)
		to = pod
	}
	j.out.Dials = append(j.out.Dials, to)
	p := j.network.Proxies[to.Addr()]
	if p == nil {
		j.arrive("", to.Addr(), to.Port(), b)
		return nil
	}
	l, err := p.boundListener(to)
	if err != nil {
		return err
	}
	return j.accept(&conn{proxy: p, remote: from, local: to, bytes: b}, l)
}

// arrive ends a walk outside the network.
func (j *journey) arrive(host string, addr netip.Addr, port uint16, b Bytes) {
	j.out.Host, j.out.Addr, j.out.Port, j.out.Arrives = host, addr, port, b
	if t, ok := b.(TLS); ok && t.client != nil {
		j.out.Origination = &t.client.Origination
	}
	j.note("arrives: %v", j.out)
}
