package walk

import (
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

// set applies values in order.
func (s *filterState) set(values []*setstatev3.FilterStateValue, c *conn) error {
	for _, v := range values {
		if err := only(v, "object_key", "factory_key", "format_string", "shared_with_upstream", "skip_if_empty", "read_only"); err != nil {
			return err
		}
		// Envoy's own keys change what other filters do.
		key := v.GetObjectKey()
		if key == "" || strings.HasPrefix(key, "envoy.") {
			return unknown("filter state %q", key)
		}
		o := stateObject{shared: v.GetSharedWithUpstream()}
		switch v.GetFactoryKey() {
		case "envoy.string":
		case "istio.hashable_string":
			o.hashable = true
		default:
			return unknown("filter state factory %q", v.GetFactoryKey())
		}
		f := v.GetFormatString()
		if err := only(f, "text_format_source", "omit_empty_values"); err != nil {
			return err
		}
		switch text := f.GetTextFormatSource().GetInlineString(); {
		case text == "%DOWNSTREAM_PEER_URI_SAN%":
			o.value = c.peer
		case text == "%REQUESTED_SERVER_NAME%":
			o.value = c.sni
		case text != "" && !strings.Contains(text, "%"):
			o.value = text
		default:
			return unknown("format %q", text)
		}
		if o.value == "" && !f.GetOmitEmptyValues() {
			o.value = "-"
		}
		if o.value == "" && v.GetSkipIfEmpty() {
			continue
		}
		next := filterState{key: o}
		for k, old := range *s {
			if k != key {
				next[k] = old
			}
		}
		*s = next
	}
	return nil
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
