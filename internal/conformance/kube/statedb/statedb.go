// Package statedb stands in for the tables of github.com/cilium/statedb, which the policy engine's packages mention and never use here:
// every operation on a table panics. The immutable map of package part, which the engine does use, is written out.
package statedb

import (
	"context"
	"iter"
	"time"

	"github.com/cilium/hive/cell"
	"github.com/cilium/statedb/index"
)

// Revision numbers changes.
type Revision = uint64

// DB is a database without tables.
type DB struct{}

func New(...any) *DB { return &DB{} }

func (*DB) ReadTxn() ReadTxn         { panic(unused) }
func (*DB) WriteTxn(...any) WriteTxn { panic(unused) }
func (*DB) NewHandle(string) *DB     { panic(unused) }

const unused = "statedb: not part of the policy engine"

type ReadTxn interface{ readTxn() }

type WriteTxn interface {
	ReadTxn
	Commit() ReadTxn
	Abort()
}

type WatchSet struct{}

func NewWatchSet() *WatchSet                                                     { panic(unused) }
func (*WatchSet) Add(...<-chan struct{})                                         { panic(unused) }
func (*WatchSet) Wait(context.Context, time.Duration) ([]<-chan struct{}, error) { panic(unused) }

type TableWritable interface {
	TableHeader() []string
	TableRow() []string
}

type Query[Obj any] struct{}

type Index[Obj, Key any] struct {
	Name       string
	FromObject func(Obj) index.KeySet
	FromKey    func(Key) index.Key
	FromString func(string) (index.Key, error)
	Unique     bool
}

func (Index[Obj, Key]) indexer(Obj)                       {}
func (Index[Obj, Key]) Query(Key) Query[Obj]              { return Query[Obj]{} }
func (Index[Obj, Key]) QueryFromKey(index.Key) Query[Obj] { panic(unused) }
func (Index[Obj, Key]) QueryFromObject(Obj) Query[Obj]    { panic(unused) }
func (Index[Obj, Key]) ObjectToKey(Obj) index.Key         { panic(unused) }

type Indexer[Obj any] interface {
	indexer(Obj)
	ObjectToKey(Obj) index.Key
	QueryFromObject(Obj) Query[Obj]
}

type TableMeta interface{ Name() string }

type Table[Obj any] interface {
	TableMeta
	Get(ReadTxn, Query[Obj]) (Obj, Revision, bool)
	GetWatch(ReadTxn, Query[Obj]) (Obj, Revision, <-chan struct{}, bool)
	All(ReadTxn) iter.Seq2[Obj, Revision]
	AllWatch(ReadTxn) (iter.Seq2[Obj, Revision], <-chan struct{})
	List(ReadTxn, Query[Obj]) iter.Seq2[Obj, Revision]
	ListWatch(ReadTxn, Query[Obj]) (iter.Seq2[Obj, Revision], <-chan struct{})
	Prefix(ReadTxn, Query[Obj]) iter.Seq2[Obj, Revision]
	PrefixWatch(ReadTxn, Query[Obj]) (iter.Seq2[Obj, Revision], <-chan struct{})
	LowerBound(ReadTxn, Query[Obj]) iter.Seq2[Obj, Revision]
	Changes(WriteTxn) (ChangeIterator[Obj], error)
	Initialized(ReadTxn) (bool, <-chan struct{})
	NumObjects(ReadTxn) int
	Revision(ReadTxn) Revision
}

type RWTable[Obj any] interface {
	Table[Obj]
	ToTable() Table[Obj]
	Insert(WriteTxn, Obj) (Obj, bool, error)
	InsertWatch(WriteTxn, Obj) (Obj, bool, <-chan struct{}, error)
	Modify(WriteTxn, Obj, func(old, new Obj) Obj) (Obj, bool, error)
	CompareAndSwap(WriteTxn, Revision, Obj) (Obj, bool, error)
	CompareAndDelete(WriteTxn, Revision, Obj) (Obj, bool, error)
	PrimaryIndexer() Indexer[Obj]
	Delete(WriteTxn, Obj) (Obj, bool, error)
	DeleteAll(WriteTxn) error
	RegisterInitializer(WriteTxn, string) func(WriteTxn)
}

type Change[Obj any] struct {
	Object   Obj
	Revision Revision
	Deleted  bool
}

type ChangeIterator[Obj any] interface {
	Next(ReadTxn) (iter.Seq2[Change[Obj], Revision], <-chan struct{})
}

func NewTable[Obj any](*DB, string, Indexer[Obj], ...Indexer[Obj]) (RWTable[Obj], error) {
	panic(unused)
}

func ToSeq[A, B any](seq iter.Seq2[A, B]) iter.Seq[A] {
	return func(yield func(A) bool) {
		for a := range seq {
			if !yield(a) {
				return
			}
		}
	}
}

func Collect[Obj any](iter.Seq2[Obj, Revision]) []Obj                                 { panic(unused) }
func Map[In, Out any](iter.Seq2[In, Revision], func(In) Out) iter.Seq2[Out, Revision] { panic(unused) }
func Filter[Obj any](iter.Seq2[Obj, Revision], func(Obj) bool) iter.Seq2[Obj, Revision] {
	panic(unused)
}
func Observable[Obj any](*DB, Table[Obj]) any { panic(unused) }

type Metrics interface {
	WriteTxnTableAcquisition(handle, tableName string, acquire time.Duration)
	WriteTxnTotalAcquisition(handle string, tables []string, acquire time.Duration)
	WriteTxnDuration(handle string, tables []string, acquire time.Duration)
	GraveyardLowWatermark(tableName string, lowWatermark Revision)
	GraveyardCleaningDuration(tableName string, duration time.Duration)
	GraveyardObjectCount(tableName string, numDeletedObjects int)
	ObjectCount(tableName string, numObjects int)
	DeleteTrackerCount(tableName string, numTrackers int)
	Revision(tableName string, revision Revision)
}

// Cell provides nothing: no hive is started.
var Cell = cell.Group()
