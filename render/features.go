package render

// A Feature is something that a plan may ask of a target. Features are stable names: losses carry them.
type Feature string

const (
	// Shapes of names.
	HostExact      Feature = "host-exact"
	HostSubdomains Feature = "host-subdomains"
	HostGlob       Feature = "host-glob"

	// Protocols by name and by address.
	TLSByName     Feature = "tls-by-name"
	HTTPByName    Feature = "http-by-name"
	TCPByName     Feature = "tcp-by-name"
	UDPByName     Feature = "udp-by-name"
	TLSByAddress  Feature = "tls-by-address"
	HTTPByAddress Feature = "http-by-address"
	TCPByAddress  Feature = "tcp-by-address"
	UDPByAddress  Feature = "udp-by-address"
	SCTPByAddress Feature = "sctp-by-address"

	// Other properties of a destination. PortRanges: more ports than a target can list one by one. By name, these are the allows with which the ports of their protocol get to
	// more than [MaxListedPorts]; by address, allows of that many ports.
	PortRanges         Feature = "port-ranges"
	HTTPMethods        Feature = "http-methods"
	HTTPPaths          Feature = "http-paths"
	OriginateSimpleTLS Feature = "originate-simple-tls"
	OriginateMutualTLS Feature = "originate-mutual-tls"

	// Sources. A grant needs one of these that its source can be said by.
	SourceEveryone    Feature = "source-everyone"
	SourceAccounts    Feature = "source-accounts"
	SourceAccountGlob Feature = "source-account-glob" // '*' and '?' in names of namespaces or accounts
	SourcePods        Feature = "source-pods"

	// What takes away. By name on names and by address on addresses are applied in the plan's classes; across, the target must do it, and
	// the denies that it has to apply are among the class's Denies. So are denies by glob for a target with HostGlob, and denies
	// by method or path for one with HTTPMethods and HTTPPaths.
	DenyNameOnAddress Feature = "deny-name-on-address"
	DenyAddressOnName Feature = "deny-address-on-name"
	Baseline          Feature = "baseline" // deny what is not granted

	// What no target is asked for, since to leave it out only narrows: losses alone carry these. A boundary that lists names lets a request
	// to an allowed address pass when it is for one of them, and the other way round.
	WithinNameOnAddress Feature = "within-name-on-address"
	WithinAddressOnName Feature = "within-address-on-name"

	// What a target is, rather than what it can say. PacketFilter: it judges packets outside the pods, where no pod gets round it; what it
	// holds, holds for the other layers of a stack. NamesApart: what it lets pass by name goes by way of an enforcement point in the
	// cluster that lets no other names pass, and what it lets pass by address does not; so that in a stack neither is judged where the other
	// passes. TCPAlone: of packets it looks at those of TCP, and lets the others pass, so that UDP and SCTP by address are for the other layers
	// of a stack to say. NamesAlone: nothing comes to it but names, so that all that is by address is for the others. SourcesByGateway: it
	// does not tell sources, but has gateways of their own for them, and so says them as well as a layer that GuardsGateways does: one that lets
	// pods out to a gateway that says whom it is for if they are among those, and no others.
	PacketFilter     Feature = "packet-filter"
	NamesApart       Feature = "names-apart"
	TCPAlone         Feature = "tcp-alone"
	NamesAlone       Feature = "names-alone"
	SourcesByGateway Feature = "sources-by-gateway"
	GuardsGateways   Feature = "guards-gateways"
)

// MaxListedPorts is how many ports a target without [PortRanges] is asked to list: for names in all per protocol, for addresses per grant.
const MaxListedPorts = 64

// Fidelity compares what is enforced with what was stated. The zero Fidelity is invalid.
type Fidelity uint8

const (
	Same Fidelity = iota + 1
	Narrower
	Wider
)

func (f Fidelity) String() string {
	switch f {
	case Same:
		return "same"
	case Narrower:
		return "narrower"
	case Wider:
		return "wider"
	}
	return "invalid"
}

// Features are what a target can say: Same, exactly; Wider, only by letting more pass, which is of use in a stack whose other layer says
// it exactly. What is not listed the target cannot say at all.
type Features map[Feature]Fidelity
