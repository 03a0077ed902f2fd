// Package istio asks Istio's own code what it makes of egress configuration: its validation, its resource schemas and analyzers (package
// check), its configuration generator (package pilot), and, by Envoy's documented semantics, where the proxies that were configured so
// would let traffic go (package walk).
//
// It is a module of its own, so that nobody who imports egress builds Istio.
package istio
