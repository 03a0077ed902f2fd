package kube

import (
	"errors"
	"fmt"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/internal/wording"
)

// maxErrors bounds the mistakes that are told.
const maxErrors = 100

// An Error is a mistake in what an inventory is read from, and where it is.
type Error struct {
	File     string // empty for objects that are in no file
	Document int    // the document in the file, or the object among those given, counted from 1; 0: not in one
	Line     int    // counted from 1; 0: not known
	Message  string
}

// Error returns the position and the message, such as "dump.yaml:12: document 2: metadata.name is a list, not a text".
func (e *Error) Error() string {
	switch {
	case e.File == "":
		return fmt.Sprintf("object %d: %s", e.Document, e.Message)
	case e.Document == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	case e.Line == 0:
		return fmt.Sprintf("%s: document %d: %s", e.File, e.Document, e.Message)
	}
	return fmt.Sprintf("%s:%d: document %d: %s", e.File, e.Line, e.Document, e.Message)
}

// A place is where something stands. The zero place is nowhere.
type place struct {
	file           string
	document, line int
}

func (p place) errorf(format string, args ...any) *Error {
	return &Error{File: p.file, Document: p.document, Line: p.line, Message: fmt.Sprintf(format, args...)}
}

func (p place) String() string {
	switch {
	case p.file == "":
		return fmt.Sprintf("object %d", p.document)
	case p.line == 0:
		return fmt.Sprintf("%s, document %d", p.file, p.document)
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// A collector gathers objects. The zero collector is ready.
type collector struct {
	namespaces []identity.Namespace
	accounts   []identity.ServiceAccount
	pods       []identity.Pod
	seen       map[string]place // by kind, namespace and name
	summary    Summary
	errs       []error
	more       int // mistakes beyond maxErrors
}

func (c *collector) fail(err *Error) {
	if len(c.errs) >= maxErrors {
		c.more++
		return
	}
	c.errs = append(c.errs, err)
}

// add takes an object, or the objects of a list. What a list is of says what its items are that do not say so themselves.
func (c *collector) add(o object) {
	kind, isList := strings.CutSuffix(o.kind, "List")
	switch {
	case o.apiVersion == "" || o.kind == "":
		if o.bad == nil {
			o.bad = o.at.errorf("not a Kubernetes object: apiVersion and kind are missing")
		}
		c.fail(o.bad)
	case isKnown(o.apiVersion, o.kind):
		c.addKnown(o)
	case isList && o.bad != nil:
		c.fail(o.bad)
	case isList:
		for _, item := range o.items {
			if item.apiVersion == "" && item.kind == "" && kind != "" {
				item.apiVersion, item.kind = o.apiVersion, kind
			}
			c.add(item)
		}
	default:
		c.summary.ignore(o.apiVersion, o.kind)
	}
}

func isKnown(apiVersion, kind string) bool {
	return apiVersion == "v1" && (kind == "Namespace" || kind == "ServiceAccount" || kind == "Pod")
}

// addKnown takes a namespace, service account or pod.
func (c *collector) addKnown(o object) {
	if o.bad == nil {
		o.bad = c.check(o)
	}
	if o.bad != nil {
		c.fail(o.bad)
		return
	}
	switch o.kind {
	case "Namespace":
		c.summary.Namespaces++
		c.namespaces = append(c.namespaces, identity.Namespace{Name: o.name, Labels: o.labels})
	case "ServiceAccount":
		c.summary.ServiceAccounts++
		c.accounts = append(c.accounts, identity.ServiceAccount{Namespace: o.namespace, Name: o.name})
	case "Pod":
		c.summary.Pods++
		c.pods = append(c.pods, o.pod())
	}
}

func (o object) pod() identity.Pod {
	return identity.Pod{Namespace: o.namespace, Name: o.name, ServiceAccount: o.account, Labels: o.labels}
}

// check reports what an inventory would not take, with the place of the object, which the inventory does not know.
func (c *collector) check(o object) *Error {
	if o.name == "" {
		return o.at.errorf("%s without metadata.name", o.kind)
	}
	var err error
	switch o.kind {
	case "Namespace":
		o.namespace = "" // has none
		_, err = identity.NewInventory([]identity.Namespace{{Name: o.name, Labels: o.labels}}, nil, nil)
	case "ServiceAccount", "Pod":
		if o.namespace == "" {
			return o.at.errorf("%s %s without metadata.namespace; a dump of the cluster has it", o.kind, quote(o.name))
		}
		if o.kind == "Pod" {
			_, err = identity.NewInventory(nil, nil, []identity.Pod{o.pod()})
		} else {
			_, err = identity.NewInventory(nil, []identity.ServiceAccount{{Namespace: o.namespace, Name: o.name}}, nil)
		}
	}
	if err != nil {
		return o.at.errorf("%v", err)
	}
	key := o.kind + " " + o.namespace + "/" + o.name
	if first, ok := c.seen[key]; ok {
		return o.at.errorf("%s again, after %s", strings.Replace(key, " /", " ", 1), first)
	}
	if c.seen == nil {
		c.seen = make(map[string]place)
	}
	c.seen[key] = o.at
	return nil
}

// inventory returns what was gathered, or what was wrong.
func (c *collector) inventory() (*identity.Inventory, Summary, error) {
	if c.more > 0 {
		c.errs = append(c.errs, errors.New(wording.Count(c.more, "more error")+" not listed"))
	}
	if len(c.errs) > 0 {
		return nil, c.summary, errors.Join(c.errs...)
	}
	inv, err := identity.NewInventory(c.namespaces, c.accounts, c.pods)
	return inv, c.summary, err
}
