//go:build !amd64 && !arm64

package match

import "unsafe"

// prefetch does nothing: it is a hint, and lookups find the same without.
func prefetch(unsafe.Pointer) {}
