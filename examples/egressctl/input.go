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

// read returns the contents of a file, at most limit bytes and one more: the reader of the contents sees that there is too much, and can say
// so with its position.
func (in *inputs) read(name string, limit int64) ([]byte, error) {
	f, err := in.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
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
		files[i] = v1alpha1.Path(name)
		if name == "-" {
			r, err := in.open(name)
			if err != nil {
				return nil, err
			}
			files[i].Reader = r
		}
	}
	return v1alpha1.Load(files...)
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
