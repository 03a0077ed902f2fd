// Command match measures match.Index beside what else one would look names up with: two maps with label stripping, which is the base of all
// ratios, the matchers of v2fly, sing-box and mihomo, a radix tree of reversed names, and the loops over patterns that one writes first.
//
//	go run .                    # all tables, as Markdown; takes about ten minutes
//	go run . -short             # up to 10,000 patterns and fewer rounds; a minute or two
//	go run . -readme FILE       # and puts those that users ask for between the marks in FILE
//
// All are given the same patterns and names, and before anything is timed their answers are held against those of the base, and those of the
// base, by a test, against plain reading of the patterns. Contestants take turns in short rounds. The first half of a turn is not timed, so
// that each has its own data at hand; a ratio is taken inside a round; and the median of the rounds, and of several builds of each contestant
// or of several small sets, is reported, so that other work on the machine and places in memory blur it little. Time is the processor's,
// garbage collection included.
//
// It is a module of its own, so that nobody who imports egress gets what it compares with. Some of that is under the GNU General Public License:
// a program built from it is for running, not for passing on.
package main
