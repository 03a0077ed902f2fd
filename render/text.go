package render

import "fmt"

// String returns "advisory", "with a packet filter" or "holds".
func (h Hold) String() string {
	switch h {
	case Advisory:
		return "advisory"
	case WithPacketFilter:
		return "with a packet filter"
	case Holds:
		return "holds"
	}
	return "invalid"
}

// String returns the assurance in a line, such as "egress gateway, with a packet filter: the gateway asks for the source's certificate".
func (a Assurance) String() string { return fmt.Sprintf("%s, %s: %s", a.EnforcedAt, a.Holds, a.Why) }

// String returns the grant's ID and its assurance.
func (a GrantAssurance) String() string { return fmt.Sprintf("%s: %s", a.Grant.ID, a.Assurance) }

// String returns the assumption in a line that begins with the target and the code.
func (a Assumption) String() string { return fmt.Sprintf("%s %s: %s", a.Target, a.Code, a.Text) }
