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

	// Other properties of a destination.
	PortRanges         Feature = "port-ranges" // more ports than the target can list one by one
	OriginateSimpleTLS Feature = "originate-simple-tls"
	OriginateMutualTLS Feature = "originate-mutual-tls"

	// Sources. A grant needs one of these that its source can be said by.
	SourceEveryone    Feature = "source-everyone"
	SourceAccounts    Feature = "source-accounts"
	SourceAccountGlob Feature = "source-account-glob" // '*' and '?' in names of namespaces or accounts
	SourcePods        Feature = "source-pods"

	// What takes away. By name on names and by address on addresses are applied in the plan's classes; across, the target must do it.
	DenyNameOnAddress Feature = "deny-name-on-address"
	DenyAddressOnName Feature = "deny-address-on-name"
	Baseline          Feature = "baseline" // deny what is not granted
)

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
