// Command policy measures how long egress takes to answer "may this workload reach this host over TLS?", beside what one would pick
// instead for the same question: a loop over compiled globs, OPA with Rego in two spellings, and Cedar. All are given the same rules and
// must give the same answers; a test sees to that.
//
//	go run .              # the table
//	go run . -long        # and the sizes that take minutes to build
//
// It is a module of its own, so that nobody who imports egress gets what it compares with.
package main
