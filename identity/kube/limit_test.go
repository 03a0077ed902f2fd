package kube

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// endless is a reader without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	return copy(b, bytes.Repeat([]byte("# "), len(b)/2+1)), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A file may be as large as the limit.
func TestLimitIsTaken(t *testing.T) {
	const text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
	for limit, ok := range map[int]bool{len(text): true, len(text) - 1: false} {
		var c collector
		c.load(File{"a", strings.NewReader(text)}, limit)
		if inv, _, err := c.inventory(); (err == nil) != ok || (len(inv.Namespaces()) == 1) != ok {
			t.Errorf("%d bytes of %d: %v", len(text), limit, err)
		}
	}
}

func TestReaders(t *testing.T) {
	for _, tt := range []struct {
		file File
		want string
	}{
		{File{"endless", endless{}}, "endless: larger than 1 MiB; split the dump, by namespaces for example"},
		{File{"broken", broken{}}, "broken: io: read/write on closed pipe"},
		{File{"", strings.NewReader("")}, "dump: holds no objects; write what kubectl get namespaces,serviceaccounts,pods --all-namespaces -o yaml prints"},
	} {
		var c collector
		c.load(tt.file, 1<<20)
		if _, _, err := c.inventory(); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}
