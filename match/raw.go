package match

import "strings"

// LookupString is Lookup for a name as it arrives, such as a server name of TLS: it is what [ParseHost] and Lookup would find, and nothing
// for what is no host. Names in ASCII cost no allocation, whatever their case, and whether they are hosts or not.
func (x *Index[V]) LookupString(name string) (Pattern, V, bool) {
	h, err := ParseHost(name)
	if err != nil {
		return x.Lookup(Host{})
	}
	return x.Lookup(h)
}

// LookupBytes is LookupString for bytes. It does not keep or change name.
func (x *Index[V]) LookupBytes(name []byte) (Pattern, V, bool) {
	return x.LookupString(string(name))
}

// LookupAuthority is LookupString for a Host header or an :authority of HTTP: a name that may have a port behind it, which is not looked at
// beyond being a number of up to five digits, or none (RFC 9110, section 7.2; RFC 3986, section 3.2.3).
func (x *Index[V]) LookupAuthority(authority string) (Pattern, V, bool) {
	name, port, _ := strings.Cut(authority, ":")
	if len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return x.Lookup(Host{})
	}
	return x.LookupString(name)
}
