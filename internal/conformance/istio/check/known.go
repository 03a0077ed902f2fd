package check

import "strings"

// known returns why a finding says nothing against the objects, and "" for one that does.
func known(f Finding) string {
	for _, k := range noise {
		if f.Check == k.check && f.Error == k.error && strings.Contains(f.Message, k.text) && strings.HasPrefix(f.Object, k.object) {
			return k.why
		}
	}
	return ""
}

// noise is findings that are there for every correct configuration of their kind. Each is as narrow as it can be told.
var noise = []struct {
	check  string
	error  bool
	object string // prefix
	text   string
	why    string
}{
	{"IST0128", false, "DestinationRule ", "no caCertificates are set", systemTrust},
	{"IST0129", false, "DestinationRule ", "no caCertificates are set", systemTrust},
	{"webhook", false, "EnvoyFilter ", "EnvoyFilter exposes internal implementation details", "said of every EnvoyFilter"},
	{"IST0133", false, "EnvoyFilter ", "EnvoyFilter exposes internal implementation details", "said of every EnvoyFilter"},
}

const systemTrust = "without caCertificates the proxy verifies by the system's authorities or, with credentialName, by those in the secret; the walk shows which"
