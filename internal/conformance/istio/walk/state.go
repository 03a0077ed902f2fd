package walk

import (
	"maps"
	"net/netip"
	"strings"

	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
)

// filterState is what filters know of a connection by name. It is copied when it changes hands.
type filterState map[string]stateObject

type stateObject struct {
	value    string
	hashable bool // part of the key of a connection pool
	shared   setstatev3.FilterStateValue_SharedWithUpstream
}

// Keys of Envoy's own by which a connection to an internal listener learns of the one that it continues.
const (
	originalDestination = "envoy.filters.listener.original_dst.local_ip"
	originalSource      = "envoy.filters.listener.original_dst.remote_ip"
)

// set applies values in order.
func (s *filterState) set(values []*setstatev3.FilterStateValue, sub subject) error {
	for _, v := range values {
		if err := only(v, "object_key", "factory_key", "format_string", "shared_with_upstream", "skip_if_empty", "read_only"); err != nil {
			return err
		}
		key := v.GetObjectKey()
		o := stateObject{shared: v.GetSharedWithUpstream()}
		factory := v.GetFactoryKey()
		if factory == "" {
			factory = key
		}
		// Other keys of Envoy's own change what other filters do.
		if key == "" || strings.HasPrefix(key, "envoy.") && key != originalDestination && key != originalSource {
			return unknown("filter state %q", key)
		}
		switch factory {
		case "envoy.string":
		case "istio.hashable_string", originalDestination, originalSource:
			o.hashable = true
		default:
			return unknown("filter state factory %q", factory)
		}
		f := v.GetFormatString()
		if err := only(f, "text_format_source", "omit_empty_values"); err != nil {
			return err
		}
		var err error
		if o.value, err = s.format(f.GetTextFormatSource().GetInlineString(), sub); err != nil {
			return err
		}
		if o.value == "" && !f.GetOmitEmptyValues() {
			o.value = "-"
		}
		if o.value == "" && v.GetSkipIfEmpty() {
			continue
		}
		next := maps.Clone(*s)
		if next == nil {
			next = filterState{}
		}
		next[key] = o
		*s = next
	}
	return nil
}

// format expands a format that is one command or a text without commands.
func (s *filterState) format(text string, sub subject) (string, error) {
	switch text {
	case "%DOWNSTREAM_PEER_URI_SAN%":
		return sub.conn.peer, nil
	case "%DOWNSTREAM_LOCAL_URI_SAN%":
		return sub.conn.proxy.Identity, nil
	case "%DOWNSTREAM_REMOTE_ADDRESS%":
		return netip.AddrPortFrom(sub.conn.remote, 0).String(), nil // nobody asks for the client's port
	case "%REQUESTED_SERVER_NAME%":
		return sub.conn.sni, nil
	case "%REQ(:AUTHORITY)%":
		authority, _ := sub.req.header(":authority")
		return authority, nil
	}
	if key, ok := strings.CutPrefix(text, "%FILTER_STATE("); ok {
		if key, ok = strings.CutSuffix(key, ":PLAIN)%"); ok {
			return (*s)[key].value, nil
		}
	}
	if text == "" || strings.Contains(text, "%") {
		return "", unknown("format %q", text)
	}
	return text, nil
}

// handed returns what an upstream internal connection gets to know. With ONCE, it is known there and shared no further.
func (s filterState) handed() filterState {
	out := filterState{}
	for k, o := range s {
		switch o.shared {
		case setstatev3.FilterStateValue_ONCE:
			o.shared = setstatev3.FilterStateValue_NONE
		case setstatev3.FilterStateValue_TRANSITIVE:
		default:
			continue
		}
		out[k] = o
	}
	return out
}

// unpoolable returns the key of an object that is handed on and is no part of the key of a connection pool, so that one client's pooled
// connection may serve another. It is "" when there is none.
func (s filterState) unpoolable() string {
	least := ""
	for k, o := range s {
		if !o.hashable && o.shared != setstatev3.FilterStateValue_NONE && (least == "" || k < least) {
			least = k
		}
	}
	return least
}
