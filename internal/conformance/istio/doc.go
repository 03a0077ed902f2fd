// Package istio asks Istio's own code what it makes of egress configuration: its validation, its resource schemas and analyzers (package
// check), its configuration generator (package pilot), and, by Envoy's documented semantics, where the proxies that were configured so
// would let traffic go (package walk).
//
// The tests compare what is rendered for generated policies with the model: 100 policies for each target, or with EGRESS_LONG=1 two thousand
// (go test -timeout 3h -v -run TestTargetsAgreeWithModel), with 50 requests each and 20 attacks on the gateways for each of them. With -v they
// print what was drawn, said and asked for. EGRESS_SEED names the first policy.
//
// It is a module of its own, so that nobody who imports egress builds Istio.
package istio
