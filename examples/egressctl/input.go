package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/identity/kube"
	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
)

// inputs opens the files of one command. Standard input, named "-", can be read once.
type inputs struct {
	stdin io.Reader
	taken bool
}

func (in *inputs) open(name string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	if in.taken {
		return nil, errors.New("- is named twice: standard input can be read once")
	}
	in.taken = true
	return io.NopCloser(in.stdin), nil
}

// compile loads the policy files and compiles them. All mistakes of all files come back in one error.
func (in *inputs) compile(names []string) (*policy.Engine, error) {
	policies, err := in.load(names)
	if err != nil {
		return nil, err
	}
	return policy.Compile(policies)
}

func (in *inputs) load(names []string) ([]*policy.Policy, error) {
	files := make([]v1alpha1.File, len(names))
	for i, name := range names {
		var err error
		if files[i], err = in.file(name); err != nil {
			return nil, err
		}
	}
	return v1alpha1.Load(files...)
}

// file returns a file for package v1alpha1 to read, which reports those that it cannot open with all others.
func (in *inputs) file(name string) (v1alpha1.File, error) {
	f := v1alpha1.Path(name)
	if name == "-" {
		r, err := in.open(name)
		if err != nil {
			return f, err
		}
		f.Reader = r
	}
	return f, nil
}

// inventory loads a dump of the cluster; no name gives none.
func (in *inputs) inventory(name string) (*identity.Inventory, error) {
	if name == "" {
		return nil, nil
	}
	f, err := in.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	inv, _, err := kube.Load(kube.File{Name: name, Reader: f})
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	return inv, nil
}

// together returns the mistakes of several inputs in one error. An error without positions comes first, and alone.
func together(errs ...error) error {
	var all policy.Diagnostics
	for _, err := range errs {
		found := policy.Diagnostics(nil)
		if err != nil && !errors.As(err, &found) {
			return err
		}
		all = append(all, found...)
	}
	return all.Err()
}
