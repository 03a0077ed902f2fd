//go:build amd64 || arm64

package match

import "unsafe"

// prefetch begins to fetch the memory at p, and does not wait for it. It is a hint: the processor forgives any address. A load would not do as
// well, because it keeps what comes behind it from being finished, also where nobody asks for what it loads.
//
//go:noescape
func prefetch(p unsafe.Pointer)
