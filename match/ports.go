package match

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A PortRange is the ports First to Last, both included. The zero PortRange is invalid: port 0 is no destination.
type PortRange struct{ First, Last uint16 }

// ParsePortRange parses "443" or "8000-8100". The error is a *SyntaxError.
func ParsePortRange(s string) (PortRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	a, err := parsePort(s, first)
	if err != nil {
		return PortRange{}, err
	}
	b := a
	if isRange {
		if b, err = parsePort(s, last); err != nil {
			return PortRange{}, err
		}
	}
	if a > b {
		return PortRange{}, syntaxError(s, 0, "port range reversed", fmt.Sprintf("write %d-%d", b, a))
	}
	return PortRange{a, b}, nil
}

func parsePort(input, s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	switch {
	case err != nil || s[0] == '+':
		return 0, syntaxError(input, 0, "not a port", `write a number from 1 to 65535, or a range such as "8000-8100"`)
	case n == 0:
		return 0, syntaxError(input, 0, "port 0 is not a destination", "write a number from 1 to 65535")
	}
	return uint16(n), nil
}

// String returns "443" or "8000-8100".
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Ports is a set of ports. The zero Ports is empty. Ports are values: no method changes them.
type Ports struct{ ranges []PortRange } // sorted, disjoint, not adjacent

// NewPorts returns the union of the ranges. Ranges that are reversed or start at port 0 are left out.
func NewPorts(ranges ...PortRange) Ports {
	rs := slices.DeleteFunc(slices.Clone(ranges), func(r PortRange) bool { return r.First == 0 || r.First > r.Last })
	slices.SortFunc(rs, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	var out []PortRange
	for _, r := range rs {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return Ports{out}
}

// PortsOf returns the set of the ports given; port 0 is left out.
func PortsOf(ports ...uint16) Ports {
	rs := make([]PortRange, len(ports))
	for i, p := range ports {
		rs[i] = PortRange{p, p}
	}
	return NewPorts(rs...)
}

// AllPorts returns the ports 1 to 65535.
func AllPorts() Ports { return Ports{[]PortRange{{1, 65535}}} }

// Contains reports whether port is in s. It does not allocate.
func (s Ports) Contains(port uint16) bool {
	for _, r := range s.ranges {
		if port <= r.Last {
			return port >= r.First
		}
	}
	return false
}

// Ranges returns the canonical ranges in ascending order: disjoint and not adjacent. The caller may change the slice.
func (s Ports) Ranges() []PortRange { return slices.Clone(s.ranges) }

// Len returns the number of ports in s.
func (s Ports) Len() int {
	n := 0
	for _, r := range s.ranges {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// IsEmpty reports whether s has no port.
func (s Ports) IsEmpty() bool { return len(s.ranges) == 0 }

// Union returns the ports in s or o.
func (s Ports) Union(o Ports) Ports { return NewPorts(append(s.Ranges(), o.ranges...)...) }

// Intersect returns the ports in both s and o.
func (s Ports) Intersect(o Ports) Ports {
	var out []PortRange
	for _, a := range s.ranges {
		for _, b := range o.ranges {
			if lo, hi := max(a.First, b.First), min(a.Last, b.Last); lo <= hi {
				out = append(out, PortRange{lo, hi})
			}
		}
	}
	return NewPorts(out...)
}

// Subtract returns the ports in s and not in o.
func (s Ports) Subtract(o Ports) Ports {
	out := s.Ranges()
	for _, b := range o.ranges {
		var next []PortRange
		for _, a := range out {
			if a.First < b.First {
				next = append(next, PortRange{a.First, min(a.Last, b.First-1)})
			}
			if a.Last > b.Last {
				next = append(next, PortRange{max(a.First, b.Last+1), a.Last})
			}
		}
		out = next
	}
	return NewPorts(out...)
}

// Covers reports whether every port of o is in s.
func (s Ports) Covers(o Ports) bool { return o.Subtract(s).IsEmpty() }

// Overlaps reports whether s and o have a port in common.
func (s Ports) Overlaps(o Ports) bool { return !s.Intersect(o).IsEmpty() }

// Equal reports whether s and o hold the same ports.
func (s Ports) Equal(o Ports) bool { return slices.Equal(s.ranges, o.ranges) }

// Compare orders sets by their ranges.
func (s Ports) Compare(o Ports) int {
	return slices.CompareFunc(s.ranges, o.ranges, func(a, b PortRange) int {
		if a.First != b.First {
			return int(a.First) - int(b.First)
		}
		return int(a.Last) - int(b.Last)
	})
}

// String returns the ranges joined by commas, such as "443,8000-8100", and "" for the empty set.
func (s Ports) String() string {
	var b strings.Builder
	for i, r := range s.ranges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}
