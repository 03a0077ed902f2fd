package walk

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// An UnknownError reports configuration whose meaning the walk does not know.
type UnknownError struct{ What string }

func (e *UnknownError) Error() string { return "unknown to the walk: " + e.What }

func unknown(format string, args ...any) error { return &UnknownError{fmt.Sprintf(format, args...)} }

// A RejectedError reports configuration that Envoy refuses. Envoy keeps what it had before: no listener, for one that is new.
type RejectedError struct{ Resource, Why string }

func (e *RejectedError) Error() string { return "Envoy rejects " + e.Resource + ": " + e.Why }

// only fails unless every populated field of m is named: the fields that the caller evaluates, and those that have no say in where bytes go.
func only(m proto.Message, fields ...string) error {
	var err error
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if slices.Contains(fields, string(f.Name())) {
			return true
		}
		// The least name, so that the message does not depend on the order of fields.
		if e := unknown("%s.%s", m.ProtoReflect().Descriptor().FullName(), f.Name()); err == nil || e.Error() < err.Error() {
			err = e
		}
		return true
	})
	return err
}
