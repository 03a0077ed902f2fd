// Package walk follows connections through Envoy configuration by Envoy's documented semantics: which listener and filter chain take
// a connection, what the filters do to it, which cluster it leaves by, and so on through further proxies until it arrives somewhere or is
// denied.
//
// The package reads what a control plane would send, and no Envoy is run. It knows the part of Envoy's API that egress configuration needs.
// Whatever it does not know, down to single fields of the messages it reads, is an [UnknownError] and never a guess.
package walk
