// Package imports holds the module to its import rules. It has nothing but tests: the rules are the tables in rules_test.go, each
// with its reason, which a failure tells.
package imports
