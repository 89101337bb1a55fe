// A plugin in Go, by the component model's own ABI, that crashes as its configuration says.
package main

import (
	"runtime"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport llmhost:plugin/log@0.1.0 write
func logWrite(level int32, text unsafe.Pointer, bytes int32)

// Addresses have 32 bits, though Go's pointers have 64.
type text struct {
	start, bytes uint32
}

type description struct {
	summary, schema, outputs text
}

type outcome struct {
	failed uint32
	value  text
	unused uint32
}

// What was given to the host stays until the next call.
var (
	kept      [][]byte
	result    outcome
	described description
)

func textOf(s string) text {
	kept = append(kept, []byte(s))
	return text{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(kept[len(kept)-1])))), uint32(len(s))}
}

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldBytes, align, bytes int32) unsafe.Pointer {
	kept = append(kept, make([]byte, bytes+8))
	return unsafe.Pointer(unsafe.SliceData(kept[len(kept)-1]))
}

//go:wasmexport describe
func describe() unsafe.Pointer {
	described = description{summary: textOf("Crashes."), schema: textOf("{}")}
	return unsafe.Pointer(&described)
}

func pick(subnets []string, at int) string {
	return subnets[at]
}

//go:wasmexport run
func run(config unsafe.Pointer, bytes int32) unsafe.Pointer {
	with := unsafe.String((*byte)(config), bytes)
	message := "picking"
	logWrite(1, unsafe.Pointer(unsafe.StringData(message)), int32(len(message)))
	began := time.Now()
	runtime.GC()
	if strings.Contains(with, "index") {
		pick(nil, 3)
	}
	if !time.Now().After(began) {
		panic("the clock stands still")
	}
	result = outcome{value: textOf("{}")}
	return unsafe.Pointer(&result)
}

func main() {}
