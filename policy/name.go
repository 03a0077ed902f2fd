package policy

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/egresskit/egress/identity"
)

// Limits of names. Policies are named as Kubernetes objects are.
const (
	maxName       = 63
	maxPolicyName = 253
)

// validName reports whether name can be part of a rule ID.
func validName(name string, limit int) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return name != "" && len(name) <= limit
}

// A sourceName names a section of a policy.
type sourceName struct {
	text    string // given or derived
	derived string // what a derived name was derived from; empty for a given one
	cluster bool   // the cluster section
}

// clusterSource is the cluster section. A source may be named "cluster" too: only their boundaries can't have the same name.
var clusterSource = sourceName{text: "cluster", cluster: true}

// key returns a text that no other section of the policy has.
func (s sourceName) key() string {
	switch {
	case s.cluster:
		return "cluster section"
	case s.derived != "":
		return "from " + s.derived
	}
	return "source " + s.text
}

// boundary returns the name of the section's boundary.
func (s sourceName) boundary() string { return s.text + "-within" }

// deriveSourceName names a source after what it selects.
func deriveSourceName(s identity.Selector) sourceName {
	readable := s.String()
	if terms := s.Terms(); len(terms) > 0 {
		t := terms[0]
		readable = strings.Join(append(t.Namespaces, t.ServiceAccounts...), "-")
	}
	return sourceName{text: deriveName(readable, s.String()), derived: s.String()}
}

// deriveNames names the rules that have no name after what they say, so that neither order nor unrelated edits change a name. Reason,
// owner and expiry are left out of it, unless rules of one policy differ in nothing else.
func (d *drafts) deriveNames() {
	type twin struct {
		notes  string
		differ bool
	}
	twins := map[string]twin{} // by what they say
	texts := make([]string, len(d.list))
	for i := range d.list {
		f := &d.list[i]
		if f.name != "" {
			continue
		}
		texts[i] = d.says(f)
		t, seen := twins[texts[i]]
		if n := f.notes().String(); !seen {
			twins[texts[i]] = twin{notes: n}
		} else if n != t.notes {
			twins[texts[i]] = twin{differ: true}
		}
	}
	for i := range d.list {
		f := &d.list[i]
		if f.name != "" {
			continue
		}
		text := texts[i]
		if twins[text].differ {
			text += "\x00" + f.notes().String()
		}
		f.name = deriveName(d.readable(f), text)
	}
}

// readable returns the part of a derived name that is for people: the effect and the first host or prefix.
func (d *drafts) readable(f *draft) string {
	to, effect := d.store.whole(d.store.to[f.to.first]), f.at.list.String()
	switch {
	case len(to.Hosts) > 0:
		return effect + "-" + to.Hosts[0].String()
	case !to.Addresses.IsEmpty():
		return effect + "-" + to.Addresses.Prefixes()[0].String()
	}
	return effect
}

// deriveName returns a name of a readable part and ten characters of the hash of text. Names are what scripts and reviews refer to, so
// both the texts that are hashed and the readable parts stay as they are.
func deriveName(readable, text string) string {
	const hashLen = 10 // 50 bits: a policy with 100,000 derived names has two alike once in 200,000 policies
	sum := sha256.Sum256([]byte(text))
	hash := strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:hashLen]
	readable = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '-'
	}, strings.ReplaceAll(readable, "*", "any"))
	if limit := maxName - hashLen - 1; len(readable) > limit {
		readable = readable[:limit]
	}
	readable = strings.Trim(readable, "-._")
	if readable == "" {
		return "x-" + hash
	}
	return readable + "-" + hash
}
