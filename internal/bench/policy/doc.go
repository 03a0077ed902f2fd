// Command policy measures how long egress takes to answer "may this workload reach this host over TLS?", beside what one would pick
// instead for the same question: a loop over compiled globs, OPA with Rego in two spellings, and Cedar; and beside the bare index of the
// hosts, which is the base of all ratios. It measures building in the same way.
//
//	go run .                    # the tables, as Markdown; takes some minutes
//	go run . -short             # smaller ones, in a minute
//	go run . -readme FILE       # and puts them between the marks in FILE
//
// All are given the same rules and must give the same answers; a test sees to that. Contestants take turns in short rounds; a ratio is taken
// inside a round, and the median of the ratios is reported beside the time of the fastest round, so that other work on the machine blurs them
// little. Time is the processor's, garbage collection included. What a program has at hand when it builds, such as parsed patterns or the text of Cedar's policies, is not part of
// building.
//
// It is a module of its own, so that nobody who imports egress gets what it compares with.
package main
