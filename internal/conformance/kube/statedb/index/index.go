// Package index stands in for the keys of github.com/cilium/statedb/index.
package index

import "fmt"

type Key []byte

type KeySet struct{ keys []Key }

func NewKeySet(keys ...Key) KeySet { return KeySet{keys} }

func String(s string) Key              { return Key(s) }
func FromString(s string) (Key, error) { return Key(s), nil }
func Stringer[T fmt.Stringer](s T) Key { return Key(s.String()) }
func Bool(b bool) Key                  { return Key(fmt.Sprint(b)) }
func BoolString(s string) (Key, error) { return Key(s), nil }
