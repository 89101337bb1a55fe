// Package runtime has what the generated bindings need of memory and of handles. It is small on purpose: the host's adapter for Go keeps the
// clock that the collector reads, so nothing has to be stopped while the host passes a string in.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is the number that the host knows a resource by.
type Handle struct {
	value int32
}

// MakeHandle takes a number from the host.
func MakeHandle(value int32) *Handle {
	if value == 0 {
		panic("a handle is never 0")
	}
	return &Handle{value}
}

// Use is the number.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("the resource was given away")
	}
	return h.value
}

// Take is the number, which is given away.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// Set puts the number back.
func (h *Handle) Set(value int32) {
	h.value = value
}

// TakeOrNil is the number, or 0 where it was given away.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

// Allocate is memory that stays where it is until the pinner lets go of it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	var pointer unsafe.Pointer
	if align == 8 {
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	} else {
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint32, (size+3)/4)))
	}
	pinner.Pin(pointer)
	return pointer
}

var pinner runtime.Pinner

// Unpin lets go of what the host passed in: from now on what refers to it keeps it.
func Unpin() {
	pinner.Unpin()
}

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("the host lets no text grow")
	}
	return Allocate(&pinner, size, align)
}
