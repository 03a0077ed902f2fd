package identity

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/gobwas/glob"
)

// maxName bounds names and globs: the longest name that the API server takes, and more than any cluster is called.
const maxName = 253

// ValidateName reports what keeps name from being the name of a namespace, service account or pod (RFC 1123 subdomain, 253 bytes).
func ValidateName(name string) error {
	if err := validateLength("name", name); err != nil {
		return err
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case (c == '-' || c == '.') && i > 0 && i < len(name)-1:
		default:
			return fmt.Errorf("%s is not a Kubernetes name: use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit", quote(name))
		}
	}
	return nil
}

// ValidateCluster reports what keeps name from being the name of a cluster. Kubernetes has no name for clusters, so this takes what
// meshes, clouds and kubeconfig contexts call them: 1 to 253 letters, digits and any of "-_.:/@", such as "Kubernetes",
// "gke_project_zone_name" or "arn:aws:eks:eu-west-1:1234:cluster/prod".
func ValidateCluster(name string) error {
	if err := validateLength("cluster name", name); err != nil {
		return err
	}
	for i := 0; i < len(name); i++ {
		if !clusterByte(name[i]) {
			return fmt.Errorf("%s is not a cluster name: use letters, digits and any of \"-_.:/@\"", quote(name))
		}
	}
	return nil
}

// ValidateTrustDomain reports what keeps td from being the name of a trust domain (SPIFFE ID specification, section 2.1): 1 to 255
// lower-case letters, digits and any of "-_.".
func ValidateTrustDomain(td string) error {
	if td == "" || len(td) > 255 {
		return fmt.Errorf("a trust domain has 1 to 255 bytes")
	}
	for i := 0; i < len(td); i++ {
		if c := td[i]; !nameByte(c) && c != '_' {
			return fmt.Errorf("%s is not a trust domain: use lower-case letters, digits, '.', '-' and '_'", quote(td))
		}
	}
	return nil
}

func validateLength(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("empty %s", what)
	case len(s) > maxName:
		return fmt.Errorf("%s %s is longer than %d bytes", what, quote(s), maxName)
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}

func clusterByte(c byte) bool {
	return nameByte(c) || 'A' <= c && c <= 'Z' || c == '_' || c == ':' || c == '/' || c == '@'
}

// quote quotes s for an error message, cut to a length that fits one.
func quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q...", s[:80])
	}
	return fmt.Sprintf("%q", s)
}

// A nameSet is a set of names given by names and globs; the empty one stands for all names, the unknown name "" among them.
type nameSet struct {
	names []string // sorted, no duplicates
	globs []nameGlob
}

// A nameGlob is a glob and its text. '*' stands for any bytes, also for none and for dots, '?' for one byte.
type nameGlob struct {
	text    string
	pattern *glob.Pattern
}

func newNameSet(entries []string, validate func(string) error, allowed func(byte) bool) (nameSet, error) {
	var s nameSet
	for _, e := range sorted(entries) {
		if !isGlob(e) {
			if err := validate(e); err != nil {
				return nameSet{}, err
			}
			s.names = append(s.names, e)
			continue
		}
		g, err := newGlob(e, allowed)
		if err != nil {
			return nameSet{}, err
		}
		s.globs = append(s.globs, g)
	}
	return s, nil
}

// newGlob takes bytes of names, '*' and '?' alone, so that a glob has one reading in every engine.
func newGlob(e string, allowed func(byte) bool) (nameGlob, error) {
	if err := validateLength("glob", e); err != nil {
		return nameGlob{}, err
	}
	if strings.Contains(e, "**") {
		return nameGlob{}, fmt.Errorf("%s: write one '*'", quote(e))
	}
	for i := 0; i < len(e); i++ {
		if c := e[i]; c != '*' && c != '?' && !allowed(c) {
			return nameGlob{}, fmt.Errorf("%s is neither a name nor a glob: a glob has the letters of a name, '*' and '?'", quote(e))
		}
	}
	p, err := glob.Compile(e)
	if err != nil {
		return nameGlob{}, fmt.Errorf("%s: %w", quote(e), err)
	}
	return nameGlob{text: e, pattern: p}, nil
}

// everyName returns the glob of every name but the unknown one.
func everyName() nameGlob { return nameGlob{"*", glob.MustCompile("*")} }

func isGlob(e string) bool { return strings.ContainsAny(e, "*?") }

// any reports whether s stands for all names.
func (s nameSet) any() bool { return len(s.names) == 0 && len(s.globs) == 0 }

// named reports whether s is a list of names, without globs.
func (s nameSet) named() bool { return len(s.names) > 0 && len(s.globs) == 0 }

// known reports whether s holds every name but the unknown one.
func (s nameSet) known() bool {
	return s.any() || slices.ContainsFunc(s.globs, func(g nameGlob) bool { return g.text == "*" })
}

func (s nameSet) contains(name string) bool {
	if s.any() {
		return true
	}
	if name == "" {
		return false
	}
	if _, ok := slices.BinarySearch(s.names, name); ok {
		return true
	}
	for i := range s.globs {
		if s.globs[i].pattern.Match(name) {
			return true
		}
	}
	return false
}

// entries returns the names and globs in order of text, and nil for the set of all names.
func (s nameSet) entries() []string {
	if s.any() {
		return nil
	}
	out := slices.Clone(s.names)
	for _, g := range s.globs {
		out = append(out, g.text)
	}
	slices.Sort(out)
	return out
}

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

// intersect returns the names that s and o hold. o is given, that is not any(): the result is any() where they hold none in common. Two
// globs that overlap without one holding the other are an error.
func (s nameSet) intersect(o nameSet) (nameSet, error) {
	if s.any() {
		return o, nil
	}
	out := nameSet{}
	for _, n := range s.names {
		if o.contains(n) {
			out.names = append(out.names, n)
		}
	}
	for _, n := range o.names {
		if s.contains(n) {
			out.names = append(out.names, n)
		}
	}
	out.names = sorted(out.names)
	for _, a := range s.globs {
		for _, b := range o.globs {
			switch {
			case globCovers(b.text, a.text):
				out.globs = append(out.globs, a)
			case globCovers(a.text, b.text):
				out.globs = append(out.globs, b)
			case globsOverlap(a.text, b.text):
				return nameSet{}, fmt.Errorf("no list of names and globs holds what both %q and %q match", a.text, b.text)
			}
		}
	}
	slices.SortFunc(out.globs, func(a, b nameGlob) int { return strings.Compare(a.text, b.text) })
	out.globs = slices.CompactFunc(out.globs, func(a, b nameGlob) bool { return a.text == b.text })
	return out, nil
}

// each yields sets of one entry whose union is s.
func (s nameSet) each() iter.Seq[nameSet] {
	return func(yield func(nameSet) bool) {
		if s.any() {
			yield(s)
			return
		}
		for i := range s.names {
			if !yield(nameSet{names: s.names[i : i+1]}) {
				return
			}
		}
		for i := range s.globs {
			if !yield(nameSet{globs: s.globs[i : i+1]}) {
				return
			}
		}
	}
}

// covers reports whether s holds all that o holds; true is certain.
func (s nameSet) covers(o nameSet) bool {
	if s.any() {
		return true
	}
	if o.any() {
		return false
	}
	for _, n := range o.names {
		if !s.contains(n) {
			return false
		}
	}
	for _, g := range o.globs {
		if !slices.ContainsFunc(s.globs, func(over nameGlob) bool { return globCovers(over.text, g.text) }) {
			return false
		}
	}
	return true
}

// overlaps reports whether both sets hold a name that is possible; false is certain. Of what two globs share, names are not tried.
func (s nameSet) overlaps(o nameSet, possible func(name string) bool) bool {
	if slices.ContainsFunc(s.names, func(n string) bool { return o.contains(n) && possible(n) }) ||
		slices.ContainsFunc(o.names, func(n string) bool { return s.contains(n) && possible(n) }) {
		return true
	}
	if s.named() || o.named() {
		return false
	}
	if s.any() || o.any() {
		return true
	}
	return slices.ContainsFunc(s.globs, func(a nameGlob) bool {
		return slices.ContainsFunc(o.globs, func(b nameGlob) bool { return globsOverlap(a.text, b.text) })
	})
}
