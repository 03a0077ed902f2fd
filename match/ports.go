package match

import (
	"cmp"
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
	case err != nil:
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
type Ports struct{ spans spans[port] }

// A port is a PortRange's end as a point.
type port uint16

func (p port) Compare(o port) int { return int(p) - int(o) }
func (p port) Next() port         { return p + 1 } // 0 after the last, which is no port
func (p port) Prev() port         { return p - 1 }

// NewPorts returns the union of the ranges. Ranges that are reversed or start at port 0 are left out.
func NewPorts(ranges ...PortRange) Ports {
	list := make([]span[port], 0, len(ranges))
	for _, r := range ranges {
		if r.First != 0 && r.First <= r.Last {
			list = append(list, span[port]{port(r.First), port(r.Last)})
		}
	}
	return Ports{unite(list)}
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
func AllPorts() Ports { return NewPorts(PortRange{1, 65535}) }

// Contains reports whether port is in s. It does not allocate.
func (s Ports) Contains(p uint16) bool { return s.spans.contains(port(p)) }

// Ranges returns the canonical ranges in ascending order: disjoint and not adjacent. The caller may change the slice.
func (s Ports) Ranges() []PortRange {
	out := make([]PortRange, len(s.spans))
	for i, r := range s.spans {
		out[i] = PortRange{uint16(r.first), uint16(r.last)}
	}
	return out
}

// Len returns the number of ports in s.
func (s Ports) Len() int {
	n := 0
	for _, r := range s.spans {
		n += int(r.last) - int(r.first) + 1
	}
	return n
}

// IsEmpty reports whether s has no port.
func (s Ports) IsEmpty() bool { return len(s.spans) == 0 }

// Union returns the ports in s or o.
func (s Ports) Union(o Ports) Ports { return Ports{unite(slices.Concat(s.spans, o.spans))} }

// Intersect returns the ports in both s and o.
func (s Ports) Intersect(o Ports) Ports { return Ports{s.spans.intersect(o.spans)} }

// Subtract returns the ports in s and not in o.
func (s Ports) Subtract(o Ports) Ports { return Ports{s.spans.subtract(o.spans)} }

// Covers reports whether every port of o is in s.
func (s Ports) Covers(o Ports) bool { return o.Subtract(s).IsEmpty() }

// Overlaps reports whether s and o have a port in common.
func (s Ports) Overlaps(o Ports) bool { return !s.Intersect(o).IsEmpty() }

// Equal reports whether s and o hold the same ports.
func (s Ports) Equal(o Ports) bool { return slices.Equal(s.spans, o.spans) }

// Compare orders sets by their ranges, and is 0 for equal sets alone.
func (s Ports) Compare(o Ports) int {
	return slices.CompareFunc(s.spans, o.spans, func(a, b span[port]) int {
		return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last))
	})
}

// String returns the ranges joined by commas, such as "443,8000-8100", and "" for the empty set.
func (s Ports) String() string {
	var b strings.Builder
	for i, r := range s.Ranges() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}
