package identity

import (
	"fmt"
	"slices"
	"strings"
)

// maxSPIFFEID bounds the text of a SPIFFE ID (SPIFFE ID specification, section 2.3).
const maxSPIFFEID = 2048

// A SPIFFEID is the identity in a workload's certificate: spiffe://TrustDomain/ns/Namespace/sa/ServiceAccount. The zero SPIFFEID is
// nobody. SPIFFEIDs are comparable.
type SPIFFEID struct{ TrustDomain, Namespace, ServiceAccount string }

// ParseSPIFFEID parses spiffe://<trust domain>/ns/<namespace>/sa/<service account>. Other SPIFFE IDs name no Kubernetes workload and
// are errors. Nothing is folded or unescaped: what is accepted is what String returns.
func ParseSPIFFEID(s string) (SPIFFEID, error) {
	if len(s) > maxSPIFFEID {
		return SPIFFEID{}, fmt.Errorf("%s is longer than the %d bytes of a SPIFFE ID", quote(s), maxSPIFFEID)
	}
	rest, ok := strings.CutPrefix(s, "spiffe://")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return SPIFFEID{}, fmt.Errorf("%s is not a Kubernetes SPIFFE ID; write spiffe://<trust domain>/ns/<namespace>/sa/<service account>", quote(s))
	}
	id := SPIFFEID{parts[0], parts[2], parts[4]}
	if err := ValidateTrustDomain(id.TrustDomain); err != nil {
		return SPIFFEID{}, err
	}
	for _, name := range []string{id.Namespace, id.ServiceAccount} {
		if err := ValidateName(name); err != nil {
			return SPIFFEID{}, err
		}
	}
	return id, nil
}

// String returns the ID as a URI, and "" for the zero SPIFFEID.
func (id SPIFFEID) String() string {
	if id == (SPIFFEID{}) {
		return ""
	}
	return "spiffe://" + id.Principal()
}

// Principal returns the ID without its scheme, as Istio writes principals, and "" for the zero SPIFFEID.
func (id SPIFFEID) Principal() string {
	if id == (SPIFFEID{}) {
		return ""
	}
	return id.TrustDomain + "/ns/" + id.Namespace + "/sa/" + id.ServiceAccount
}

// TrustDomains is a set of trust domains whose workloads are the same: the one that certificates are issued for, and the aliases that
// older or newer certificates carry while a mesh moves from one to another. The zero TrustDomains holds [DefaultTrustDomain] alone. It
// is immutable.
type TrustDomains struct {
	_       [0]func()
	primary string   // empty: DefaultTrustDomain
	aliases []string // sorted, no duplicates, without primary
}

// NewTrustDomains returns the set of primary and its aliases, whose order does not matter. A name that is not a trust domain is an error;
// an empty primary stands for [DefaultTrustDomain].
func NewTrustDomains(primary string, aliases ...string) (TrustDomains, error) {
	if primary == "" {
		primary = DefaultTrustDomain
	}
	t := TrustDomains{primary: primary, aliases: slices.DeleteFunc(sorted(aliases), func(a string) bool { return a == primary })}
	for _, td := range t.Names() {
		if err := ValidateTrustDomain(td); err != nil {
			return TrustDomains{}, err
		}
	}
	return t, nil
}

// Primary returns the trust domain to write where only one can be.
func (t TrustDomains) Primary() string {
	if t.primary == "" {
		return DefaultTrustDomain
	}
	return t.primary
}

// Names returns the trust domains: the primary one, then the aliases in order.
func (t TrustDomains) Names() []string { return append([]string{t.Primary()}, t.aliases...) }

// Contains reports whether td is one of the set. As in a [Workload], "" stands for [DefaultTrustDomain]. It does not allocate.
func (t TrustDomains) Contains(td string) bool {
	if td == "" {
		td = DefaultTrustDomain
	}
	_, alias := slices.BinarySearch(t.aliases, td)
	return alias || td == t.Primary()
}

// Canonical returns id in the primary trust domain, and false, with id as it is, when its trust domain is not of the set: equal
// canonical IDs are the same workload.
func (t TrustDomains) Canonical(id SPIFFEID) (SPIFFEID, bool) {
	if id.TrustDomain == "" || !t.Contains(id.TrustDomain) {
		return id, false
	}
	id.TrustDomain = t.Primary()
	return id, true
}

// Spellings returns the IDs that certificates of id's workload may carry: one for each trust domain of the set, the primary one first;
// id alone when its trust domain is not of the set.
func (t TrustDomains) Spellings(id SPIFFEID) []SPIFFEID {
	if _, ok := t.Canonical(id); !ok {
		return []SPIFFEID{id}
	}
	var out []SPIFFEID
	for _, td := range t.Names() {
		id.TrustDomain = td
		out = append(out, id)
	}
	return out
}

// String returns the names, joined by commas.
func (t TrustDomains) String() string { return strings.Join(t.Names(), ",") }
