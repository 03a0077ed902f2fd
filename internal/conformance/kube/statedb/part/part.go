// Package part stands in for the immutable radix trees of github.com/cilium/statedb/part with a sorted slice: the same values in the
// same order, for the few entries of a test.
package part

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
)

var keyTypes sync.Map // reflect.Type → func(K) []byte

// RegisterKeyType says how keys of type K are ordered.
func RegisterKeyType[K any](bytes func(K) []byte) {
	keyTypes.Store(reflect.TypeFor[K](), bytes)
}

func keyBytes[K any](k K) []byte {
	if f, ok := keyTypes.Load(reflect.TypeFor[K]()); ok {
		return f.(func(K) []byte)(k)
	}
	switch v := any(k).(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	case uint64:
		return binary.BigEndian.AppendUint64(nil, v)
	case uint32:
		return binary.BigEndian.AppendUint32(nil, v)
	}
	panic(fmt.Sprintf("part: key type %T is not registered", k))
}

type entry[K, V any] struct {
	order []byte
	key   K
	value V
}

// A Map is immutable.
type Map[K, V any] struct{ entries []entry[K, V] }

func (m Map[K, V]) find(k K) (int, bool) {
	return slices.BinarySearchFunc(m.entries, keyBytes(k), func(e entry[K, V], b []byte) int { return bytes.Compare(e.order, b) })
}

func (m Map[K, V]) Get(k K) (v V, ok bool) {
	i, ok := m.find(k)
	if ok {
		v = m.entries[i].value
	}
	return v, ok
}

func (m Map[K, V]) Set(k K, v V) Map[K, V] {
	i, ok := m.find(k)
	out := slices.Clone(m.entries)
	if ok {
		out[i].value = v
	} else {
		out = slices.Insert(out, i, entry[K, V]{keyBytes(k), k, v})
	}
	return Map[K, V]{out}
}

func (m Map[K, V]) Delete(k K) Map[K, V] {
	i, ok := m.find(k)
	if !ok {
		return m
	}
	return Map[K, V]{slices.Delete(slices.Clone(m.entries), i, i+1)}
}

func (m Map[K, V]) Len() int { return len(m.entries) }

func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, e := range m.entries {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

func (m Map[K, V]) Txn() MapTxn[K, V] { return MapTxn[K, V]{&m} }

// A MapTxn collects changes to a Map.
type MapTxn[K, V any] struct{ m *Map[K, V] }

func (t MapTxn[K, V]) Get(k K) (V, bool)    { return t.m.Get(k) }
func (t MapTxn[K, V]) Set(k K, v V)         { *t.m = t.m.Set(k, v) }
func (t MapTxn[K, V]) Delete(k K) bool      { n := t.m.Len(); *t.m = t.m.Delete(k); return t.m.Len() < n }
func (t MapTxn[K, V]) Len() int             { return t.m.Len() }
func (t MapTxn[K, V]) All() iter.Seq2[K, V] { return t.m.All() }
func (t MapTxn[K, V]) Commit() Map[K, V]    { return *t.m }
